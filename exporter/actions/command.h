// Restart by a program that the settings name. As RestartMethod.
#pragma once

#include <memory>

#include "actions/options.h"
#include "actions/restart_method.h"
#include "base/clock.h"

namespace wal_exporter::actions {

// Success is exit code 0. Whether InfluxDB is a new process only the program knows.
[[nodiscard]] std::unique_ptr<RestartMethod> make_command_restart(CommandOptions options,
                                                                  std::shared_ptr<const Clock> clock);

}  // namespace wal_exporter::actions
