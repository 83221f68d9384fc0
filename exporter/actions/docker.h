// Restart of a container by its name, through the API that Docker's engine (or
// Podman's service) offers on a Unix socket. As RestartMethod.
#pragma once

#include <memory>
#include <string>

#include "actions/restart_method.h"
#include "base/time.h"

namespace wal_exporter::actions {

struct DockerOptions {
  std::string socket = "/run/docker.sock";
  std::string container;  // a name, not an id: ids change when a container is made anew
  // How long the container may take to end before it is killed.
  Duration stop_timeout = std::chrono::seconds(60);
  // Of one question; the restart may take stop_timeout and a minute.
  Duration timeout = std::chrono::seconds(10);
};

[[nodiscard]] std::unique_ptr<RestartMethod> make_docker_restart(DockerOptions options);

}  // namespace wal_exporter::actions
