// Restart of a unit of systemd by its own program, systemctl. As RestartMethod.
#pragma once

#include <memory>

#include "actions/options.h"
#include "actions/restart_method.h"
#include "base/clock.h"

namespace wal_exporter::actions {

[[nodiscard]] std::unique_ptr<RestartMethod> make_systemd_restart(SystemdOptions options,
                                                                  std::shared_ptr<const Clock> clock);

}  // namespace wal_exporter::actions
