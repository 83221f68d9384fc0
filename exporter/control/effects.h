// What a target wants done by others, because it takes time. Each comes back as
// the call of Control that is named beside it. Value types: safe from any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "influxdb/nudge_plan.h"
#include "influxdb/rewrite_plan.h"
#include "policy/decision.h"
#include "view/commands.h"
#include "wal/generation.h"
#include "wal/node_rules.h"
#include "wal/sample.h"

namespace wal_exporter::control {

// At most one is under way; on_sample.
struct TakeSample {
  std::uint64_t number = 0;
  std::string server_version;                   // as the server says it, for a directory that does not show its layout
  std::shared_ptr<const wal::Sample> before{};  // the last look of an earlier process, until there is one of this

  friend bool operator==(const TakeSample&, const TakeSample&) = default;
};
// At most one is under way; on_answer.
struct AskServer {
  wal::Generation layout{};                // what the directory shows, for a server that does not say its version
  std::vector<wal::ShardKey> kept_open{};  // for which a point to write again is wanted
  bool wants_start = false;                // 1.x: since when it runs; others say that unasked

  friend bool operator==(const AskServer&, const AskServer&) = default;
};
// At most one is under way; on_run_ended.
struct RunCheckpoint {
  std::int64_t id = 0;
  policy::Reason reason = policy::Reason::manual;
  Time started{};
  wal::Generation version{};
  influxdb::NudgeMode mode = influxdb::NudgeMode::patient;
  bool boundary_passed = false;  // as plan_nudge takes it
  wal::NodeRules rules;
  Duration clock_offset{};       // the server's clock minus ours
  std::uint64_t skip_below = 0;  // bytes; shards with less are left alone
  std::vector<wal::ShardKey> leave_alone{};
  bool server_proven = false;  // as CheckpointRequest has it
  std::vector<influxdb::Rewrite> rewrites{};

  friend bool operator==(const RunCheckpoint&, const RunCheckpoint&) = default;
};
// It ends soon, and on_run_ended comes as ever.
struct StopCheckpoint {
  friend bool operator==(const StopCheckpoint&, const StopCheckpoint&) = default;
};
// Whether a restart could be made, and what it would do; on_restart_checked.
struct CheckRestart {
  friend bool operator==(const CheckRestart&, const CheckRestart&) = default;
};
// on_restart_locked.
struct TakeLock {
  friend bool operator==(const TakeLock&, const TakeLock&) = default;
};
// Restarts InfluxDB; on_restarted.
struct RestartInfluxdb {
  friend bool operator==(const RestartInfluxdb&, const RestartInfluxdb&) = default;
};
// The check or the restart that is under way ends soon, and is told as ever.
struct StopRestart {
  friend bool operator==(const StopRestart&, const StopRestart&) = default;
};
// The answer to the command that Control gave this number; comes once for each.
struct Reply {
  std::uint64_t request = 0;
  std::variant<Result<view::CheckpointAnswer>, view::PrepareRestartAnswer, Result<view::AlertAnswer>> answer;
};

using Effect = std::variant<TakeSample, AskServer, RunCheckpoint, StopCheckpoint, CheckRestart, TakeLock,
                            RestartInfluxdb, StopRestart, Reply>;
using Effects = std::vector<Effect>;

}  // namespace wal_exporter::control
