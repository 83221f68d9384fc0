// Commands: what web/ may ask for and have done. app implements it. Safe from any thread;
// a call may block for as long as it says.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/text.h"
#include "base/time.h"
#include "events/event.h"
#include "influxdb/rewrite_plan.h"
#include "policy/decision.h"
#include "state/audit_entry.h"
#include "view/samples.h"
#include "view/view.h"

namespace wal_exporter::view {

struct CheckpointCommand {
  std::string target = {};  // a name; must exist
  policy::Reason reason = policy::Reason::manual;
  bool override_soft = false;                // lift backoff, breaker_open, outside_window, maintenance
  Duration wait = std::chrono::seconds(30);  // for the outcome
  bool at_once = false;                      // 3.x: do not wait for the boundary; delays the server's next snapshot
  std::string actor = {};                    // who asked, for the audit: "loopback", "user alice"
};

struct CheckpointAnswer {
  enum class State {
    ended,    // `run` has the outcome
    no_op,    // nothing is pending: nothing was started
    running,  // started, and not ended within `wait`
    blocked,  // not started: `blockers`
  };
  State state = State::no_op;
  Time timestamp{};
  std::string message;  // for people; where blocked, without the blockers
  std::vector<policy::Blocked> blockers;
  std::optional<CheckpointRun> run;
};

// Sent before a planned restart: checkpoints until a restart has as little as possible to
// replay.
struct PrepareRestartCommand {
  std::string target = {};
  Duration max_wait = std::chrono::seconds(60);
  std::string actor = {};
  bool override_soft = false;  // as in CheckpointCommand
  // Act also outside of the allowed windows and during maintenance. Needs a login; the command
  // line has one by its token.
  bool in_any_window = false;
};

struct PrepareRestartAnswer {
  bool safe = false;  // nothing that was pending at the start is left to replay
  Time timestamp{};
  std::string message;                            // what was done, what is left, and what to do where it is not safe
  wal::Extent pending;                            // left
  wal::Extent kept_open;                          // persisted, and replayed once more all the same
  std::optional<double> replay_estimate_seconds;  // of the restart; nullopt: the WAL could not be read
  std::vector<policy::Blocker> blockers;
  std::optional<CheckpointRun> run;
};

inline constexpr Duration kLongestPause = std::chrono::hours(24 * 30);

// Pauses all actions on a target for `length`, those on request included.
struct PauseCommand {
  std::string target;
  std::optional<Duration> length;  // nullopt: resume
  std::string actor;
};

struct PauseAnswer {
  Time timestamp{};
  std::string message;
  std::optional<Time> until;  // nullopt: actions are not paused
};

// Alerts of one target are firing: asks for a checkpoint, once per alert instance.
struct AlertCommand {
  std::string target;
  std::string alert;                   // the name of the first, for the audit
  std::vector<std::string> instances;  // an identity for each firing alert
};

struct AlertAnswer {
  enum class State {
    started,         // a checkpoint is running, or has ended already
    no_op,           // nothing is pending
    already_served,  // each instance has had its checkpoint
    blocked,         // by `blockers`; no instance counts as served
  };
  State state = State::started;
  std::string message;
  std::vector<policy::Blocker> blockers;
  std::optional<std::int64_t> run_id;
};

struct ProbeAnswer {
  std::shared_ptr<const TargetView> target;  // as it is known now
  bool in_time = false;                      // a sample that shows the WAL as it is ended by then, well or not
};

// What a checkpoint would do if it were started now.
struct CheckpointPlan {
  std::string target;
  std::string method;
  std::string mode = "at_once";    // patient or at_once
  std::uint64_t goal = 0;          // periods; 0 for methods that have none
  std::uint64_t points = 0;        // every point to be written; 0 for backup and http
  double duration_seconds = 0;     // expected
  std::optional<Time> not_before;  // the last point waits for this
  std::optional<std::uint64_t> snapshot_budget_remaining;
  std::vector<influxdb::RewritePlan> rewrites;  // 1.x: points to be written again exactly
  std::string why;                              // for people: what it would do
  std::vector<policy::Blocked> blockers;
};

struct ReloadAnswer {
  std::vector<std::string> changes;   // a line each; empty: nothing changed
  std::vector<std::string> warnings;  // about the settings that are in use now

  // "nothing changed" or "2 changes".
  [[nodiscard]] std::string summary() const {
    return changes.empty() ? "nothing changed" : count_of(changes.size(), "change");
  }
};

struct HistoryPage {
  std::vector<state::AuditEntry> entries;   // newest first
  std::optional<std::int64_t> next_before;  // for the next page; nullopt: this was the last
};

struct EventFilter {
  std::optional<std::string> target;  // nullopt: of all targets
  std::optional<events::Type> type;   // nullopt: of every type
};

struct EventPage {
  std::vector<events::Event> events;        // newest first
  std::optional<std::int64_t> next_before;  // for the next page; nullopt: this was the last
};

// Where a target is named that is not there, the error is of kind not_found and names those
// that are; while the exporter is shutting down it is of kind cancelled.
class Commands {
 public:
  virtual ~Commands() = default;

  // Blocks up to `wait`.
  [[nodiscard]] virtual Result<CheckpointAnswer> checkpoint(const CheckpointCommand& command) = 0;
  // Blocks up to `max_wait`, and a few seconds for samples before and after.
  [[nodiscard]] virtual Result<PrepareRestartAnswer> prepare_restart(const PrepareRestartCommand& command) = 0;
  // Does not wait for the checkpoint's end.
  [[nodiscard]] virtual Result<AlertAnswer> alert(const AlertCommand& command) = 0;
  // Survives a restart of the exporter; an error if that can't be made sure.
  [[nodiscard]] virtual Result<PauseAnswer> pause(const PauseCommand& command) = 0;
  // All or nothing; an error leaves everything as it was, and holds a mistake a line. Its kind:
  // invalid, the settings; conflict, not now.
  [[nodiscard]] virtual Result<ReloadAnswer> reload() = 0;

  // As history(), of events alone, of all targets or one.
  [[nodiscard]] virtual Result<EventPage> events(const EventFilter& filter, std::optional<std::int64_t> before,
                                                 std::size_t limit) = 0;
  // Oldest first, ids above `after`, at most `limit`. Blocks up to `wait` for the
  // first one; none by then: empty.
  [[nodiscard]] virtual Result<std::vector<events::Event>> events_after(const EventFilter& filter, std::int64_t after,
                                                                        std::size_t limit, Duration wait) = 0;
  // The id after which a new event stream starts; 0: there is no event yet.
  [[nodiscard]] virtual Result<std::int64_t> newest_event() = 0;
  // Entries with an id below `before` (nullopt: from the newest on), at most `limit`.
  [[nodiscard]] virtual Result<HistoryPage> history(const std::string& target, std::optional<std::int64_t> before,
                                                    std::size_t limit) = 0;
  // Of the last day, oldest first: the newest `limit` at or after `since`.
  [[nodiscard]] virtual Result<std::vector<SamplePoint>> samples(const std::string& target, std::optional<Time> since,
                                                                 std::size_t limit) = 0;
  // How a target is now: takes a sample, unless one ended so lately that another may not begin yet,
  // and blocks up to `wait` for it.
  [[nodiscard]] virtual Result<ProbeAnswer> probe(const std::string& target, Duration wait) = 0;
  // The plan of a checkpoint that somebody asks for now.
  [[nodiscard]] virtual Result<CheckpointPlan> plan(const std::string& target, bool at_once) = 0;
  // One checkpoint, running or ended; nullopt: not known.
  [[nodiscard]] virtual Result<std::optional<CheckpointRun>> run(const std::string& target, std::int64_t id) = 0;
};

}  // namespace wal_exporter::view
