// What a reader of the 3.x layout is told, and what it counts. Value types.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "base/time.h"
#include "wal/options.h"

namespace wal_exporter::wal {

// What reading cost, in calls to the kernel. Safe from any thread.
struct ReadCounter {
  std::atomic<std::uint64_t> listed{0};   // names seen in wal/ and snapshots/
  std::atomic<std::uint64_t> statted{0};  // files whose size and times were asked for
  std::atomic<std::uint64_t> opened{0};   // WAL and snapshot files opened
};

struct NodeOptions : Options {
  // A newest file that looks damaged but was changed within this time of the wall
  // clock is left for the next sample, in case it is still being put there. 0: every
  // file is judged at once, which is right where there is no next sample (--once).
  Duration settle_time = std::chrono::seconds(2);
  std::shared_ptr<ReadCounter> counter{};  // may be null
};

}  // namespace wal_exporter::wal
