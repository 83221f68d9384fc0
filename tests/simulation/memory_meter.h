// What Control holds in memory: allocations made while it works are counted until they
// are freed, whoever frees them. Zero under the sanitizers, which have their own
// allocation functions. One thread.
#pragma once

#include <cstdint>

namespace wal_exporter::simulation {

struct Held {
  std::int64_t blocks = 0;
  std::int64_t bytes = 0;
};

// Of all Controls so far.
[[nodiscard]] Held held_by_control();

// While one of these lives, Control works.
class InsideControl {
 public:
  InsideControl();
  ~InsideControl();
  InsideControl(const InsideControl&) = delete;
  InsideControl& operator=(const InsideControl&) = delete;

 private:
  const bool before_;
};

// And within that, the simulation.
class OutsideControl {
 public:
  OutsideControl();
  ~OutsideControl();
  OutsideControl(const OutsideControl&) = delete;
  OutsideControl& operator=(const OutsideControl&) = delete;

 private:
  const bool before_;
};

}  // namespace wal_exporter::simulation
