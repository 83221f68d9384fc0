#include "base/clock.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace walx {
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

TEST(ManualClock, SettingTheWallLeavesTheSteadyClockAlone) {
  ManualClock clock(Time{} + 100s);
  clock.set_wall(Time{});
  EXPECT_EQ(clock.now(), Time{});
  EXPECT_EQ(clock.steady(), SteadyTime{});
}

}  // namespace
}  // namespace walx
