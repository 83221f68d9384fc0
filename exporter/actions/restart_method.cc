#include "actions/restart_method.h"

#include <utility>

#include "actions/command.h"
#include "actions/docker.h"
#include "actions/systemd.h"

namespace wal_exporter::actions {

std::string_view to_string(Way way) {
  switch (way) {
    case Way::docker:
      return "docker";
    case Way::systemd:
      return "systemd";
    case Way::command:
      return "command";
  }
  return "unknown";
}

std::unique_ptr<RestartMethod> make_restart_method(const RestartOptions& options, std::shared_ptr<const Clock> clock) {
  if (!options.method) return nullptr;
  switch (*options.method) {
    case Way::docker:
      return make_docker_restart(options.docker);
    case Way::systemd:
      return make_systemd_restart(options.systemd, std::move(clock));
    case Way::command:
      return make_command_restart(options.command, std::move(clock));
  }
  return nullptr;
}

}  // namespace wal_exporter::actions
