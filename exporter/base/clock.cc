#include "base/clock.h"

#include <algorithm>

namespace walx {

Time SystemClock::now() const {
  return std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now());
}

SteadyTime SystemClock::steady() const {
  return std::chrono::time_point_cast<Duration>(std::chrono::steady_clock::now());
}

void SystemClock::wait_until(CondVar& condition, Mutex& mutex, SteadyTime deadline) {
  // A far deadline is cut to a day: adding the clock's offset must not overflow.
  const SteadyTime latest = steady() + std::chrono::hours(24);
  condition.condition_.wait_until(mutex, std::min(deadline, latest));
}

Time ManualClock::now() const {
  const MutexLock lock(mutex_);
  return now_;
}

SteadyTime ManualClock::steady() const {
  const MutexLock lock(mutex_);
  return steady_;
}

// The waiter registers while it holds `mutex`, and advance() takes that mutex
// before it notifies, so a wake-up can't fall between the two.
void ManualClock::wait_until(CondVar& condition, Mutex& mutex, SteadyTime deadline) {
  const Waiter waiter{&condition, &mutex};
  {
    const MutexLock lock(mutex_);
    if (steady_ >= deadline) return;
    waiters_.push_back(waiter);
  }
  condition.condition_.wait(mutex);
  const MutexLock lock(mutex_);
  waiters_.erase(std::find(waiters_.begin(), waiters_.end(), waiter));
}

void ManualClock::advance(Duration duration) {
  std::vector<Waiter> waiters;
  {
    const MutexLock lock(mutex_);
    now_ += duration;
    steady_ += duration;
    waiters = waiters_;
  }
  for (const Waiter& waiter : waiters) {
    const MutexLock lock(*waiter.mutex);
    waiter.condition->notify_all();
  }
}

void ManualClock::set_wall(Time now) {
  const MutexLock lock(mutex_);
  now_ = now;
}

}  // namespace walx
