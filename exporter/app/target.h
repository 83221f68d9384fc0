// Target: one InfluxDB node that is served: its Control, run in the turns of a
// mailbox, and the view that the last turn left.
//
// The state is touched only in a turn; what takes time is done by Workers, so a disk or
// a server that hangs delays nothing but its own answer. Everything below is safe from
// any thread, but not from a turn.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/workers.h"
#include "base/log.h"
#include "base/mailbox.h"
#include "base/mutex.h"
#include "control/control.h"
#include "events/bus.h"
#include "settings/settings.h"
#include "state/store.h"
#include "view/commands.h"
#include "view/samples.h"
#include "view/view.h"

namespace wal_exporter::app {

// What a target needs from the process. `changed` is called after view() has changed,
// from a turn of the target; it must be quick and must not call the target.
struct Services {
  Machinery machinery;
  std::shared_ptr<state::Store> store;
  Log log;
  std::filesystem::path state_directory;
  std::function<void()> changed;
  std::shared_ptr<events::Bus> bus;  // nullptr: events go to the audit and the log alone
};

class Target {
 public:
  Target(settings::Target settings, Services services, control::Purpose purpose = control::Purpose::serve);
  // As stop().
  ~Target();
  Target(const Target&) = delete;
  Target& operator=(const Target&) = delete;

  // The settings have it no more: says so where it was not well. Before begin_stop().
  void leave() {
    ask([](control::Control& to, control::Now at) { to.leave(at); });
  }
  // Begins nothing any more; what runs comes to a safe point. Returns at once.
  void begin_stop();
  // And waits for that until `deadline`, then keeps what is not kept as it changes; nothing
  // more by then.
  void stop(SteadyTime deadline) WAL_EXPORTER_EXCLUDES(mutex_);
  // Within 15 s: a process is to end in 20.
  void stop() { stop(services_.machinery.clock->steady() + std::chrono::seconds(15)); }

  [[nodiscard]] const settings::Target& settings() const { return settings_; }
  [[nodiscard]] std::shared_ptr<const view::TargetView> view() const WAL_EXPORTER_EXCLUDES(mutex_);
  // InfluxDB has been told to restart, and that has not ended.
  [[nodiscard]] bool restarting() const { return view()->restart.state == view::RestartState::restarting; }
  // What readiness still waits for; empty: nothing.
  [[nodiscard]] std::string not_ready() const WAL_EXPORTER_EXCLUDES(mutex_);

  // Block as view::Commands says.
  [[nodiscard]] Result<view::CheckpointAnswer> checkpoint(const view::CheckpointCommand& command);
  [[nodiscard]] view::PrepareRestartAnswer prepare_restart(const view::PrepareRestartCommand& command);
  [[nodiscard]] Result<view::AlertAnswer> alert(const view::AlertCommand& command);
  [[nodiscard]] Result<view::PauseAnswer> pause(const view::PauseCommand& command);
  [[nodiscard]] view::ProbeAnswer probe(Duration wait) WAL_EXPORTER_EXCLUDES(mutex_);
  // The plan of a checkpoint that somebody asks for now.
  [[nodiscard]] view::CheckpointPlan plan(bool at_once);
  [[nodiscard]] std::optional<view::CheckpointRun> run(std::int64_t id);
  // Of the last day, oldest first.
  [[nodiscard]] std::vector<view::SamplePoint> samples(std::optional<Time> since, std::size_t limit);

 private:
  using Answer = decltype(control::Reply::answer);

  [[nodiscard]] control::Now now() const;
  // A turn: takes `input` in, has done what is wanted, publishes.
  void turn(const Workers::Input& input);
  void post(Workers::Input input);
  void ask(const Workers::Input& input);
  // In a turn, of which nothing follows.
  void read(const std::function<void()>& reading);
  // The answer to the request that `input` makes; nullopt: the target has ended.
  template <class T>
  std::optional<T> answer_to(const std::function<std::uint64_t(control::Control&, control::Now)>& request);
  void publish(control::Now now) WAL_EXPORTER_EXCLUDES(mutex_);

  const settings::Target settings_;
  const Services services_;
  control::Control control_;                                      // in a turn alone
  std::map<std::uint64_t, std::function<void(Answer)>> awaited_;  // in a turn alone

  mutable Mutex mutex_;  // guards what the last turn left
  CondVar published_;
  std::shared_ptr<const view::TargetView> view_ WAL_EXPORTER_GUARDED_BY(mutex_);
  std::string not_ready_ WAL_EXPORTER_GUARDED_BY(mutex_);
  std::uint64_t finished_sample_ WAL_EXPORTER_GUARDED_BY(mutex_) = 0;
  bool ended_ WAL_EXPORTER_GUARDED_BY(mutex_) = false;

  std::shared_ptr<Mailbox> mailbox_;  // also of workers' jobs, which may outlive this
  Workers workers_;
};

}  // namespace wal_exporter::app
