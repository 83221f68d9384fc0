#include "influxdb/backup_v1.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "influxdb/backup_exchange.h"
#include "influxdb/verify.h"

namespace walx::influxdb {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// After a refusal. Few and growing, because each question closes the server's
// open segment: asking all the time would add files.
constexpr std::array<Duration, 6> kRetryPauses = {milliseconds(250), milliseconds(500), seconds(1),
                                                  seconds(2),        seconds(4),        seconds(8)};
// A shard whose WAL does not move when it is asked for is unknown to the server:
// asking on does not help.
constexpr std::size_t kUnknownRetries = 2;

// 1.6.7 deletes segments before it answers. Later versions answer also while
// another snapshot runs, and a directory seen over a network lags.
constexpr std::array<Duration, 5> kSettlePauses = {milliseconds(50), milliseconds(150), milliseconds(300),
                                                   milliseconds(500), seconds(1)};

// Less than this free, and a refusal is taken for a snapshot that found no space.
constexpr std::uint64_t kScarceBytes = 16 * kMiB;

using SamplePtr = std::shared_ptr<const wal::Sample>;

[[nodiscard]] std::string count_of(std::uint64_t count, const char* noun) {
  return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

[[nodiscard]] std::string extent_text(const wal::Extent& extent) {
  return count_of(extent.files, "file") + ", " + format_bytes(extent.bytes);
}

[[nodiscard]] const wal::Shard* find_shard(const wal::Sample& sample, const wal::Shard& shard) {
  for (const auto& one : sample.shards) {
    if (one.id == shard.id && one.database == shard.database && one.retention_policy == shard.retention_policy) {
      return &one;
    }
  }
  return nullptr;
}

[[nodiscard]] const wal::Segment* newest_segment(const wal::Sample& sample, const wal::Shard& shard) {
  const wal::Shard* found = find_shard(sample, shard);
  return found == nullptr || found->segments.empty() ? nullptr : &found->segments.back();
}

// Did the server, between these two looks, close the shard's open segment, or is
// it a new one without data? Then it knows the shard, and something keeps it from
// persisting what was closed.
[[nodiscard]] bool open_segment_moved(const wal::Sample& before, const wal::Sample& after, const wal::Shard& shard) {
  const wal::Segment* then = newest_segment(before, shard);
  const wal::Segment* now = newest_segment(after, shard);
  if (now == nullptr) return false;
  if (now->bytes == 0) return true;
  return then == nullptr || then->name != now->name || then->inode != now->inode;
}

class BackupV1 final : public CheckpointMethod {
 public:
  BackupV1(BackupV1Options options, std::shared_ptr<wal::WalSource> source, std::shared_ptr<Clock> clock, Log log)
      : options_(std::move(options)), source_(std::move(source)), clock_(std::move(clock)), log_(std::move(log)) {}

  [[nodiscard]] std::string_view name() const override { return "backup"; }
  [[nodiscard]] Outcome run(const CheckpointRequest& request, std::stop_token stop) override;

 private:
  // How it ended for one shard, or for the run before all shards were through.
  struct Trouble {
    OutcomeKind kind = OutcomeKind::failed;
    std::string message;
    bool ends_run = false;  // the next shard would fare no better
  };

  struct Run {
    std::vector<wal::Shard> asked;
    SamplePtr latest;
    SteadyTime deadline;
    std::stop_token stop;
    Address address;
    std::uint64_t steps = 0;
  };

  [[nodiscard]] Outcome checkpoint(const CheckpointRequest& request, const std::stop_token& stop);
  [[nodiscard]] std::optional<Trouble> checkpoint_shard(Run& run, const wal::Shard& shard);
  [[nodiscard]] Trouble refused(const Run& run, const wal::Shard& shard, bool known) const;
  [[nodiscard]] Outcome conclude(Run& run, const std::vector<Trouble>& troubles);
  [[nodiscard]] std::optional<Trouble> look(Run& run);
  [[nodiscard]] std::optional<Trouble> interruption(const Run& run, const wal::Shard& shard) const;
  void pause(Duration duration, const Run& run);

  const BackupV1Options options_;
  const std::shared_ptr<wal::WalSource> source_;
  const std::shared_ptr<Clock> clock_;
  const Log log_;
  // Guards nothing: what a waiting run() is woken by. Members, because a clock may
  // still hold them when the wait is over.
  Mutex mutex_;
  CondVar wake_;
};

Outcome BackupV1::run(const CheckpointRequest& request, std::stop_token stop) {
  const Time started = clock_->now();
  const SteadyTime begin = clock_->steady();
  Outcome outcome = checkpoint(request, stop);
  outcome.started = started;
  outcome.took = clock_->steady() - begin;
  return outcome;
}

Outcome BackupV1::checkpoint(const CheckpointRequest& request, const std::stop_token& stop) {
  Outcome outcome;
  Run run;
  run.stop = stop;
  run.deadline = clock_->steady() + options_.total_timeout;
  const auto address = parse_address(options_.address);
  if (!address) {
    outcome.message = "influxdb.backup_address: " + address.error().message;
    return outcome;
  }
  run.address = *address;
  if (auto trouble = look(run)) {
    outcome.message = trouble->message;
    return outcome;
  }

  std::uint64_t small = 0;
  for (const auto& shard : run.latest->shards) {
    if (shard.pending.files == 0) continue;
    if (shard.pending.bytes < request.skip_below_bytes) {
      ++small;
    } else {
      run.asked.push_back(shard);
    }
  }
  if (run.asked.empty()) {
    outcome.kind = OutcomeKind::no_op;
    outcome.message = small == 0 ? "nothing is pending"
                                 : "no shard holds " + format_bytes(request.skip_below_bytes) + " or more (" +
                                       count_of(small, "smaller one") + " left alone)";
    return outcome;
  }
  std::stable_sort(run.asked.begin(), run.asked.end(),
                   [](const wal::Shard& a, const wal::Shard& b) { return a.pending.bytes > b.pending.bytes; });

  std::vector<Trouble> troubles;
  for (std::size_t i = 0; i < run.asked.size(); ++i) {
    const wal::Shard& shard = run.asked[i];
    std::optional<Trouble> trouble = interruption(run, shard);
    // The first shard was looked at just now.
    if (!trouble && i > 0) trouble = look(run);
    if (!trouble && prove({shard}, run.latest->shards).complete()) continue;  // persisted or dropped meanwhile
    if (!trouble) trouble = checkpoint_shard(run, shard);
    if (!trouble) continue;
    troubles.push_back(*trouble);
    if (trouble->ends_run) break;
  }
  return conclude(run, troubles);
}

std::optional<BackupV1::Trouble> BackupV1::checkpoint_shard(Run& run, const wal::Shard& shard) {
  bool known = false;
  for (std::size_t attempt = 0;; ++attempt) {
    const SamplePtr before = run.latest;
    const BackupLimits limits{options_.connect_timeout, options_.read_timeout, run.deadline};
    const auto reply = ask_for_backup(run.address, shard, limits, *clock_, run.stop);
    if (!reply) {
      if (auto trouble = interruption(run, shard)) return trouble;
      return Trouble{
          OutcomeKind::failed,
          "backup of shard " + shard_name(shard) + " from " + options_.address + ": " + reply.error().message, true};
    }
    if (*reply == BackupReply::archive) {
      ++run.steps;
      log_->debug("Shard {} backed up by {}", shard_name(shard), options_.address);
      return std::nullopt;
    }

    if (auto trouble = look(run)) return trouble;
    if (prove({shard}, run.latest->shards).complete()) return std::nullopt;
    known = known || open_segment_moved(*before, *run.latest, shard);
    const std::size_t retries = known ? kRetryPauses.size() : kUnknownRetries;
    if (attempt >= retries) return refused(run, shard, known);
    log_->debug("Shard {}: {} answered nothing, asking again in {}", shard_name(shard), options_.address,
                format_duration(kRetryPauses[attempt]));
    pause(kRetryPauses[attempt], run);
    if (auto trouble = interruption(run, shard)) return trouble;
    if (auto trouble = look(run)) return trouble;
    if (prove({shard}, run.latest->shards).complete()) return std::nullopt;
  }
}

BackupV1::Trouble BackupV1::refused(const Run& run, const wal::Shard& shard, bool known) const {
  const std::string what = "backup of shard " + shard_name(shard) + " from " + options_.address + ": ";
  if (!known) {
    return {OutcomeKind::failed,
            what +
                "refused without an answer, and the shard's WAL did not move: the server does not know this shard; "
                "check that influxdb.backup_address and wal.directory belong to the same server, and whether the "
                "folder was left behind by a shard that was dropped",
            false};
  }
  const auto free = run.latest->filesystem_avail_bytes;
  if (free && *free < kScarceBytes) {
    return {OutcomeKind::failed,
            what + "refused without an answer; only " + format_bytes(*free) +
                " are free, too little to write a snapshot: free some space and look into the server's log",
            true};
  }
  return {OutcomeKind::busy,
          what +
              "another snapshot of it is running; if this goes on with no other backup about, the server can't write "
              "one: look into its log and at the free space of its data directory",
          false};
}

Outcome BackupV1::conclude(Run& run, const std::vector<Trouble>& troubles) {
  Outcome outcome;
  outcome.steps = run.steps;
  const auto last_look = look(run);
  SegmentProof proof = prove(run.asked, run.latest->shards);
  if (troubles.empty() && !last_look) {
    for (const Duration wait : kSettlePauses) {
      if (proof.complete() || run.stop.stop_requested() || clock_->steady() >= run.deadline) break;
      pause(wait, run);
      if (look(run)) break;
      proof = prove(run.asked, run.latest->shards);
    }
  }
  outcome.reclaimed = proof.reclaimed;

  std::uint64_t done = 0;
  const wal::Shard* left = nullptr;
  for (const auto& shard : run.asked) {
    if (prove({shard}, run.latest->shards).complete()) {
      ++done;
    } else if (left == nullptr) {
      left = &shard;
    }
  }
  const std::string progress = " (" + std::to_string(done) + " of " + count_of(run.asked.size(), "shard") + " done, " +
                               extent_text(proof.reclaimed) + " gone)";

  if (proof.complete()) {
    outcome.kind = OutcomeKind::succeeded;
    outcome.message = count_of(done, "shard") + " persisted: " + extent_text(proof.reclaimed) + " gone from the WAL";
    if (!troubles.empty()) outcome.message += ", although: " + troubles.front().message;
    return outcome;
  }
  if (!troubles.empty()) {
    const auto worst = std::find_if(troubles.begin(), troubles.end(),
                                    [](const Trouble& one) { return one.kind == OutcomeKind::failed; });
    const Trouble& shown = worst == troubles.end() ? troubles.front() : *worst;
    outcome.kind = shown.kind;
    outcome.message = shown.message + progress;
    return outcome;
  }
  if (last_look) {
    outcome.kind = OutcomeKind::failed;
    outcome.message = last_look->message + progress;
    return outcome;
  }
  outcome.kind = OutcomeKind::unverified;
  outcome.message = options_.address + " said that it is done, but files of shard " + shard_name(*left) +
                    " are still in the WAL" + progress +
                    "; check that influxdb.backup_address and wal.directory belong to the same server";
  // Measured on 1.6.7: closed segments are deleted only together with a snapshot
  // that holds points.
  if (const auto* newest = newest_segment(*run.latest, *left); newest != nullptr && newest->bytes == 0) {
    outcome.message +=
        "; a WAL that holds only deletions stays until points are written to that shard, and so does one whose "
        "snapshot is still being written";
  }
  return outcome;
}

std::optional<BackupV1::Trouble> BackupV1::look(Run& run) {
  auto sample = source_->look(run.stop);
  if (sample) {
    run.latest = std::move(*sample);
    return std::nullopt;
  }
  if (run.stop.stop_requested()) return Trouble{OutcomeKind::failed, "stopped while looking at the WAL", true};
  return Trouble{OutcomeKind::failed, "looking at the WAL: " + sample.error().message, true};
}

std::optional<BackupV1::Trouble> BackupV1::interruption(const Run& run, const wal::Shard& shard) const {
  if (run.stop.stop_requested()) {
    return Trouble{OutcomeKind::failed, "stopped before shard " + shard_name(shard) + " was done", true};
  }
  if (clock_->steady() >= run.deadline) {
    return Trouble{OutcomeKind::failed,
                   "out of time at shard " + shard_name(shard) + ": the limit for all is " +
                       format_duration(options_.total_timeout) +
                       "; look into the server's log, and raise checkpoint.timeout if it is just slow",
                   true};
  }
  return std::nullopt;
}

void BackupV1::pause(Duration duration, const Run& run) {
  const SteadyTime end = std::min(clock_->steady() + duration, run.deadline);
  const std::stop_callback wake(run.stop, [this] {
    const MutexLock lock(mutex_);
    wake_.notify_all();
  });
  const MutexLock lock(mutex_);
  while (!run.stop.stop_requested() && clock_->steady() < end) clock_->wait_until(wake_, mutex_, end);
}

}  // namespace

std::unique_ptr<CheckpointMethod> make_backup_v1(BackupV1Options options, std::shared_ptr<wal::WalSource> source,
                                                 std::shared_ptr<Clock> clock, Log log) {
  return std::make_unique<BackupV1>(std::move(options), std::move(source), std::move(clock), std::move(log));
}

}  // namespace walx::influxdb
