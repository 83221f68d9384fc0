// What comes to a target from outside: times, samples of its WAL, answers of its
// server, ends of checkpoints. Value types: safe from any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "influxdb/node_facts.h"
#include "influxdb/outcome.h"
#include "influxdb/rewrite_plan.h"
#include "influxdb/server_facts.h"
#include "influxdb/wal_metrics.h"
#include "policy/blockers.h"
#include "wal/generation.h"
#include "wal/sample.h"

namespace wal_exporter::control {

// One moment on both clocks. A target has no clock: every call brings the time.
struct Now {
  Time wall{};
  SteadyTime steady{};
};

// Who wants a checkpoint.
enum class Asker {
  nobody,       // the policy
  somebody,     // a person, also for a restart that one plans
  alert,        // the way back from Alertmanager
  own_restart,  // the preparation of a restart that the exporter makes itself
};

struct SampleTaken {
  std::uint64_t number = 0;  // of the TakeSample it answers
  Result<std::shared_ptr<const wal::Sample>> sample;
  Duration elapsed{};
  wal::Generation version = wal::Generation::unknown;
  std::uint64_t source = 0;    // another one: the reader of the WAL was made anew, and counts from 0; 0: none yet
  std::string watch_degraded;  // why events do not drive the sampling; empty: they do
};

struct ServerAnswer {
  influxdb::ServerFacts server;
  std::optional<influxdb::NodeFacts> node;        // 3.x: set where it was asked this time
  std::optional<influxdb::WalMetrics> metrics;    // 2.x: what it says of its WAL; nullopt: nothing
  std::optional<std::uint64_t> written_lines{};   // 3.x: as its process counts them; nullopt: not said
  std::vector<policy::Blocked> blockers{};        // what it says that forbids a checkpoint; holds until the next answer
  std::vector<influxdb::RewritePlan> rewrites{};  // 1.x: of the shards that were asked about
};

struct RunEnded {
  std::int64_t id = 0;
  influxdb::Outcome outcome;
  Result<std::shared_ptr<const wal::Sample>> after;  // the WAL read once more
  bool stopped = false;                              // we were asked to stop it
  double jitter = 0;                                 // random, in [-1, 1]: spreads the wait after a failure
};

// Held while InfluxDB is being restarted: no other process of ours acts on the
// target meanwhile. Letting go of the last copy releases it.
using HeldLock = std::shared_ptr<const void>;

}  // namespace wal_exporter::control
