#include "base/pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <vector>

#include "unit/base/gate.h"

namespace wal_exporter {
namespace {

using namespace std::chrono_literals;

// Of a test: tells when it goes.
struct Captured {
  explicit Captured(std::atomic<int>& counter) : gone(counter) {}
  Captured(const Captured&) = delete;
  Captured& operator=(const Captured&) = delete;
  ~Captured() { ++gone; }
  std::atomic<int>& gone;
};

class PoolTest : public testing::Test {
 protected:
  const std::shared_ptr<ManualClock> clock_ = std::make_shared<ManualClock>(Time{});
};

TEST_F(PoolTest, JobsBeginInTheOrderInWhichTheyCame) {
  std::vector<int> begun;  // touched by one at a time
  Gate first;
  Gate last;
  Pool pool(1, clock_);
  pool.submit([&](const std::stop_token&) { first.pass(); });
  for (int i = 0; i < 100; ++i) {
    pool.submit([&begun, i](const std::stop_token&) { begun.push_back(i); });
  }
  last.open();
  pool.submit([&](const std::stop_token&) { last.pass(); });
  first.open();
  ASSERT_TRUE(last.wait_for_arrivals(1));
  ASSERT_EQ(begun.size(), 100U);
  EXPECT_TRUE(std::is_sorted(begun.begin(), begun.end()));
}

TEST_F(PoolTest, AThousandQuickJobsTakeOneThreadMoreThanMayRunAtOnce) {
  std::atomic<int> running = 0;
  std::atomic<int> most = 0;
  std::atomic<std::size_t> threads = 0;
  Gate done;
  done.open();
  Pool pool(4, clock_);
  for (int i = 0; i < 1000; ++i) {
    pool.submit([&](const std::stop_token&) {
      const int now = ++running;
      for (int seen = most; seen < now && !most.compare_exchange_weak(seen, now);) continue;
      const std::size_t load = pool.load().threads;
      for (std::size_t seen = threads; seen < load && !threads.compare_exchange_weak(seen, load);) continue;
      --running;
      done.pass();
    });
  }
  ASSERT_TRUE(done.wait_for_arrivals(1000));
  EXPECT_LE(most, 4);
  EXPECT_LE(threads, 5U);
}

TEST_F(PoolTest, AJobThatHangsHoldsUpTheOthersNoLongerThanUntilItIsSlow) {
  Gate hanging;
  Gate other;
  other.open();
  Pool pool(2, clock_, 1s);
  for (int i = 0; i < 2; ++i) pool.submit([&](const std::stop_token&) { hanging.pass(); });
  ASSERT_TRUE(hanging.wait_for_arrivals(2));
  for (int i = 0; i < 10; ++i) pool.submit([&](const std::stop_token&) { other.pass(); });
  clock_->advance(999ms);
  EXPECT_EQ(other.arrived(), 0);
  EXPECT_EQ(pool.load().waiting, 10U);
  clock_->advance(1ms);
  EXPECT_TRUE(other.wait_for_arrivals(10));
  hanging.open();
}

// A manual clock wakes whoever waits, whatever they wait for; this one does not.
TEST(PoolWithTheSystemsClock, AJobThatHangsIsNoticedThoughNothingElseHappens) {
  Gate hanging;
  Gate other;
  other.open();
  Pool pool(1, std::make_shared<SystemClock>(), 1ms);
  pool.submit([&](const std::stop_token&) { hanging.pass(); });
  pool.submit([&](const std::stop_token&) { other.pass(); });
  EXPECT_TRUE(other.wait_for_arrivals(1));
  hanging.open();
}

TEST_F(PoolTest, AHundredJobsThatHangStillLetAnotherRun) {
  Gate hanging;
  Gate other;
  other.open();
  Pool pool(1, clock_, 1s);
  for (int i = 1; i <= 100; ++i) {
    pool.submit([&](const std::stop_token&) { hanging.pass(); });
    ASSERT_TRUE(hanging.wait_for_arrivals(i));
    clock_->advance(1s);
  }
  pool.submit([&](const std::stop_token&) { other.pass(); });
  EXPECT_TRUE(other.wait_for_arrivals(1));
  EXPECT_GE(pool.load().threads, 101U);
  hanging.open();
  // Those that nobody needs any more end.
  EXPECT_TRUE(eventually([&] { return pool.load().threads == 1; }));
}

TEST_F(PoolTest, AJobIsAskedToStopThroughItsHandle) {
  Gate begun;
  begun.open();
  std::atomic<bool> stopped = false;
  Pool pool(1, clock_);
  std::stop_source job = pool.submit([&](const std::stop_token& stop) {
    begun.pass();
    stopped = eventually([&] { return stop.stop_requested(); });
  });
  ASSERT_TRUE(begun.wait_for_arrivals(1));
  job.request_stop();
  EXPECT_TRUE(eventually([&] { return stopped.load(); }));
}

TEST_F(PoolTest, AJobThatWasAskedToStopBeforeItBeganRunsAndIsTold) {
  Gate first;
  std::atomic<int> told = 0;
  Pool pool(1, clock_);
  pool.submit([&](const std::stop_token&) { first.pass(); });
  ASSERT_TRUE(first.wait_for_arrivals(1));
  std::stop_source job = pool.submit([&](const std::stop_token& stop) { told += stop.stop_requested() ? 1 : 10; });
  job.request_stop();
  first.open();
  EXPECT_TRUE(eventually([&] { return told == 1; }));
}

TEST_F(PoolTest, StopAsksThoseThatRunAndDropsThoseThatHaveNotBegun) {
  Gate begun;
  begun.open();
  std::atomic<int> ran = 0;
  std::atomic<int> gone = 0;
  Pool pool(1, clock_);
  pool.submit([&, captured = std::make_shared<Captured>(gone)](const std::stop_token& stop) {
    begun.pass();
    if (eventually([&] { return stop.stop_requested(); })) ++ran;
  });
  ASSERT_TRUE(begun.wait_for_arrivals(1));
  for (int i = 0; i < 3; ++i) {
    pool.submit([&, captured = std::make_shared<Captured>(gone)](const std::stop_token&) { ran += 100; });
  }
  EXPECT_EQ(pool.stop(SteadyTime::max()), 0U);
  EXPECT_EQ(ran, 1);
  EXPECT_EQ(gone, 4);
  EXPECT_EQ(pool.load().threads, 0U);
}

TEST_F(PoolTest, AfterStopAJobIsDestroyedAndItsHandleSaysSo) {
  std::atomic<int> ran = 0;
  std::atomic<int> gone = 0;
  Pool pool(1, clock_);
  EXPECT_EQ(pool.stop(SteadyTime::max()), 0U);
  const std::stop_source job =
      pool.submit([&, captured = std::make_shared<Captured>(gone)](const std::stop_token&) { ++ran; });
  EXPECT_TRUE(job.stop_requested());
  EXPECT_EQ(gone, 1);
  EXPECT_EQ(ran, 0);
}

TEST_F(PoolTest, StopSaysHowManyStillHangAtItsDeadline) {
  Gate hanging;
  std::atomic<int> gone = 0;
  auto pool = std::make_unique<Pool>(3, clock_);
  for (int i = 0; i < 2; ++i) {
    pool->submit([&, captured = std::make_shared<Captured>(gone)](const std::stop_token&) { hanging.pass(); });
  }
  pool->submit([](const std::stop_token&) {});
  ASSERT_TRUE(hanging.wait_for_arrivals(2));
  std::atomic<bool> returned = false;
  std::atomic<std::size_t> hung = 0;
  std::thread stopping([&] {
    hung = pool->stop(SteadyTime{} + 10s);
    returned = true;
  });
  clock_->advance(9s);
  EXPECT_FALSE(returned);
  clock_->advance(1s);
  stopping.join();
  EXPECT_EQ(hung, 2U);
  // They outlive the pool, and end by themselves.
  pool.reset();
  hanging.open();
  EXPECT_TRUE(eventually([&] { return gone == 2; }));
}

TEST_F(PoolTest, AJobMaySubmitAnother) {
  Gate second;
  second.open();
  Pool pool(1, clock_);
  pool.submit([&](const std::stop_token&) { pool.submit([&](const std::stop_token&) { second.pass(); }); });
  EXPECT_TRUE(second.wait_for_arrivals(1));
}

}  // namespace
}  // namespace wal_exporter
