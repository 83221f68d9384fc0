#include "influxdb/shard_backup.h"

#include <algorithm>
#include <utility>

#include "base/backoff.h"
#include "base/bytes.h"
#include "base/text.h"
#include "influxdb/verify.h"

namespace wal_exporter::influxdb {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Between two looks at the WAL while shards are asked for, and after that at the most.
constexpr Duration kFirstLook = milliseconds(50);
constexpr Duration kLookEvery = seconds(1);
// A question closes the open segment before its answer; what moves later, somebody else moved.
constexpr Duration kMovesWithin = seconds(2);
// How long the snapshot that made a question be refused is looked after. One that was answered
// with a yes has until the end of the run.
constexpr Duration kOtherSnapshotWithin = seconds(16);
// Of one shard in one run; each but the first after the end of another snapshot.
constexpr std::uint64_t kMostQuestions = 3;
// So many in a row without an answer that means anything, and none with one: all are like that.
constexpr std::uint64_t kMostBroken = 3;
// With less free space than this, a refusal is taken to mean that the disk is full.
constexpr std::uint64_t kScarceBytes = 16 * kMiB;

constexpr const char* kPlaces = "check InfluxDB's log, and owner, free space and file-size limit of its data directory";

template <class Named>  // a shard or its key
[[nodiscard]] const wal::Shard* find_shard(const wal::Sample& sample, const Named& shard) {
  const auto found = std::find_if(sample.shards.begin(), sample.shards.end(), [&](const wal::Shard& one) {
    return one.id == shard.id && one.database == shard.database && one.retention_policy == shard.retention_policy;
  });
  return found == sample.shards.end() ? nullptr : &*found;
}

[[nodiscard]] const wal::Segment* newest_segment(const wal::Sample& sample, const wal::Shard& shard) {
  const wal::Shard* found = find_shard(sample, shard);
  return found == nullptr || found->segments.empty() ? nullptr : &found->segments.back();
}

// What is left in the sample of the data that the shard had.
[[nodiscard]] std::uint64_t files_left(const wal::Shard& shard, const wal::Sample& sample) {
  const wal::Shard* found = find_shard(sample, shard);
  if (found == nullptr) return 0;
  const SegmentProof proof = prove({shard}, {*found});
  return proof.asked.files - proof.reclaimed.files;
}

[[nodiscard]] bool contains(const std::vector<wal::ShardKey>& shards, const wal::Shard& shard) {
  return std::find(shards.begin(), shards.end(), shard.key()) != shards.end();
}

// The order in which a run that persisted nothing is judged: the first that there is.
constexpr ShardEnd kWorstFirst[] = {ShardEnd::failed, ShardEnd::unknown, ShardEnd::unverified, ShardEnd::busy};

[[nodiscard]] OutcomeKind kind_of(ShardEnd end) {
  if (end == ShardEnd::busy) return OutcomeKind::busy;
  return end == ShardEnd::unverified ? OutcomeKind::unverified : OutcomeKind::failed;
}

[[nodiscard]] std::string copy_of(const wal::ShardKey& shard) {
  return "its number is that of shard " + shard_name(shard) +
         ", which InfluxDB emptied in its place: it is a copy, which InfluxDB does not read";
}

}  // namespace

std::string shard_name(const wal::ShardKey& shard) {
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
  if (!take_sample(run)) {
    outcome.message = run.ended_by;
    return outcome;
  }

  run.first = run.observer.latest_ptr();
  run.server_proven = request.server_proven;
  rewrite(run, request);
  std::uint64_t small = 0;
  for (const auto& shard : run.observer.latest().shards) {
    const auto is_it = [&](const Asked& asked) { return asked.shard.key() == shard.key(); };
    const bool rewritten = std::any_of(run.asked.begin(), run.asked.end(), is_it);
    if (shard.pending.files == 0 || rewritten) continue;
    if (contains(request.leave_alone, shard)) {
      outcome.shards.push_back({shard.key(), ShardEnd::left_alone, ""});
    } else if (shard.pending.bytes < request.skip_below_bytes) {
      ++small;
    } else {
      run.asked.push_back({shard});
    }
  }
  if (run.asked.empty()) {
    outcome.kind = OutcomeKind::no_op;
    outcome.message = small == 0 ? "nothing is pending"
                                 : "all pending shards are smaller than " + format_bytes(request.skip_below_bytes) +
                                       " (" + count_of(small, "shard") + ")";
    if (!outcome.shards.empty()) {
      outcome.message += "; " + count_of(outcome.shards.size(), "shard") + " that can't be emptied now left alone";
    }
    outcome.message += run.not_rewritten;
    return outcome;
  }
  std::stable_sort(run.asked.begin(), run.asked.end(),
                   [](const Asked& a, const Asked& b) { return a.shard.pending.bytes > b.shard.pending.bytes; });
  ask_each(run);
  look_after(run);
  ask_what_it_knows(run);
  return conclude(run, std::move(outcome));
}

// What was written again is asked for whatever else the request says.
void ShardBackup::rewrite(Run& run, const CheckpointRequest& request) {
  for (const Rewrite& planned : request.rewrites) {
    const auto before = run.observer.latest_ptr();
    const wal::Shard* shard = find_shard(*before, planned.shard);
    if (shard == nullptr || shard->pending.files == 0) continue;
    std::string why = write_again(run.observer, planned, *shard);
    if (why.empty() && !take_sample(run)) why = run.ended_by;
    const wal::Shard* now = find_shard(run.observer.latest(), planned.shard);
    if (why.empty() && now != nullptr && *now == *shard) why = "the write did not reach this shard";
    if (why.empty() && now != nullptr) {
      run.asked.push_back({*now});
    } else if (!why.empty()) {
      run.not_rewritten += "; no point of shard " + shard_name(shard->key()) + " was written again: " + why;
    }
  }
}

void ShardBackup::ask_each(Run& run) {
  SteadyTime looked = clock_->steady();
  std::uint64_t broken = 0;
  for (Asked& asked : run.asked) {
    if (is_interrupted(run, asked.shard)) return;
    if (clock_->steady() - looked >= kLookEvery) {
      if (!take_sample(run)) return;
      looked = clock_->steady();
      if (files_left(asked.shard, run.observer.latest()) == 0) continue;  // persisted or dropped meanwhile
    }
    const Duration allowed = run.observer.left();
    question(run, asked);
    const auto kind = asked.answer->kind;
    if (kind == Answer::Kind::broken || kind == Answer::Kind::ends_run) {
      if (is_interrupted(run, asked.shard)) {
        // An answer that the end of the run cut off short tells nothing of the shard.
        if (allowed < limit_ / 2) asked.answer.reset();
        return;
      }
      if (kind == Answer::Kind::ends_run || (++broken == kMostBroken && run.steps == 0)) {
        run.ended_by =
            "backup of shard " + shard_name(asked.shard.key()) + " from " + server() + ": " + asked.answer->message;
        return;
      }
    }
  }
}

void ShardBackup::question(Run& run, Asked& asked) {
  asked.before = run.observer.latest_ptr();
  asked.answer = ask(run.observer, asked.shard);
  asked.asked_at = clock_->steady();
  ++asked.questions;
  if (asked.answer->kind == Answer::Kind::yes) {
    ++run.steps;
    log_->debug("Shard {} backed up by {}", shard_name(asked.shard.key()), server());
  }
}

void ShardBackup::look_after(Run& run) {
  for (std::uint64_t looks = 1; take_sample(run); ++looks) {
    const auto is_left = [](const Asked& asked) {
      return !asked.persisted && asked.answer && asked.answer->kind <= Answer::Kind::refused;
    };
    if (may_keep_open() && !run.figures_asked && std::any_of(run.asked.begin(), run.asked.end(), is_left)) {
      run.figures = ask_figures(run.observer);
      run.figures_asked = true;
    }
    bool open = false;
    for (Asked& asked : run.asked) open = (run.ended_by.empty() && look_at(run, asked)) || open;
    if (!open || run.observer.late()) return;
    run.observer.wait(backoff(kFirstLook, kLookEvery, looks));
  }
}

bool ShardBackup::look_at(Run& run, Asked& asked) {
  if (!asked.answer || asked.persisted) return false;
  const auto kind = asked.answer->kind;
  if (kind != Answer::Kind::yes && kind != Answer::Kind::refused) return false;
  const wal::Sample& sample = run.observer.latest();
  // Another snapshot of it was running, and has ended.
  const bool other_ended = files_left(asked.shard, sample) < files_left(asked.shard, *asked.before);
  if (other_ended && asked.questions < kMostQuestions && !run.observer.late()) {
    log_->debug("Shard {}: another snapshot of it has ended, asking {} again", shard_name(asked.shard.key()), server());
    question(run, asked);
    return true;
  }
  if (emptied_twin(run, asked.shard.key())) return false;
  // The server's figures prove it at once; else a moment shows whether it moves.
  const bool may_be_judged = run.figures || clock_->steady() >= asked.asked_at + kMovesWithin;
  if (kind == Answer::Kind::yes && may_be_judged && judge_left(run, asked) == Kept::open) return false;
  // Where the server's figures tell nothing of it, only time can.
  const bool may_still_go = asked.moved || (kind == Answer::Kind::yes && !run.figures);
  const Duration allowed = !may_still_go ? kMovesWithin : kind == Answer::Kind::yes ? limit_ : kOtherSnapshotWithin;
  return clock_->steady() < asked.asked_at + allowed;
}

// A refusal that closed no segment is that of a shard that the server does not know, or of one whose snapshot fails.
void ShardBackup::ask_what_it_knows(Run& run) {
  const bool any = std::any_of(run.asked.begin(), run.asked.end(), [&](const Asked& asked) {
    return asked.answer && asked.answer->kind == Answer::Kind::refused && !asked.persisted && !asked.closed &&
           !is_known(run, asked.shard.key());
  });
  if (any && !run.observer.late() && !run.observer.stopped()) run.listed = ask_for_list(run.observer);
}

std::optional<bool> ShardBackup::is_known(const Run& run, const wal::ShardKey& shard) {
  // Among the figures of its shards a server has each that it knows.
  if (run.figures && !run.figures->shards.empty()) return run.figures->shards.contains(shard);
  if (!run.listed) return std::nullopt;
  bool known = false;
  for (const wal::ShardKey& one : *run.listed) {
    if (one == shard) return true;
    known = known || one.id == shard.id;
  }
  // Known under another name: that of the folder's original, or it is another server.
  return known ? std::nullopt : std::optional(false);
}

bool ShardBackup::take_sample(Run& run) {
  const auto sampled = run.observer.take_sample();
  if (!sampled) {
    if (run.ended_by.empty()) run.ended_by = sampled.error().message;
    return false;
  }
  for (Asked& asked : run.asked) {
    if (asked.persisted) continue;
    asked.persisted = files_left(asked.shard, run.observer.latest()) == 0;
    if (!asked.answer || clock_->steady() > asked.asked_at + kMovesWithin) continue;
    asked.moved = asked.moved || open_segment_moved(*asked.before, run.observer.latest(), asked.shard);
    const wal::Segment* then = newest_segment(*asked.before, asked.shard);
    const wal::Segment* now = newest_segment(run.observer.latest(), asked.shard);
    asked.closed = asked.closed || (then != nullptr && now != nullptr && then->inode != now->inode);
  }
  return true;
}

bool ShardBackup::is_interrupted(Run& run, const wal::Shard& shard) {
  if (run.observer.stopped()) {
    run.ended_by = "stopped before shard " + shard_name(shard.key()) + " was done";
  } else if (run.observer.late()) {
    run.out_of_time = true;
    run.ended_by = "out of time at shard " + shard_name(shard.key()) + ": the limit for all is " +
                   format_duration(limit_) + "; check InfluxDB's log, and raise checkpoint.timeout if it is just slow";
  }
  return !run.ended_by.empty();
}

std::optional<wal::ShardKey> ShardBackup::emptied_twin(const Run& run, const wal::ShardKey& shard) {
  const wal::Sample& now = run.observer.latest();
  for (const wal::Shard& other : run.first->shards) {
    if (other.id != shard.id || other.key() == shard || other.pending.files == 0) continue;
    // Without its folder somebody has moved it away.
    if (find_shard(now, other) != nullptr && files_left(other, now) < other.pending.files) return other.key();
  }
  return std::nullopt;
}

Kept ShardBackup::judge_left(const Run& run, const Asked& asked) const {
  const wal::Sample& now = run.observer.latest();
  const wal::Shard* left = find_shard(now, asked.shard);
  if (!may_keep_open() || left == nullptr || asked.moved) return Kept::unknown;
  const bool proven = run.server_proven || std::any_of(run.asked.begin(), run.asked.end(), [](const Asked& one) {
                        return one.persisted && one.answer && one.answer->kind == Answer::Kind::yes;
                      });
  const bool has_twin = std::count_if(now.shards.begin(), now.shards.end(),
                                      [&](const wal::Shard& other) { return other.id == asked.shard.id; }) > 1;
  return judge_kept(asked.shard, *left, {true, proven, has_twin, run.figures ? &*run.figures : nullptr});
}

ShardOutcome ShardBackup::outcome_of(const Run& run, const Asked& asked, bool proven) const {
  ShardOutcome outcome{asked.shard.key(), ShardEnd::persisted, ""};
  if (asked.persisted) return outcome;
  outcome.end = ShardEnd::not_asked;
  if (!asked.answer) return outcome;
  if (const auto twin = emptied_twin(run, asked.shard.key())) {
    outcome.end = ShardEnd::orphaned;
    outcome.message = copy_of(*twin);
    return outcome;
  }
  const std::optional<bool> known = is_known(run, asked.shard.key());
  const std::string other =
      "another snapshot of it is running; if this goes on with no other backup about, the server "
      "can't write one: " +
      std::string(kPlaces);
  switch (asked.answer->kind) {
    case Answer::Kind::yes:
      outcome.end = asked.moved ? ShardEnd::busy : ShardEnd::unverified;
      if (asked.moved) {
        outcome.message = "the server said that it is done, but its older segments are still there: " + other +
                          "; a WAL that holds only deletions stays until points are written to that shard";
      } else if (const Kept kept = judge_left(run, asked); kept == Kept::open) {
        outcome.end = ShardEnd::kept_open;
        outcome.message = "persisted, but InfluxDB keeps the file open until the next write to the shard";
      } else {
        outcome.message = "the server said that it is done, but none of its files moved; ";
        outcome.message += kept == Kept::unknown && proven
                               ? "other shards of this WAL it does persist, so check its log"
                               : why_unverified(kept, address_setting_);
        if (kept == Kept::unknown && !proven && may_keep_open() && !run.figures) {
          outcome.message +=
              ". Or nobody has written to these shards since InfluxDB was started: up to 1.7 it then keeps their files "
              "open, though their data is persisted; set influxdb.url, which tells, or write a point";
        }
      }
      break;
    case Answer::Kind::refused:
      if (!asked.closed && known == false) break;
      if (!asked.moved) {
        // A segment that was open before a restart does not move either where its snapshot fails.
        if (!known) break;
        outcome.end = ShardEnd::failed;
        outcome.message = "refused without an answer, though InfluxDB knows the shard";
        if (run.figures && run.figures->shards.contains(asked.shard.key())) {
          outcome.message += " and holds " +
                             format_bytes(run.figures->shards.at(asked.shard.key()).memory_bytes.value_or(0)) +
                             " of it in memory";
        }
        outcome.message += ": it can't write a snapshot; " + std::string(kPlaces);
        break;
      }
      outcome.end = ShardEnd::busy;
      outcome.message = "refused without an answer: " + other;
      if (const auto free = run.observer.latest().room_for_a_checkpoint(); free && *free < kScarceBytes) {
        outcome.end = ShardEnd::failed;
        outcome.message = "refused without an answer; only " + format_bytes(*free) +
                          " are free where the data lies, too little to write a snapshot: free some space and check "
                          "InfluxDB's log";
      }
      break;
    case Answer::Kind::unknown:
      break;
    case Answer::Kind::failed:
    case Answer::Kind::broken:
    case Answer::Kind::ends_run:
      outcome.end = ShardEnd::failed;
      outcome.message = asked.answer->message;
      break;
  }
  if (outcome.end == ShardEnd::not_asked) {
    outcome.end = proven ? ShardEnd::orphaned : ShardEnd::unknown;
    outcome.message = "InfluxDB does not know this shard: its folder was left behind when the shard was dropped";
    if (may_keep_open() && !known) {
      outcome.message +=
          ", or, up to 1.7, its snapshot fails; SHOW SHARDS tells, and so does influxdb.url where it is set";
    }
  }
  return outcome;
}

Outcome ShardBackup::conclude(Run& run, Outcome outcome) const {
  outcome.steps = run.steps;
  std::vector<wal::Shard> shards;
  bool all_unknown = true;
  for (const Asked& asked : run.asked) {
    shards.push_back(asked.shard);
    if (!asked.answer) continue;
    const bool said_yes = asked.answer->kind == Answer::Kind::yes;
    outcome.server_proven = outcome.server_proven || asked.closed || (said_yes && asked.persisted);
    all_unknown = all_unknown && !said_yes && !asked.persisted;
  }
  for (const wal::Shard& shard : run.observer.latest().shards) {
    all_unknown = all_unknown && is_known(run, shard.key()) != true;
  }
  // What was left alone because another folder has its number. One that lost files itself is no
  // copy: it is the one that the server was asked for by its number.
  std::uint64_t done = 0;
  for (ShardOutcome& one : outcome.shards) {
    const wal::Shard* then = find_shard(*run.first, one.shard);
    if (then != nullptr && files_left(*then, run.observer.latest()) < then->pending.files) {
      const auto by_number = [&](const Asked& asked) {
        return asked.shard.id == then->id && asked.answer && asked.answer->kind == Answer::Kind::yes;
      };
      if (std::none_of(run.asked.begin(), run.asked.end(), by_number)) continue;
      one = {one.shard, ShardEnd::persisted, ""};
      shards.push_back(*then);
      ++done;
    } else if (const auto twin = emptied_twin(run, one.shard); twin && then != nullptr) {
      one = {one.shard, ShardEnd::orphaned, copy_of(*twin)};
    }
  }
  outcome.reclaimed = prove(shards, run.observer.latest().shards).reclaimed;
  std::uint64_t left = 0;
  wal::Extent kept_open;
  const std::size_t before = outcome.shards.size();
  for (const Asked& asked : run.asked) {
    // A server that knows none of them is another one, whatever was seen of it before.
    outcome.shards.push_back(outcome_of(run, asked, outcome.server_proven || (run.server_proven && !all_unknown)));
    const ShardEnd end = outcome.shards.back().end;
    if (end == ShardEnd::kept_open) kept_open += find_shard(run.observer.latest(), asked.shard)->pending;
    if (end == ShardEnd::persisted) ++done;
    if (!is_settled(end)) ++left;
  }
  const auto begin = outcome.shards.begin() + static_cast<std::ptrdiff_t>(before);
  const auto first = [&](ShardEnd end) {
    return std::find_if(begin, outcome.shards.end(), [&](const auto& one) { return one.end == end; });
  };
  const auto remark = [&](ShardEnd end, std::string_view what) {
    const auto count = std::count_if(begin, outcome.shards.end(), [&](const auto& one) { return one.end == end; });
    if (count == 0) return;
    outcome.message += "; " + count_of(static_cast<std::uint64_t>(count), "shard") + " " + std::string(what) +
                       (count > 1 ? ", first " : ": ") + shard_name(first(end)->shard);
    if (!first(end)->message.empty()) outcome.message += ": " + first(end)->message;
  };
  std::string progress = " (" + std::to_string(done) + " of " + count_of(run.asked.size(), "shard") + " done";
  if (outcome.reclaimed.files > 0) progress += ", " + extent_text(outcome.reclaimed) + " gone";
  const std::string kept_text =
      kept_open.files == 0 ? std::string()
                           : extent_text(kept_open) + " persisted, but kept open by InfluxDB until the next write to " +
                                 (kept_open.files == 1 ? "its shard" : "their shards");
  if (!kept_text.empty()) progress += ", " + kept_text;
  progress += ")" + run.not_rewritten;

  const bool went_through = run.ended_by.empty() || run.out_of_time || left == 0;
  if (went_through && (done > 0 || kept_open.files > 0)) {
    outcome.kind = OutcomeKind::succeeded;
    if (done > 0) {
      outcome.message =
          count_of(done, "shard") + " persisted: " + extent_text(outcome.reclaimed) + " gone from the WAL";
      if (!kept_text.empty()) outcome.message += "; ";
    }
    outcome.message += kept_text + run.not_rewritten;
    const auto trouble = std::find_if(run.asked.begin(), run.asked.end(), [](const Asked& asked) {
      return asked.persisted && asked.answer && !asked.answer->message.empty();
    });
    if (trouble != run.asked.end()) {
      outcome.message += ", although: backup of shard " + shard_name(trouble->shard.key()) + " from " + server() +
                         ": " + trouble->answer->message;
    }
    for (const ShardEnd end : kWorstFirst) remark(end, "not emptied");
    remark(ShardEnd::not_asked,
           "left for the next checkpoint (out of time: checkpoint.timeout is " + format_duration(limit_) + ")");
    remark(ShardEnd::orphaned, "set apart");
    return outcome;
  }
  outcome.kind = OutcomeKind::failed;
  if (!run.ended_by.empty()) {
    outcome.message = run.ended_by + progress;
    return outcome;
  }
  for (const ShardEnd end : kWorstFirst) {
    const auto worst = first(end);
    if (worst == outcome.shards.end()) continue;
    outcome.kind = kind_of(end);
    if (end == ShardEnd::unknown) {
      outcome.message = server() + " knows none of the shards in this WAL that it was asked for, first " +
                        shard_name(worst->shard) + ": check that " + address_setting_ +
                        " and wal.directory belong to the same server";
    } else {
      outcome.message = "backup of shard " + shard_name(worst->shard) + " from " + server() + ": " + worst->message;
    }
    outcome.message += progress;
    return outcome;
  }
  outcome.kind = OutcomeKind::no_op;
  outcome.message = "nothing is pending that InfluxDB knows";
  remark(ShardEnd::orphaned, "set apart");
  return outcome;
}

}  // namespace wal_exporter::influxdb
