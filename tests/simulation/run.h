// A checkpoint as a worker of ours carries it out on the model server, event by event:
// what influxdb/shard_backup.cc and influxdb/nudge.cc do, with the same limits and the
// same proof on disk. One thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "context.h"
#include "control/effects.h"
#include "influxdb/outcome.h"
#include "node_server.h"
#include "segment_server.h"
#include "settings/settings.h"

namespace wal_exporter::simulation {

class Run {
 public:
  // Reads the WAL as it is now, or fails as the disk does.
  using Look = std::function<Result<std::shared_ptr<const wal::Sample>>()>;
  using Ended = std::function<void(influxdb::Outcome outcome, bool stopped)>;

  virtual ~Run() = default;
  virtual void begin() = 0;
  // It comes to a safe point soon.
  void stop() { stopped_ = true; }
  // Its process is killed: it does nothing any more, and tells nobody.
  void abandon() { over_ = true; }

 protected:
  Run(Context& context, Look look, Ended ended, Duration limit)
      : context_(context),
        look_(std::move(look)),
        ended_(std::move(ended)),
        begun_(context.schedule.steady()),
        started_(context.schedule.wall()),
        deadline_(begun_ + limit) {}

  [[nodiscard]] Context& context() const { return context_; }
  [[nodiscard]] bool is_over() const { return over_; }
  [[nodiscard]] bool is_stopped() const { return stopped_; }
  [[nodiscard]] bool is_late() const { return context_.schedule.steady() >= deadline_; }
  [[nodiscard]] Duration left() const { return std::max(deadline_ - context_.schedule.steady(), Duration::zero()); }
  [[nodiscard]] Result<std::shared_ptr<const wal::Sample>> look() const { return look_(); }
  void finish(influxdb::Outcome outcome);

 private:
  Context& context_;
  const Look look_;
  const Ended ended_;
  const SteadyTime begun_;
  const Time started_;
  const SteadyTime deadline_;
  bool stopped_ = false;
  bool over_ = false;
};

[[nodiscard]] std::shared_ptr<Run> make_backup_run(Context& context, SegmentServer& server, Generation generation,
                                                   const settings::Target& settings,
                                                   const control::RunCheckpoint& effect, Run::Look look,
                                                   Run::Ended ended);

// A point that is about to be written: `planned`: all of the plan's points.
struct NudgePoint {
  influxdb::NudgePlan plan;
  std::uint64_t number = 0;  // from 1
  Time date{};
  bool is_trigger = false;
  Time planned_at{};
};
struct NudgeCalls {
  std::function<void(std::optional<std::uint64_t> file, Time date)> on_trigger;  // as influxdb/nudge.h has it
  std::function<void(const NudgePoint& point)> on_point;
};
[[nodiscard]] std::shared_ptr<Run> make_nudge_run(Context& context, NodeServer& server,
                                                  const settings::Target& settings,
                                                  const control::RunCheckpoint& effect, NudgeCalls calls,
                                                  Run::Look look, Run::Ended ended);

}  // namespace wal_exporter::simulation
