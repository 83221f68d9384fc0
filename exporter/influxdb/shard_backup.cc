#include "influxdb/shard_backup.h"

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "base/text.h"
#include "influxdb/verify.h"

namespace wal_exporter::influxdb {
namespace {

// 1.6.7 deletes segments before it answers. Later versions answer also while
// another snapshot runs, and a directory seen over a network lags.
constexpr Rhythm kSettle = {std::chrono::milliseconds(50), std::chrono::seconds(1), std::chrono::seconds(2)};

[[nodiscard]] const wal::Shard* find_shard(const wal::Sample& sample, const wal::ShardKey& shard) {
  for (const auto& one : sample.shards) {
    if (one.id == shard.id && one.key() == shard) return &one;
  }
  return nullptr;
}

[[nodiscard]] bool contains(const std::vector<wal::ShardKey>& shards, const wal::ShardKey& shard) {
  return std::find(shards.begin(), shards.end(), shard) != shards.end();
}

[[nodiscard]] const wal::Segment* newest_segment(const wal::Sample& sample, const wal::Shard& shard) {
  const wal::Shard* found = find_shard(sample, shard.key());
  return found == nullptr || found->segments.empty() ? nullptr : &found->segments.back();
}

}  // namespace

std::string shard_name(const wal::Shard& shard) {
  return escape_control(shard.database + "/" + shard.retention_policy + "/" + std::to_string(shard.id));
}

bool open_segment_moved(const wal::Sample& before, const wal::Sample& after, const wal::Shard& shard) {
  const wal::Segment* then = newest_segment(before, shard);
  const wal::Segment* now = newest_segment(after, shard);
  if (now == nullptr) return false;
  if (now->bytes == 0) return true;
  return then == nullptr || then->name != now->name || then->inode != now->inode;
}

Outcome ShardBackup::run(const CheckpointRequest& request, std::stop_token stop) {
  const Time started = clock_->now();
  const SteadyTime begin = clock_->steady();
  Outcome outcome = checkpoint(request, stop);
  outcome.started = started;
  outcome.elapsed = clock_->steady() - begin;
  return outcome;
}

Outcome ShardBackup::checkpoint(const CheckpointRequest& request, const std::stop_token& stop) {
  Outcome outcome;
  if (const auto prepared = prepare(); !prepared) {
    outcome.message = prepared.error().message;
    return outcome;
  }
  Run run{RunObserver(*source_, *clock_, pause_, clock_->steady() + limit_, stop)};
  if (auto trouble = take_sample(run)) {
    outcome.message = trouble->message;
    return outcome;
  }

  run.server_proven = request.server_proven;
  rewrite(run, request);
  std::uint64_t small = 0;
  for (const auto& shard : run.observer.latest().shards) {
    if (shard.pending.files == 0 || contains(request.leave_alone, shard.key())) continue;
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
    outcome.message += run.not_rewritten;
    return outcome;
  }
  std::stable_sort(run.asked.begin(), run.asked.end(),
                   [](const wal::Shard& a, const wal::Shard& b) { return a.pending.bytes > b.pending.bytes; });

  std::vector<ShardTrouble> troubles;
  for (std::size_t i = 0; i < run.asked.size(); ++i) {
    const wal::Shard& shard = run.asked[i];
    std::optional<ShardTrouble> trouble = interruption(run, shard);
    // The sample at the start of the run still holds for the first shard.
    if (!trouble && i > 0) trouble = take_sample(run);
    if (!trouble && gone(run.observer.latest(), shard)) continue;  // persisted or dropped meanwhile
    if (!trouble) trouble = back_up(run, shard);
    if (!trouble) {
      run.answered.insert(shard.key());
      continue;
    }
    troubles.push_back(*trouble);
    if (trouble->ends_run) break;
  }
  return conclude(run, troubles);
}

// What was written again is asked for whatever else the request says.
void ShardBackup::rewrite(Run& run, const CheckpointRequest& request) {
  for (const Rewrite& planned : request.rewrites) {
    const auto before = run.observer.latest_ptr();
    const wal::Shard* shard = find_shard(*before, planned.shard);
    if (shard == nullptr || shard->pending.files == 0) continue;
    std::string why = write_again(run, planned, *shard);
    if (auto trouble = why.empty() ? take_sample(run) : std::nullopt) why = trouble->message;
    const wal::Shard* now = find_shard(run.observer.latest(), planned.shard);
    if (why.empty() && now != nullptr && *now == *shard) why = "the write did not reach this shard";
    if (why.empty() && now != nullptr) {
      run.asked.push_back(*now);
    } else if (!why.empty()) {
      run.not_rewritten += "; no point of shard " + shard_name(*shard) + " was written again: " + why;
    }
  }
}

std::map<wal::ShardKey, Kept> ShardBackup::judge_left(const Run& run, const DebugVars* vars) const {
  std::map<wal::ShardKey, Kept> out;
  if (!may_keep_open()) return out;
  const wal::Sample& now = run.observer.latest();
  const auto is_done = [&](const wal::Shard& shard) { return run.answered.contains(shard.key()) && gone(now, shard); };
  BackupAnswers answers{true, run.server_proven, false, vars};
  answers.server_proven = answers.server_proven || std::any_of(run.asked.begin(), run.asked.end(), is_done);
  for (const wal::Shard& shard : run.asked) {
    const wal::Shard* left = find_shard(now, shard.key());
    if (left == nullptr || !run.answered.contains(shard.key()) || gone(now, shard)) continue;
    answers.has_twin = std::count_if(now.shards.begin(), now.shards.end(),
                                     [&](const wal::Shard& other) { return other.id == shard.id; }) > 1;
    out[shard.key()] = judge_kept(shard, *left, answers);
  }
  return out;
}

Outcome ShardBackup::conclude(Run& run, const std::vector<ShardTrouble>& troubles) {
  Outcome outcome;
  outcome.steps = run.steps;
  const auto last_sample = take_sample(run);
  SegmentProof proof = prove(run.asked, run.observer.latest().shards);
  std::optional<DebugVars> figures;
  if (!proof.complete() && !last_sample && may_keep_open()) figures = ask_figures(run);
  std::map<wal::ShardKey, Kept> judged = judge_left(run, figures ? &*figures : nullptr);
  const bool all_proven =
      figures && std::all_of(judged.begin(), judged.end(), [](const auto& one) { return one.second == Kept::open; });
  if (troubles.empty() && !last_sample && !all_proven) {
    static_cast<void>(run.observer.sample_until(
        kSettle, [&](const wal::Sample& sample) { return prove(run.asked, sample.shards).complete(); }));
    proof = prove(run.asked, run.observer.latest().shards);
    judged = judge_left(run, figures ? &*figures : nullptr);
  }
  outcome.reclaimed = proof.reclaimed;

  std::uint64_t done = 0;
  wal::Extent kept_open;
  const wal::Shard* left = nullptr;
  for (const auto& shard : run.asked) {
    const auto kept = judged.find(shard.key());
    if (gone(run.observer.latest(), shard)) {
      ++done;
    } else if (kept != judged.end() && kept->second == Kept::open) {
      kept_open += find_shard(run.observer.latest(), shard.key())->pending;
      outcome.shards.push_back({shard.key(), ShardEnd::kept_open,
                                "persisted, but InfluxDB keeps the file open until the next write to the shard"});
    } else if (left == nullptr) {
      left = &shard;
    }
  }
  std::string kept_text = kept_open.files == 0 ? std::string()
                                               : extent_text(kept_open) +
                                                     " persisted, but kept open by InfluxDB until the next write to " +
                                                     (kept_open.files == 1 ? "its shard" : "their shards");
  std::string progress = " (" + std::to_string(done) + " of " + count_of(run.asked.size(), "shard") + " done";
  if (proof.reclaimed.files > 0) progress += ", " + extent_text(proof.reclaimed) + " gone";
  if (!kept_text.empty()) progress += ", " + kept_text;
  progress += ")" + run.not_rewritten;

  if (left == nullptr) {
    outcome.kind = OutcomeKind::succeeded;
    if (done > 0) {
      outcome.message = count_of(done, "shard") + " persisted: " + extent_text(proof.reclaimed) + " gone from the WAL";
      if (!kept_text.empty()) outcome.message += "; ";
    }
    outcome.message += kept_text + run.not_rewritten;
    if (!troubles.empty()) outcome.message += ", although: " + troubles.front().message;
    return outcome;
  }
  if (!troubles.empty()) {
    const auto worst = std::find_if(troubles.begin(), troubles.end(),
                                    [](const ShardTrouble& one) { return one.kind == OutcomeKind::failed; });
    const ShardTrouble& shown = worst == troubles.end() ? troubles.front() : *worst;
    outcome.kind = shown.kind;
    outcome.message = shown.message + progress;
    return outcome;
  }
  if (last_sample) {
    outcome.kind = OutcomeKind::failed;
    outcome.message = last_sample->message + progress;
    return outcome;
  }
  outcome.kind = OutcomeKind::unverified;
  outcome.message =
      server() + " said that it is done, but files of shard " + shard_name(*left) + " are still in the WAL" + progress +
      "; " + why_unverified(judged.contains(left->key()) ? judged.at(left->key()) : Kept::unknown, address_setting_);
  // Closed segments are deleted only by a snapshot that holds points (FACTS.md,
  // "1.x: the backup port").
  if (const auto* newest = newest_segment(run.observer.latest(), *left); newest != nullptr && newest->bytes == 0) {
    outcome.message +=
        "; a WAL that holds only deletions stays until points are written to that shard, and so does one whose "
        "snapshot is still being written";
  }
  return outcome;
}

std::optional<ShardBackup::ShardTrouble> ShardBackup::take_sample(Run& run) {
  const auto sampled = run.observer.take_sample();
  if (sampled) return std::nullopt;
  return ShardTrouble{OutcomeKind::failed, sampled.error().message, true};
}

std::optional<ShardBackup::ShardTrouble> ShardBackup::interruption(const Run& run, const wal::Shard& shard) const {
  if (run.observer.stopped()) {
    return ShardTrouble{OutcomeKind::failed, "stopped before shard " + shard_name(shard) + " was done", true};
  }
  if (run.observer.late()) {
    return ShardTrouble{OutcomeKind::failed,
                        "out of time at shard " + shard_name(shard) + ": the limit for all is " +
                            format_duration(limit_) +
                            "; look into the server's log, and raise checkpoint.timeout if it is just slow",
                        true};
  }
  return std::nullopt;
}

bool ShardBackup::gone(const wal::Sample& sample, const wal::Shard& shard) {
  return prove({shard}, sample.shards).complete();
}

}  // namespace wal_exporter::influxdb
