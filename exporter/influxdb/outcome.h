// What came of a checkpoint. Value types: safe from any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

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

// What became of one shard that had pending data.
enum class ShardEnd {
  persisted,   // what was pending of it at the start is gone, whoever did it
  kept_open,   // persisted, but the server keeps the file open until the next write
  orphaned,    // the server does not know it, or it is a copy; only where the server is proven
  busy,        // another snapshot of it runs, or none can be written: the question moved its open segment
  failed,      // the server said that it can't, or the question found no answer
  unverified,  // the server said yes, and nothing moved
  unknown,     // the server does not know it, and may be another than the one that writes this WAL
  left_alone,  // not asked, as the request said
  not_asked    // the run ended before its turn
};

struct ShardOutcome {
  wal::ShardKey shard;
  ShardEnd end = ShardEnd::not_asked;
  std::string message;  // one line for people, without the shard's name; empty: there is nothing to say

  friend bool operator==(const ShardOutcome&, const ShardOutcome&) = default;
};

// The server has this one's data in its own files, or never will want it.
[[nodiscard]] constexpr bool is_settled(ShardEnd end) {
  return end == ShardEnd::persisted || end == ShardEnd::kept_open || end == ShardEnd::orphaned;
}

struct Outcome {
  OutcomeKind kind = OutcomeKind::failed;
  std::string message;                 // one line for people; names what failed and the remedy
  wal::Extent reclaimed;               // of what was there at the start, what is gone
  std::uint64_t steps = 0;             // shards backed up, points written or requests sent
  std::vector<ShardOutcome> shards{};  // 1.x and 2.x: each that had pending data; the kind is their sum
  Time started{};
  Duration elapsed{};
  bool server_proven = false;  // what it was asked for moved segments of this WAL
};

}  // namespace wal_exporter::influxdb
