// The command line: one table of flags, from which parsing, --help and --help-man are made.
//
// Pure but for `environment` and one look for the installed settings file. Safe
// from any thread.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "settings/load.h"
#include "web/server.h"

namespace wal_exporter::app {

enum class Mode { serve, once, explain, config_check, healthcheck, prepare_restart, version, help, man };

struct Flags {
  Mode mode = Mode::serve;
  settings::Sources sources;
  std::string config_origin;  // where config_file comes from where no flag gave it, for people; else empty
  std::vector<std::string> listen_addresses = {":3002"};  // at least one; web/listen.h has their forms
  bool systemd_socket = false;                            // its sockets instead
  unsigned socket_mode = 0660;                            // of Unix sockets
  bool listens_by_default = true;                         // neither the flag nor its variable gave it
  std::string web_config_file;
  web::Exposition exposition;
  bool exporter_metrics = true;  // false: --web.disable-exporter-metrics
  std::string state_directory;
  std::string log_level = "info";
  std::string log_format = "text";
  std::string target;                            // --target, of one sample or a preparation; empty: all
  Duration max_wait = std::chrono::seconds(60);  // --max-wait, likewise
  bool json = false;                             // --format json
  std::string help;                              // the text for Mode::help and Mode::man
};

// Exit codes. --once: 0 healthy, 1 warning, 2 critical, 3 no sample or any
// settings or usage error; everything else: 0 or 1.
inline constexpr int kExitOk = 0;
inline constexpr int kExitFailure = 1;
inline constexpr int kExitOnceNoSample = 3;

struct UsageError {
  std::string message;
  int exit_code = kExitFailure;
};

// The settings file is --config.file, else $INFLUXDB_WAL_EXPORTER_CONFIG, else
// `installed` where that file is there; the last two only where no --wal.directory
// was given. A variable that is set and empty is not set.
[[nodiscard]] tl::expected<Flags, UsageError> parse_flags(
    const std::vector<std::string>& arguments, const settings::Environment& environment,
    const std::filesystem::path& installed = "/etc/influxdb_wal_exporter/config.yml");

}  // namespace wal_exporter::app
