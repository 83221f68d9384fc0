// Schedule: what is to happen when, and the two clocks. Time jumps from one event to
// the next; the wall clock can be set. Events of one moment happen in the order in
// which they were put in. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <queue>
#include <utility>
#include <vector>

#include "base/time.h"
#include "control/inputs.h"

namespace wal_exporter::simulation {

class Schedule {
 public:
  using Happening = std::function<void()>;

  explicit Schedule(Time wall) : offset_(wall.time_since_epoch()) {}

  [[nodiscard]] SteadyTime steady() const { return steady_; }
  [[nodiscard]] Time wall() const { return Time(steady_.time_since_epoch() + offset_); }
  [[nodiscard]] control::Now now() const { return {wall(), steady_}; }
  // Somebody sets the wall clock forward, or back where `by` is negative.
  void set_clock(Duration by) { offset_ += by; }

  void at(SteadyTime when, Happening what) { events_.push({std::max(when, steady_), ++last_, std::move(what)}); }
  void in(Duration after, Happening what) { at(steady_ + after, std::move(what)); }

  // Lets the next event happen that is due by `until`; false: there is none.
  bool run_next(SteadyTime until) {
    if (events_.empty() || events_.top().when > until) {
      steady_ = std::max(steady_, until);
      return false;
    }
    // top() is const; what it holds is thrown away by pop() at once.
    Event event = std::move(const_cast<Event&>(events_.top()));
    events_.pop();
    steady_ = event.when;
    event.what();
    return true;
  }

 private:
  struct Event {
    SteadyTime when{};
    std::uint64_t number = 0;
    Happening what;
  };
  struct Later {
    bool operator()(const Event& left, const Event& right) const {
      return left.when != right.when ? left.when > right.when : left.number > right.number;
    }
  };

  SteadyTime steady_{};
  Duration offset_;
  std::uint64_t last_ = 0;
  std::priority_queue<Event, std::vector<Event>, Later> events_;
};

}  // namespace wal_exporter::simulation
