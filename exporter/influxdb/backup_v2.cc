#include "influxdb/backup_v2.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "http/address.h"
#include "http/client.h"
#include "influxdb/api.h"
#include "influxdb/shard_backup.h"

namespace wal_exporter::influxdb {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// An empty archive is 1 KiB. More means that `since` was not honoured and the
// shard itself is being sent.
// The server deletes segments before it answers; a directory seen over a network lags.
constexpr Rhythm kSnapshotSettles = {milliseconds(20), milliseconds(500), seconds(1)};
// The pauses after a 200 that emptied nothing. Few, because each question makes the server
// close its open segment and so adds a file.
constexpr std::array<Duration, 2> kBackupPauses = {seconds(1), seconds(5)};
constexpr Duration kLastQuestion = seconds(2);  // for a question, its answer and the sample after it

class BackupV2 final : public ShardBackup {
 public:
  BackupV2(BackupV2Options options, std::shared_ptr<wal::WalSource> source, std::shared_ptr<Clock> clock, Log log)
      : ShardBackup(std::move(source), std::move(clock), std::move(log), options.timeout, "influxdb.url"),
        options_(std::move(options)) {}

 protected:
  [[nodiscard]] Result<void> prepare() override;
  [[nodiscard]] std::optional<ShardTrouble> back_up(Run& run, const wal::Shard& shard) override;
  [[nodiscard]] std::string server() const override { return http::printable_url(options_.url); }

 private:
  [[nodiscard]] std::optional<ShardTrouble> ask(Run& run, const wal::Shard& shard);
  [[nodiscard]] ShardTrouble refused(const http::Response& response, const std::string& what) const;

  const BackupV2Options options_;
  std::string token_;  // of the current run
  http::Client client_;
};

Result<void> BackupV2::prepare() {
  auto token = read_token(options_.token_file);
  if (!token) return tl::unexpected<Error>(token.error());
  if (token->empty()) {
    return failure(ErrorKind::invalid,
                   "a backup of InfluxDB 2 needs an operator token: put it into a file and set influxdb.token_file");
  }
  token_ = std::move(*token);
  const auto target = http::parse_url(options_.url);
  if (!target) return failure(target.error().kind, "influxdb.url: " + target.error().message);
  return {};
}

std::optional<BackupV2::ShardTrouble> BackupV2::back_up(Run& run, const wal::Shard& shard) {
  bool moved = false;
  for (std::size_t attempt = 0;; ++attempt) {
    const auto before = run.observer.latest_ptr();
    if (auto trouble = ask(run, shard)) return trouble;
    if (auto trouble = take_sample(run)) return trouble;
    const auto is_gone = [&](const wal::Sample& sample) { return gone(sample, shard); };
    const auto settled = run.observer.sample_until(kSnapshotSettles, is_gone);
    if (settled && *settled) return std::nullopt;
    if (auto trouble = interruption(run, shard)) return trouble;
    if (!settled) return ShardTrouble{OutcomeKind::failed, settled.error().message, true};
    moved = moved || open_segment_moved(*before, run.observer.latest(), shard);
    if (!moved) return std::nullopt;  // asking again does not help; the run ends as unverified
    // A question that the run's deadline cuts off would tell nothing.
    if (attempt >= kBackupPauses.size() || run.observer.left() < kBackupPauses[attempt] + kLastQuestion) break;
    log_->debug("Shard {}: the server says that it is done, but its files are there; asking again in {}",
                shard_name(shard), format_duration(kBackupPauses[attempt]));
    const auto ended =
        run.observer.sample_until({kBackupPauses[attempt], kBackupPauses[attempt], kBackupPauses[attempt]}, is_gone);
    if (ended && *ended) return std::nullopt;
    if (auto trouble = interruption(run, shard)) return trouble;
  }
  return ShardTrouble{
      OutcomeKind::busy,
      "backup of shard " + shard_name(shard) + " from " + server() +
          ": answered 200, but another snapshot of it is running: its open segment was closed and the older "
          "ones are still there; if this goes on with no other backup about, the server can't write one: "
          "look into its log and at the free space of its data directory",
      false};
}

std::optional<BackupV2::ShardTrouble> BackupV2::ask(Run& run, const wal::Shard& shard) {
  const std::string what = "backup of shard " + shard_name(shard) + " from " + server() + ": ";
  const std::string path = "/api/v2/backup/shards/" + std::to_string(shard.id) + "?since=2100-01-01T00%3A00%3A00Z";
  auto request =
      api_request(options_.url, path, "Token", token_, std::max<Duration>(run.observer.left(), milliseconds(1)));
  if (!request) return ShardTrouble{OutcomeKind::failed, request.error().message, true};
  request->max_response_bytes = kMaxAnswerBytes;
  const auto response = client_.send(*request, run.observer.stop());
  if (response && response->status == 200) {
    ++run.steps;
    return std::nullopt;
  }
  if (response) return refused(*response, what);
  if (run.observer.stopped() || response.error().kind == ErrorKind::timeout) {
    if (auto trouble = interruption(run, shard)) return trouble;
  }
  if (response.error().kind == ErrorKind::corrupt) {
    return ShardTrouble{
        OutcomeKind::failed,
        what + "expected an empty archive of 1 KiB, but " + response.error().message +
            "; the server, or a proxy before it, does not honour `since` and sends the shard itself: set "
            "influxdb.url to the server's own address",
        true};
  }
  return ShardTrouble{
      OutcomeKind::failed,
      what + response.error().message + "; check that InfluxDB runs and that influxdb.url is its address", true};
}

BackupV2::ShardTrouble BackupV2::refused(const http::Response& response, const std::string& what) const {
  ShardTrouble trouble{OutcomeKind::failed, what + "answered " + status_text(response), true};
  if (response.status == 401 || response.status == 403) {
    trouble.message += "; a backup needs an operator token: put one into the file that influxdb.token_file names";
  } else if (response.status == 404 && response.body.find("shard") != std::string::npos) {
    trouble.ends_run = false;
    trouble.message +=
        "; the server does not know this shard: check that influxdb.url and wal.directory belong to the same server, "
        "and whether the folder was left behind by a bucket that was deleted";
  } else if (const std::string remedy = remedy_for(response.status, true); !remedy.empty()) {
    trouble.message += "; " + remedy;
  }
  return trouble;
}

}  // namespace

std::unique_ptr<CheckpointMethod> make_backup_v2(BackupV2Options options, std::shared_ptr<wal::WalSource> source,
                                                 std::shared_ptr<Clock> clock, Log log) {
  return std::make_unique<BackupV2>(std::move(options), std::move(source), std::move(clock), std::move(log));
}

constexpr MethodKind kBackupV2Kind{Method::backup,
                                   "backup",
                                   wal::Generation::v2,
                                   /*is_automatic=*/true,
                                   /*writes_points=*/false,
                                   [](const MethodSettings& target) -> std::string {
                                     if (target.server.url.empty())
                                       return "set influxdb.url, such as http://127.0.0.1:8086";
                                     if (target.server.token_file.empty())
                                       return "set influxdb.token_file to a file with an operator token";
                                     return {};
                                   },
                                   [](const MethodSettings& target, MethodRun run) {
                                     return make_backup_v2(
                                         {target.server.url, target.server.token_file, target.checkpoint.timeout},
                                         std::move(run.source), std::move(run.clock), std::move(run.log));
                                   }};

}  // namespace wal_exporter::influxdb
