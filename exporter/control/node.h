// What is known about an InfluxDB 3 node beyond its directory, put together from
// the settings, the server's answers and the defaults; and what that means for a
// nudge now. Pure; safe from any thread.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "influxdb/node_facts.h"
#include "influxdb/nudge_plan.h"
#include "policy/budget.h"
#include "policy/cause.h"
#include "policy/decision.h"
#include "policy/memory.h"
#include "settings/settings.h"
#include "view/view.h"
#include "wal/node_rules.h"

namespace wal_exporter::control {

// Without a budget. `facts`: nullopt where the server was not asked yet or has no url.
[[nodiscard]] view::NodeView node_knowledge(const settings::Target& target,
                                            const std::optional<influxdb::NodeFacts>& facts);

// What was heard of a server beside its settings.
struct HeardOfServer {
  std::string version;       // as last heard; empty: never
  std::string build;         // likewise: OSS, Core, Enterprise
  bool writes_seen = false;  // 3.x: a file of its WAL was seen to appear
};

// What the server said of itself, for the state database. 1.x and 2.x: without facts.
[[nodiscard]] std::string to_text(const std::optional<influxdb::NodeFacts>& facts, const HeardOfServer& heard);
// What can't be read says nothing.
[[nodiscard]] std::optional<influxdb::NodeFacts> node_facts_from(const std::string& text);
[[nodiscard]] HeardOfServer heard_from(const std::string& text);

// What forbids a nudge by its own plan: the plan can't be made, is too long, has
// to wait for the boundary, or the budget of snapshots is used up.
struct NudgeOutlook {
  std::optional<influxdb::NudgePlan> plan;
  std::vector<policy::Blocked> blockers;
};

// `requested`: somebody asks for it, so the plan may wait for the next boundary. `now` by
// the clock of the server, here and below.
[[nodiscard]] NudgeOutlook nudge_outlook(const settings::Target& target, const wal::Sample& sample,
                                         const wal::NodeRules& rules, influxdb::NudgeMode mode, bool requested,
                                         Time now);

// Why no nudge is made while the server's clock is further from ours than G, for people;
// empty: it is not.
[[nodiscard]] std::string clocks_differ(const wal::NodeRules& rules, Duration offset);

// With what the files that are kept take, and the budget that `sample` (nullptr: none) leaves.
[[nodiscard]] view::NodeView node_view(view::NodeView node, const wal::Sample* sample);

// The point of ours that is dated in the future, where one is remembered.
[[nodiscard]] std::optional<policy::OwnTrigger> own_trigger_of(const policy::Memory& memory);

// What a person should know about the node: warnings, the budget of snapshots, the
// server's own way to snapshot by age where it has one, a trigger of ours that
// delays the server's next snapshot.
[[nodiscard]] std::vector<std::string> node_recommendations(const settings::Target& target, const view::NodeView& node,
                                                            const std::string& server_version,
                                                            const policy::Memory& memory, Time now);

}  // namespace wal_exporter::control
