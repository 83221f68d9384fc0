// Checkpointer: one checkpoint at a time, the ended ones, and what became of them.
// One thread at a time.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <utility>

#include "control/effects.h"
#include "control/inputs.h"
#include "policy/memory.h"
#include "view/view.h"

namespace wal_exporter::control {

struct Parts;

class Checkpointer {
 public:
  Checkpointer();

  // Starts one and asks for it to be run. Only where none is running and the method
  // can be used. `actor`: who asks, and `passed_over`: what did not hold them back, for the audit.
  // Returns its id.
  std::int64_t begin(Parts& parts, policy::Reason reason, Asker asker, influxdb::NudgeMode mode,
                     const std::string& actor, const std::vector<policy::Blocked>& passed_over, Now now);
  // One that the process before was killed in: counts and tells it as failed, so that an exporter which
  // dies in each checkpoint is seen.
  void take_up(Parts& parts, Now now);
  // The running one ended: counts and tells it, and remembers what follows from it.
  void end(Parts& parts, RunEnded ended, Now now);
  // Nothing is pending, so nothing was started: counts and tells that.
  void tell_no_op(Parts& parts, policy::Reason reason, const std::string& actor, Now now);

  [[nodiscard]] const std::optional<view::CheckpointRun>& running() const { return running_; }
  // The last one that ended and did something.
  [[nodiscard]] const std::optional<view::CheckpointRun>& last() const { return last_; }
  // Running or among the last hundred.
  [[nodiscard]] std::optional<view::CheckpointRun> find(std::int64_t id) const;
  void count_into(view::Counters& counters) const;

 private:
  std::optional<view::CheckpointRun> running_;
  std::optional<view::CheckpointRun> last_;
  std::deque<view::CheckpointRun> ended_;
  std::map<std::pair<policy::Reason, influxdb::OutcomeKind>, std::uint64_t> outcomes_;
  view::Histogram duration_;
  wal::Extent reclaimed_;
};

// What a checkpoint would do that somebody asks for now.
[[nodiscard]] view::CheckpointPlan plan_of(const Parts& parts, influxdb::NudgeMode mode, Now now);

}  // namespace wal_exporter::control
