// What the backups of 1.x and 2.x have in common: which shards, in which order, looking
// after those that an answer did not empty at once, and what came of it all. How one shard
// is asked for is the generation's own.
//
// Each shard is asked, whatever came of the others, unless all would fail in the same way.
// A question may close the shard's open segment and so leave one file more. So a shard is
// asked once in a run, and again only where its older segments went meanwhile: then another
// snapshot was running, and has ended.
//
// Contract of run(): as CheckpointMethod.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "influxdb/checkpoint_method.h"
#include "influxdb/kept_open.h"
#include "influxdb/run_observer.h"

namespace wal_exporter::influxdb {

// "plant/autogen/7", on one line.
[[nodiscard]] std::string shard_name(const wal::ShardKey& shard);

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
  // What the server said of one shard.
  struct Answer {
    enum class Kind {
      yes,       // persisted, says the server
      refused,   // no word: unknown, busy, or it can't write a snapshot
      unknown,   // it has no such shard
      failed,    // it can't persist this one
      broken,    // no answer that means anything
      ends_run,  // likewise, and the other shards would get the same
    };
    Kind kind = Kind::broken;
    std::string message{};  // of the last three: what, and the remedy
  };

  // Called first in a run: reads addresses and tokens.
  [[nodiscard]] virtual Result<void> prepare() = 0;
  // One question. `run`: of the time that is left.
  [[nodiscard]] virtual Answer ask(const RunObserver& run, const wal::Shard& shard) = 0;
  // 1.x: a yes means that a snapshot was written, and up to 1.7 the last segment may stay all the same.
  [[nodiscard]] virtual bool may_keep_open() const { return false; }
  // nullopt: the server says nothing of its shards.
  [[nodiscard]] virtual std::optional<DebugVars> ask_figures(const RunObserver& /*run*/) { return std::nullopt; }
  // The shards that the server has open; nullopt: it does not say.
  [[nodiscard]] virtual std::optional<std::vector<wal::ShardKey>> ask_for_list(const RunObserver& /*run*/) {
    return std::nullopt;
  }
  // Writes the point again, so that the next backup removes the file of `shard`. Empty: done; else why not.
  [[nodiscard]] virtual std::string write_again(const RunObserver& /*run*/, const Rewrite& /*planned*/,
                                                const wal::Shard& /*shard*/) {
    return "only InfluxDB 1.x keeps files open";
  }
  // For messages: who was asked.
  [[nodiscard]] virtual std::string server() const = 0;

  const std::shared_ptr<Clock> clock_;
  const Log log_;

 private:
  // One shard that is asked for, as it was at the start of the run.
  struct Asked {
    wal::Shard shard;
    std::optional<Answer> answer{};               // the last one; nullopt: not asked
    std::shared_ptr<const wal::Sample> before{};  // the last question
    SteadyTime asked_at{};
    std::uint64_t questions = 0;
    bool moved = false;      // by a question, or its open segment is empty, so that nothing would show
    bool closed = false;     // by a question: a new open segment appeared
    bool persisted = false;  // nothing that was there at the start is left
  };
  struct Run {
    RunObserver observer;
    std::shared_ptr<const wal::Sample> first{};
    std::vector<Asked> asked{};
    std::uint64_t steps = 0;
    std::string ended_by{};  // why not every shard was asked, or looked after; empty: each was
    bool out_of_time = false;
    bool server_proven = false;  // before this run; see CheckpointRequest
    bool figures_asked = false;
    std::optional<DebugVars> figures{};                  // after the first questions
    std::optional<std::vector<wal::ShardKey>> listed{};  // after the last ones, where only the list tells
    std::string not_rewritten{};                         // which points were planned and not written, and why
  };

  [[nodiscard]] Outcome checkpoint(const CheckpointRequest& request, const std::stop_token& stop);
  void rewrite(Run& run, const CheckpointRequest& request);
  void ask_each(Run& run);
  void question(Run& run, Asked& asked);
  void look_after(Run& run);
  // Whether to go on looking after it.
  [[nodiscard]] bool look_at(Run& run, Asked& asked);
  void ask_what_it_knows(Run& run);
  [[nodiscard]] bool take_sample(Run& run);
  [[nodiscard]] bool is_interrupted(Run& run, const wal::Shard& shard);

  // Whether the server knows the shard, by what it says of its shards; nullopt: that does not tell.
  [[nodiscard]] static std::optional<bool> is_known(const Run& run, const wal::ShardKey& shard);
  // Of one that is left though it was answered with a yes.
  [[nodiscard]] Kept judge_left(const Run& run, const Asked& asked) const;
  [[nodiscard]] ShardOutcome outcome_of(const Run& run, const Asked& asked, bool proven) const;
  // Another folder with the shard's number, which InfluxDB emptied.
  [[nodiscard]] static std::optional<wal::ShardKey> emptied_twin(const Run& run, const wal::ShardKey& shard);
  [[nodiscard]] Outcome conclude(Run& run, Outcome outcome) const;

  const std::shared_ptr<wal::WalSource> source_;
  const Duration limit_;
  const std::string address_setting_;
  Pause pause_;
};

}  // namespace wal_exporter::influxdb
