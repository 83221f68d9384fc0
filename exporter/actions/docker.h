// Restart of a container by its name, through the API that Docker's engine (or
// Podman's service) offers on a Unix socket. As RestartMethod.
#pragma once

#include <memory>

#include "actions/options.h"
#include "actions/restart_method.h"

namespace wal_exporter::actions {

[[nodiscard]] std::unique_ptr<RestartMethod> make_docker_restart(DockerOptions options);

}  // namespace wal_exporter::actions
