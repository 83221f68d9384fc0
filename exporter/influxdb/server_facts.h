// What can be asked of any InfluxDB over HTTP: is it up, which version, what time
// does it think it is.
#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "http/client.h"

namespace wal_exporter::influxdb {

struct ServerFacts {
  bool up = false;
  std::string version;                   // as the server says it: "1.6.7", "dev", "3.10.0"; empty: it did not say
  std::string build;                     // X-Influxdb-Build: OSS, Core; empty: it did not say
  std::string process_id;                // 3.x: changes with every start
  std::optional<Time> started;           // of the process, by our clock; 1.x: only where it was asked for
  std::optional<Duration> clock_offset;  // server's clock minus ours, to the second
  std::string error;                     // why it is not up, for people
  // Nobody listens at the address, or the connection is closed without an answer: the server
  // has ended, or is still replaying its WAL.
  bool port_closed = false;
  Time asked_at{};
};

// GET /ping, and /health where the former does not answer 2xx. A 401 counts as up.
[[nodiscard]] ServerFacts ask_server(http::Client& client, const std::string& url, const std::string& token,
                                     Duration timeout, const Clock& clock, std::stop_token stop);

}  // namespace wal_exporter::influxdb
