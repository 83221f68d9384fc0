// The plan of a nudge: how many points make an InfluxDB 3 server snapshot what is
// pending, dated when, written when. Worked out before the first write; pure; safe
// from any thread.
//
// Source: exporter/influxdb/FACTS.md, "3.x: driving a checkpoint by writes".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "wal/node_rules.h"
#include "wal/sample.h"

namespace wal_exporter::influxdb {

enum class NudgeMode {
  patient,  // the trigger is dated now and written after a multiple of G has passed; leaves nothing behind
  at_once,  // the trigger is dated at the next multiple of G; its own file then stops the row until that has passed
};

[[nodiscard]] std::string_view to_string(NudgeMode mode);

struct NudgePlan {
  NudgeMode mode = NudgeMode::patient;
  bool everything = false;       // goal 3 x S: a future-dated file is in the way; needs no boundary and no trigger
  std::uint64_t goal = 0;        // periods
  std::uint64_t points = 0;      // every point to be written, the last one included; 0: nothing is pending
  Time filler_time{};            // the smallest data time of any pending file
  std::optional<Time> boundary;  // patient: the multiple of G that the last point waits for and is dated after
  std::optional<Time>
      trigger_time;            // at_once: the date of the last point; patient and everything: not before the write
  Duration duration{};         // expected, from now: waiting and writing
  std::uint64_t cover_to = 0;  // the last file that is to be covered by a snapshot: the proof
  std::string explanation;     // for people, with the numbers
};

// `now` by the clock of the server, here and in next_step.
// Errors: `corrupt` if the times of a pending file are not known, so that nothing can be
// planned (the message names the file); `conflict` if the newest file is damaged, because
// the server would then exit at the first point.
//
// `boundary_passed` is for automatic runs, which do not wait: the boundary is then the last
// multiple of G that has passed, and files dated after it stay pending.
[[nodiscard]] Result<NudgePlan> plan_nudge(const wal::Sample& sample, const wal::NodeRules& rules, NudgeMode mode,
                                           bool boundary_passed, Time now);

enum class NudgeStep {
  filler,         // write a point dated at filler_time
  trigger,        // write the last point: dated trigger_time, or now
  wait_boundary,  // enough is pending, but the boundary has not passed
  wait_others,    // too few points are left; flushes of others, or a directory that lags behind, may still help
  unreachable,    // only with `everything`: the server snapshotted a part meanwhile, and too few points are left
};

// What to do next, with `pending` files there now and `written` of the plan's
// points (fewer than all of them) written. `snapshotted`: a snapshot has been made
// since the plan was.
[[nodiscard]] NudgeStep next_step(const NudgePlan& plan, std::uint64_t pending, std::uint64_t written, bool snapshotted,
                                  Time now);

}  // namespace wal_exporter::influxdb
