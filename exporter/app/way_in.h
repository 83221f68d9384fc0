// How a command reaches the exporter that runs here: over the control socket, else over an address
// that it listens on.
//
// Reads files; safe from any thread.
#pragma once

#include <filesystem>
#include <string>

#include "base/result.h"
#include "http/client.h"

namespace wal_exporter::app {

struct WayIn {
  std::string url;     // as http::parse_url takes it
  http::Tls tls;       // how its certificate is judged
  std::string token;   // empty: not known
  std::string origin;  // where the URL comes from, for people

  // The answer to `method path`, with the token where it is known.
  [[nodiscard]] Result<http::Response> ask(const std::string& method, const std::string& path, Duration timeout) const;
};

// What the exporter with this state directory wrote down.
[[nodiscard]] Result<WayIn> way_by_control(const std::filesystem::path& state_directory);

// The URL at which this machine reaches what listens on `address` (a form of --web.listen-address):
// ":3002" and "0.0.0.0:3002" are "http://127.0.0.1:3002".
[[nodiscard]] std::string url_of(const std::string& address, bool is_tls);

}  // namespace wal_exporter::app
