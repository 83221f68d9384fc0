#include "influxdb/debug_vars.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "base/json.h"
#include "influxdb/api.h"

namespace wal_exporter::influxdb {
namespace {

constexpr std::size_t kMostVarsBytes = 64 * kMiB;  // about 3 KiB per shard

std::optional<std::uint64_t> count(const nlohmann::json& values, const char* name) {
  const auto found = values.find(name);
  if (found == values.end() || !found->is_number_integer()) return std::nullopt;
  return std::max<std::int64_t>(found->get<std::int64_t>(), 0);
}

void add(DebugVars& vars, const nlohmann::json& entry) {
  const std::string name = text_of(entry, "name");
  if (name != "tsm1_cache" && name != "tsm1_wal") return;
  const auto tags = entry.find("tags");
  const auto values = entry.find("values");
  if (tags == entry.end() || values == entry.end() || !values->is_object()) return;
  const std::string digits = text_of(*tags, "id");
  std::uint64_t id = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), id);
  if (digits.empty() || error != std::errc{} || end != digits.data() + digits.size()) return;
  ShardFigures& shard = vars.shards[{text_of(*tags, "database"), text_of(*tags, "retentionPolicy"), id}];
  if (name == "tsm1_cache") {
    shard.memory_bytes = count(*values, "memBytes");
  } else {
    shard.segment_bytes = count(*values, "currentSegmentDiskBytes");
  }
}

}  // namespace

std::optional<DebugVars> parse_debug_vars(std::string_view text) {
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return std::nullopt;
  DebugVars vars;
  if (const auto system = json.find("system"); system != json.end()) {
    if (const auto started = parse_time(text_of(*system, "started"))) vars.started = *started;
  }
  for (const auto& entry : json) {
    if (entry.is_object()) add(vars, entry);
  }
  if (!vars.started && vars.shards.empty()) return std::nullopt;
  return vars;
}

Result<DebugVars> ask_debug_vars(http::Client& client, const Endpoint& server, Duration timeout,
                                 const std::stop_token& stop) {
  auto request = v1_request(server, "/debug/vars", timeout);
  if (!request) return tl::unexpected(request.error());
  request->max_response_bytes = kMostVarsBytes;
  const auto response = client.send(*request, stop);
  if (!response) return tl::unexpected(response.error());
  if (response->status != 200) {
    return failure(ErrorKind::unavailable, "/debug/vars answered " + status_text(*response));
  }
  auto vars = parse_debug_vars(response->body);
  if (!vars) return failure(ErrorKind::corrupt, "/debug/vars is not what InfluxDB 1.x answers");
  return *std::move(vars);
}

}  // namespace wal_exporter::influxdb
