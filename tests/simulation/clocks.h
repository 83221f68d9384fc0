// How long ago something was: in truth, and at the most or at the least as far as a
// wall clock tells that was set meanwhile. Values; one thread.
#pragma once

#include <algorithm>

#include "base/time.h"

namespace wal_exporter::simulation {

// A moment, with how far the wall clock had been set by then.
struct Moment {
  SteadyTime steady{};
  Duration set_forward{};
  Duration set_back{};
};

class Clocks {
 public:
  void set(Duration by) { (by > Duration::zero() ? forward_ : back_) += std::chrono::abs(by); }

  [[nodiscard]] Moment moment(SteadyTime now) const { return {now, forward_, back_}; }
  // Who goes by the wall clock may take so much time to have passed: what it was set
  // forward by can't be told from time in which nobody looked.
  [[nodiscard]] Duration at_most_since(const Moment& then, SteadyTime now) const {
    return now - then.steady + forward_ - then.set_forward;
  }
  // And no less than this, where it was set back.
  [[nodiscard]] Duration at_least_since(const Moment& then, SteadyTime now) const {
    return std::max(now - then.steady - (back_ - then.set_back), Duration::zero());
  }

 private:
  Duration forward_{};
  Duration back_{};
};

}  // namespace wal_exporter::simulation
