// The named reasons why a checkpoint is not taken now, and what is true of each: one
// table. A new one is a value, a row, and whoever finds it (engine.cc, what a target
// knows, or the plan of a method).
//
// Value types; safe from any thread.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/table.h"
#include "base/time.h"

namespace wal_exporter::policy {

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
  sample_stale,        // there is no current sample of the WAL
  disk_headroom,       // too little free space to write a snapshot
  snapshot_budget,     // 3.x: too few snapshots left
  clocks_differ,       // 3.x: the server's clock is further from ours than G
  gen1_boundary,       // 3.x: waits for the next multiple of G
  too_long,            // the plan passes its bound
  method_disabled,     // no method is configured or enabled
  dry_run,             // asked never to act
  count
};

struct BlockerRow {
  Blocker value{};
  std::string_view name;         // in metrics, the API, events and texts
  bool ends_by_itself = false;   // when a time is over that is known: a list of a while ago may be out of date
  bool lifted_by_login = false;  // whoever is logged in may override it
  bool passed_over = false;      // holds back the policy and alerts, not a person who asks
  bool unasked_only = false;     // holds back only what nobody asked for
  bool holds_a_restart = false;  // says something about InfluxDB, not only about checkpoints
  bool passing = false;          // comes and goes, and is told elsewhere: no news for a restart that waits
};

inline constexpr std::array kBlockers{
    BlockerRow{.value = Blocker::in_flight,
               .name = "in_flight",
               .ends_by_itself = true,
               .holds_a_restart = true,
               .passing = true},
    BlockerRow{.value = Blocker::cooldown, .name = "cooldown", .ends_by_itself = true, .unasked_only = true},
    // Binds a request only where the method has such a floor of its own.
    BlockerRow{.value = Blocker::min_interval, .name = "min_interval", .ends_by_itself = true},
    BlockerRow{.value = Blocker::backoff, .name = "backoff", .ends_by_itself = true, .passed_over = true},
    BlockerRow{.value = Blocker::breaker_open, .name = "breaker_open", .ends_by_itself = true, .passed_over = true},
    BlockerRow{
        .value = Blocker::outside_window, .name = "outside_window", .lifted_by_login = true, .holds_a_restart = true},
    BlockerRow{.value = Blocker::maintenance, .name = "maintenance", .lifted_by_login = true, .holds_a_restart = true},
    BlockerRow{.value = Blocker::paused, .name = "paused", .holds_a_restart = true},
    // A closed port holds back a restart for a while: judge_restart() adds that itself.
    BlockerRow{.value = Blocker::server_unreachable, .name = "server_unreachable"},
    BlockerRow{.value = Blocker::sample_stale, .name = "sample_stale", .holds_a_restart = true, .passing = true},
    BlockerRow{.value = Blocker::disk_headroom, .name = "disk_headroom", .holds_a_restart = true},
    BlockerRow{.value = Blocker::snapshot_budget, .name = "snapshot_budget"},
    BlockerRow{.value = Blocker::clocks_differ, .name = "clocks_differ"},
    BlockerRow{.value = Blocker::gen1_boundary, .name = "gen1_boundary", .unasked_only = true},
    BlockerRow{.value = Blocker::too_long, .name = "too_long"},
    BlockerRow{.value = Blocker::method_disabled, .name = "method_disabled"},
    BlockerRow{.value = Blocker::dry_run, .name = "dry_run"}};
static_assert(is_complete(kBlockers));

// What is true of it.
[[nodiscard]] constexpr const BlockerRow& traits(Blocker blocker) {
  return row_of(kBlockers, blocker);
}

[[nodiscard]] constexpr std::string_view to_string(Blocker blocker) {
  return traits(blocker).name;
}

// One that holds, and why, with the remedy.
struct Blocked {
  Blocker blocker{};
  std::string why;
  std::optional<Time> until{};  // when time alone ends it; nullopt: nobody knows

  friend bool operator==(const Blocked&, const Blocked&) = default;
  friend bool operator==(const Blocked& one, Blocker other) { return one.blocker == other; }
};

// Keeps the order of the enum; two of the same in the order they came.
void add(std::vector<Blocked>& blockers, Blocked more);

[[nodiscard]] std::vector<Blocker> without_why(const std::vector<Blocked>& blockers);
[[nodiscard]] std::vector<std::string_view> names(const std::vector<Blocker>& blockers);
[[nodiscard]] std::vector<std::string_view> names(const std::vector<Blocked>& blockers);

// The one of them (there is at least one) that a person has to know of: what does not end by
// itself, else what runs, else the wait that ends last.
[[nodiscard]] const Blocked& deciding(const std::vector<Blocked>& blockers);

// For people: what it is about, then the deciding blocker by its name with its why, and the
// names of others that do not end by themselves either. The one place that makes this text.
[[nodiscard]] std::string explain(std::string about, const std::vector<Blocked>& blockers);

}  // namespace wal_exporter::policy
