// Makes the restart method that the settings name.
#pragma once

#include <memory>

#include "actions/restart_method.h"
#include "base/clock.h"
#include "settings/settings.h"

namespace wal_exporter::app {

// nullptr: no method is set.
[[nodiscard]] std::unique_ptr<actions::RestartMethod> make_restart_method(const settings::Restart& restart,
                                                                          std::shared_ptr<const Clock> clock);

}  // namespace wal_exporter::app
