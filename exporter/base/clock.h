// The clock owns waiting, so that no test ever sleeps.
//
// Safe from any thread.
#pragma once

#include <list>
#include <memory>

#include "base/mutex.h"
#include "base/time.h"

namespace wal_exporter {

class Clock {
 public:
  virtual ~Clock() = default;

  [[nodiscard]] virtual Time now() const = 0;
  [[nodiscard]] virtual SteadyTime steady() const = 0;

  // Gives up `mutex` until `condition` is notified or steady() has reached
  // `deadline`, and takes it again. May return early: callers loop.
  virtual void wait_until(CondVar& condition, Mutex& mutex, SteadyTime deadline) WAL_EXPORTER_REQUIRES(mutex) = 0;
};

class SystemClock final : public Clock {
 public:
  [[nodiscard]] Time now() const override;
  [[nodiscard]] SteadyTime steady() const override;
  void wait_until(CondVar& condition, Mutex& mutex, SteadyTime deadline) override WAL_EXPORTER_REQUIRES(mutex);
};

// Stands still until told otherwise: for tests.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(Time start) : now_(start) {}

  [[nodiscard]] Time now() const override;
  [[nodiscard]] SteadyTime steady() const override;
  void wait_until(CondVar& condition, Mutex& mutex, SteadyTime deadline) override WAL_EXPORTER_REQUIRES(mutex);

  // Moves both clocks forward and wakes every waiter.
  void advance(Duration duration);
  // Moves the wall clock alone, as NTP or a person does.
  void set_wall(Time now);

 private:
  struct Waiter {
    CondVar* condition;
    Mutex* mutex;
    int advancing = 0;  // calls of advance() that are about to wake it
  };
  using Waiters = std::list<Waiter>;

  // Takes the waiter off the list. False, and the waiter stays: a running advance() will
  // still use its condition and mutex.
  [[nodiscard]] bool leave(Waiters::iterator waiter);
  void wait_until_woken(Waiters::iterator waiter);

  mutable Mutex mutex_;
  Time now_ WAL_EXPORTER_GUARDED_BY(mutex_);
  SteadyTime steady_ WAL_EXPORTER_GUARDED_BY(mutex_){};
  Waiters waiters_ WAL_EXPORTER_GUARDED_BY(mutex_);
  CondVar woken_;
};

}  // namespace wal_exporter
