// How long to wait before the next try. Pure; safe from any thread.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "base/time.h"

namespace wal_exporter {

// `first` after the first failure, twice as long after each further one, up to `longest`; then
// longer or shorter by `spread` times `jitter`, which lies in [-1, 1].
[[nodiscard]] inline Duration backoff(Duration first, Duration longest, std::uint64_t failures, double spread = 0,
                                      double jitter = 0) {
  Duration wait = std::min(first, longest);
  for (; failures > 1 && wait > Duration::zero() && wait < longest; --failures) {
    wait = wait > longest / 2 ? longest : wait * 2;
  }
  const auto spread_out = wait * (1 + spread * std::clamp(jitter, -1.0, 1.0));
  return spread_out < Duration::max() ? std::chrono::duration_cast<Duration>(spread_out) : Duration::max();
}

}  // namespace wal_exporter
