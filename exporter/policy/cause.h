// Why the WAL of an InfluxDB 3 node does not shrink. Pure; safe from any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"
#include "policy/forecast.h"
#include "policy/health.h"
#include "wal/node_rules.h"
#include "wal/sample.h"

namespace wal_exporter::policy {

enum class Cause {
  too_few_files,  // the server waits for more periods
  idle,           // one more write would make it snapshot, and none comes
  future_data,    // a file dated in the future holds up the row
  stalled,        // due, and not happening
};
inline constexpr Cause kCauses[] = {Cause::too_few_files, Cause::idle, Cause::future_data, Cause::stalled};

[[nodiscard]] std::string_view to_string(Cause cause);

struct NotShrinking {
  Cause cause = Cause::too_few_files;
  std::optional<std::uint64_t> file;  // future_data: the number of the first such file
  std::optional<Time> since;          // future_data: its persist time; idle: the last write; stalled: when it was due
  std::string detail;                 // for people, with the numbers
  // too_few_files: the next snapshot comes by itself, and before any limit is reached. So it
  // is no complaint: `detail` says when.
  bool expected = false;

  friend bool operator==(const NotShrinking&, const NotShrinking&) = default;
};

// A point that an at-once nudge of ours dated in the future; not the user's data.
struct OwnTrigger {
  std::optional<std::uint64_t> file;  // nullopt: no sample has shown it yet; then it is known by its date
  Time time{};
};

[[nodiscard]] bool is_own(const std::optional<OwnTrigger>& trigger, const wal::Period& period);

// nullopt: nothing pending, or nothing wrong. `now` by the clock of the server, as the
// times in the WAL are.
// `growth`: for when the next snapshot is due; nullopt: not known. `limits` for warning.
[[nodiscard]] std::optional<NotShrinking> not_shrinking(const wal::Sample& sample, const wal::NodeRules& rules,
                                                        Time now, const std::optional<OwnTrigger>& own_trigger,
                                                        const std::optional<Growth>& growth, const Thresholds& limits);

// A sentence for people.
[[nodiscard]] std::string advice(const NotShrinking& not_shrinking);

}  // namespace wal_exporter::policy
