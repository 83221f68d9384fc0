#include "influxdb/wal_metrics.h"

#include <charconv>
#include <cmath>
#include <string_view>

#include "base/bytes.h"
#include "base/text.h"
#include "influxdb/api.h"

namespace wal_exporter::influxdb {
namespace {

constexpr std::string_view kName = "storage_wal_size{";
constexpr std::size_t kMostBytes = 16 * kMiB;  // a line per shard and metric
// The server's figure lags behind, so a smaller difference than this is ignored.
constexpr std::uint64_t kGrossBytes = 16 * kMiB;

// The value of label `name` in a series, unescaped only as far as paths need it.
std::string label(std::string_view series, std::string_view name) {
  const std::string key = std::string(name) + "=\"";
  const std::size_t begin = series.find(key);
  if (begin == std::string_view::npos) return {};
  const std::size_t end = series.find('"', begin + key.size());
  if (end == std::string_view::npos) return {};
  return std::string(series.substr(begin + key.size(), end - begin - key.size()));
}

}  // namespace

std::optional<WalMetrics> parse_wal_metrics(const std::string& text) {
  WalMetrics metrics;
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::size_t end = rest.find('\n');
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    const std::size_t close = line.rfind("} ");
    if (!line.starts_with(kName) || close == std::string_view::npos) continue;
    const std::string_view number = line.substr(close + 2);
    double value = 0;
    const auto [stop, error] = std::from_chars(number.data(), number.data() + number.size(), value);
    if (error != std::errc{} || !(value >= 0) || value > 9e18) continue;
    ++metrics.shards;
    metrics.bytes += static_cast<std::uint64_t>(value);
    if (metrics.wal_path.empty()) metrics.wal_path = label(line, "walPath");
  }
  if (metrics.shards == 0) return std::nullopt;
  return metrics;
}

Result<std::optional<WalMetrics>> ask_wal_metrics(http::Client& client, const std::string& url,
                                                  const std::string& token, Duration timeout,
                                                  const std::stop_token& stop) {
  auto request = api_request(url, "/metrics", "Token", token, timeout);
  if (!request) return tl::unexpected(request.error());
  request->max_response_bytes = kMostBytes;
  const auto response = client.send(*request, stop);
  if (!response) return tl::unexpected(response.error());
  if (response->status != 200) return failure(ErrorKind::unavailable, "/metrics answered " + status_text(*response));
  return parse_wal_metrics(response->body);
}

std::string differing_opinion(const WalMetrics& metrics, std::uint64_t pending_bytes) {
  if (metrics.bytes < kGrossBytes || pending_bytes >= metrics.bytes / 2) return {};
  return "InfluxDB's own metrics show " + format_bytes(metrics.bytes) + " of WAL in " + std::to_string(metrics.shards) +
         (metrics.shards == 1 ? " shard" : " shards") + ", the directory only " + format_bytes(pending_bytes) +
         ": is wal.directory the engine/wal of this server (one shard of it lies in " +
         escape_control(metrics.wal_path) + ")?";
}

}  // namespace wal_exporter::influxdb
