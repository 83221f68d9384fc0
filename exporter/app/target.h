// Target: the control loop of one InfluxDB node.
//
// A control thread takes what the sampler, the probe and a running checkpoint
// report, asks the policy, acts, and makes the TargetView. It never touches the
// WAL or the network itself, so a disk or a server that hangs delays nothing but
// its own answer. Everything below is safe from any thread.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <thread>

#include "app/alert_ledger.h"
#include "app/node.h"
#include "app/probe.h"
#include "app/restart.h"
#include "app/sampling.h"
#include "base/clock.h"
#include "base/log.h"
#include "events/bus.h"
#include "events/event.h"
#include "influxdb/checkpoint_method.h"
#include "policy/cause.h"
#include "policy/engine.h"
#include "policy/forecast.h"
#include "policy/restart_verdict.h"
#include "settings/settings.h"
#include "state/lock.h"
#include "state/store.h"
#include "view/commands.h"
#include "view/samples.h"
#include "view/view.h"

namespace wal_exporter::app {

// What a target needs from the process. `changed` is called from any thread after
// view() has changed; it must be quick and take no lock of the target.
struct Services {
  std::shared_ptr<Clock> clock;
  std::shared_ptr<state::Store> store;
  Log log;
  std::filesystem::path state_directory;
  std::function<void()> changed;
  std::shared_ptr<events::Bus> bus;  // nullptr: events go to the audit and the log alone
  std::shared_ptr<wal::WatchHub> watches;
};

// Where a target's ledger of alerts is kept.
inline constexpr const char* kAlertsKey = "alerts";

class Target {
 public:
  // `acts_unasked`: false for the command line, where only requests are served.
  Target(settings::Target settings, Services services, bool acts_unasked = true);
  // As stop().
  ~Target();

  // Stops taking work, lets a running checkpoint come to a safe point.
  void stop() WAL_EXPORTER_EXCLUDES(mutex_);

  [[nodiscard]] const settings::Target& settings() const { return settings_; }
  [[nodiscard]] std::shared_ptr<const view::TargetView> view() const WAL_EXPORTER_EXCLUDES(view_mutex_);
  // InfluxDB has been told to restart, and that has not ended.
  [[nodiscard]] bool restarting() const WAL_EXPORTER_EXCLUDES(mutex_);
  // What readiness still waits for; empty: nothing.
  [[nodiscard]] std::string not_ready() const WAL_EXPORTER_EXCLUDES(view_mutex_);

  // Blocks up to the command's wait (and up to 10 s for a fresh look before it).
  [[nodiscard]] view::CheckpointAnswer checkpoint(const view::CheckpointCommand& command) WAL_EXPORTER_EXCLUDES(mutex_);
  // Blocks up to the command's max_wait, and for a fresh look before and after.
  [[nodiscard]] view::PrepareRestartAnswer prepare_restart(const view::PrepareRestartCommand& command)
      WAL_EXPORTER_EXCLUDES(mutex_);
  // Blocks for a fresh look, not for the checkpoint.
  [[nodiscard]] view::AlertAnswer alert(const view::AlertCommand& command) WAL_EXPORTER_EXCLUDES(mutex_);
  [[nodiscard]] view::PauseAnswer pause(const view::PauseCommand& command) WAL_EXPORTER_EXCLUDES(mutex_);
  // The plan of a checkpoint that somebody asks for now.
  [[nodiscard]] view::CheckpointPlan plan(bool at_once) const WAL_EXPORTER_EXCLUDES(mutex_);
  [[nodiscard]] std::optional<view::CheckpointRun> run(std::int64_t id) const WAL_EXPORTER_EXCLUDES(mutex_);
  // Of the last day, oldest first.
  [[nodiscard]] std::vector<view::SamplePoint> samples(std::optional<Time> since, std::size_t limit) const
      WAL_EXPORTER_EXCLUDES(mutex_);

 private:
  void control() WAL_EXPORTER_EXCLUDES(mutex_);
  void on_look(Look look) WAL_EXPORTER_EXCLUDES(mutex_);
  void on_change() WAL_EXPORTER_EXCLUDES(mutex_);
  void on_answer(ServerAnswer answer) WAL_EXPORTER_EXCLUDES(mutex_);

  void take_look(Look look) WAL_EXPORTER_REQUIRES(mutex_);
  // Judges the last sample, unless what its limits follow is about to be known.
  void judge_sample() WAL_EXPORTER_REQUIRES(mutex_);
  void note_health(std::optional<policy::Health> before) WAL_EXPORTER_REQUIRES(mutex_);
  [[nodiscard]] std::vector<std::string> advice() const WAL_EXPORTER_REQUIRES(mutex_);
  void consider_restart(const std::string& why) WAL_EXPORTER_REQUIRES(mutex_);
  void log_sample(bool notable) WAL_EXPORTER_REQUIRES(mutex_);
  void step() WAL_EXPORTER_REQUIRES(mutex_);
  [[nodiscard]] SteadyTime next_step() const WAL_EXPORTER_REQUIRES(mutex_);
  // `mode`: how a nudge would go about it; nullopt: nobody asks for it.
  [[nodiscard]] policy::Situation situation(std::optional<influxdb::NudgeMode> mode) const
      WAL_EXPORTER_REQUIRES(mutex_);
  [[nodiscard]] std::optional<NudgeOutlook> outlook(std::optional<influxdb::NudgeMode> mode) const
      WAL_EXPORTER_REQUIRES(mutex_);
  void refresh_rules() WAL_EXPORTER_REQUIRES(mutex_);
  void request_look() WAL_EXPORTER_REQUIRES(mutex_);
  // What InfluxDB was first asked is not answered yet.
  [[nodiscard]] bool awaits_answers() const WAL_EXPORTER_REQUIRES(mutex_);
  [[nodiscard]] bool awaits_limits() const WAL_EXPORTER_REQUIRES(mutex_);
  void explain_pending() WAL_EXPORTER_REQUIRES(mutex_);
  // Also waits for the first answers of the server.
  void wait_for_fresh_look(SteadyTime deadline) WAL_EXPORTER_REQUIRES(mutex_);
  void wait_for_end(std::int64_t id, SteadyTime deadline) WAL_EXPORTER_REQUIRES(mutex_);
  void on_future_trigger(std::optional<std::uint64_t> file, Time time) WAL_EXPORTER_EXCLUDES(mutex_);
  [[nodiscard]] bool is_fresh() const WAL_EXPORTER_REQUIRES(mutex_);

  void start_run(policy::Reason reason, std::optional<influxdb::NudgeMode> mode, const std::string& actor)
      WAL_EXPORTER_REQUIRES(mutex_);
  void execute(view::CheckpointRun run, influxdb::CheckpointRequest request,
               std::unique_ptr<influxdb::CheckpointMethod> method, std::shared_ptr<wal::WalSource> source,
               const std::stop_token& stop) WAL_EXPORTER_EXCLUDES(mutex_);
  void end_run(view::CheckpointRun run, influxdb::Outcome outcome, Result<std::shared_ptr<const wal::Sample>> after,
               bool stopped) WAL_EXPORTER_EXCLUDES(mutex_);
  [[nodiscard]] std::uint64_t skip_below(policy::Reason reason) const WAL_EXPORTER_REQUIRES(mutex_);
  [[nodiscard]] view::CheckpointAnswer refuse(const view::CheckpointCommand& command, const policy::Decision& decision)
      WAL_EXPORTER_REQUIRES(mutex_);
  [[nodiscard]] view::CheckpointAnswer no_op(const view::CheckpointCommand& command) WAL_EXPORTER_REQUIRES(mutex_);

  enum class RestartPhase { idle, preparing, restarting, starting };
  void load_restart() WAL_EXPORTER_REQUIRES(mutex_);
  void step_restart() WAL_EXPORTER_REQUIRES(mutex_);
  void run_restart(const std::stop_token& stop) WAL_EXPORTER_EXCLUDES(mutex_);
  [[nodiscard]] bool settle_preparation(const view::PrepareRestartAnswer& prepared) WAL_EXPORTER_REQUIRES(mutex_);
  [[nodiscard]] bool begin_restart(const RestartStart& start) WAL_EXPORTER_REQUIRES(mutex_);
  void await_ready(const RestartStart& start, SteadyTime begun, SteadyTime deadline) WAL_EXPORTER_REQUIRES(mutex_);
  void take_up_restart() WAL_EXPORTER_EXCLUDES(mutex_);
  // What was considered goes on waiting; told once.
  void hold_restart(const policy::RestartVerdict& verdict) WAL_EXPORTER_REQUIRES(mutex_);
  void restart_step(const std::string& step, const std::string& summary, nlohmann::ordered_json more)
      WAL_EXPORTER_REQUIRES(mutex_);
  void end_restart(const std::string& step, const std::string& summary, bool success, nlohmann::ordered_json more)
      WAL_EXPORTER_REQUIRES(mutex_);
  void give_up_restart(const std::string& step, const std::string& summary) WAL_EXPORTER_REQUIRES(mutex_);
  void leave_restart(bool success, const std::string& summary) WAL_EXPORTER_REQUIRES(mutex_);
  void keep_restart_result(bool success, const std::string& summary) WAL_EXPORTER_REQUIRES(mutex_);
  void rest_restart() WAL_EXPORTER_REQUIRES(mutex_);
  [[nodiscard]] policy::RestartVerdict judge_restart() const WAL_EXPORTER_REQUIRES(mutex_);
  [[nodiscard]] view::RestartView restart_view() const WAL_EXPORTER_REQUIRES(mutex_);
  [[nodiscard]] std::optional<std::string> restart_advice() const WAL_EXPORTER_REQUIRES(mutex_);

  // The id of the new row; nullopt: it could not be kept.
  std::optional<std::int64_t> append(const std::string& kind, const std::string& summary, const std::string& detail)
      WAL_EXPORTER_REQUIRES(mutex_);
  void record(const std::string& kind, const std::string& summary, const std::string& detail)
      WAL_EXPORTER_REQUIRES(mutex_);
  // Keeps, counts and tells it, with the sample it rests on. Returns its id, or a
  // number that is new to this process where it could not be kept.
  std::int64_t emit(events::Type type, events::Severity severity, const std::string& summary,
                    nlohmann::ordered_json detail) WAL_EXPORTER_REQUIRES(mutex_);
  void remember() WAL_EXPORTER_REQUIRES(mutex_);
  void restore_samples() WAL_EXPORTER_REQUIRES(mutex_);
  // At once at the end, else every few minutes.
  void remember_samples(bool at_once) WAL_EXPORTER_REQUIRES(mutex_);
  void publish() WAL_EXPORTER_REQUIRES(mutex_);

  const settings::Target settings_;
  const Services services_;
  const policy::ForecastRules forecast_rules_;
  const bool acts_unasked_;
  const SteadyTime judge_at_;  // the first sample, whatever is not known by then

  mutable Mutex mutex_;  // guards what the target knows
  mutable CondVar changed_;
  policy::Rules rules_ WAL_EXPORTER_GUARDED_BY(mutex_);
  policy::Memory memory_ WAL_EXPORTER_GUARDED_BY(mutex_);
  policy::Memory saved_ WAL_EXPORTER_GUARDED_BY(mutex_);
  policy::GrowthHistory history_ WAL_EXPORTER_GUARDED_BY(mutex_);
  view::SampleHistory samples_ WAL_EXPORTER_GUARDED_BY(mutex_);        // for charts
  std::optional<Time> samples_saved_ WAL_EXPORTER_GUARDED_BY(mutex_);  // the newest of those on disk
  SteadyTime next_samples_save_ WAL_EXPORTER_GUARDED_BY(mutex_){};
  policy::Decision decision_ WAL_EXPORTER_GUARDED_BY(mutex_);
  policy::Decision recorded_ WAL_EXPORTER_GUARDED_BY(mutex_);
  // The health that the last event told, until that of this process is known.
  std::string told_before_start_ WAL_EXPORTER_GUARDED_BY(mutex_);
  std::optional<policy::Health> health_ WAL_EXPORTER_GUARDED_BY(mutex_);  // nullopt: unknown
  std::shared_ptr<const wal::Sample> sample_ WAL_EXPORTER_GUARDED_BY(mutex_);
  std::shared_ptr<wal::WalSource> source_ WAL_EXPORTER_GUARDED_BY(mutex_);
  Version version_ WAL_EXPORTER_GUARDED_BY(mutex_);
  std::string error_ WAL_EXPORTER_GUARDED_BY(mutex_);
  std::string watch_degraded_ WAL_EXPORTER_GUARDED_BY(mutex_) = "not watched yet";
  std::uint64_t looks_ WAL_EXPORTER_GUARDED_BY(mutex_) = 0;  // number of the last look that ended
  bool look_wanted_ WAL_EXPORTER_GUARDED_BY(mutex_) = false;
  bool change_seen_ WAL_EXPORTER_GUARDED_BY(mutex_) = false;
  SteadyTime next_periodic_ WAL_EXPORTER_GUARDED_BY(mutex_){};
  SteadyTime next_line_ WAL_EXPORTER_GUARDED_BY(mutex_){};  // of the log, for an unchanged health
  SteadyTime earliest_look_ WAL_EXPORTER_GUARDED_BY(mutex_){};
  std::optional<influxdb::NodeFacts> node_facts_ WAL_EXPORTER_GUARDED_BY(mutex_);
  std::optional<influxdb::NodeFacts> remembered_facts_
      WAL_EXPORTER_GUARDED_BY(mutex_);                  // of an earlier process of ours
  bool judged_ WAL_EXPORTER_GUARDED_BY(mutex_) = true;  // the last sample
  std::optional<influxdb::WalMetrics> wal_metrics_ WAL_EXPORTER_GUARDED_BY(mutex_);
  NodeKnowledge node_ WAL_EXPORTER_GUARDED_BY(mutex_);
  std::vector<std::string> warned_ WAL_EXPORTER_GUARDED_BY(mutex_);  // of node_, in the log
  std::optional<policy::NotShrinking> not_shrinking_ WAL_EXPORTER_GUARDED_BY(mutex_);
  std::optional<influxdb::ServerFacts> server_ WAL_EXPORTER_GUARDED_BY(mutex_);
  std::uint64_t answers_ WAL_EXPORTER_GUARDED_BY(mutex_) = 0;  // of the server's, up or not
  // Or when we began to watch it, or restarted it.
  SteadyTime server_seen_up_ WAL_EXPORTER_GUARDED_BY(mutex_){};
  std::optional<view::CheckpointRun> running_ WAL_EXPORTER_GUARDED_BY(mutex_);
  std::optional<view::CheckpointRun> last_run_ WAL_EXPORTER_GUARDED_BY(mutex_);
  std::deque<view::CheckpointRun> ended_ WAL_EXPORTER_GUARDED_BY(mutex_);
  std::int64_t last_id_ WAL_EXPORTER_GUARDED_BY(mutex_) = 0;
  view::Counters counters_ WAL_EXPORTER_GUARDED_BY(mutex_);
  wal::Extent written_before_ WAL_EXPORTER_GUARDED_BY(mutex_);  // by sources that were replaced
  AlertLedger alerts_ WAL_EXPORTER_GUARDED_BY(mutex_);
  bool state_failing_ WAL_EXPORTER_GUARDED_BY(mutex_) = false;
  bool stopping_ WAL_EXPORTER_GUARDED_BY(mutex_) = false;
  std::jthread worker_ WAL_EXPORTER_GUARDED_BY(mutex_);
  RestartPhase restart_phase_ WAL_EXPORTER_GUARDED_BY(mutex_) = RestartPhase::idle;
  std::optional<RestartStart> restart_begun_ WAL_EXPORTER_GUARDED_BY(mutex_);      // kept until its end has been told
  std::optional<state::TargetLock> restart_lock_ WAL_EXPORTER_GUARDED_BY(mutex_);  // from `restarting` on
  std::vector<policy::Blocker> restart_held_ WAL_EXPORTER_GUARDED_BY(mutex_);      // as last told
  std::string restart_held_why_ WAL_EXPORTER_GUARDED_BY(mutex_);
  std::optional<view::RestartView::Result> restart_last_ WAL_EXPORTER_GUARDED_BY(mutex_);
  std::jthread restart_thread_ WAL_EXPORTER_GUARDED_BY(mutex_);

  mutable Mutex view_mutex_;  // guards the finished view alone
  std::shared_ptr<const view::TargetView> view_ WAL_EXPORTER_GUARDED_BY(view_mutex_);
  std::string not_ready_ WAL_EXPORTER_GUARDED_BY(view_mutex_);  // as of that view

  std::unique_ptr<Sampler> sampler_;
  std::unique_ptr<ServerProbe> probe_;
  std::jthread control_;
};

}  // namespace wal_exporter::app
