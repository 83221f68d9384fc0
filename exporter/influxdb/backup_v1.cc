#include "influxdb/backup_v1.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "http/address.h"
#include "influxdb/backup_exchange.h"
#include "influxdb/rewrite.h"
#include "influxdb/shard_backup.h"

namespace wal_exporter::influxdb {
namespace {

class BackupV1 final : public ShardBackup {
 public:
  BackupV1(BackupV1Options options, std::shared_ptr<wal::WalSource> source, std::shared_ptr<Clock> clock, Log log)
      : ShardBackup(std::move(source), std::move(clock), std::move(log), options.total_timeout,
                    "influxdb.backup_address"),
        options_(std::move(options)) {}

 protected:
  [[nodiscard]] Result<void> prepare() override;
  [[nodiscard]] Answer ask(const RunObserver& run, const wal::Shard& shard) override;
  [[nodiscard]] bool may_keep_open() const override { return true; }
  [[nodiscard]] std::optional<DebugVars> ask_figures(const RunObserver& run) override;
  [[nodiscard]] std::optional<std::vector<wal::ShardKey>> ask_for_list(const RunObserver& run) override;
  [[nodiscard]] std::string write_again(const RunObserver& run, const Rewrite& planned,
                                        const wal::Shard& shard) override;
  [[nodiscard]] std::string server() const override { return options_.address; }

 private:
  [[nodiscard]] BackupLimits limits(const RunObserver& run) const {
    return {options_.connect_timeout, options_.read_timeout, run.deadline()};
  }

  const BackupV1Options options_;
  http::Authority address_;  // of the current run
  http::Client client_{options_.server.tls};
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

BackupV1::Answer BackupV1::ask(const RunObserver& run, const wal::Shard& shard) {
  using Kind = Answer::Kind;
  const auto reply = ask_for_backup(address_.host, *address_.port, shard, limits(run), *clock_, run.stop());
  if (reply) return {*reply == BackupReply::archive ? Kind::yes : Kind::refused};
  return {reply.error().connected ? Kind::broken : Kind::ends_run, reply.error().message};
}

std::optional<DebugVars> BackupV1::ask_figures(const RunObserver& run) {
  if (options_.server.url.empty()) return std::nullopt;
  auto vars =
      ask_debug_vars(client_, options_.server, std::min<Duration>(options_.server.timeout, run.left()), run.stop());
  if (vars) return *std::move(vars);
  log_->debug("{} says nothing of its shards: {}", http::printable_url(options_.server.url), vars.error().message);
  return std::nullopt;
}

std::optional<std::vector<wal::ShardKey>> BackupV1::ask_for_list(const RunObserver& run) {
  auto shards = ask_for_shards(address_.host, *address_.port, limits(run), *clock_, run.stop());
  if (shards) return *std::move(shards);
  log_->debug("{} does not list its shards: {}", options_.address, shards.error().message);
  return std::nullopt;
}

std::string BackupV1::write_again(const RunObserver& run, const Rewrite& planned, const wal::Shard& shard) {
  const auto vars = ask_figures(run);
  if (!vars) return "InfluxDB does not say when it started";
  // After another start it is in memory once more.
  const Kept kept = judge_kept(shard, shard, {true, false, false, &*vars});
  if (!vars->started || shard.segments.back().modified > *vars->started ||
      (kept != Kept::open && kept != Kept::in_memory)) {
    return "its last file is not one that was open before InfluxDB started";
  }
  const auto done = Rewriter(options_.server, options_.server.timeout, *clock_).run(planned, run.stop());
  if (!done) return done.error().message;
  log_->info("Wrote a point of shard {} again: {}, field {}", shard_name(shard.key()),
             escape_control(planned.point.measurement), escape_control(planned.point.field));
  return {};
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
