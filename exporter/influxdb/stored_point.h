// How to ask InfluxDB 1.x for a point, and to write it again so that nothing changes. Pure; safe from any
// thread.
//
// What line protocol can't carry exactly has no line: names with a backslash or a control character, a
// measurement that begins like a comment, a zero of type float (its sign), texts over 64 KiB, and whatever
// holds U+FFFD: JSON shows that in place of bytes that are no UTF-8.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "influxdb/rewrite_plan.h"

namespace wal_exporter::influxdb {

// In InfluxQL: "a \"name\"" and 'a \'text\''.
[[nodiscard]] std::string quoted_name(std::string_view name);
[[nodiscard]] std::string quoted_text(std::string_view text);

// The value of a JSON answer as line protocol writes it; nullopt: it can't be written again exactly.
[[nodiscard]] std::optional<std::string> line_value(const nlohmann::json& value, std::string_view type);
// "pump,machine=m1 temperature=60.5 1500000000000000000"; nullopt: a name can't be written.
[[nodiscard]] std::optional<std::string> line_of(const StoredPoint& point);

// Asks for the first point of a measurement in the shard's times that has the field.
[[nodiscard]] std::string first_point_query(const std::string& retention_policy, const StoredPoint& wanted,
                                            const ShardTimes& times);
// Asks for the point itself and, in a second statement, how many its series has in the shard's times.
[[nodiscard]] std::string point_query(const std::string& retention_policy, const StoredPoint& point,
                                      const ShardTimes& times);

// The times of a shard in an answer to SHOW SHARDS. An error: the shard is not in it, or another one of
// its policy overlaps with it, so that nobody knows which of them a point belongs to.
[[nodiscard]] Result<ShardTimes> times_of(const nlohmann::json& shards, const wal::ShardKey& shard);

}  // namespace wal_exporter::influxdb
