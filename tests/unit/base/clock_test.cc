#include "base/clock.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

namespace wal_exporter {
namespace {

using namespace std::chrono_literals;

TEST(ManualClock, WakesAWaiterWhoseDeadlineHasCome) {
  ManualClock clock(Time{});
  Mutex mutex;
  CondVar condition;
  std::atomic<bool> done = false;
  std::thread waiter([&] {
    const MutexLock lock(mutex);
    const SteadyTime deadline = SteadyTime{} + 60s;
    while (clock.steady() < deadline) clock.wait_until(condition, mutex, deadline);
    done = true;
  });
  clock.advance(30s);
  EXPECT_FALSE(done);
  clock.advance(30s);
  waiter.join();
  EXPECT_TRUE(done);
  EXPECT_EQ(clock.now(), Time{} + 60s);
}

// A thread that ends takes what it waited with along. The others wait longer, so that
// the clock is busy with them when one ends.
TEST(ManualClock, AWaiterMayEndWhileTheClockIsMoved) {
  struct Place {
    Mutex mutex;
    CondVar condition;
    bool waits WAL_EXPORTER_GUARDED_BY(mutex) = false;
    bool ended WAL_EXPORTER_GUARDED_BY(mutex) = false;

    void wait(ManualClock& clock) {
      const MutexLock lock(mutex);
      waits = true;
      while (!ended) clock.wait_until(condition, mutex, SteadyTime::max());
    }
    bool is_waiting() {
      const MutexLock lock(mutex);
      return waits;
    }
    void end() {
      const MutexLock lock(mutex);
      ended = true;
      condition.notify_all();
    }
  };
  ManualClock clock(Time{});
  std::atomic<bool> done = false;
  std::vector<std::thread> others;
  Place long_one;
  for (int i = 0; i < 8; ++i) others.emplace_back([&] { long_one.wait(clock); });
  std::thread mover([&] {
    while (!done) clock.advance(1s);
  });
  for (int i = 0; i < 300; ++i) {
    auto place = std::make_unique<Place>();
    std::thread waiter([&] { place->wait(clock); });
    while (!place->is_waiting()) std::this_thread::yield();
    place->end();
    waiter.join();
  }
  done = true;
  mover.join();
  long_one.end();
  for (std::thread& other : others) other.join();
}

TEST(ManualClock, SettingTheWallLeavesTheSteadyClockAlone) {
  ManualClock clock(Time{} + 100s);
  clock.set_wall(Time{});
  EXPECT_EQ(clock.now(), Time{});
  EXPECT_EQ(clock.steady(), SteadyTime{});
}

}  // namespace
}  // namespace wal_exporter
