// The control file: how the command line finds the running exporter, knows that it is the one, and
// shows that it may act. `<state directory>/control`, mode 0600, new at each start: a URL on the
// first line, a random token on the second, on the third, where that URL is https, the public key
// of the certificate.
//
// Beside it lies the control socket, a private Unix socket that serves what the other addresses
// serve: it needs no TLS, no client certificate and no port.
#pragma once

#include <filesystem>
#include <string>

#include "base/result.h"

namespace wal_exporter::app {

struct Control {
  std::string url;         // "http://127.0.0.1:3002", "https://[::1]:3002", "unix:///path/control.sock"
  std::string token;       // 64 hex digits
  std::string pinned_key;  // "sha256//...", as http/tls.h has it; empty: no TLS
};

[[nodiscard]] Result<std::string> random_token();

// The path of the control socket. An error where it would be longer than such paths may be.
[[nodiscard]] Result<std::string> control_socket(const std::filesystem::path& state_directory);

// The control socket is written down by its name alone, so that it is found in a directory that is
// mounted elsewhere, too.
[[nodiscard]] Result<void> write_control(const std::filesystem::path& state_directory, const Control& control);
[[nodiscard]] Result<Control> read_control(const std::filesystem::path& state_directory);
void remove_control(const std::filesystem::path& state_directory);

}  // namespace wal_exporter::app
