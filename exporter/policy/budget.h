// How many more snapshots an InfluxDB 3 server can take until a restart would no
// longer see the oldest data. Pure; safe from any thread.
//
// Source: influxdb-facts, "Dangers of too many snapshots": at start the server
// reads only the newest max(100, lookback / G) snapshots. What its own monthly
// metadata checkpoints cover stays visible, and what is older than the lookback
// is not looked for, so neither uses the budget.
#pragma once

#include <cstdint>
#include <optional>

#include "wal/node_rules.h"
#include "wal/sample.h"

namespace walx::policy {

struct SnapshotBudget {
  std::uint64_t limit = 0;
  std::uint64_t remaining = 0;
  std::uint64_t floor = 0;          // no checkpoint of ours below it
  std::optional<double> days_left;  // at the rate of the last day; nullopt: no snapshot in the last day
};

// nullopt: not a 3.x node.
[[nodiscard]] std::optional<SnapshotBudget> snapshot_budget(const wal::Sample& sample, const wal::NodeRules& rules);

// S x 3 x F < G: the server is made to snapshot more often than once per G.
[[nodiscard]] bool snapshots_too_often(const wal::NodeRules& rules);

}  // namespace walx::policy
