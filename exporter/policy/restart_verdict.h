// Whether a restart that was considered is made: the conditions before it, as the
// WAL and the settings have them. What considers it is in engine.h.
//
// Pure functions over values; safe from any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "policy/engine.h"

namespace wal_exporter::policy {

struct RestartVerdict {
  enum class Kind {
    go,
    wait,    // for what passes by itself, as long as the episode lasts
    refuse,  // for good, in this episode
  };
  Kind kind = Kind::refuse;
  std::vector<Blocker> blockers;  // of wait; empty there: the target is not critical now
  std::string explanation;        // for people
};

// `version_3`: a restart empties nothing there. What holds back only checkpoints
// (backoff, an open breaker, a server that does not answer, a method that can't be
// used) does not hold back a restart; windows, a pause, a running checkpoint, too
// little space and an old sample do, and a closed port for as long as a start may
// take: InfluxDB opens it when its replay is done, which a restart would begin anew.
// Critical is what health says and the sample shows, without hysteresis. `dry_run`
// is not looked at: it is the caller's to stop before the act.
[[nodiscard]] RestartVerdict judge_restart(const Rules& rules, const Memory& memory, const Situation& situation,
                                           bool version_3);

// Why no restart is made where preparing it did not work; nullopt: it is made all
// the same. `replay_seconds`: the estimate; nullopt: not known.
[[nodiscard]] std::optional<std::string> forbids_unprepared(const RestartRules& rules,
                                                            const std::optional<double>& replay_seconds);

// How many more may be made now.
[[nodiscard]] std::uint64_t restarts_left(const RestartRules& rules, const Memory& memory, Time now);

// The consideration leads to a restart; it is made, or refused.
[[nodiscard]] Memory after_restart_wanted(Memory memory);
[[nodiscard]] Memory after_restart_settled(Memory memory);
// InfluxDB is about to be told to restart: settled, and counted.
[[nodiscard]] Memory after_restart_begun(Memory memory, Time now);

}  // namespace wal_exporter::policy
