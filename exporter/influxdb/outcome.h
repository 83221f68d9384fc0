// What came of a checkpoint. Value types: safe from any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/time.h"
#include "wal/sample.h"

namespace wal_exporter::influxdb {

enum class OutcomeKind {
  succeeded,   // everything pending at the start is gone from the WAL
  no_op,       // there was nothing to do
  busy,        // the server, or another process, was at it already
  failed,      // asked, and refused, unreachable or out of time
  unverified,  // the server said yes, the WAL doesn't show it
};
inline constexpr OutcomeKind kOutcomes[] = {OutcomeKind::succeeded, OutcomeKind::no_op, OutcomeKind::busy,
                                            OutcomeKind::failed, OutcomeKind::unverified};

[[nodiscard]] std::string_view to_string(OutcomeKind outcome);

// "1 file", "3 files"; "3 files, 1.2 MiB".
[[nodiscard]] std::string count_of(std::uint64_t count, std::string_view noun);
[[nodiscard]] std::string extent_text(const wal::Extent& extent);

struct Outcome {
  OutcomeKind kind = OutcomeKind::failed;
  std::string message;      // one line for people; names what failed and the remedy
  wal::Extent reclaimed;    // of what was there at the start, what is gone
  std::uint64_t steps = 0;  // shards backed up, points written or requests sent
  Time started{};
  Duration elapsed{};
};

}  // namespace wal_exporter::influxdb
