// The table of checkpoint methods: each says for itself which InfluxDB it serves, what it
// misses in the settings, and how it is made. A new one is a pair of files with its row,
// and a line in method_kind.cc. Safe from any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/log.h"
#include "influxdb/nudge_plan.h"
#include "influxdb/options.h"
#include "wal/generation.h"
#include "wal/node_rules.h"
#include "wal/options.h"

namespace wal_exporter::wal {
class WalSource;
}

namespace wal_exporter::influxdb {

class CheckpointMethod;

// What is set of a target that methods look at.
struct MethodSettings {
  const ServerOptions& server;
  const CheckpointOptions& checkpoint;
  wal::Integrity integrity = wal::Integrity::header;
};

// What one run has; the five in the middle are for methods that write points.
struct MethodRun {
  std::shared_ptr<wal::WalSource> source;
  NudgeMode mode = NudgeMode::patient;
  bool boundary_passed = false;  // as plan_nudge takes it
  wal::NodeRules rules;
  Duration clock_offset{};                                                    // the server's clock minus ours
  std::function<void(std::optional<std::uint64_t>, Time)> on_future_trigger;  // see nudge.h
  std::shared_ptr<Clock> clock;
  Log log;
};

struct MethodKind {
  Method method = Method::none;                           // the value of `checkpoint.method`
  std::string_view name;                                  // and its text
  wal::Generation serves = wal::Generation::unknown;      // unknown: each
  bool is_automatic = false;                              // `auto` takes it where it serves
  bool writes_points = false;                             // by a plan, which may be too long or have to wait
  std::string (*disabled)(const MethodSettings& target);  // what is missing, with the remedy; empty: nothing
  // nullptr: there is nothing to run (none).
  std::unique_ptr<CheckpointMethod> (*make)(const MethodSettings& target, MethodRun run);
};

struct MethodChoice {
  const MethodKind* kind = nullptr;  // nullptr: not known yet, or what is set does not serve this InfluxDB
  std::string_view name;             // backup, nudge, http or none; empty: not known yet
  std::string disabled;              // why it can't be used, with the remedy; empty: it can

  [[nodiscard]] bool writes_points() const { return kind != nullptr && kind->writes_points; }
};

// `auto` by generation, otherwise as set.
[[nodiscard]] MethodChoice choose_method(const MethodSettings& target, wal::Generation generation);

}  // namespace wal_exporter::influxdb
