#include "app/restart.h"

#include <utility>

#include "actions/command.h"
#include "actions/docker.h"
#include "actions/systemd.h"

namespace wal_exporter::app {

std::unique_ptr<actions::RestartMethod> make_restart_method(const settings::Restart& restart,
                                                            std::shared_ptr<const Clock> clock) {
  if (!restart.method) return nullptr;
  switch (*restart.method) {
    case settings::RestartMethod::docker: {
      actions::DockerOptions options;
      options.socket = restart.docker.socket;
      options.container = restart.docker.container;
      options.stop_timeout = restart.docker.stop_timeout;
      return actions::make_docker_restart(std::move(options));
    }
    case settings::RestartMethod::systemd:
      return actions::make_systemd_restart({restart.systemd.unit, restart.systemd.bus, restart.systemd.timeout},
                                           std::move(clock));
    case settings::RestartMethod::command:
      return actions::make_command_restart(
          {restart.command.arguments, restart.command.environment, restart.command.timeout}, std::move(clock));
  }
  return nullptr;
}

}  // namespace wal_exporter::app
