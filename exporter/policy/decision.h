// What to do about a target now, why, and what forbids it. Value types: safe from
// any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace wal_exporter::policy {

// Why a checkpoint was asked for.
enum class Reason { warning, critical, scheduled, manual, alert, pre_restart };
inline constexpr Reason kReasons[] = {Reason::warning, Reason::critical, Reason::scheduled,
                                      Reason::manual,  Reason::alert,    Reason::pre_restart};

// A named reason why an action is not taken now.
enum class Blocker {
  in_flight,           // a checkpoint of this target is running
  cooldown,            // the last one ended too recently
  min_interval,        // the last one started too recently
  backoff,             // the last one failed
  breaker_open,        // too many in a row failed
  outside_window,      // not inside a configured window
  maintenance,         // inside a maintenance window
  paused,              // by a person
  server_unreachable,  // the server does not answer
  sample_stale,        // nothing fresh is known about the WAL
  disk_headroom,       // too little free space to write a snapshot
  snapshot_budget,     // 3.x: too few snapshots left
  gen1_boundary,       // 3.x: waits for the next multiple of G
  too_long,            // the plan passes its bound
  method_disabled,     // no method is configured or enabled
  dry_run,             // asked never to act
};
inline constexpr Blocker kBlockers[] = {
    Blocker::in_flight,          Blocker::cooldown,       Blocker::min_interval,    Blocker::backoff,
    Blocker::breaker_open,       Blocker::outside_window, Blocker::maintenance,     Blocker::paused,
    Blocker::server_unreachable, Blocker::sample_stale,   Blocker::disk_headroom,   Blocker::snapshot_budget,
    Blocker::gen1_boundary,      Blocker::too_long,       Blocker::method_disabled, Blocker::dry_run};

enum class Action { none, checkpoint };

[[nodiscard]] std::string_view to_string(Reason reason);
[[nodiscard]] std::string_view to_string(Blocker blocker);
[[nodiscard]] std::string_view to_string(Action action);
[[nodiscard]] std::optional<Reason> parse_reason(std::string_view text);

struct Decision {
  Action action = Action::none;
  std::optional<Reason> reason;   // also where blockers keep the action from being taken
  std::vector<Blocker> blockers;  // in the order of the enum
  std::string explanation;        // for people: the reason with its numbers, then each blocker with its remedy

  friend bool operator==(const Decision&, const Decision&) = default;
};

}  // namespace wal_exporter::policy
