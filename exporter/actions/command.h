// Restart by a program that the settings name. As RestartMethod.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "actions/restart_method.h"
#include "base/clock.h"

namespace wal_exporter::actions {

struct CommandOptions {
  std::vector<std::string> arguments;              // the first is the absolute path of the program; no shell reads them
  std::map<std::string, std::string> environment;  // beside PATH and LANG, or in their place
  Duration timeout = std::chrono::minutes(2);
};

// Success is exit code 0. Whether InfluxDB is a new process only the program knows.
[[nodiscard]] std::unique_ptr<RestartMethod> make_command_restart(CommandOptions options,
                                                                  std::shared_ptr<const Clock> clock);

}  // namespace wal_exporter::actions
