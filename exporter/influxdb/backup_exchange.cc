#include "influxdb/backup_exchange.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

#include "base/bytes.h"
#include "base/secrets.h"
#include "http/connection.h"

namespace wal_exporter::influxdb {
namespace {

// An empty archive is 1 KiB. More means that the server did not understand
// `Since` and sends the data itself.
constexpr std::uint64_t kMaxReplyBytes = 64 * kMiB;
// Of the list of shards: some hundred thousand.
constexpr std::size_t kMaxListBytes = 16 * kMiB;

constexpr std::string_view kCheckAddress =
    "check that influxd runs and that influxdb.backup_address is the bind-address at the top of influxdb.conf "
    "(127.0.0.1:8088 unless set there)";

constexpr std::string_view kResets =
    "the connection was closed without an answer. Where InfluxDB runs in a container, that is the container's proxy: "
    "InfluxDB listens on 127.0.0.1 in there; set bind-address to 0.0.0.0:8088 (INFLUXDB_BIND_ADDRESS) and publish the "
    "port on localhost alone (-p 127.0.0.1:8088:8088), for it has no authentication. Else InfluxDB was restarted, or "
    "this is the port of another service";

// What to do where no connection, or no question, got through. A reset may come as early.
[[nodiscard]] std::string unreached(const Error& error) {
  return "; " + std::string(error.kind == ErrorKind::reset ? kResets : kCheckAddress);
}

[[nodiscard]] tl::unexpected<Error> explain(Error error, const std::string& with) {
  if (error.kind != ErrorKind::cancelled) error.message += with;
  return tl::unexpected<Error>(std::move(error));
}

[[nodiscard]] std::string remedy(std::string_view text) {
  return "; " + std::string(text);
}

// What has to be known of the archive, which is not kept. That a snapshot was written
// is told by the WAL alone; this tells an answer from that of another service.
struct Archive {
  static constexpr std::size_t kBlock = 512;

  void take(std::string_view bytes) {
    first.append(bytes.substr(0, kBlock - first.size()));
    size += bytes.size();
    const auto last = bytes.find_last_not_of('\0');
    zeros = last == std::string_view::npos ? zeros + bytes.size() : bytes.size() - 1 - last;
  }
  // Begins with an entry, or at once with the end.
  [[nodiscard]] bool is_tar() const {
    const bool entry = first.size() == kBlock && first.compare(257, 5, "ustar") == 0;
    return entry || first.find_first_not_of('\0') == std::string::npos;
  }
  // Two blocks of zeros end it: anything less was cut off.
  [[nodiscard]] bool ended() const { return zeros >= 2 * kBlock; }
  [[nodiscard]] std::string beginning() const { return foreign_text(std::string_view(first).substr(0, 64)); }

  std::string first;  // block
  std::uint64_t size = 0;
  std::uint64_t zeros = 0;  // at the end, so far
};

[[nodiscard]] tl::unexpected<Error> rubbish(const Archive& archive) {
  const bool http = archive.first.starts_with("HTTP/") || archive.first.starts_with('<');
  return failure(ErrorKind::corrupt, "its answer is not a backup: it begins with \"" + archive.beginning() + "\"" +
                                         (http ? "; that is an HTTP port" : "") + remedy(kCheckAddress));
}

using PatienceFor = std::function<http::Patience(Duration)>;

[[nodiscard]] Result<BackupReply> converse(http::Connection& connection, const wal::Shard& shard,
                                           const BackupLimits& limits, const Clock& clock,
                                           const PatienceFor& patience) {
  if (auto sent = connection.send(backup_request(shard), patience(limits.read)); !sent) {
    return explain(sent.error(), unreached(sent.error()));
  }

  Archive archive;
  std::array<char, 8192> buffer{};
  while (true) {
    const http::Patience wait = patience(limits.read);
    const Duration allowed = wait.deadline - clock.steady();
    const auto count = connection.receive(buffer.data(), buffer.size(), wait);
    if (!count) {
      const Error& error = count.error();
      if (error.kind == ErrorKind::timeout && archive.is_tar() && archive.ended()) break;  // just not closed
      const std::string after = archive.size == 0 ? "" : " (after " + format_bytes(archive.size) + ")";
      if (error.kind == ErrorKind::timeout) {
        return explain({error.kind, "connected, but no answer within " + format_duration_rough(allowed) + after},
                       remedy("the server hangs, or its snapshot takes longer than that: check its log, and raise "
                              "checkpoint.timeout if it is just slow"));
      }
      if (archive.size == 0) return explain(error, remedy(kResets));
      return explain({error.kind, error.message + after},
                     remedy("the server closed the connection: was it restarted, or is this the port of another "
                            "service?"));
    }
    if (*count == 0) break;
    archive.take(std::string_view(buffer.data(), *count));
    if (archive.size >= Archive::kBlock && !archive.is_tar()) return rubbish(archive);
    if (archive.size > kMaxReplyBytes) {
      return failure(ErrorKind::corrupt, "sends more than " + format_bytes(kMaxReplyBytes) +
                                             " where an empty archive was due; is this an InfluxDB 1.x?");
    }
  }
  if (archive.size == 0) return BackupReply::empty;
  // Too short for the first block of any archive: an error text of something else.
  if (archive.size < Archive::kBlock) return rubbish(archive);
  if (!archive.ended()) {
    return failure(ErrorKind::corrupt, "the answer ends in the middle of an archive, after " +
                                           format_bytes(archive.size) + ": it begins with \"" + archive.beginning() +
                                           "\"; was the server stopped, or is this the port of another service?");
  }
  return BackupReply::archive;
}

// "plant/autogen/7"
[[nodiscard]] std::optional<wal::ShardKey> shard_from(std::string_view path) {
  const auto number = path.rfind('/');
  const auto policy = number == std::string_view::npos || number == 0 ? number : path.rfind('/', number - 1);
  if (policy == std::string_view::npos || policy == 0) return std::nullopt;
  wal::ShardKey shard{std::string(path.substr(0, policy)), std::string(path.substr(policy + 1, number - policy - 1))};
  const char* const end = path.data() + path.size();
  const auto [last, error] = std::from_chars(path.data() + number + 1, end, shard.id);
  if (error != std::errc() || last != end) return std::nullopt;
  return shard;
}

[[nodiscard]] Result<std::vector<wal::ShardKey>> shards_from(const std::string& answer) {
  const auto json = nlohmann::json::parse(answer, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("Paths")) return failure(ErrorKind::corrupt, "it is no list of shards");
  std::vector<wal::ShardKey> shards;
  for (const auto& path : json["Paths"]) {  // null where there are none
    auto shard = path.is_string() ? shard_from(path.get_ref<const std::string&>()) : std::nullopt;
    if (!shard) return failure(ErrorKind::corrupt, "it is no list of shards: " + foreign_text(path.dump()));
    shards.push_back(*std::move(shard));
  }
  return shards;
}

[[nodiscard]] Result<std::vector<wal::ShardKey>> receive_shards(http::Connection& connection,
                                                                const BackupLimits& limits,
                                                                const PatienceFor& patience) {
  // The two bytes as of a backup; without the name of a database it lists them all.
  const std::string request = "\x03\x03{\"Type\":3,\"BackupDatabase\":\"\"}\n";
  if (auto sent = connection.send(request, patience(limits.read)); !sent) return tl::unexpected(sent.error());
  std::string answer;
  std::array<char, 8192> buffer{};
  while (answer.size() <= kMaxListBytes) {
    const auto count = connection.receive(buffer.data(), buffer.size(), patience(limits.read));
    if (!count) return tl::unexpected(count.error());
    if (*count == 0) return shards_from(answer);
    answer.append(buffer.data(), *count);
  }
  return failure(ErrorKind::corrupt, "it is longer than " + format_bytes(kMaxListBytes));
}

// Opens the connection and lets `talk` have it.
template <class Talk>
auto connected(const std::string& host, std::uint16_t port, const BackupLimits& limits, const Clock& clock,
               const std::stop_token& stop, const Talk& talk)
    -> tl::expected<typename std::invoke_result_t<Talk, http::Connection&, const PatienceFor&>::value_type,
                    BackupError> {
  const PatienceFor patience = [&](Duration limit) {
    const SteadyTime now = clock.steady();
    const Duration left = limits.deadline - now;
    return http::Patience{clock, now + std::min(limit, left), stop};
  };
  auto connection = http::Connection::open(host, port, patience(limits.connect));
  if (!connection)
    return tl::unexpected(BackupError{explain(connection.error(), unreached(connection.error())).value(), false});
  auto reply = talk(*connection, patience);
  if (!reply) return tl::unexpected(BackupError{std::move(reply.error()), true});
  return *std::move(reply);
}

}  // namespace

std::string backup_request(const wal::Shard& shard) {
  const nlohmann::ordered_json line = {
      {"Type", 0},
      {"BackupDatabase", shard.database},
      {"BackupRetentionPolicy", shard.retention_policy},
      {"ShardID", shard.id},
      // Later than any file: nothing has to be sent.
      {"Since", "2100-01-01T00:00:00Z"},
      {"UploadSize", 0},
  };
  // Names that are not UTF-8 are no reason to fail: the server looks at the id.
  return std::string("\x03\x00", 2) + line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

tl::expected<BackupReply, BackupError> ask_for_backup(const std::string& host, std::uint16_t port,
                                                      const wal::Shard& shard, const BackupLimits& limits,
                                                      const Clock& clock, const std::stop_token& stop) {
  return connected(host, port, limits, clock, stop, [&](http::Connection& connection, const PatienceFor& patience) {
    return converse(connection, shard, limits, clock, patience);
  });
}

tl::expected<std::vector<wal::ShardKey>, BackupError> ask_for_shards(const std::string& host, std::uint16_t port,
                                                                     const BackupLimits& limits, const Clock& clock,
                                                                     const std::stop_token& stop) {
  return connected(host, port, limits, clock, stop, [&](http::Connection& connection, const PatienceFor& patience) {
    return receive_shards(connection, limits, patience);
  });
}

}  // namespace wal_exporter::influxdb
