// What each way to restart InfluxDB is told: plain values with their defaults, as
// the settings give them.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"

namespace wal_exporter::actions {

struct DockerOptions {
  std::string socket = "/run/docker.sock";
  std::string container;  // a name, not an id: ids change when a container is made anew
  // How long the container may take to end before it is killed.
  Duration stop_timeout = std::chrono::seconds(60);
  // Of one question; the restart may take stop_timeout and a minute. No setting.
  Duration timeout = std::chrono::seconds(10);

  friend bool operator==(const DockerOptions&, const DockerOptions&) = default;
};

struct SystemdOptions {
  std::string unit;  // "influxdb.service"
  std::string bus;   // "unix:path=/run/dbus/system_bus_socket"; empty: the system's manager
  // Of the whole restart: what the unit may take to stop and to start.
  Duration timeout = std::chrono::minutes(5);
  std::string program = "/usr/bin/systemctl";  // no setting

  friend bool operator==(const SystemdOptions&, const SystemdOptions&) = default;
};

struct CommandOptions {
  std::vector<std::string> arguments;              // the first is the absolute path of the program; no shell reads them
  std::map<std::string, std::string> environment;  // beside PATH and LANG, or in their place
  Duration timeout = std::chrono::minutes(2);

  friend bool operator==(const CommandOptions&, const CommandOptions&) = default;
};

enum class Way { docker, systemd, command };

[[nodiscard]] std::string_view to_string(Way way);

struct RestartOptions {
  std::optional<Way> method;  // set, with what it needs, where restarts are enabled
  DockerOptions docker;
  SystemdOptions systemd;
  CommandOptions command;

  friend bool operator==(const RestartOptions&, const RestartOptions&) = default;
};

}  // namespace wal_exporter::actions
