#include <algorithm>
#include <utility>
#include <vector>

#include "influxdb/kept_open.h"
#include "influxdb/verify.h"
#include "run.h"

namespace wal_exporter::simulation {

using influxdb::Outcome;
using influxdb::OutcomeKind;
using std::chrono::seconds;

void Run::finish(Outcome outcome) {
  if (std::exchange(over_, true)) return;
  outcome.started = started_;
  outcome.elapsed = context_.schedule.steady() - begun_;
  ended_(std::move(outcome), stopped_);
}

namespace {

// As influxdb/shard_backup.cc has them.
constexpr Duration kLookEvery = seconds(1);
constexpr Duration kMovesWithin = seconds(2);
constexpr Duration kOtherSnapshotWithin = seconds(16);
constexpr Duration kYesWithin = seconds(30);  // there: until the end of the run, beside the other shards

using influxdb::ShardEnd;

class BackupRun final : public Run, public std::enable_shared_from_this<BackupRun> {
 public:
  BackupRun(Context& context, SegmentServer& server, Generation generation, const settings::Target& settings,
            control::RunCheckpoint effect, Look look, Ended ended)
      : Run(context, std::move(look), std::move(ended), settings.checkpoint.timeout),
        server_(server),
        may_keep_open_(generation == Generation::v1),
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
    ends_.resize(asked_.size(), ShardEnd::not_asked);
    ask();
  }

 private:
  // The shard whose turn it is was not emptied, as far as is known.
  void left_as(ShardEnd end) {
    ends_[index_] = end;
    ++index_;
    moved_ = closed_ = false;
    if (index_ == asked_.size()) return prove();
    ask();
  }
  void end_run(std::string why) {
    ended_by_ = std::move(why);
    prove();
  }

  void ask() {
    if (is_stopped()) return end_run("stopped before a shard was done");
    if (is_late()) return end_run("out of time");
    const auto sample = look();
    if (!sample) return end_run(sample.error().message);
    if (gone(asked_[index_], **sample)) return left_as(ShardEnd::persisted);
    before_ = *sample;
    server_.back_up(asked_[index_], [self = shared_from_this()](BackupReply reply) {
      if (!self->is_over()) self->answered(reply);
    });
  }

  void answered(BackupReply reply) {
    if (reply == BackupReply::unreachable) return end_run("the server does not answer");
    if (reply == BackupReply::not_found) return left_as(ShardEnd::unknown);
    if (reply == BackupReply::failed) return left_as(ShardEnd::failed);
    said_yes_ = reply == BackupReply::archive;
    if (said_yes_) ++steps_;
    asked_at_ = context().schedule.steady();
    watch();
  }

  void watch() {
    const auto sample = look();
    if (!sample) return end_run(sample.error().message);
    const Duration since = context().schedule.steady() - asked_at_;
    if (gone(asked_[index_], **sample)) {
      proven_ = proven_ || said_yes_;
      return left_as(ShardEnd::persisted);
    }
    if (since <= kMovesWithin) {
      moved_ = moved_ || moved(**sample);
      closed_ = closed_ || closed(**sample);
      proven_ = proven_ || closed_;
    }
    // What it has it says on the backup port, too.
    const auto known = may_keep_open_ ? server_.figures() : std::nullopt;
    const auto figures = asks_figures_ ? known : std::nullopt;
    if (!said_yes_ && !closed_ && known) {
      knows_any_ = knows_any_ || std::any_of((*sample)->shards.begin(), (*sample)->shards.end(),
                                             [&](const auto& shard) { return known->shards.contains(shard.key()); });
      if (!known->shards.contains(asked_[index_].key())) return left_as(ShardEnd::unknown);
      // A segment that was open before a restart does not move either where its snapshot fails.
      if (!moved_) return left_as(ShardEnd::failed);
    }
    if (said_yes_ && !moved_ && (figures || since >= kMovesWithin) && is_kept_open(**sample, figures)) {
      return left_as(ShardEnd::kept_open);
    }
    const Duration allowed = said_yes_ ? kYesWithin : moved_ ? kOtherSnapshotWithin : kMovesWithin;
    if (since >= allowed || is_stopped() || is_late()) {
      return left_as(moved_ ? ShardEnd::busy : said_yes_ ? ShardEnd::unverified : ShardEnd::unknown);
    }
    context().schedule.in(kLookEvery, [self = shared_from_this()] {
      if (!self->is_over()) self->watch();
    });
  }

  void prove() {
    Outcome outcome;
    outcome.steps = steps_;
    outcome.message = ended_by_;
    const auto sample = look();
    if (!sample) {
      outcome.message = sample.error().message;
      return finish(std::move(outcome));
    }
    outcome.reclaimed = influxdb::prove(asked_, (*sample)->shards).reclaimed;
    outcome.server_proven = proven_;
    const bool all_unknown =
        !knows_any_ && std::all_of(ends_.begin(), ends_.end(), [](ShardEnd end) { return end == ShardEnd::unknown; });
    std::size_t done = 0;
    std::size_t left = 0;
    std::optional<ShardEnd> worst;
    for (std::size_t i = 0; i < asked_.size(); ++i) {
      ShardEnd& end = ends_[i];
      if (gone(asked_[i], **sample)) end = ShardEnd::persisted;
      if (end == ShardEnd::unknown && (proven_ || (effect_.server_proven && !all_unknown))) end = ShardEnd::orphaned;
      done += end == ShardEnd::persisted;
      left += !influxdb::is_settled(end);
      if (end == ShardEnd::busy && !worst) worst = end;
      if (end == ShardEnd::failed || end == ShardEnd::unknown || end == ShardEnd::unverified) worst = ShardEnd::failed;
      outcome.shards.push_back({asked_[i].key(), end, "as the model says"});
    }
    const bool went_through = ended_by_.empty() || ended_by_ == "out of time" || left == 0;
    const bool kept = std::find(ends_.begin(), ends_.end(), ShardEnd::kept_open) != ends_.end();
    if (went_through && (done > 0 || kept)) {
      outcome.kind = OutcomeKind::succeeded;
      outcome.message = left == 0 ? "all persisted" : "some persisted";
    } else if (ended_by_.empty() && !worst) {
      outcome.kind = OutcomeKind::no_op;
    } else if (ended_by_.empty() && worst == ShardEnd::busy) {
      outcome.kind = OutcomeKind::busy;
      outcome.message = "another snapshot is running";
    } else if (ended_by_.empty()) {
      outcome.message = "no shard was persisted";
    }
    finish(std::move(outcome));
  }

  [[nodiscard]] static bool gone(const wal::Shard& shard, const wal::Sample& sample) {
    return influxdb::prove({shard}, sample.shards).complete();
  }
  [[nodiscard]] bool is_kept_open(const wal::Sample& now, const std::optional<influxdb::DebugVars>& figures) const {
    const auto left = std::find_if(now.shards.begin(), now.shards.end(),
                                   [&](const wal::Shard& one) { return one.key() == asked_[index_].key(); });
    return may_keep_open_ && left != now.shards.end() &&
           influxdb::judge_kept(asked_[index_], *left,
                                {true, effect_.server_proven || proven_, false, figures ? &*figures : nullptr}) ==
               influxdb::Kept::open;
  }
  [[nodiscard]] const wal::Segment* newest(const wal::Sample& in) const {
    for (const wal::Shard& shard : in.shards) {
      if (shard.id == asked_[index_].id) return shard.segments.empty() ? nullptr : &shard.segments.back();
    }
    return nullptr;
  }
  // The shard's open segment was closed, so the server knows it.
  [[nodiscard]] bool closed(const wal::Sample& sample) const {
    const wal::Segment* then = newest(*before_);
    const wal::Segment* now = newest(sample);
    return now != nullptr && then != nullptr && then->inode != now->inode;
  }
  // Or may have been: an empty one stays.
  [[nodiscard]] bool moved(const wal::Sample& sample) const {
    const wal::Segment* now = newest(sample);
    return closed(sample) || (now != nullptr && now->bytes == 0);
  }

  SegmentServer& server_;
  const bool may_keep_open_;
  const bool asks_figures_;
  const control::RunCheckpoint effect_;
  std::vector<wal::Shard> asked_;
  std::vector<ShardEnd> ends_;
  std::size_t index_ = 0;
  bool said_yes_ = false;
  bool moved_ = false;
  bool closed_ = false;
  bool knows_any_ = false;  // of the shards that there are
  bool proven_ = false;
  SteadyTime asked_at_{};
  std::uint64_t steps_ = 0;
  std::shared_ptr<const wal::Sample> before_;
  std::string ended_by_;
};

}  // namespace

std::shared_ptr<Run> make_backup_run(Context& context, SegmentServer& server, Generation generation,
                                     const settings::Target& settings, const control::RunCheckpoint& effect,
                                     Run::Look look, Run::Ended ended) {
  return std::make_shared<BackupRun>(context, server, generation, settings, effect, std::move(look), std::move(ended));
}

}  // namespace wal_exporter::simulation
