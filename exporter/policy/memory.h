// What the policy remembers about a target between two decisions, and across
// restarts of this process. Value types and pure functions; safe from any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "policy/decision.h"
#include "policy/health.h"

namespace wal_exporter::policy {

struct Memory {
  std::optional<Levels> levels;          // as last judged, with hysteresis
  std::optional<Time> files_over_since;  // 3.x: when the count went over a limit

  std::optional<Time> last_start;  // of a checkpoint
  std::optional<Time> last_end;    // of one that did something, whatever came of it
  std::optional<Time> last_success;
  std::optional<Time> last_scheduled;  // when the schedule was last looked at and served

  std::uint32_t failures = 0;  // in a row
  // Checkpoints since the last that succeeded, by what they fell short in.
  std::uint32_t failed = 0;
  std::uint32_t unverified = 0;
  std::uint32_t partial = 0;
  std::optional<Time> backoff_until;
  std::optional<Time> breaker_until;  // set while the breaker is open or lets one try through

  // The critical episode: from the first critical sample to the next healthy one.
  std::uint32_t critical_failures = 0;        // counted at least 5 min apart
  std::optional<Time> last_critical_failure;  // the last one counted
  std::optional<Time> blocked_since;          // critical and blocked without a break
  bool restart_considered = false;
  bool restart_waits = false;  // considered, to be made, and neither done nor refused yet
  // When the exporter restarted InfluxDB, well or not, in the last 24 h; ascending.
  std::vector<Time> restarts;

  // 3.x: the file that an at-once nudge of ours dated in the future, and its date.
  std::optional<std::uint64_t> own_trigger_file;
  std::optional<Time> own_trigger_time;

  // A person paused all actions until then; a time that has passed means nothing.
  std::optional<Time> paused_until;
  std::string paused_by;  // see by_whom

  friend bool operator==(const Memory&, const Memory&) = default;
};

// JSON, for the state database. Unknown fields are ignored, so that an older
// version can read what a newer one of the same schema wrote.
[[nodiscard]] std::string to_text(const Memory& memory);
[[nodiscard]] Result<Memory> from_text(const std::string& text);

// Who did something, as the audit has it ("user alice", "loopback"), for people: "by user alice",
// "from this machine".
[[nodiscard]] inline std::string by_whom(const std::string& actor) {
  return actor == "loopback" ? "from this machine" : "by " + actor;
}

}  // namespace wal_exporter::policy
