// A token bucket: `burst` at once, and one more each `interval`. It begins full.
//
// A value of one time: when it will be full again. Not thread-safe.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/time.h"

namespace wal_exporter::web {

struct Rate {
  Duration interval{};     // above 0
  std::int64_t burst = 1;  // at least 1; interval * burst must fit into a Duration

  bool operator==(const Rate&) const = default;
};

class TokenBucket {
 public:
  [[nodiscard]] bool take(const Rate& rate, SteadyTime now) {
    if (until_next(rate, now) > Duration::zero()) return false;
    full_at_ = std::max(full_at_, now) + rate.interval;
    return true;
  }
  void put_back(const Rate& rate) { full_at_ -= rate.interval; }
  [[nodiscard]] bool full(SteadyTime now) const { return full_at_ <= now; }
  // 0: there is a token.
  [[nodiscard]] Duration until_next(const Rate& rate, SteadyTime now) const {
    const Duration ahead = full_at_ - now - rate.interval * (rate.burst - 1);
    return full(now) ? Duration::zero() : std::max(ahead, Duration::zero());
  }

 private:
  SteadyTime full_at_{};
};

}  // namespace wal_exporter::web
