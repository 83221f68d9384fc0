#include <algorithm>
#include <utility>
#include <vector>

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
  BackupRun(Context& context, SegmentServer& server, Generation generation, std::uint64_t skip_below, Duration limit,
            Look look, Ended ended)
      : Run(context, std::move(look), std::move(ended), limit),
        server_(server),
        generation_(generation),
        skip_below_(skip_below) {}

  void begin() override {
    const auto sample = look();
    if (!sample) return finish({OutcomeKind::failed, sample.error().message, {}, 0, {}, {}});
    for (const wal::Shard& shard : (*sample)->shards) {
      if (shard.pending.files > 0 && shard.pending.bytes >= skip_below_) asked_.push_back(shard);
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
        if (generation_ == Generation::v1) return next();
        break;
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
    if (proof.complete()) {
      outcome.kind = OutcomeKind::succeeded;
      outcome.message = "all persisted";
    } else if (worst_.message.empty()) {
      outcome.kind = OutcomeKind::unverified;
      outcome.message = "files are still in the WAL";
    }
    finish(std::move(outcome));
  }

  [[nodiscard]] bool gone(const wal::Sample& sample) const {
    return influxdb::prove({asked_[index_]}, sample.shards).complete();
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
  const std::uint64_t skip_below_;
  std::vector<wal::Shard> asked_;
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
  return std::make_shared<BackupRun>(context, server, generation, effect.skip_below, settings.checkpoint.timeout,
                                     std::move(look), std::move(ended));
}

}  // namespace wal_exporter::simulation
