// Commands and Queries: what web/ may ask for. app implements them. Safe from any
// thread; both may block for as long as they say.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "policy/decision.h"
#include "view/view.h"

namespace walx::view {

struct CheckpointCommand {
  std::string target;  // a name; must exist
  policy::Reason reason = policy::Reason::manual;
  bool override_soft = false;                // lift backoff, breaker_open, outside_window, maintenance
  Duration wait = std::chrono::seconds(30);  // for the outcome
  std::string actor;                         // who asked, for the audit: "loopback", "user alice"
};

struct CheckpointAnswer {
  enum class State {
    ended,    // `run` has the outcome
    no_op,    // nothing is pending: nothing was started
    running,  // started, and not ended within `wait`
    blocked,  // not started: `blockers`
    gone,     // no such target (any more), or shutting down: `message`
  };
  State state = State::gone;
  Time timestamp{};
  std::string message;  // for people, with the remedy where blocked
  std::vector<policy::Blocker> blockers;
  std::optional<CheckpointRun> run;
};

class Commands {
 public:
  virtual ~Commands() = default;

  // Blocks up to `wait`.
  [[nodiscard]] virtual CheckpointAnswer checkpoint(const CheckpointCommand& command) = 0;
  // All or nothing; an error leaves everything as it was.
  [[nodiscard]] virtual Result<void> reload() = 0;
};

struct HistoryEntry {
  std::int64_t id = 0;
  Time time{};
  std::string target;
  std::string kind;     // decision, wal.health, wal.checkpoint, wal.restart_consideration
  std::string summary;  // one line for people
  std::string detail;   // a JSON object
};

struct HistoryPage {
  std::vector<HistoryEntry> entries;        // newest first
  std::optional<std::int64_t> next_before;  // for the next page; nullopt: this was the last
};

class Queries {
 public:
  virtual ~Queries() = default;

  // Entries with an id below `before` (nullopt: from the newest on), at most `limit`.
  [[nodiscard]] virtual Result<HistoryPage> history(const std::string& target, std::optional<std::int64_t> before,
                                                    std::size_t limit) = 0;
  // One checkpoint, running or ended; nullopt: not known.
  [[nodiscard]] virtual std::optional<CheckpointRun> run(const std::string& target, std::int64_t id) = 0;
};

}  // namespace walx::view
