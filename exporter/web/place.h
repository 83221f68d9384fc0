// One of a limited number of places, for example for requests that may wait. Check held():
// there may be none left. The place is given back on destruction. A Place is used by one
// thread, the count by any.
#pragma once

#include <atomic>
#include <cstddef>

namespace wal_exporter::web {

class Place {
 public:
  Place(std::atomic<std::size_t>& taken, std::size_t places) : taken_(taken), held_(taken_++ < places) {
    if (!held_) --taken_;
  }
  ~Place() {
    if (held_) --taken_;
  }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

  [[nodiscard]] bool held() const { return held_; }

 private:
  std::atomic<std::size_t>& taken_;
  const bool held_;
};

}  // namespace wal_exporter::web
