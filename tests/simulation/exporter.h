// Exporter: our process with one target: the real Control on the simulation's store,
// and the workers that carry out what it wants on the models. It can be killed between
// any two effects and right after any write to the store, and started again. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "context.h"
#include "control/control.h"
#include "disk.h"
#include "events/bus.h"
#include "invariants.h"
#include "node_server.h"
#include "run.h"
#include "scenario.h"
#include "segment_server.h"
#include "store.h"

namespace wal_exporter::simulation {

// What surrounds it.
struct Surroundings {
  Context& context;
  Disk& disk;
  std::shared_ptr<SimulatedStore> store;
  SegmentServer* segments;  // nullptr: it is of 3.x
  NodeServer* node;         // nullptr: it is of 1.x or 2.x
  const Scenario& scenario;
  Invariants& invariants;

  [[nodiscard]] Server& server() const {
    return segments != nullptr ? static_cast<Server&>(*segments) : static_cast<Server&>(*node);
  }
};

class Exporter {
 public:
  explicit Exporter(const Surroundings& around);

  void start(const settings::Target& settings);
  void kill();
  // Asks it to end, and calls `then` once it has.
  void stop(std::function<void()> then);
  [[nodiscard]] bool is_running() const { return control_ != nullptr; }
  [[nodiscard]] bool is_stopping() const { return control_ != nullptr && control_->parts().stopping; }
  [[nodiscard]] const control::Control* control() const { return control_.get(); }

  // Something in the WAL's directory changed.
  void changed();
  // Somebody asks; nothing comes of it where no process runs.
  void checkpoint(const view::CheckpointCommand& command);
  void prepare_restart(const view::PrepareRestartCommand& command);
  // `served`: called where nobody needs to send these alerts again.
  void alert(const view::AlertCommand& command, std::function<void()> served);
  void pause(std::optional<Duration> length);
  // A request at a moment at which nothing else happens; see Invariants::probe.
  void probe();

  // Faults around our process.
  void set_other_holder(SteadyTime until) { other_holder_until_ = until; }
  void break_restart_method(SteadyTime until) { restart_broken_until_ = until; }
  void hide_server_settings(SteadyTime until) { settings_hidden_until_ = until; }
  void set_kills(bool killed) { kills_ = killed; }
  void heal();

  [[nodiscard]] std::uint64_t steps() const { return steps_; }
  [[nodiscard]] std::uint64_t kills() const { return killed_; }
  [[nodiscard]] std::uint64_t runs() const { return runs_; }
  [[nodiscard]] std::uint64_t restarts() const { return restarts_; }

 private:
  using Input = std::function<void(control::Control& control, control::Now now)>;

  void feed(const char* what, const Input& input);
  // Later, where this process still runs then.
  void feed_in(Duration after, const char* what, Input input);
  void carry_out_effects();
  void wake();
  void finish_stop();
  [[nodiscard]] bool is_to_be_killed();

  void carry_out(const control::TakeSample& effect);
  void carry_out(const control::AskServer& effect);
  void carry_out(const control::RunCheckpoint& effect);
  void carry_out(const control::StopCheckpoint& effect);
  void carry_out(const control::CheckRestart& effect);
  void carry_out(const control::TakeLock& effect);
  void carry_out(const control::RestartInfluxdb& effect);
  void carry_out(const control::StopRestart& effect);
  void carry_out(const control::Reply& effect);

  [[nodiscard]] Result<std::shared_ptr<const wal::Sample>> read_wal() const;
  [[nodiscard]] control::SampleTaken take_sample(const control::TakeSample& effect);
  [[nodiscard]] control::ServerAnswer ask_server();
  void run_ended(const control::RunCheckpoint& effect, influxdb::Outcome outcome, bool stopped);
  void restart_ended(Result<std::string> done);
  [[nodiscard]] bool is_locked() const;

  Surroundings around_;
  std::shared_ptr<events::Bus> bus_ = std::make_shared<events::Bus>();
  const Log log_ = null_log();
  settings::Target settings_;
  std::unique_ptr<control::Control> control_;
  std::uint64_t life_ = 0;
  std::uint64_t wake_ = 0;
  Invariants::Cut cut_ = Invariants::Cut::at_rest;
  bool saved_ = true;
  std::function<void()> when_stopped_;

  // Its workers.
  std::shared_ptr<Run> run_;
  bool sampling_ = false;
  bool change_told_ = false;
  bool layout_certain_ = false;
  std::string asked_process_;  // whose settings are known
  std::weak_ptr<const void> lock_;
  bool restart_acts_ = false;
  bool restart_stopped_ = false;
  bool probing_ = false;
  std::map<std::uint64_t, std::function<void()>> alerts_;

  SteadyTime other_holder_until_{};
  SteadyTime restart_broken_until_{};
  SteadyTime settings_hidden_until_{};
  bool kills_ = false;
  std::uint64_t steps_ = 0;
  std::uint64_t killed_ = 0;
  std::uint64_t runs_ = 0;
  std::uint64_t restarts_ = 0;
};

}  // namespace wal_exporter::simulation
