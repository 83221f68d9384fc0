// What the backups of 1.x and 2.x have in common: which shards, in which order,
// looking between them, and what came of it all. How one shard is asked for is
// the generation's own.
//
// Contract of run(): as CheckpointMethod.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "influxdb/checkpoint_method.h"
#include "influxdb/kept_open.h"
#include "influxdb/run_observer.h"

namespace wal_exporter::influxdb {

// "plant/autogen/7", on one line.
[[nodiscard]] std::string shard_name(const wal::Shard& shard);

// Whether, between the two samples, the server closed the shard's open segment, or the open
// segment is a new one without data. If so, the server knows the shard, and something keeps
// it from persisting the closed segments.
[[nodiscard]] bool open_segment_moved(const wal::Sample& before, const wal::Sample& after, const wal::Shard& shard);

class ShardBackup : public CheckpointMethod {
 public:
  // `limit`: of the whole run, all shards. `address_setting`: what to check when
  // the server's answers don't fit the WAL.
  ShardBackup(std::shared_ptr<wal::WalSource> source, std::shared_ptr<Clock> clock, Log log, Duration limit,
              std::string address_setting)
      : clock_(std::move(clock)),
        log_(std::move(log)),
        source_(std::move(source)),
        limit_(limit),
        address_setting_(std::move(address_setting)) {}

  [[nodiscard]] std::string_view name() const final { return "backup"; }
  [[nodiscard]] Outcome run(const CheckpointRequest& request, std::stop_token stop) final;

 protected:
  // Why one shard failed, or why the run ended before all shards were done.
  struct ShardTrouble {
    OutcomeKind kind = OutcomeKind::failed;
    std::string message;
    bool ends_run = false;  // the other shards would fail in the same way
  };

  struct Run {
    RunObserver observer;
    std::vector<wal::Shard> asked{};
    std::set<wal::ShardKey> answered{};  // with a yes
    bool server_proven = false;          // before this run; see CheckpointRequest
    std::string not_rewritten{};         // which points were planned and not written, and why
    std::uint64_t steps = 0;
  };

  // Called first in a run: reads addresses and tokens.
  [[nodiscard]] virtual Result<void> prepare() = 0;
  // Asks for one shard until the server has persisted it, or asking again would not help.
  [[nodiscard]] virtual std::optional<ShardTrouble> back_up(Run& run, const wal::Shard& shard) = 0;
  // 1.x: a yes means that a snapshot was written, and up to 1.7 the last segment may stay all the same.
  [[nodiscard]] virtual bool may_keep_open() const { return false; }
  // nullopt: the server says nothing of its shards.
  [[nodiscard]] virtual std::optional<DebugVars> ask_figures(const Run& /*run*/) { return std::nullopt; }
  // Writes the point again, so that the next backup removes the file of `shard`. Empty: done; else why not.
  [[nodiscard]] virtual std::string write_again(Run& /*run*/, const Rewrite& /*planned*/, const wal::Shard& /*shard*/) {
    return "only InfluxDB 1.x keeps files open";
  }
  // For messages: who was asked.
  [[nodiscard]] virtual std::string server() const = 0;

  [[nodiscard]] static std::optional<ShardTrouble> take_sample(Run& run);
  // Set if a stop was requested or the run's deadline has passed.
  [[nodiscard]] std::optional<ShardTrouble> interruption(const Run& run, const wal::Shard& shard) const;
  // Nothing that was there of this shard at the start is left.
  [[nodiscard]] static bool gone(const wal::Sample& sample, const wal::Shard& shard);

  const std::shared_ptr<Clock> clock_;
  const Log log_;

 private:
  [[nodiscard]] Outcome checkpoint(const CheckpointRequest& request, const std::stop_token& stop);
  void rewrite(Run& run, const CheckpointRequest& request);
  // Of the shards that were answered with a yes and are left.
  [[nodiscard]] std::map<wal::ShardKey, Kept> judge_left(const Run& run, const DebugVars* vars) const;
  [[nodiscard]] Outcome conclude(Run& run, const std::vector<ShardTrouble>& troubles);

  const std::shared_ptr<wal::WalSource> source_;
  const Duration limit_;
  const std::string address_setting_;
  Pause pause_;
};

}  // namespace wal_exporter::influxdb
