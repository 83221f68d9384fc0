#include "influxdb/stored_point.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "base/json.h"

namespace wal_exporter::influxdb {
namespace {

constexpr std::size_t kLongestText = 64 * kKiB;

// InfluxDB keeps any bytes, and its JSON shows this in place of each that is no UTF-8.
bool is_shown_otherwise(std::string_view text) {
  return text.find("\xef\xbf\xbd") != std::string_view::npos;
}

std::string escaped(std::string_view text, std::string_view special) {
  std::string out;
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (special.find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

// A name or a tag's value in line protocol; nullopt: it can't be told from its escaped form.
std::optional<std::string> line_name(std::string_view name, std::string_view special) {
  const auto is_unclear = [](char c) { return c == '\\' || (c >= 0 && c < ' ') || c == 0x7f; };
  if (name.empty() || is_shown_otherwise(name) || std::any_of(name.begin(), name.end(), is_unclear))
    return std::nullopt;
  return escaped(name, special);
}

std::string from_of(const std::string& retention_policy, const std::string& measurement) {
  return " FROM " + quoted_name(retention_policy) + "." + quoted_name(measurement);
}

std::string within(const ShardTimes& times) {
  return " WHERE time >= " + std::to_string(times.from) + " AND time < " + std::to_string(times.to);
}

std::optional<std::int64_t> nanoseconds(const nlohmann::json& row, std::size_t column) {
  if (column >= row.size() || !row[column].is_string()) return std::nullopt;
  const auto time = parse_time(row[column].get<std::string>());
  if (!time) return std::nullopt;
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time->time_since_epoch()).count();
}

}  // namespace

std::string quoted_name(std::string_view name) {
  return '"' + escaped(name, "\"\\") + '"';
}

std::string quoted_text(std::string_view text) {
  return '\'' + escaped(text, "'\\") + '\'';
}

std::optional<std::string> line_value(const nlohmann::json& value, std::string_view type) {
  if (type == "boolean" && value.is_boolean()) return value.get<bool>() ? "true" : "false";
  if (type == "integer" && value.is_number_unsigned()) return std::to_string(value.get<std::uint64_t>()) + "i";
  if (type == "integer" && value.is_number_integer()) return std::to_string(value.get<std::int64_t>()) + "i";
  if (type == "float" && value.is_number()) {
    const auto number = value.get<double>();
    if (number == 0 || !std::isfinite(number)) return std::nullopt;
    char text[32];
    const auto end = std::to_chars(std::begin(text), std::end(text), number).ptr;
    return std::string(std::begin(text), end);
  }
  if (type != "string" || !value.is_string()) return std::nullopt;
  const auto& text = value.get_ref<const std::string&>();
  if (text.size() > kLongestText || is_shown_otherwise(text)) return std::nullopt;
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

std::optional<std::string> line_of(const StoredPoint& point) {
  const auto measurement = line_name(point.measurement, ", ");
  const auto field = line_name(point.field, ",= ");
  if (!measurement || !field || point.measurement.starts_with('#')) return std::nullopt;
  std::string line = *measurement;
  for (const auto& [key, text] : point.tags) {
    if (text.empty()) continue;
    const auto name = line_name(key, ",= ");
    const auto value = line_name(text, ",= ");
    if (!name || !value) return std::nullopt;
    line += "," + *name + "=" + *value;
  }
  return line + " " + *field + "=" + point.value + " " + std::to_string(point.time);
}

std::string first_point_query(const std::string& retention_policy, const StoredPoint& wanted, const ShardTimes& times) {
  std::string query = "SELECT " + quoted_name(wanted.field) + "::" + wanted.type;
  for (const auto& [key, value] : wanted.tags) query += "," + quoted_name(key) + "::tag";
  return query + from_of(retention_policy, wanted.measurement) + within(times) + " LIMIT 1";
}

std::string point_query(const std::string& retention_policy, const StoredPoint& point, const ShardTimes& times) {
  const std::string field = quoted_name(point.field) + "::" + point.type;
  const std::string from = from_of(retention_policy, point.measurement);
  std::string series;
  for (const auto& [key, value] : point.tags) series += " AND " + quoted_name(key) + " = " + quoted_text(value);
  return "SELECT " + field + from + " WHERE time = " + std::to_string(point.time) + series + "; SELECT count(" + field +
         ")" + from + within(times) + series;
}

Result<ShardTimes> times_of(const nlohmann::json& shards, const wal::ShardKey& shard) {
  // Of each: id, database, retention policy, shard group, start, end, expiry, owners.
  std::optional<ShardTimes> found;
  std::vector<ShardTimes> others;
  for (const auto& series : shards) {
    const auto rows = series.is_object() ? series.value("values", nlohmann::json::array()) : nlohmann::json::array();
    for (const auto& row : rows) {
      const auto from = row.is_array() ? nanoseconds(row, 4) : std::nullopt;
      const auto to = row.is_array() ? nanoseconds(row, 5) : std::nullopt;
      if (!from || !to || row[1] != shard.database || row[2] != shard.retention_policy) continue;
      ShardTimes times{*from, *to, std::nullopt};
      // Without a duration, a shard is said to expire when it ends.
      if (const auto expiry = nanoseconds(row, 6); expiry && *expiry != *to) {
        times.expires = Time(std::chrono::duration_cast<Duration>(std::chrono::nanoseconds(*expiry)));
      }
      if (row[0] == shard.id) {
        found = times;
      } else {
        others.push_back(times);
      }
    }
  }
  if (!found) return failure(ErrorKind::not_found, "SHOW SHARDS does not name it");
  for (const ShardTimes& other : others) {
    if (other.from < found->to && found->from < other.to) {
      return failure(ErrorKind::conflict, "another shard of its retention policy covers the same times");
    }
  }
  return *found;
}

}  // namespace wal_exporter::influxdb
