// From a target's control to what readers see of it. Pure.
#pragma once

#include <memory>
#include <string>

#include "control/control.h"
#include "view/view.h"

namespace wal_exporter::control {

[[nodiscard]] std::shared_ptr<const view::TargetView> view_of(const Control& control, Now now);

// What readiness still waits for, for people; empty: nothing.
[[nodiscard]] std::string not_ready(const Control& control);

}  // namespace wal_exporter::control
