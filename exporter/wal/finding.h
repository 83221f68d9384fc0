// What a finding in a WAL means: what InfluxDB makes of such a file, in one table.
//
// The source of each row is exporter/influxdb/FACTS.md, "3.x: faults" and "3.x: files".
// Health, alerts, advice, whether a restart is called safe or refused: all follow from
// the effect. Pure; safe from any thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/table.h"
#include "wal/sample.h"

namespace wal_exporter::wal {

// What the server does, from nothing to the worst.
enum class Effect {
  harmless,
  doubtful,       // can't be told, or not yet: somebody has to look
  skipped,        // a start skips the file silently, and its writes are lost
  ends_at_write,  // the server starts, and exits at one of its next writes
  stops_start,    // the next start ends with an error, and so does every other
  count
};
struct EffectRow {
  Effect value{};
  std::string_view name;  // the label value
};
inline constexpr std::array kEffects{EffectRow{Effect::harmless, "harmless"}, EffectRow{Effect::doubtful, "doubtful"},
                                     EffectRow{Effect::skipped, "skipped"},
                                     EffectRow{Effect::ends_at_write, "ends_at_write"},
                                     EffectRow{Effect::stops_start, "stops_start"}};
static_assert(is_complete(kEffects));
[[nodiscard]] constexpr std::string_view to_string(Effect effect) {
  return row_of(kEffects, effect).name;
}

// Of the server that will read the WAL.
struct ServerTraits {
  std::string version;          // empty: not known
  bool fails_on_error = false;  // 3.x: --wal-replay-fail-on-error
  friend bool operator==(const ServerTraits&, const ServerTraits&) = default;
};

// `newest` counts only where the file is said to be the newest.
[[nodiscard]] Effect effect_of(InvalidReason reason, bool newest, const ServerTraits& server);

// Files of one kind that have one effect.
struct Finding {
  InvalidReason reason{};
  Effect effect{};
  std::uint64_t files = 0;
  InvalidFile first;
  // A checkpoint while the server still runs rids the WAL of it: a pending file that holds
  // nothing valid, but no copy of one, which no snapshot covers.
  bool is_cured_by_checkpoint = false;
};

// All of a sample, the worst first.
[[nodiscard]] std::vector<Finding> findings_of(const Sample& sample, const ServerTraits& server);

// For people: what was found, and what InfluxDB does about it. `server`: of findings_of.
[[nodiscard]] std::string summary(const Finding& finding, const ServerTraits& server);
// And what to do.
[[nodiscard]] std::string describe(const Finding& finding, const ServerTraits& server);

}  // namespace wal_exporter::wal
