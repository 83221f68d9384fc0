// Settings that are right by themselves and have no effect, contradict each other, or name
// one thing twice: one line for each, with its place and what to do.
//
// Pure; safe from any thread.
#pragma once

#include <string>
#include <vector>

#include "base/time.h"
#include "settings/settings.h"

namespace wal_exporter::settings {

// `now`: windows that are over never open again.
[[nodiscard]] std::vector<std::string> oddities(const Settings& settings, Time now);

}  // namespace wal_exporter::settings
