// Chance that spreads tries, so that many who wait do not come back at once. Safe from
// any thread.
#pragma once

#include <random>

namespace wal_exporter {

// In [-1, 1], as base/backoff.h takes it.
[[nodiscard]] inline double random_jitter() {
  std::random_device device;
  return std::uniform_real_distribution<double>(-1, 1)(device);
}

}  // namespace wal_exporter
