#include "influxdb/rewrite.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "base/secrets.h"
#include "base/text.h"
#include "influxdb/api.h"

namespace wal_exporter::influxdb {
namespace {

// Near its end a shard may be deleted at any moment, and a point written then would make a new one.
constexpr Duration kBeforeExpiry = std::chrono::hours(1);
// A search that finds nothing ends.
constexpr std::size_t kMostMeasurements = 50;
constexpr std::size_t kMostFields = 4;

// The first column of each row of a series.
std::vector<std::string> first_column(const nlohmann::json& statement) {
  std::vector<std::string> out;
  for (const auto& series : statement) {
    for (const auto& row : series.value("values", nlohmann::json::array())) {
      if (row.is_array() && !row.empty() && row[0].is_string()) out.push_back(row[0].get<std::string>());
    }
  }
  return out;
}

// The only row of a statement; nullptr: there is none, or more than one.
const nlohmann::json* only_row(const nlohmann::json& statement) {
  if (statement.size() != 1 || !statement[0].contains("values")) return nullptr;
  const auto& rows = statement[0]["values"];
  return rows.is_array() && rows.size() == 1 && rows[0].is_array() && rows[0].size() >= 2 ? &rows[0] : nullptr;
}

}  // namespace

Result<Rewrite> Rewriter::plan(const wal::ShardKey& shard, const std::stop_token& stop) {
  const auto times = this->times(shard, stop);
  if (!times) return tl::unexpected(times.error());
  const auto shown = query(shard.database, "SHOW MEASUREMENTS LIMIT " + std::to_string(kMostMeasurements), stop);
  if (!shown) return tl::unexpected(shown.error());
  for (const std::string& measurement : first_column(shown->front())) {
    const auto point = find(shard, measurement, *times, stop);
    if (!point) return tl::unexpected(point.error());
    if (*point) return Rewrite{shard, **point, *times};
  }
  return failure(ErrorKind::not_found, "no point of it was found that can be written again exactly");
}

Result<void> Rewriter::run(const Rewrite& planned, const std::stop_token& stop) {
  const auto times = this->times(planned.shard, stop);
  if (!times) return tl::unexpected(times.error());
  const auto line = line_of(planned.point);
  if (!line) return failure(ErrorKind::invalid, "the point can't be written again exactly");
  const auto before = read(planned, stop);
  if (!before) return tl::unexpected(before.error());
  const auto written = send("POST",
                            "/write?db=" + percent_encode(planned.shard.database) +
                                "&rp=" + percent_encode(planned.shard.retention_policy) + "&precision=ns",
                            *line, stop);
  if (!written) return tl::unexpected(written.error());
  if (written->status != 204) {
    const std::string remedy = remedy_for(written->status, !server_.token_file.empty());
    return failure(ErrorKind::unavailable,
                   "the write answered " + status_text(*written) + (remedy.empty() ? "" : "; " + remedy));
  }
  const auto after = read(planned, stop);
  if (!after) return failure(after.error().kind, "read again after the write: " + after.error().message);
  if (*after != *before) {
    return failure(ErrorKind::conflict, "its series had " + std::to_string(*before) + " points before the write and " +
                                            std::to_string(*after) + " after it: somebody else writes to it");
  }
  return {};
}

Result<http::Response> Rewriter::send(const std::string& method, const std::string& path, std::string body,
                                      const std::stop_token& stop) {
  auto request = v1_request(server_, path, timeout_);
  if (!request) return tl::unexpected(request.error());
  request->method = method;
  request->body = std::move(body);
  request->max_response_bytes = kMaxLongAnswerBytes;
  return client_.send(*request, stop);
}

Result<std::vector<nlohmann::json>> Rewriter::query(const std::string& database, const std::string& statements,
                                                    const std::stop_token& stop) {
  const auto response =
      send("GET", "/query?db=" + percent_encode(database) + "&epoch=ns&q=" + percent_encode(statements), {}, stop);
  if (!response) return tl::unexpected(response.error());
  if (response->status == 401 || response->status == 403) {
    return failure(ErrorKind::permission, "the login of influxdb.token_file may not read: a query answered " +
                                              status_text(*response) +
                                              "; SHOW SHARDS needs an admin, the rest READ and WRITE on the database");
  }
  if (response->status != 200) {
    return failure(ErrorKind::unavailable, "a query answered " + status_text(*response));
  }
  const auto json = nlohmann::json::parse(response->body, nullptr, /*allow_exceptions=*/false);
  std::vector<nlohmann::json> out;
  if (json.is_object()) {
    for (const auto& result : json.value("results", nlohmann::json::array())) {
      if (const std::string error = text_of(result, "error"); !error.empty()) {
        return failure(ErrorKind::unavailable, "a query answered " + foreign_text(error));
      }
      out.push_back(result.value("series", nlohmann::json::array()));
    }
  }
  if (out.empty()) return failure(ErrorKind::corrupt, "a query was not answered as by InfluxDB 1.x");
  return out;
}

Result<ShardTimes> Rewriter::times(const wal::ShardKey& shard, const std::stop_token& stop) {
  const auto shown = query(shard.database, "SHOW SHARDS", stop);
  if (!shown) return tl::unexpected(shown.error());
  auto times = times_of(shown->front(), shard);
  if (times && times->expires && *times->expires - clock_.now() < kBeforeExpiry) {
    return failure(ErrorKind::conflict, "its retention ends at " + format_time(*times->expires) +
                                            ", within an hour: InfluxDB deletes it then, with the file");
  }
  return times;
}

Result<std::optional<StoredPoint>> Rewriter::find(const wal::ShardKey& shard, const std::string& measurement,
                                                  const ShardTimes& times, const std::stop_token& stop) {
  const std::string from = " FROM " + quoted_name(shard.retention_policy) + "." + quoted_name(measurement);
  const auto shown = query(shard.database, "SHOW TAG KEYS" + from + "; SHOW FIELD KEYS" + from, stop);
  if (!shown) return tl::unexpected(shown.error());
  StoredPoint point;
  point.measurement = measurement;
  for (std::string& key : first_column(shown->front())) point.tags.emplace_back(std::move(key), std::string());
  // A field with several types has another one in another shard; as which of them it would be read
  // here, nobody knows.
  const std::vector<std::string> fields = first_column(shown->back());
  std::size_t tried = 0;
  for (const auto& series : shown->back()) {
    for (const auto& row : series.value("values", nlohmann::json::array())) {
      if (!row.is_array() || row.size() < 2 || !row[0].is_string() || !row[1].is_string()) continue;
      point.field = row[0].get<std::string>();
      if (std::count(fields.begin(), fields.end(), point.field) != 1) continue;
      if (++tried > kMostFields) return std::nullopt;
      point.type = row[1].get<std::string>();
      const auto found = query(shard.database, first_point_query(shard.retention_policy, point, times), stop);
      if (!found) return tl::unexpected(found.error());
      const nlohmann::json* first = only_row(found->front());
      if (first == nullptr || first->size() != point.tags.size() + 2 || !(*first)[0].is_number_integer()) continue;
      point.time = (*first)[0].get<std::int64_t>();
      for (std::size_t i = 0; i < point.tags.size(); ++i) {
        const auto& value = (*first)[i + 2];
        point.tags[i].second = value.is_string() ? value.get<std::string>() : std::string();
      }
      const auto value = line_value((*first)[1], point.type);
      if (!value) continue;
      point.value = *value;
      if (line_of(point)) return point;
    }
  }
  return std::nullopt;
}

Result<std::uint64_t> Rewriter::read(const Rewrite& planned, const std::stop_token& stop) {
  const auto answered =
      query(planned.shard.database, point_query(planned.shard.retention_policy, planned.point, planned.times), stop);
  if (!answered) return tl::unexpected(answered.error());
  const nlohmann::json* row = only_row(answered->front());
  const nlohmann::json* count = only_row(answered->back());
  if (row == nullptr || count == nullptr || !(*count)[1].is_number_unsigned()) {
    return failure(ErrorKind::conflict, "the point that was planned is not there any more");
  }
  if (line_value((*row)[1], planned.point.type) != planned.point.value) {
    return failure(ErrorKind::conflict, "the value of the point has changed since it was planned");
  }
  return (*count)[1].get<std::uint64_t>();
}

}  // namespace wal_exporter::influxdb
