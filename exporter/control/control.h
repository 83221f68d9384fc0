// Control: what one target knows, wants and does next. No thread, no clock, no file but
// through the ledger, no socket: it is told what happened, and what takes time it wants
// done by others (effects.h), whose results come back as calls.
//
// Each input ends in settle(), the one place that says what follows from what. One
// thread at a time; between two calls anything may read it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "control/effects.h"
#include "control/inputs.h"
#include "control/parts.h"
#include "events/bus.h"
#include "settings/settings.h"
#include "state/store.h"
#include "view/commands.h"

namespace wal_exporter::control {

// What a target is there for.
enum class Purpose {
  serve,         // the exporter: acts by itself
  requests,      // only what somebody asks for is done
  explain,       // looks once; judges as serve would, with what it remembers
  judge_at_once  // looks once; judges what it sees alone, without hysteresis and grace
};

class Control {
 public:
  // Restores from `store` what earlier processes left. `bus` may be nullptr.
  Control(const settings::Target& settings, Purpose purpose, std::shared_ptr<state::Store> store,
          std::shared_ptr<events::Bus> bus, const Log& log, Now now);
  Control(const Control&) = delete;
  Control& operator=(const Control&) = delete;

  // What happened.
  void on_time(Now now) { settle(now); }
  void on_change(Now now);  // something in the WAL's directory changed
  void on_sample(SampleTaken taken, Now now);
  void on_answer(ServerAnswer answer, Now now);
  void on_run_ended(RunEnded ended, Now now);
  void on_restart_checked(const Result<std::string>& plan, Now now);
  void on_restart_locked(Result<HeldLock> lock, Now now);
  void on_restarted(const Result<std::string>& done, Now now);
  // A nudge is about to write a point dated in the future, or a sample shows its file:
  // on disk when this returns, so that a restart of this process does not take it for
  // the user's data.
  void on_trigger(std::optional<std::uint64_t> file, Time time);

  // What somebody asks for. Each of these three returns the number under which the
  // answer comes (Reply), not later than the command's own time limit, and up to 10 s
  // for a sample before it.
  [[nodiscard]] std::uint64_t checkpoint(view::CheckpointCommand command, Now now);
  [[nodiscard]] std::uint64_t prepare_restart(view::PrepareRestartCommand command, Now now);
  [[nodiscard]] std::uint64_t alert(const view::AlertCommand& command, Now now);
  [[nodiscard]] Result<view::PauseAnswer> pause(const view::PauseCommand& command, Now now);
  // The number of the sample by which somebody knows how the WAL is now (WalState::current).
  [[nodiscard]] std::uint64_t probe(Now now);
  // The settings have it no more.
  void leave(Now now) { parts_.health.leave(parts_.wal, parts_.ledger, now); }
  // Begins nothing any more, and asks what runs to come to a safe point.
  void stop(Now now);

  // What is wanted since the last call, in order.
  [[nodiscard]] Effects take_effects() { return std::exchange(parts_.effects, {}); }
  // When on_time() is to be called at the latest.
  [[nodiscard]] SteadyTime next(Now now) const;
  // After stop(): nothing of what was begun is still to end.
  [[nodiscard]] bool has_ended() const;
  // Keeps what is not kept as it changes. After has_ended(), or instead of it.
  void close(Now now);

  [[nodiscard]] const Parts& parts() const { return parts_; }
  [[nodiscard]] std::uint64_t restart_considerations() const { return restart_considerations_; }

 private:
  void settle(Now now);
  void decide(Now now);
  void judge(Now now);
  void consider_restart(Now now);
  void tell_decision(Now now);
  void act(Now now);

  Parts parts_;
  policy::Decision told_decision_;  // as last recorded
  std::uint64_t restart_considerations_ = 0;
};

}  // namespace wal_exporter::control
