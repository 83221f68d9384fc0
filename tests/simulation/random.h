// Random numbers that are the same for the same seed with every compiler and
// standard library: the engine is standardised, the distributions are our own and
// use whole numbers alone where it matters. One thread.
#pragma once

#include <cstdint>
#include <random>

#include "base/time.h"

namespace wal_exporter::simulation {

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}

  // In [0, below); 0 where below is 0.
  [[nodiscard]] std::uint64_t below(std::uint64_t below) { return below == 0 ? 0 : engine_() % below; }
  // In [least, most].
  [[nodiscard]] std::uint64_t between(std::uint64_t least, std::uint64_t most) {
    return least + below(most - least + 1);
  }
  [[nodiscard]] Duration between(Duration least, Duration most) {
    return least + Duration(static_cast<std::int64_t>(below(static_cast<std::uint64_t>((most - least).count()) + 1)));
  }
  // From an eighth of `mean` to fifteen eighths.
  [[nodiscard]] Duration around(Duration mean) { return between(mean / 8, mean * 15 / 8); }
  // True in `of_a_million` of a million cases.
  [[nodiscard]] bool chance(std::uint64_t of_a_million) { return below(1'000'000) < of_a_million; }
  [[nodiscard]] bool coin() { return below(2) == 0; }
  // In [-1, 1].
  [[nodiscard]] double jitter() { return static_cast<double>(below(2001)) / 1000.0 - 1.0; }
  template <class T, std::size_t N>
  [[nodiscard]] const T& one_of(const T (&values)[N]) {
    return values[below(N)];
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace wal_exporter::simulation
