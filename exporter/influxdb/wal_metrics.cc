#include "influxdb/wal_metrics.h"

#include <charconv>
#include <cmath>
#include <string_view>
#include <unordered_set>

#include "base/bytes.h"
#include "base/text.h"
#include "influxdb/api.h"
#include "influxdb/outcome.h"

namespace wal_exporter::influxdb {
namespace {

constexpr std::string_view kWalSize = "storage_wal_size";
constexpr std::string_view kUptime = "influxdb_uptime_seconds";
constexpr std::string_view kWrittenLines = "influxdb3_write_lines_total";
constexpr std::uint64_t kLongestUptime = 4'000'000'000;
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

// The last `count` parts of a path; the whole of a shorter one.
std::string last_parts(std::string_view path, int count) {
  while (path.ends_with('/')) path.remove_suffix(1);
  std::size_t at = path.size();
  while (count-- > 0 && at != std::string_view::npos && at > 0) at = path.rfind('/', at - 1);
  return std::string(at == std::string_view::npos ? path : path.substr(at + 1));
}

// Calls `each` with the labels and the value of every series of the family `name`. Lines that
// can't be read are passed over.
template <class Each>
void for_each_series(std::string_view text, std::string_view name, const Each& each) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    const std::size_t close = line.rfind("} ");
    if (!line.starts_with(name) || !line.substr(name.size()).starts_with('{') || close == std::string_view::npos) {
      continue;
    }
    const std::string_view number = line.substr(close + 2);
    double value = 0;
    const auto [stop, error] = std::from_chars(number.data(), number.data() + number.size(), value);
    if (error == std::errc{} && value >= 0 && value <= 9e18) each(line, static_cast<std::uint64_t>(value));
  }
}

// The page of a 3.x server takes some 100 KiB.
Result<std::string> ask_metrics(http::Client& client, const std::string& url, const char* scheme,
                                const std::string& token, Duration timeout, const std::stop_token& stop) {
  auto request = api_request(url, "/metrics", scheme, token, timeout);
  if (!request) return tl::unexpected(request.error());
  request->max_response_bytes = kMostBytes;
  auto response = client.send(*request, stop);
  if (!response) return tl::unexpected(response.error());
  if (response->status != 200) return failure(ErrorKind::unavailable, "/metrics answered " + status_text(*response));
  return std::move(response->body);
}

}  // namespace

std::optional<WalMetrics> parse_wal_metrics(const std::string& text) {
  WalMetrics metrics;
  for_each_series(text, kWalSize, [&](std::string_view series, std::uint64_t value) {
    metrics.shards.push_back({label(series, "walPath"), value});
  });
  for_each_series(text, kUptime, [&](std::string_view /*series*/, std::uint64_t seconds) {
    if (seconds < kLongestUptime) metrics.uptime = std::chrono::seconds(seconds);
  });
  if (metrics.shards.empty() && !metrics.uptime) return std::nullopt;
  return metrics;
}

Result<std::optional<WalMetrics>> ask_wal_metrics(http::Client& client, const std::string& url,
                                                  const std::string& token, Duration timeout,
                                                  const std::stop_token& stop) {
  const auto text = ask_metrics(client, url, "Token", token, timeout, stop);
  if (!text) return tl::unexpected(text.error());
  return parse_wal_metrics(*text);
}

std::optional<std::uint64_t> parse_written_lines(const std::string& text) {
  std::optional<std::uint64_t> lines;
  for_each_series(text, kWrittenLines,
                  [&](std::string_view, std::uint64_t value) { lines = lines.value_or(0) + value; });
  return lines;
}

std::optional<std::uint64_t> ask_written_lines(http::Client& client, const std::string& url, const std::string& token,
                                               Duration timeout, const std::stop_token& stop) {
  const auto text = ask_metrics(client, url, "Bearer", token, timeout, stop);
  return text ? parse_written_lines(*text).value_or(0) : std::optional<std::uint64_t>();
}

std::string differing_opinion(const WalMetrics& metrics, const wal::Sample& sample) {
  std::unordered_set<std::string> known;
  for (const wal::Shard& shard : sample.shards) {
    known.insert(shard.database + "/" + shard.retention_policy + "/" + std::to_string(shard.id));
  }
  struct Sum {
    std::uint64_t shards = 0, bytes = 0;
    std::string wal_path;  // of one of them
    void add(const WalMetrics::Shard& shard) {
      ++shards;
      bytes += shard.bytes;
      if (wal_path.empty()) wal_path = shard.wal_path;
    }
  };
  Sum all;
  Sum here;
  for (const WalMetrics::Shard& shard : metrics.shards) {
    all.add(shard);
    if (known.contains(last_parts(shard.wal_path, 3))) here.add(shard);
  }
  const Sum& told = here.shards > 0 ? here : all;
  const std::uint64_t pending = sample.pending.bytes;
  if (told.bytes < kGrossBytes || pending >= told.bytes / 2) return {};
  return "InfluxDB's own metrics show " + format_bytes(told.bytes) + " of WAL in " + count_of(told.shards, "shard") +
         ", the directory only " + format_bytes(pending) +
         ": is wal.directory the engine/wal of this server (one shard of it lies in " + escape_control(told.wal_path) +
         ")?";
}

}  // namespace wal_exporter::influxdb
