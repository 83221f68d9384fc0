// View: an immutable snapshot of everything known per target. metrics/ and web/
// read nothing else.
//
// Value types behind shared_ptr<const>; safe from any thread once published.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "base/redacted.h"
#include "base/table.h"
#include "base/time.h"
#include "events/event.h"
#include "events/hook_status.h"
#include "influxdb/outcome.h"
#include "influxdb/server_facts.h"
#include "policy/budget.h"
#include "policy/cause.h"
#include "policy/decision.h"
#include "policy/forecast.h"
#include "policy/health.h"
#include "wal/finding.h"
#include "wal/generation.h"
#include "wal/node_rules.h"
#include "wal/sample.h"

namespace wal_exporter::view {

// One checkpoint, running or ended.
struct CheckpointRun {
  std::int64_t id = 0;  // unique per target, growing, also across restarts
  policy::Reason reason = policy::Reason::manual;
  Time started{};
  std::optional<Time> ended;                 // nullopt: running
  std::optional<influxdb::Outcome> outcome;  // set when ended
};

// Prometheus histogram: counts per bucket (not cumulative), bounds in seconds.
struct Histogram {
  std::vector<double> bounds;         // upper bounds; +Inf is implied
  std::vector<std::uint64_t> counts;  // bounds.size() + 1
  double sum = 0;

  // `upper_bounds` ascending.
  explicit Histogram(std::vector<double> upper_bounds = {});
  // A value equal to a bound belongs to its bucket. NaN is not counted.
  void observe(double value);
  [[nodiscard]] std::uint64_t total() const;
};

struct Counters {
  std::uint64_t samples = 0;  // looks taken, well or not
  std::uint64_t sample_failures = 0;
  wal::Extent written;
  // All pairs are there from the start.
  std::map<std::pair<policy::Reason, influxdb::OutcomeKind>, std::uint64_t> checkpoints;
  wal::Extent reclaimed;
  std::uint64_t restart_considerations = 0;
  std::uint64_t restarts = 0;
  std::uint64_t restart_failures = 0;
  std::map<events::Type, std::uint64_t> events;  // all types are there from the start
  Histogram sample_duration{{0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30}};
  Histogram checkpoint_duration{{0.1, 0.5, 1, 5, 10, 30, 60, 120, 300, 900, 2700}};

  Counters();
};

// What is known about an InfluxDB 3 node beyond its directory.
struct NodeView {
  wal::NodeRules rules;
  std::string snapshot_size_from = "default";  // settings, server or default; likewise below
  std::string flush_interval_from = "default";
  std::string gen1_duration_from = "default";
  std::string kept_files_from = "default";
  std::vector<std::string> warnings;  // for people, each with the remedy
  std::optional<policy::SnapshotBudget> budget;
  std::string not_measured;  // why the directory does not show what a restart replays; empty: nothing says so
};

// How far a restart of InfluxDB is.
enum class RestartState { idle, waiting, preparing, restarting, starting, count };
struct RestartStateRow {
  RestartState value{};
  std::string_view name;
};
inline constexpr std::array kRestartStates{
    RestartStateRow{RestartState::idle, "idle"}, RestartStateRow{RestartState::waiting, "waiting"},
    RestartStateRow{RestartState::preparing, "preparing"}, RestartStateRow{RestartState::restarting, "restarting"},
    RestartStateRow{RestartState::starting, "starting"}};
static_assert(is_complete(kRestartStates));

[[nodiscard]] constexpr std::string_view to_string(RestartState state) {
  return row_of(kRestartStates, state).name;
}

// Restarts of InfluxDB that the exporter makes unasked.
struct RestartView {
  struct Result {
    Time time{};
    bool success = false;
    std::string message;
  };
  bool enabled = false;
  std::string method;  // docker, systemd or command; empty: none is set
  RestartState state = RestartState::idle;
  std::optional<Result> last;  // the last one made, tried or refused; survives restarts of this process
  std::uint64_t remaining_today = 0;
};

// What was found in the WAL, and what InfluxDB makes of it.
struct FindingView {
  wal::Finding finding;
  std::string text;  // for people, with the remedy
};

// A shard of 1.x or 2.x that checkpoints have shown to be special.
struct ShardView {
  std::string name;   // plant/autogen/7
  std::string state;  // failing, orphaned or kept_open
  wal::Extent extent;
  std::uint64_t failures = 0;    // in a row
  std::optional<Time> next_try;  // nullopt: with the next checkpoint, or never
  std::string why;
};

struct TargetView {
  std::string name;
  std::string wal_directory;
  wal::Generation version = wal::Generation::unknown;
  std::string method;  // the method in use: backup, nudge, http, none; empty: not known yet

  std::optional<policy::Health> health;       // nullopt: unknown
  std::shared_ptr<const wal::Sample> sample;  // the last good sample; nullptr: none yet
  std::vector<ShardView> shards;              // the first ones, failing before the others
  std::uint64_t failing_shards = 0;           // all whose snapshots fail, asked as often as they may be
  bool last_sample_success = false;
  std::string error;             // of the last sample where it failed; empty: it went well
  std::optional<Time> stale_at;  // when the sample stops counting; nullopt: there is none

  std::vector<FindingView> findings;  // the worst first
  policy::Thresholds thresholds;
  policy::Forecast forecast;
  Duration short_window = std::chrono::minutes(10);  // that the forecast's growth was taken over
  Duration long_window = std::chrono::hours(1);
  policy::Decision decision;
  std::vector<policy::Blocker> request_blockers;  // of one that somebody would ask for now
  std::vector<std::string> recommendations;

  std::optional<wal::Vanished> vanished;  // files that did under a running server
  std::string vanished_detail;            // what that means, for people
  std::uint64_t emptied_gaps = 0;         // of the sample's gaps, those that an empty snapshot explains

  std::optional<NodeView> node;                       // 3.x only
  std::optional<policy::NotShrinking> not_shrinking;  // 3.x only; nullopt or expected: nothing wrong

  std::optional<influxdb::ServerFacts> server;  // nullopt: never asked
  bool server_asked = false;                    // a url is set

  std::optional<CheckpointRun> running;
  std::optional<CheckpointRun> last_run;  // the last that ended and did something
  std::optional<Time> last_checkpoint;    // its end; survives restarts
  std::optional<Time> last_success;
  // Checkpoints since the last that succeeded, by what they fell short in; survive restarts.
  std::uint64_t failed = 0;
  std::uint64_t unverified = 0;
  std::uint64_t partial = 0;
  std::optional<Time> cooldown_until;
  std::optional<Time> next_allowed;

  RestartView restart;

  // For systemInfo of the seed API.
  Duration cooldown{};

  bool watch_degraded = false;
  std::string watch_detail;  // why; empty: events drive the sampling
  bool paused = false;
  std::optional<Time> paused_until;  // where it is
  std::string paused_by;
  bool dry_run = false;

  Counters counters;

  // What a restart replays and is in no number: folders, and the whole of a WAL that is not the one sampled.
  [[nodiscard]] std::uint64_t uncounted_folders() const {
    return (sample != nullptr ? sample->uncounted.folders : 0) + (node && !node->not_measured.empty() ? 1 : 0);
  }
};

// The newest WAL file ends the server at one of its next writes.
[[nodiscard]] bool is_newest_file_damaged(const TargetView& target);

struct View {
  Time started{};                                          // of the process
  std::vector<std::shared_ptr<const TargetView>> targets;  // in the order of the settings
  std::vector<events::HookStatus> hooks;                   // in the order of the settings
  std::vector<std::string> not_ready;                      // what readiness still waits for, named; empty: ready
  std::string state_problem;                               // why what is remembered is not kept; empty: it is
  bool last_reload_successful = true;
  Time last_reload_success{};
  std::string last_reload_error;                 // one mistake a line
  std::vector<std::string> last_reload_changes;  // by the last one that was taken
  std::vector<std::string> settings_warnings;    // about the settings in use
  std::vector<std::string> listening;            // the addresses of the web server: "[::]:3002", "unix:/run/x.sock"
  std::shared_ptr<const RedactedText> settings = std::make_shared<const RedactedText>();  // in use, as YAML
};

// Holds the current View; readers get it without waiting for whoever makes one.
class ViewHolder {
 public:
  [[nodiscard]] std::shared_ptr<const View> current() const;
  void publish(std::shared_ptr<const View> view);

 private:
  mutable Mutex mutex_;
  std::shared_ptr<const View> view_ WAL_EXPORTER_GUARDED_BY(mutex_) = std::make_shared<const View>();
};

}  // namespace wal_exporter::view
