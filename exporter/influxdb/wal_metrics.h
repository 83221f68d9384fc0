// What an InfluxDB 2.x server says of its own WAL in its /metrics: a second
// opinion on what the directory shows.
//
// Source: `storage_wal_size` in tests/fixtures/http/v2-metrics-excerpt.txt, recorded on a real server.
#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>

#include "base/result.h"
#include "http/client.h"

namespace wal_exporter::influxdb {

struct WalMetrics {
  std::uint64_t shards = 0;  // series of storage_wal_size
  std::uint64_t bytes = 0;   // their sum
  std::string wal_path;      // the walPath label of one of them
};

// nullopt: no such series. Lines that can't be read are passed over.
[[nodiscard]] std::optional<WalMetrics> parse_wal_metrics(const std::string& text);

[[nodiscard]] Result<std::optional<WalMetrics>> ask_wal_metrics(http::Client& client, const std::string& url,
                                                                const std::string& token, Duration timeout,
                                                                const std::stop_token& stop);

// A sentence for people if the server's figure contradicts the watched directory; else empty.
// The two are taken at different moments, so only a large difference counts.
[[nodiscard]] std::string differing_opinion(const WalMetrics& metrics, std::uint64_t pending_bytes);

}  // namespace wal_exporter::influxdb
