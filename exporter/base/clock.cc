#include "base/clock.h"

#include <algorithm>
#include <vector>

namespace wal_exporter {

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

// No wake-up is lost: the waiter registers while it holds `mutex`, and advance() takes
// `mutex` before it notifies. The caller may destroy `condition` and `mutex` as soon as
// this returns, so it first waits for every advance() that is about to use them. `mutex`
// is released during that wait, because advance() needs it.
void ManualClock::wait_until(CondVar& condition, Mutex& mutex, SteadyTime deadline) {
  Waiters::iterator waiter;
  {
    const MutexLock lock(mutex_);
    if (steady_ >= deadline) return;
    waiter = waiters_.insert(waiters_.end(), {&condition, &mutex});
  }
  condition.condition_.wait(mutex);
  while (!leave(waiter)) {
    mutex.unlock();
    wait_until_woken(waiter);
    mutex.lock();
  }
}

bool ManualClock::leave(Waiters::iterator waiter) {
  const MutexLock lock(mutex_);
  if (waiter->advancing > 0) return false;
  waiters_.erase(waiter);
  return true;
}

void ManualClock::wait_until_woken(Waiters::iterator waiter) {
  const MutexLock lock(mutex_);
  while (waiter->advancing > 0) woken_.condition_.wait(mutex_);
}

void ManualClock::advance(Duration duration) {
  std::vector<Waiters::iterator> waiters;
  {
    const MutexLock lock(mutex_);
    now_ += duration;
    steady_ += duration;
    for (auto waiter = waiters_.begin(); waiter != waiters_.end(); ++waiter) {
      ++waiter->advancing;
      waiters.push_back(waiter);
    }
  }
  for (const Waiters::iterator waiter : waiters) {
    {
      const MutexLock lock(*waiter->mutex);
      waiter->condition->notify_all();
    }
    const MutexLock lock(mutex_);
    --waiter->advancing;
    woken_.notify_all();
  }
}

void ManualClock::set_wall(Time now) {
  const MutexLock lock(mutex_);
  now_ = now;
}

}  // namespace wal_exporter
