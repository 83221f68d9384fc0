// Restart of a unit through systemd's manager on D-Bus. As RestartMethod.
#pragma once

#include <memory>
#include <string>

#include "actions/restart_method.h"
#include "base/clock.h"

namespace wal_exporter::actions {

struct SystemdOptions {
  std::string unit;  // "influxdb.service"
  std::string bus;   // "unix:path=/run/dbus/system_bus_socket"; empty: the system bus
  // Of the whole restart: what the unit may take to stop and to start.
  Duration timeout = std::chrono::minutes(5);
};

[[nodiscard]] std::unique_ptr<RestartMethod> make_systemd_restart(SystemdOptions options,
                                                                  std::shared_ptr<const Clock> clock);

}  // namespace wal_exporter::actions
