// How many more snapshots until old data goes unseen after a restart of InfluxDB 3.
// Pure; safe from any thread.
//
// Source: exporter/influxdb/FACTS.md, "3.x: too many snapshots": at start the server reads
// only the newest `limit` = max(100, lookback / G) snapshots. Data goes unseen where
// these do not reach back over the lookback, thus only where snapshots are made more
// often than that: one per G, called sustainable here. That there are `limit` of them
// says nothing: a server at one per G always has as many, the oldest of which leaves
// the lookback when the next is made.
//
// So `remaining` is a forecast: snapshots go on at the rate of the last day, or at the
// sustainable one where that is faster, and it is how many can be made until the first
// of those that are there is neither among the newest `limit` nor older than the
// lookback. `limit` where that never comes. Besides, each snapshot costs one, and what
// was made beyond the sustainable rate is off until it is made up for by making fewer:
// one per G. So a nudge costs one, and has it back a G later on a server that keeps
// to its rate.
//
// What does not use it: snapshots that the server's own monthly metadata checkpoints
// cover, because these stay visible, and the last fiftieth of the lookback (15 hours of
// a month): what lies there leaves the lookback shortly, and a few snapshots too many
// must not stop a server that has kept to one per G for a month.
#pragma once

#include <cstdint>
#include <optional>

#include "wal/node_rules.h"
#include "wal/sample.h"

namespace wal_exporter::policy {

struct SnapshotBudget {
  std::uint64_t limit = 0;      // what a start reads, and the most that remain
  std::uint64_t remaining = 0;  // 0: with the next one at the latest
  std::uint64_t floor = 0;      // no checkpoint of ours below it
  // Until `remaining` is used at the rate of the last day, or since the first snapshot
  // where that is later; nullopt: at that rate it never is.
  std::optional<double> days_left;

  // A tenth is left: worth a warning.
  [[nodiscard]] bool is_low() const { return remaining < 2 * floor; }
};

// nullopt: not a 3.x node. As of the time of `sample`.
[[nodiscard]] std::optional<SnapshotBudget> snapshot_budget(const wal::Sample& sample, const wal::NodeRules& rules);

// S x 3 x F < G: the server is made to snapshot more often than once per G.
[[nodiscard]] bool snapshots_too_often(const wal::NodeRules& rules);

}  // namespace wal_exporter::policy
