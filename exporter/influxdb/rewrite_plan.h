// A point of InfluxDB 1.x that is to be written again exactly, so that a file which is kept open goes; see
// rewrite.h. Value types: safe from any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/time.h"
#include "wal/sample.h"

namespace wal_exporter::influxdb {

// One field of it.
struct StoredPoint {
  std::string measurement;
  std::vector<std::pair<std::string, std::string>> tags;  // all keys of the measurement; empty: it has no such tag
  std::string field;
  std::string type;       // float, integer, string or boolean
  std::string value;      // as line protocol writes it
  std::int64_t time = 0;  // ns since 1970

  friend bool operator==(const StoredPoint&, const StoredPoint&) = default;
};

// [from, to) in ns, the times that belong to one shard.
struct ShardTimes {
  std::int64_t from = 0;
  std::int64_t to = 0;
  std::optional<Time> expires;  // nullopt: never

  friend bool operator==(const ShardTimes&, const ShardTimes&) = default;
};

// A point of a shard that may be written again; see rewrite.h.
struct Rewrite {
  wal::ShardKey shard;
  StoredPoint point;
  ShardTimes times;

  friend bool operator==(const Rewrite&, const Rewrite&) = default;
};

// What was found for one shard.
struct RewritePlan {
  wal::ShardKey shard;
  std::optional<Rewrite> rewrite;
  std::string why_not;  // with the remedy, where there is none
};

}  // namespace wal_exporter::influxdb
