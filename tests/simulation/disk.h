// The disk where the WAL and the data lie, or with a disk for the WAL alone the data: room, errors, slow reading. One
// thread.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/bytes.h"
#include "base/time.h"

namespace wal_exporter::simulation {

class Disk {
 public:
  // What is free besides what the WAL takes.
  [[nodiscard]] std::uint64_t available(std::uint64_t wal_bytes, SteadyTime now) const {
    const std::uint64_t room = now < full_until_ ? full_room_ : kRoom;
    return room - std::min(room, wal_bytes);
  }
  [[nodiscard]] bool fails(SteadyTime now) const { return now < fails_until_; }
  [[nodiscard]] bool is_slow(SteadyTime now) const { return now < slow_until_; }

  // Somebody fills it up but for `room`.
  void fill(std::uint64_t room, SteadyTime until) {
    full_room_ = room;
    full_until_ = until;
  }
  void fail(SteadyTime until) { fails_until_ = until; }
  void slow_down(SteadyTime until) { slow_until_ = until; }
  void heal() { full_until_ = fails_until_ = slow_until_ = SteadyTime{}; }

 private:
  static constexpr std::uint64_t kRoom = 500 * kGiB;
  std::uint64_t full_room_ = 0;
  SteadyTime full_until_{};
  SteadyTime fails_until_{};
  SteadyTime slow_until_{};
};

}  // namespace wal_exporter::simulation
