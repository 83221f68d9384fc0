#include "influxdb/backup_v1.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/bytes.h"
#include "base/text.h"
#include "http/address.h"
#include "influxdb/backup_exchange.h"
#include "influxdb/rewrite.h"
#include "influxdb/shard_backup.h"

namespace wal_exporter::influxdb {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// The pauses before a refused question is asked again. They are few and grow, because each
// question makes the server close its open segment and so adds a file.
constexpr std::array<Duration, 6> kRetryPauses = {milliseconds(250), milliseconds(500), seconds(1),
                                                  seconds(2),        seconds(4),        seconds(8)};
// If nothing in the shard's WAL moves, the server does not know the shard, and asking more
// often does not help.
constexpr std::size_t kUnknownRetries = 2;

// With less free space than this, a refusal is taken to mean that the disk is full.
constexpr std::uint64_t kScarceBytes = 16 * kMiB;

class BackupV1 final : public ShardBackup {
 public:
  BackupV1(BackupV1Options options, std::shared_ptr<wal::WalSource> source, std::shared_ptr<Clock> clock, Log log)
      : ShardBackup(std::move(source), std::move(clock), std::move(log), options.total_timeout,
                    "influxdb.backup_address"),
        options_(std::move(options)) {}

 protected:
  [[nodiscard]] Result<void> prepare() override;
  [[nodiscard]] std::optional<ShardTrouble> back_up(Run& run, const wal::Shard& shard) override;
  [[nodiscard]] bool may_keep_open() const override { return true; }
  [[nodiscard]] std::optional<DebugVars> ask_figures(const Run& run) override;
  [[nodiscard]] std::string write_again(Run& run, const Rewrite& planned, const wal::Shard& shard) override;
  [[nodiscard]] std::string server() const override { return options_.address; }

 private:
  [[nodiscard]] ShardTrouble refused(const Run& run, const wal::Shard& shard, bool known);

  const BackupV1Options options_;
  http::Authority address_;  // of the current run
  http::Client client_;
};

Result<void> BackupV1::prepare() {
  auto address = http::parse_authority(options_.address);
  if (!address || !address->port) {
    return failure(ErrorKind::invalid, "influxdb.backup_address: address \"" + escape_control(options_.address) +
                                           "\": " + (address ? "the port is missing" : address.error().message) +
                                           "; right would be 127.0.0.1:8088, influxdb.example:8088 or [::1]:8088");
  }
  address_ = std::move(*address);
  return {};
}

std::optional<BackupV1::ShardTrouble> BackupV1::back_up(Run& run, const wal::Shard& shard) {
  bool known = false;
  for (std::size_t attempt = 0;; ++attempt) {
    const auto before = run.observer.latest_ptr();
    const BackupLimits limits{options_.connect_timeout, options_.read_timeout, run.observer.deadline()};
    const auto reply = ask_for_backup(address_.host, *address_.port, shard, limits, *clock_, run.observer.stop());
    if (!reply) {
      if (auto trouble = interruption(run, shard)) return trouble;
      return ShardTrouble{
          OutcomeKind::failed,
          "backup of shard " + shard_name(shard) + " from " + options_.address + ": " + reply.error().message, true};
    }
    if (*reply == BackupReply::archive) {
      ++run.steps;
      log_->debug("Shard {} backed up by {}", shard_name(shard), options_.address);
      return std::nullopt;
    }

    if (auto trouble = take_sample(run)) return trouble;
    if (gone(run.observer.latest(), shard)) return std::nullopt;
    known = known || open_segment_moved(*before, run.observer.latest(), shard);
    const std::size_t retries = known ? kRetryPauses.size() : kUnknownRetries;
    if (attempt >= retries) return refused(run, shard, known);
    log_->debug("Shard {}: {} answered nothing, asking again in {}", shard_name(shard), options_.address,
                format_duration(kRetryPauses[attempt]));
    run.observer.wait(kRetryPauses[attempt]);
    if (auto trouble = interruption(run, shard)) return trouble;
    if (auto trouble = take_sample(run)) return trouble;
    if (gone(run.observer.latest(), shard)) return std::nullopt;
  }
}

std::optional<DebugVars> BackupV1::ask_figures(const Run& run) {
  if (options_.server.url.empty()) return std::nullopt;
  auto vars = ask_debug_vars(client_, options_.server, std::min<Duration>(options_.server.timeout, run.observer.left()),
                             run.observer.stop());
  if (vars) return *std::move(vars);
  log_->debug("{} says nothing of its shards: {}", http::printable_url(options_.server.url), vars.error().message);
  return std::nullopt;
}

std::string BackupV1::write_again(Run& run, const Rewrite& planned, const wal::Shard& shard) {
  const auto vars = ask_figures(run);
  if (!vars) return "InfluxDB does not say when it started";
  // After another start it is in memory once more.
  const Kept kept = judge_kept(shard, shard, {true, false, false, &*vars});
  if (!vars->started || shard.segments.back().modified > *vars->started ||
      (kept != Kept::open && kept != Kept::in_memory)) {
    return "its last file is not one that was open before InfluxDB started";
  }
  const auto done = Rewriter(options_.server, options_.server.timeout, *clock_).run(planned, run.observer.stop());
  if (!done) return done.error().message;
  log_->info("Wrote a point of shard {} again: {}, field {}", shard_name(shard),
             escape_control(planned.point.measurement), escape_control(planned.point.field));
  return {};
}

BackupV1::ShardTrouble BackupV1::refused(const Run& run, const wal::Shard& shard, bool known) {
  const std::string what = "backup of shard " + shard_name(shard) + " from " + options_.address + ": ";
  // A segment that was open before a restart does not move either where its snapshot fails.
  const auto vars = known ? std::nullopt : ask_figures(run);
  if (vars && vars->shards.contains(shard.key())) {
    return {OutcomeKind::failed,
            what + "refused without an answer, though InfluxDB knows the shard and holds " +
                format_bytes(vars->shards.at(shard.key()).memory_bytes.value_or(0)) +
                " of it in memory: it can't write a snapshot; look into its log and at the shard's folder under its "
                "data directory",
            false};
  }
  if (!known) {
    return {OutcomeKind::failed,
            what +
                "refused without an answer, and the shard's WAL did not move: the server does not know this shard; "
                "check that influxdb.backup_address and wal.directory belong to the same server, and whether the "
                "folder was left behind by a shard that was dropped",
            false};
  }
  const auto free = run.observer.latest().room_for_a_checkpoint();
  if (free && *free < kScarceBytes) {
    return {OutcomeKind::failed,
            what + "refused without an answer; only " + format_bytes(*free) +
                " are free where the data lies, too little to write a snapshot: free some space and look into the "
                "server's log",
            true};
  }
  return {OutcomeKind::busy,
          what +
              "another snapshot of it is running; if this goes on with no other backup about, the server can't write "
              "one: look into its log and at the free space of its data directory",
          false};
}

}  // namespace

std::unique_ptr<CheckpointMethod> make_backup_v1(BackupV1Options options, std::shared_ptr<wal::WalSource> source,
                                                 std::shared_ptr<Clock> clock, Log log) {
  return std::make_unique<BackupV1>(std::move(options), std::move(source), std::move(clock), std::move(log));
}

constexpr MethodKind kBackupV1Kind{
    Method::backup,
    "backup",
    wal::Generation::v1,
    /*is_automatic=*/true,
    /*writes_points=*/false,
    [](const MethodSettings& target) -> std::string {
      if (!target.server.backup_address.empty()) return {};
      return "set influxdb.backup_address to InfluxDB's bind-address, such as 127.0.0.1:8088";
    },
    [](const MethodSettings& target, MethodRun run) {
      BackupV1Options options;
      options.address = target.server.backup_address;
      options.server = target.server;
      options.total_timeout = target.checkpoint.timeout;
      options.read_timeout = target.checkpoint.timeout;  // the server is silent while it writes the snapshot
      options.connect_timeout = std::min(options.connect_timeout, target.checkpoint.timeout);
      return make_backup_v1(std::move(options), std::move(run.source), std::move(run.clock), std::move(run.log));
    }};

}  // namespace wal_exporter::influxdb
