// The toolkit's `rate_limit`: one token bucket for all requests. Safe from any thread.
#pragma once

#include "base/mutex.h"
#include "web/token_bucket.h"

namespace wal_exporter::web {

class RateLimit {
 public:
  explicit RateLimit(Rate rate) : rate_(rate) {}

  [[nodiscard]] const Rate& rate() const { return rate_; }
  // Whether a request may go on that comes at `now`.
  [[nodiscard]] bool take(SteadyTime now) {
    const MutexLock lock(mutex_);
    return bucket_.take(rate_, now);
  }
  // Until the next one may; 0: at once.
  [[nodiscard]] Duration until_next(SteadyTime now) {
    const MutexLock lock(mutex_);
    return bucket_.until_next(rate_, now);
  }

 private:
  const Rate rate_;
  Mutex mutex_;
  TokenBucket bucket_ WAL_EXPORTER_GUARDED_BY(mutex_);
};

}  // namespace wal_exporter::web
