#include "policy/engine.h"

#include <algorithm>
#include <limits>

#include "base/backoff.h"
#include "base/bytes.h"
#include "base/text.h"

namespace wal_exporter::policy {
namespace {

// How far a remembered time lies behind now. A time from the future (the clock was
// set back) counts as now, so that no wait grows beyond its own length.
Duration since(Time then, Time now) {
  return std::max(now - then, Duration::zero());
}

Duration left_of(const std::optional<Time>& then, Duration length, Time now) {
  if (!then) return Duration::zero();
  return std::max(length - since(*then, now), Duration::zero());
}

// The same for a remembered end, which is never further away than `longest`.
Duration left_until(const std::optional<Time>& end, Duration longest, Time now) {
  if (!end) return Duration::zero();
  return std::clamp(*end - now, Duration::zero(), longest);
}

// `jitter` in [-1, 1]; `failures` in a row, at least one.
Duration backoff_length(const Rules& rules, std::uint32_t failures, double jitter) {
  return backoff(rules.backoff_first, rules.backoff_longest, failures, rules.backoff_jitter, jitter);
}

Duration backoff_left(const Rules& rules, const Memory& memory, Time now) {
  return left_until(memory.backoff_until, backoff_length(rules, memory.failures, 1), now);
}

// After the clock was set back: what lies in the future happened now, and no wait
// ends later than its own length from now. From here on every wait runs out.
Memory without_future(const Rules& rules, Memory memory, Time now) {
  for (std::optional<Time>* time :
       {&memory.files_over_since, &memory.last_start, &memory.last_end, &memory.last_success, &memory.last_scheduled,
        &memory.last_critical_failure, &memory.blocked_since}) {
    if (*time) *time = std::min(**time, now);
  }
  for (Time& time : memory.restarts) time = std::min(time, now);
  if (memory.backoff_until) {
    memory.backoff_until = std::min(*memory.backoff_until, now + backoff_length(rules, memory.failures, 1));
  }
  if (memory.breaker_until) memory.breaker_until = std::min(*memory.breaker_until, now + rules.breaker_open_for);
  return memory;
}

std::string size_of(const wal::Extent& pending) {
  return extent_text(pending) + " pending";
}

std::string limits_of(const Thresholds& thresholds, Health level) {
  const bool critical = level == Health::critical;
  return count_of(critical ? thresholds.critical_files : thresholds.warning_files, "file") + " or " +
         format_bytes(critical ? thresholds.critical_bytes : thresholds.warning_bytes);
}

using Blockers = std::vector<Blocked>;

void add_timed(Blockers& blockers, Blocker blocker, Duration left, Time now, const std::string& why) {
  if (left <= Duration::zero()) return;
  add(blockers, {blocker, "waiting " + format_duration_rough(left) + " more " + why, now + left});
}

std::string after_failures(const Memory& memory) {
  if (memory.failures == 1) return "after a failed checkpoint";
  return "after " + count_of(memory.failures, "failed checkpoint") + " in a row";
}

constexpr const char* kStale = "there is no current sample of the WAL; see why it cannot be read";

// Of the disk that a checkpoint fills. Where that is not known (1.x, 2.x: the data lies
// elsewhere), nothing is forbidden: the WAL's own disk is what a checkpoint makes room on.
void add_headroom(Blockers& blockers, const Rules& rules, const wal::Sample& sample) {
  const bool node = sample.layout == wal::Layout::node;
  const auto free = sample.room_for_a_checkpoint();
  if (free && *free < rules.min_free_bytes) {
    add(blockers, {Blocker::disk_headroom,
                   format_bytes(*free) + " free where " + (node ? "the WAL and the snapshots lie" : "the data lies") +
                       ", a checkpoint writes files there and wants " + format_bytes(rules.min_free_bytes) +
                       "; make room or lower checkpoint.min_free_size"});
  } else if (!free && node) {
    add(blockers, {Blocker::disk_headroom, "the free space where the WAL lies is not known"});
  }
}

// What holds back every checkpoint, whoever asks for it.
Blockers common_blockers(const Rules& rules, const Memory& memory, const Situation& situation) {
  Blockers out;
  for (const Blocked& blocked : situation.blockers) add(out, blocked);
  if (situation.in_flight) add(out, {Blocker::in_flight, "a checkpoint is already running"});
  if (situation.paused) {
    add(out, {Blocker::paused, "actions are paused" + situation.paused_detail + "; resume them first"});
  }
  if (is_stale(rules, situation.sample, situation.now)) {
    add(out, {Blocker::sample_stale, kStale});
  } else {
    add_headroom(out, rules, *situation.sample);
  }
  if (!situation.method_disabled.empty()) add(out, {Blocker::method_disabled, situation.method_disabled});
  if (situation.dry_run) add(out, {Blocker::dry_run, "dry_run is set for this target"});
  if (!situation.outside_window.empty()) add(out, {Blocker::outside_window, situation.outside_window});
  if (!situation.maintenance.empty()) add(out, {Blocker::maintenance, situation.maintenance});
  add_timed(out, Blocker::backoff, backoff_left(rules, memory, situation.now), situation.now, after_failures(memory));
  add_timed(out, Blocker::breaker_open, left_until(memory.breaker_until, rules.breaker_open_for, situation.now),
            situation.now, after_failures(memory) + " (the breaker is open); see why they fail");
  return out;
}

void add_interval(Blockers& blockers, const Rules& rules, const Memory& memory, Time now) {
  add_timed(blockers, Blocker::min_interval, left_of(memory.last_start, rules.min_interval, now), now,
            "after the last start, at most one per " + format_duration(rules.min_interval));
}

Decision blocked_or_go(std::optional<Reason> reason, std::string why, Blockers blockers) {
  const Action action = blockers.empty() ? Action::checkpoint : Action::none;
  return {action, reason, std::move(why), std::move(blockers)};
}

std::string health_unknown(const wal::Sample* sample, Time now) {
  if (sample == nullptr) return "there is no sample of the WAL yet, so nothing is done";
  const std::string when = sample->taken_at > now
                               ? "is dated " + format_duration_rough(sample->taken_at - now) + " in the future"
                               : "was " + format_duration_rough(now - sample->taken_at) + " ago";
  return "the last successful sample of the WAL " + when + ", so its health is unknown and nothing is done";
}

// 1.x, 2.x with a filesystem for the WAL alone: what is pending has taken half of the room
// that there is for it, or three quarters. Full, InfluxDB refuses every write.
std::pair<std::optional<Reason>, std::string> short_of_room(const wal::Sample& sample) {
  if (!sample.has_own_filesystem || !sample.filesystem_avail_bytes) return {};
  const std::uint64_t free = *sample.filesystem_avail_bytes;
  if (sample.pending.bytes <= free) return {};
  return {sample.pending.bytes / 3 > free ? Reason::critical : Reason::warning,
          size_of(sample.pending) + ", and only " + format_bytes(free) + " free on the filesystem of the WAL"};
}

// Half of a limit reached, or 1 MiB pending and older than the schedule.
std::optional<std::string> worth_a_scheduled_run(const Rules& rules, const wal::Sample& sample, Time now) {
  const Thresholds thresholds = resolve(rules.thresholds, sample);
  const wal::Extent& pending = sample.pending;
  if (pending.files == 0) return std::nullopt;
  if (pending.files >= (thresholds.warning_files + 1) / 2 || pending.bytes >= (thresholds.warning_bytes + 1) / 2) {
    return size_of(pending) + ", half of a limit (" + limits_of(thresholds, Health::warning) + ") is reached";
  }
  if (pending.bytes >= rules.scheduled_min_bytes && sample.oldest_pending && rules.schedule &&
      since(*sample.oldest_pending, now) > *rules.schedule) {
    return size_of(pending) + ", oldest " + format_duration_rough(since(*sample.oldest_pending, now)) +
           ", longer than the schedule";
  }
  return std::nullopt;
}

// What stops the next start and a checkpoint rids the WAL of.
std::optional<std::string> cured_by_checkpoint(const Rules& rules, const wal::Sample& sample) {
  const auto findings = wal::findings_of(sample, rules.server);
  const auto cured = std::find_if(findings.begin(), findings.end(),
                                  [](const wal::Finding& finding) { return finding.is_cured_by_checkpoint; });
  if (cured == findings.end()) return std::nullopt;
  return summary(*cured, rules.server) + ", and a checkpoint is the cure";
}

}  // namespace

bool is_stale(const Rules& rules, const wal::Sample* sample, Time now) {
  return sample == nullptr || std::chrono::abs(now - sample->taken_at) > 2 * rules.sample_interval;
}

Memory observe(const Rules& rules, Memory memory, const wal::Sample& sample, Time now) {
  const Thresholds thresholds = resolve(rules.thresholds, sample);
  memory = without_future(rules, std::move(memory), now);
  wal::Extent counted = sample.pending;
  if (judge(sample.pending, thresholds).files == Health::healthy) {
    memory.files_over_since.reset();
  } else if (!memory.files_over_since) {
    memory.files_over_since = now;
  }
  // So many that it is critical are no server that touches its limit.
  if (memory.files_over_since && now - *memory.files_over_since < rules.files_grace &&
      sample.pending.files <= thresholds.critical_files) {
    counted.files = std::min(counted.files, thresholds.warning_files);
  }
  memory.levels = memory.levels ? judge_after(*memory.levels, counted, thresholds) : judge(counted, thresholds);
  if (memory.levels->worse() == Health::healthy) {
    memory.critical_failures = 0;
    memory.last_critical_failure.reset();
    memory.restart_considered = false;
    memory.restart_waits = false;
  }
  if (memory.levels->worse() != Health::critical) memory.blocked_since.reset();
  return memory;
}

bool schedule_due(const Rules& rules, const Memory& memory, Time now) {
  return rules.schedule && memory.last_scheduled &&
         left_of(memory.last_scheduled, *rules.schedule, now) == Duration::zero();
}

Memory after_schedule(Memory memory, Time now) {
  memory.last_scheduled = now;
  return memory;
}

Decision decide(const Rules& rules, const Memory& memory, const Situation& situation) {
  const Time now = situation.now;
  if (is_stale(rules, situation.sample, now) || !memory.levels) {
    return blocked_or_go(std::nullopt, health_unknown(situation.sample, now), {{Blocker::sample_stale, kStale}});
  }
  const wal::Sample& sample = *situation.sample;
  const Thresholds thresholds = resolve(rules.thresholds, sample);
  const Health health = memory.levels->worse();

  std::optional<Reason> reason;
  std::string why;
  if (health != Health::healthy) {
    reason = health == Health::critical ? Reason::critical : Reason::warning;
    why =
        size_of(sample.pending) + ", limit for " + std::string(to_string(health)) + " " + limits_of(thresholds, health);
    if (judge(sample.pending, thresholds).worse() < health) why += " (was exceeded, and is not yet below 90 % of it)";
  } else if (auto cured = cured_by_checkpoint(rules, sample)) {
    reason = Reason::critical;
    why = *std::move(cured);
  } else if (schedule_due(rules, memory, now)) {
    const bool cheap = !situation.points || *situation.points <= rules.scheduled_most_points;
    if (auto worth = worth_a_scheduled_run(rules, sample, now); worth && cheap) {
      reason = Reason::scheduled;
      why = *worth;
    }
  }
  if (auto [level, text] = short_of_room(sample); level && (!reason || level == Reason::critical)) {
    reason = level;
    why = std::move(text);
  }
  if (!reason) {
    Decision decision;
    decision.why =
        size_of(sample.pending) + ", limit for warning " + limits_of(thresholds, Health::warning) + ": nothing to do";
    if (memory.files_over_since && judge(sample.pending, thresholds).files != Health::healthy) {
      decision.why += " yet, a count over the limit must last " + format_duration(rules.files_grace) +
                      " and has lasted " + format_duration_rough(since(*memory.files_over_since, now));
    }
    return decision;
  }
  Blockers blockers = common_blockers(rules, memory, situation);
  if (*reason != Reason::critical) {
    add_timed(blockers, Blocker::cooldown, left_of(memory.last_end, rules.cooldown, now), now,
              "after the last checkpoint");
  }
  add_interval(blockers, rules, memory, now);
  if (situation.server_unreachable) {
    add(blockers, {Blocker::server_unreachable,
                   situation.server_error.empty() ? "InfluxDB does not answer" : situation.server_error});
  }
  return blocked_or_go(reason, std::move(why), std::move(blockers));
}

Decision decide_on_request(const Rules& rules, const Memory& memory, const Situation& situation, Reason reason,
                           bool override_soft) {
  Blockers blockers = common_blockers(rules, memory, situation);
  if (situation.interval_binds_requests) add_interval(blockers, rules, memory, situation.now);
  Blockers passed_over;
  std::erase_if(blockers, [&](const Blocked& blocked) {
    const BlockerRow& row = traits(blocked.blocker);
    const bool passes = (row.passed_over && reason != Reason::alert) || (override_soft && row.lifted_by_login);
    if (passes) passed_over.push_back(blocked);
    return passes || row.unasked_only;
  });
  std::string why = "asked for (" + std::string(to_string(reason)) + ")";
  if (situation.sample != nullptr) why += ", " + size_of(situation.sample->pending);
  Decision decision = blocked_or_go(reason, std::move(why), std::move(blockers));
  decision.passed_over = std::move(passed_over);
  return decision;
}

Rules rules_for(Rules set, wal::Generation generation, const wal::NodeRules& node) {
  set.thresholds.snapshot_size = node.snapshot_size;
  if (generation == wal::Generation::v3) {
    set.min_interval = node.gen1_duration;
    set.files_grace = std::chrono::minutes(2);
  }
  return set;
}

void add_pause_and_windows(const Memory& memory, const std::vector<Window>& windows,
                           const std::vector<Window>& maintenance, Situation& situation) {
  const Time now = situation.now;
  if (const auto until = paused_until(memory, now)) {
    situation.paused = true;
    situation.paused_detail =
        " until " + format_time(*until) + (memory.paused_by.empty() ? "" : " " + by_whom(memory.paused_by));
  }
  if (!windows.empty() && !is_inside(windows, now)) {
    const auto next = state_of(windows, now).until;
    situation.outside_window =
        "it is outside checkpoint.windows, " +
        (next ? "the next begins at " + format_time(*next) : std::string("and none is to come")) +
        "; a login may override it";
  }
  if (is_inside(maintenance, now)) {
    const auto end = state_of(maintenance, now).until;
    situation.maintenance = "it is inside a maintenance window" +
                            (end ? " until " + format_time(*end) : std::string()) + "; a login may override it";
  }
}

std::optional<Time> paused_until(const Memory& memory, Time now) {
  if (!memory.paused_until || *memory.paused_until <= now) return std::nullopt;
  // The clock may have been set back since.
  return std::min(*memory.paused_until, now + kLongestPause);
}

std::optional<std::string> restart_consideration(const Rules& rules, const Memory& memory, Time now) {
  if (memory.restart_considered || !memory.levels || memory.levels->worse() != Health::critical) return std::nullopt;
  if (memory.critical_failures >= rules.restart.after_failures) {
    return std::to_string(memory.critical_failures) + " critical checkpoints, at least " +
           format_duration(rules.restart.failure_spacing) + " apart, did not bring the WAL below critical";
  }
  if (memory.blocked_since && since(*memory.blocked_since, now) >= rules.restart.after_blocked) {
    return "the WAL has been critical and every checkpoint blocked for " +
           format_duration_rough(since(*memory.blocked_since, now));
  }
  return std::nullopt;
}

Memory after_restart_considered(Memory memory) {
  memory.restart_considered = true;
  return memory;
}

Memory after_decision(Memory memory, const Decision& decision, Time now) {
  const bool critical = decision.reason == Reason::critical;
  // A running checkpoint is an attempt, not a blockade; and a restart makes no room on a disk.
  const bool passing = std::any_of(decision.blockers.begin(), decision.blockers.end(), [](const Blocked& blocked) {
    return blocked == Blocker::in_flight || blocked == Blocker::disk_headroom;
  });
  if (critical && decision.action == Action::none && !passing) {
    if (!memory.blocked_since) memory.blocked_since = now;
  } else if (decision.reason) {
    memory.blocked_since.reset();
  }
  return memory;
}

Memory after_start(Memory memory, Time now) {
  memory.last_start = now;
  memory.blocked_since.reset();
  return memory;
}

namespace {

void count_up(std::uint32_t& count) {
  if (count < std::numeric_limits<std::uint32_t>::max()) ++count;
}

void count_shortfall(Memory& memory, const Ended& ended) {
  if (ended.success) memory.failed = memory.unverified = memory.partial = 0;
  if (ended.shortfall == Shortfall::failed) count_up(memory.failed);
  if (ended.shortfall == Shortfall::unverified) count_up(memory.unverified);
  if (ended.shortfall == Shortfall::partial) count_up(memory.partial);
}

}  // namespace

Memory after_end(const Rules& rules, Memory memory, const Ended& ended, Time now, double jitter) {
  if (!ended.did_nothing) memory.last_end = now;
  count_shortfall(memory, ended);
  const bool critical_failure = ended.reason == Reason::critical && ended.still_critical;
  if (critical_failure &&
      (!memory.last_critical_failure || since(*memory.last_critical_failure, now) >= rules.restart.failure_spacing)) {
    ++memory.critical_failures;
    memory.last_critical_failure = now;
  }
  if (ended.success && !ended.did_nothing) memory.last_success = now;
  if (ended.neutral && !critical_failure) return memory;
  if (ended.success && !critical_failure) {
    memory.failures = 0;
    memory.backoff_until.reset();
    memory.breaker_until.reset();
    return memory;
  }
  count_up(memory.failures);
  memory.backoff_until = now + backoff_length(rules, memory.failures, jitter);
  // At the limit, and again whenever the one try after an open breaker fails.
  if (memory.failures >= rules.breaker_failures) memory.breaker_until = now + rules.breaker_open_for;
  return memory;
}

std::optional<Time> cooldown_until(const Rules& rules, const Memory& memory, Time now) {
  const Duration left = left_of(memory.last_end, rules.cooldown, now);
  if (left == Duration::zero()) return std::nullopt;
  return now + left;
}

std::optional<Time> next_allowed(const Rules& rules, const Memory& memory, Time now) {
  Duration left = left_of(memory.last_start, rules.min_interval, now);
  if (!memory.levels || memory.levels->worse() != Health::critical) {
    left = std::max(left, left_of(memory.last_end, rules.cooldown, now));
  }
  left = std::max(left, backoff_left(rules, memory, now));
  left = std::max(left, left_until(memory.breaker_until, rules.breaker_open_for, now));
  if (left == Duration::zero()) return std::nullopt;
  return now + left;
}

}  // namespace wal_exporter::policy
