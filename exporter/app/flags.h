// The command line. Pure but for reading $STATE_DIRECTORY through `environment`.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "settings/load.h"

namespace wal_exporter::app {

enum class Mode { serve, once, explain, config_check, healthcheck, prepare_restart, version, help };

struct Flags {
  Mode mode = Mode::serve;
  settings::Sources sources;
  std::string listen_address = ":3002";
  std::string web_config_file;
  std::string state_directory;
  std::string log_level = "info";
  std::string log_format = "text";
  std::string target;                            // --target, of one sample or a preparation; empty: all
  Duration max_wait = std::chrono::seconds(60);  // --max-wait, likewise
  bool json = false;                             // --format json
  std::string help;                              // the text for Mode::help
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

[[nodiscard]] tl::expected<Flags, UsageError> parse_flags(const std::vector<std::string>& arguments,
                                                          const settings::Environment& environment);

}  // namespace wal_exporter::app
