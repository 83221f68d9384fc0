#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "influxdb/kept_open.h"
#include "influxdb/verify.h"
#include "run.h"

namespace wal_exporter::simulation {

using influxdb::Outcome;
using influxdb::OutcomeKind;
using std::chrono::milliseconds;
using std::chrono::seconds;

void Run::finish(Outcome outcome) {
  if (std::exchange(over_, true)) return;
  outcome.started = started_;
  outcome.elapsed = context_.schedule.steady() - begun_;
  ended_(std::move(outcome), stopped_);
}

namespace {

// As influxdb/backup_v1.cc and backup_v2.cc have them.
constexpr Duration kRetryPauses[] = {milliseconds(250), milliseconds(500), seconds(1),
                                     seconds(2),        seconds(4),        seconds(8)};
constexpr std::size_t kUnknownRetries = 2;
constexpr Duration kSettles = seconds(2);

class BackupRun final : public Run, public std::enable_shared_from_this<BackupRun> {
 public:
  BackupRun(Context& context, SegmentServer& server, Generation generation, const settings::Target& settings,
            control::RunCheckpoint effect, Look look, Ended ended)
      : Run(context, std::move(look), std::move(ended), settings.checkpoint.timeout),
        server_(server),
        generation_(generation),
        asks_figures_(!settings.influxdb.url.empty()),
        effect_(std::move(effect)) {}

  void begin() override {
    const auto sample = look();
    if (!sample) return finish({OutcomeKind::failed, sample.error().message, {}, 0, {}, {}});
    for (const wal::Shard& shard : (*sample)->shards) {
      const auto& alone = effect_.leave_alone;
      if (shard.pending.files == 0 || std::find(alone.begin(), alone.end(), shard.key()) != alone.end()) continue;
      if (shard.pending.bytes >= effect_.skip_below) asked_.push_back(shard);
    }
    if (asked_.empty()) return finish({OutcomeKind::no_op, "nothing is pending", {}, 0, {}, {}});
    std::stable_sort(asked_.begin(), asked_.end(), [](const wal::Shard& left, const wal::Shard& right) {
      return left.pending.bytes > right.pending.bytes;
    });
    ask();
  }

 private:
  // Something is wrong with the shard whose turn it is.
  void trouble(OutcomeKind kind, std::string message, bool ends_run) {
    if (worst_.message.empty() || (worst_.kind != OutcomeKind::failed && kind == OutcomeKind::failed)) {
      worst_ = {kind, std::move(message), {}, 0, {}, {}};
    }
    if (ends_run) return conclude(false);
    next();
  }

  void next() {
    ++index_;
    attempt_ = 0;
    moved_ = false;
    if (index_ == asked_.size()) return conclude(worst_.message.empty());
    ask();
  }

  void wait(Duration duration, void (BackupRun::*then)()) {
    context().schedule.in(duration, [self = shared_from_this(), then] {
      if (!self->is_over()) (self.get()->*then)();
    });
  }

  void ask() {
    if (is_stopped()) return trouble(OutcomeKind::failed, "stopped before a shard was done", true);
    if (is_late()) return trouble(OutcomeKind::failed, "out of time", true);
    const auto sample = look();
    if (!sample) return trouble(OutcomeKind::failed, sample.error().message, true);
    if (gone(**sample)) return next();
    before_ = *sample;
    server_.back_up(asked_[index_], [self = shared_from_this()](BackupReply reply) {
      if (!self->is_over()) self->answered(reply);
    });
  }

  void answered(BackupReply reply) {
    switch (reply) {
      case BackupReply::unreachable:
        return trouble(OutcomeKind::failed, "the server does not answer", true);
      case BackupReply::not_found:
        return trouble(OutcomeKind::failed, "the server does not know this shard", false);
      case BackupReply::failed:
        return trouble(OutcomeKind::failed, "the server answered 500", true);
      case BackupReply::archive:
        ++steps_;
        if (generation_ != Generation::v1) break;
        answered_.insert(asked_[index_].key());
        return next();
      case BackupReply::nothing:
        break;
    }
    const auto sample = look();
    if (!sample) return trouble(OutcomeKind::failed, sample.error().message, true);
    if (gone(**sample)) return next();
    moved_ = moved_ || moved(**sample);
    if (generation_ == Generation::v2 && !moved_) return next();  // asking again does not help
    if (attempt_ < (moved_ ? std::size(kRetryPauses) : kUnknownRetries)) {
      return wait(kRetryPauses[attempt_++], &BackupRun::ask);
    }
    trouble(moved_ ? OutcomeKind::busy : OutcomeKind::failed,
            moved_ ? "another snapshot of it is running" : "the server does not know this shard", false);
  }

  void conclude(bool settles) {
    if (settles) return wait(kSettles, &BackupRun::prove);
    prove();
  }

  void prove() {
    Outcome outcome = worst_;
    outcome.steps = steps_;
    const auto sample = look();
    if (!sample) {
      outcome.kind = OutcomeKind::failed;
      outcome.message = sample.error().message;
      return finish(std::move(outcome));
    }
    const influxdb::SegmentProof proof = influxdb::prove(asked_, (*sample)->shards);
    outcome.reclaimed = proof.reclaimed;
    const bool all = judge_left(**sample, outcome);
    if (all) {
      outcome.kind = OutcomeKind::succeeded;
      outcome.message = "all persisted";
    } else if (worst_.message.empty()) {
      outcome.kind = OutcomeKind::unverified;
      outcome.message = "files are still in the WAL";
    }
    finish(std::move(outcome));
  }

  [[nodiscard]] static bool gone(const wal::Sample& sample, const wal::Shard& shard) {
    return influxdb::prove({shard}, sample.shards).complete();
  }
  [[nodiscard]] bool gone(const wal::Sample& sample) const { return gone(sample, asked_[index_]); }
  // What became of each shard that is gone or kept open; true: those are all.
  bool judge_left(const wal::Sample& now, Outcome& outcome) const {
    const auto figures = asks_figures_ ? server_.figures() : std::nullopt;
    influxdb::BackupAnswers answers{true, effect_.server_proven, false, figures ? &*figures : nullptr};
    for (const wal::Shard& shard : asked_) {
      if (!answered_.contains(shard.key()) || !gone(now, shard)) continue;
      answers.server_proven = true;
      outcome.shards.push_back({shard.key(), influxdb::ShardEnd::persisted, ""});
    }
    return std::count_if(asked_.begin(), asked_.end(), [&](const wal::Shard& shard) {
             if (gone(now, shard)) return false;
             const auto left = std::find_if(now.shards.begin(), now.shards.end(),
                                            [&](const wal::Shard& one) { return one.key() == shard.key(); });
             if (!answered_.contains(shard.key()) || left == now.shards.end()) return true;
             if (influxdb::judge_kept(shard, *left, answers) != influxdb::Kept::open) return true;
             outcome.shards.push_back({shard.key(), influxdb::ShardEnd::kept_open, "kept open"});
             return false;
           }) == 0;
  }
  // The shard's open segment was closed, so the server knows it.
  [[nodiscard]] bool moved(const wal::Sample& sample) const {
    const auto newest = [&](const wal::Sample& in) -> const wal::Segment* {
      for (const wal::Shard& shard : in.shards) {
        if (shard.id == asked_[index_].id) return shard.segments.empty() ? nullptr : &shard.segments.back();
      }
      return nullptr;
    };
    const wal::Segment* then = newest(*before_);
    const wal::Segment* now = newest(sample);
    return now != nullptr && (now->bytes == 0 || then == nullptr || then->inode != now->inode);
  }

  SegmentServer& server_;
  const Generation generation_;
  const bool asks_figures_;
  const control::RunCheckpoint effect_;
  std::vector<wal::Shard> asked_;
  std::set<wal::ShardKey> answered_;  // 1.x: with an archive
  std::size_t index_ = 0;
  std::size_t attempt_ = 0;
  bool moved_ = false;
  std::uint64_t steps_ = 0;
  std::shared_ptr<const wal::Sample> before_;
  Outcome worst_{OutcomeKind::failed, "", {}, 0, {}, {}};  // no message: no trouble
};

}  // namespace

std::shared_ptr<Run> make_backup_run(Context& context, SegmentServer& server, Generation generation,
                                     const settings::Target& settings, const control::RunCheckpoint& effect,
                                     Run::Look look, Run::Ended ended) {
  return std::make_shared<BackupRun>(context, server, generation, settings, effect, std::move(look), std::move(ended));
}

}  // namespace wal_exporter::simulation
