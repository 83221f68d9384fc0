// The control file: how the command line finds the running exporter and shows
// that it may act. `<state directory>/control`, mode 0600, new at each start: the
// address on the first line, a random token on the second.
#pragma once

#include <filesystem>
#include <string>

#include "base/result.h"

namespace wal_exporter::app {

struct Control {
  std::string address;  // "127.0.0.1:3002"
  std::string token;    // 64 hex digits
};

[[nodiscard]] Result<std::string> random_token();
[[nodiscard]] Result<void> write_control(const std::filesystem::path& state_directory, const Control& control);
[[nodiscard]] Result<Control> read_control(const std::filesystem::path& state_directory);
void remove_control(const std::filesystem::path& state_directory);

}  // namespace wal_exporter::app
