// One of a limited number of seats, for example for requests that may wait. Check held():
// there may be none left. The seat is given back on destruction. A Seat is used by one
// thread, the count by any.
#pragma once

#include <atomic>
#include <cstddef>

namespace wal_exporter::web {

class Seat {
 public:
  Seat(std::atomic<std::size_t>& taken, std::size_t seats) : taken_(taken), held_(taken_++ < seats) {
    if (!held_) --taken_;
  }
  ~Seat() {
    if (held_) --taken_;
  }
  Seat(const Seat&) = delete;
  Seat& operator=(const Seat&) = delete;

  [[nodiscard]] bool held() const { return held_; }

 private:
  std::atomic<std::size_t>& taken_;
  const bool held_;
};

}  // namespace wal_exporter::web
