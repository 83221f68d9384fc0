// The policy engine: from what is there and what is remembered to a decision.
//
// Pure functions over values: no I/O, no clock of their own, no randomness of
// their own; safe from any thread. The rules are those of the older service;
// backoff, breaker, windows and the minimum interval are bounds added to them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "base/window.h"
#include "policy/decision.h"
#include "policy/health.h"
#include "policy/memory.h"
#include "policy/rules.h"
#include "wal/sample.h"

namespace wal_exporter::policy {

// Everything a decision rests on besides Rules and Memory.
struct Situation {
  Time now{};
  const wal::Sample* sample = nullptr;  // the last good one; nullptr: there was none yet
  bool in_flight = false;
  bool paused = false;
  std::string paused_detail;  // by whom, until when
  bool dry_run = false;
  // Why it is no time to act and until when; empty: it is.
  std::string outside_window;
  std::string maintenance;
  bool server_unreachable = false;  // asked, and it did not answer
  std::string server_error;
  // What vanished of the WAL under the running server, for people; empty: nothing. Only a restart
  // looks at it.
  std::string vanished;
  // Its port is closed; since it was last seen up. Only a restart looks at it.
  std::optional<Duration> server_down_for;
  std::string method_disabled;  // why the method can't be used and the remedy; empty: it can

  // What others found, each with its explanation: the method's own plan (snapshot_budget,
  // clocks_differ, gen1_boundary, too_long), an answer of the server.
  std::vector<Blocked> blockers;
  // A method that writes points: how many; a scheduled run is worth 10 at most.
  std::optional<std::uint64_t> points;
  // A method with a floor between two runs that binds requests too (3.x: G).
  bool interval_binds_requests = false;
};

// Also for a sample further in the future than that: the clock was set back, and
// nobody knows how old it is.
[[nodiscard]] bool is_stale(const Rules& rules, const wal::Sample* sample, Time now);

// A fresh sample was taken: health with hysteresis, and the episode. Never called
// with a stale one. What is remembered from the future (the clock was set back)
// counts as now from here on, so that every wait runs out within its own length.
[[nodiscard]] Memory observe(const Rules& rules, Memory memory, const wal::Sample& sample, Time now);

// What would be done now without anybody asking. It follows from the limits alone, with one
// exception: where something in the WAL stops the server's next start and a checkpoint is
// the cure, one is made as if the WAL were critical.
[[nodiscard]] Decision decide(const Rules& rules, const Memory& memory, const Situation& situation);

inline constexpr Duration kLongestPause = std::chrono::hours(24 * 30);

// Actions are paused until then; nullopt: they are not, or no longer.
[[nodiscard]] std::optional<Time> paused_until(const Memory& memory, Time now);

// Whether somebody paused, and whether it is a time to act: for `situation.now`.
void add_pause_and_windows(const Memory& memory, const std::vector<Window>& windows,
                           const std::vector<Window>& maintenance, Situation& situation);

// A person, an alert or a planned restart asks. A person, and who plans a restart, is not held back
// by the waits after failures; an alert is, or one that fires again and again would beat the breaker.
// `override_soft` lifts what a login may lift; see blockers.h.
[[nodiscard]] Decision decide_on_request(const Rules& rules, const Memory& memory, const Situation& situation,
                                         Reason reason, bool override_soft);

// The schedule came due and was either served or found not worth a checkpoint.
[[nodiscard]] bool schedule_due(const Rules& rules, const Memory& memory, Time now);
[[nodiscard]] Memory after_schedule(Memory memory, Time now);

// A restart is considered once per critical episode. The explanation, where it is
// time; the caller announces it and calls after_restart_considered.
[[nodiscard]] std::optional<std::string> restart_consideration(const Rules& rules, const Memory& memory, Time now);
[[nodiscard]] Memory after_restart_considered(Memory memory);

// Keeps count of how long a critical target has been blocked.
[[nodiscard]] Memory after_decision(Memory memory, const Decision& decision, Time now);

[[nodiscard]] Memory after_start(Memory memory, Time now);

// `still_critical`: the WAL read after the checkpoint is critical, without hysteresis.
// `jitter` in [-1, 1].
enum class Shortfall {
  none,  // it succeeded, was busy or had nothing to do
  failed,
  unverified,  // confirmed, and the WAL does not show it
  partial      // some shards done, others not
};
struct Ended {
  Reason reason = Reason::manual;
  bool success = false;      // succeeded, or no_op
  bool neutral = false;      // busy: neither a success nor a failure, unless critical
  bool did_nothing = false;  // no_op: no timestamp, no cooldown
  bool still_critical = false;
  Shortfall shortfall = Shortfall::none;
};
[[nodiscard]] Memory after_end(const Rules& rules, Memory memory, const Ended& ended, Time now, double jitter);

// When the next unasked checkpoint may start as far as time alone decides;
// nullopt: now.
[[nodiscard]] std::optional<Time> next_allowed(const Rules& rules, const Memory& memory, Time now);
// The end of the cooldown; nullopt: it is over. A timestamp from the future (the
// clock was set back) never makes it longer than the cooldown itself.
[[nodiscard]] std::optional<Time> cooldown_until(const Rules& rules, const Memory& memory, Time now);

}  // namespace wal_exporter::policy
