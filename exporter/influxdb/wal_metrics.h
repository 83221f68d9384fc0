// What an InfluxDB 2.x or 3.x server says of its own WAL in its /metrics: a second
// opinion on what the directory shows.
//
// Source: `storage_wal_size` in tests/fixtures/http/v2-metrics-excerpt.txt, recorded on a real server;
// `influxdb_uptime_seconds` is documented upstream.
#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "http/client.h"
#include "wal/sample.h"

namespace wal_exporter::influxdb {

struct WalMetrics {
  struct Shard {
    std::string wal_path;  // the walPath label; empty: none
    std::uint64_t bytes = 0;
  };
  std::vector<Shard> shards;         // a series of storage_wal_size each
  std::optional<Duration> uptime{};  // of the process
};

// Lines written to a 3.x server since it started, as its /metrics count them
// (`influxdb3_write_lines_total`, of all databases); nullopt: not said.
[[nodiscard]] std::optional<std::uint64_t> parse_written_lines(const std::string& text);
[[nodiscard]] std::optional<std::uint64_t> ask_written_lines(http::Client& client, const std::string& url,
                                                             const std::string& token, Duration timeout,
                                                             const std::stop_token& stop);

// nullopt: none of these series. Lines that can't be read are passed over.
[[nodiscard]] std::optional<WalMetrics> parse_wal_metrics(const std::string& text);

[[nodiscard]] Result<std::optional<WalMetrics>> ask_wal_metrics(http::Client& client, const std::string& url,
                                                                const std::string& token, Duration timeout,
                                                                const std::stop_token& stop);

// A sentence for people if the server's figure contradicts what `sample` shows; else empty.
// The two are taken at different moments, so only a large difference counts. The server goes
// on showing shards that it dropped (influxdata/influxdb#24094), so only those count whose
// folder is in the sample; all of them, where none is: it is another directory then.
[[nodiscard]] std::string differing_opinion(const WalMetrics& metrics, const wal::Sample& sample);

}  // namespace wal_exporter::influxdb
