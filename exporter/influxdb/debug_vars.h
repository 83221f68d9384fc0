// What an InfluxDB 1.x server says of its shards at /debug/vars: what of each is in memory only, and
// how much of its open segment it knows. FACTS.md, "1.x: the segment that was open before a restart".
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/result.h"
#include "http/client.h"
#include "influxdb/options.h"
#include "wal/sample.h"

namespace wal_exporter::influxdb {

struct ShardFigures {
  std::optional<std::uint64_t> memory_bytes;   // in the cache, and in no TSM file yet
  std::optional<std::uint64_t> segment_bytes;  // of the open segment
};

struct DebugVars {
  std::optional<Time> started;  // of the process, by the server's clock
  std::map<wal::ShardKey, ShardFigures> shards;
};

// nullopt: no JSON of an InfluxDB 1.x. What can't be read of a shard is left out.
[[nodiscard]] std::optional<DebugVars> parse_debug_vars(std::string_view text);

[[nodiscard]] Result<DebugVars> ask_debug_vars(http::Client& client, const Endpoint& server, Duration timeout,
                                               const std::stop_token& stop);

}  // namespace wal_exporter::influxdb
