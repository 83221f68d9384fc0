#include "control/wal_state.h"

#include <gmock/gmock.h>

#include "unit/control/bench.h"

namespace wal_exporter::control {
namespace {

using namespace std::chrono_literals;

class WalStates : public ::testing::Test {
 protected:
  [[nodiscard]] static Now at(Duration time) { return {kBenchStart + time, SteadyTime{} + 1h + time}; }
  // As of a sample that was asked for.
  bool take(const WalState::Asked& asked, Duration time, std::uint64_t written = 0, std::uint64_t source = 1,
            Duration elapsed = {}) {
    auto sample = std::make_shared<wal::Sample>();
    sample->taken_at = kBenchStart + time;
    sample->written = {written, written * 10};
    return wal.take(
        {asked.number, std::shared_ptr<const wal::Sample>(std::move(sample)), elapsed, wal::Generation::v1, source, {}},
        at(time), *log, "plant");
  }
  bool fail(const WalState::Asked& asked, Duration time, const std::string& why) {
    return wal.take({asked.number, failure(ErrorKind::unavailable, why), {}, wal::Generation::v1, 0, {}}, at(time),
                    *log, "plant");
  }
  [[nodiscard]] view::Counters counters() const {
    view::Counters counters;
    wal.count_into(counters);
    return counters;
  }

  const Log log = null_log();
  WalState wal{/*interval=*/60s, /*longest_window=*/1h};
};

TEST_F(WalStates, TheFirstSampleIsDueAtOnceAndTheNextAnIntervalAfterIt) {
  EXPECT_TRUE(wal.is_due(at(0s), false));
  const auto asked = wal.ask();
  EXPECT_EQ(asked.number, 1U);
  EXPECT_TRUE(asked.begins_now);
  EXPECT_FALSE(wal.is_due(at(1h), false)) << "one is under way";
  EXPECT_EQ(wal.next(at(1h)), SteadyTime::max());
  EXPECT_TRUE(take(asked, 5s));
  EXPECT_EQ(wal.finished(), 1U);
  EXPECT_EQ(wal.next(at(5s)), at(65s).steady);
  EXPECT_FALSE(wal.is_due(at(65s - 1ns), false));
  EXPECT_TRUE(wal.is_due(at(65s), false));
}

TEST_F(WalStates, AChangeIsLookedAtASecondAfterTheLastSample) {
  take(wal.ask(), 0s);
  wal.changed();
  EXPECT_FALSE(wal.is_due(at(1s - 1ns), false));
  EXPECT_EQ(wal.next(at(0s)), at(1s).steady);
  EXPECT_TRUE(wal.is_due(at(1s), false));
  EXPECT_EQ(wal.next(at(2s)), at(2s).steady) << "not in the past";
}

TEST_F(WalStates, SamplesThatTakeLongStayASmallPartOfTheTime) {
  take(wal.ask(), 0s, 0, 1, 500ms);
  wal.changed();
  EXPECT_FALSE(wal.is_due(at(10s - 1ns), false));
  EXPECT_TRUE(wal.is_due(at(10s), false));
}

// It may have passed the place already.
TEST_F(WalStates, AChangeDuringASampleAsksForAnother) {
  const auto asked = wal.ask();
  wal.changed();
  take(asked, 0s);
  EXPECT_TRUE(wal.is_due(at(1s), false));
  take(wal.ask(), 1s);
  EXPECT_FALSE(wal.is_due(at(2s), false));
}

TEST_F(WalStates, WhoAsksDuringASampleIsServedByTheNextAndSoIsEverybodyElse) {
  const auto first = wal.ask();
  const auto second = wal.ask();
  const auto third = wal.ask();
  EXPECT_FALSE(second.begins_now);
  EXPECT_EQ(second.number, 2U);
  EXPECT_EQ(third.number, 2U);
  EXPECT_FALSE(wal.must_ask_again() && !take(first, 0s));
  EXPECT_TRUE(wal.must_ask_again());
  const auto again = wal.ask();
  EXPECT_EQ(again.number, 2U);
  EXPECT_TRUE(again.begins_now);
  EXPECT_FALSE(wal.must_ask_again());
}

TEST_F(WalStates, AStaleSampleIsDueAgainSoonerThanTheInterval) {
  take(wal.ask(), 0s);
  EXPECT_FALSE(wal.is_due(at(1s), false));
  EXPECT_TRUE(wal.is_due(at(1s), true));
}

TEST_F(WalStates, AFailureKeepsTheLastGoodSampleAndSaysWhy) {
  take(wal.ask(), 0s);
  EXPECT_FALSE(fail(wal.ask(), 60s, "no such directory"));
  EXPECT_EQ(wal.error(), "no such directory");
  ASSERT_NE(wal.sample(), nullptr);
  EXPECT_EQ(wal.sample()->taken_at, kBenchStart);
  EXPECT_EQ(wal.finished(), 2U);
  EXPECT_EQ(counters().samples, 2U);
  EXPECT_EQ(counters().sample_failures, 1U);
  take(wal.ask(), 120s);
  EXPECT_EQ(wal.error(), "");
}

TEST_F(WalStates, WhatWasWrittenNeverFallsAlsoAcrossReaders) {
  take(wal.ask(), 0s, 5);
  EXPECT_EQ(counters().written, (wal::Extent{5, 50}));
  take(wal.ask(), 1s, 7);
  EXPECT_EQ(counters().written, (wal::Extent{7, 70}));
  take(wal.ask(), 2s, 1, 2);
  EXPECT_EQ(counters().written, (wal::Extent{8, 80})) << "another reader counts from 0";
  take(wal.ask(), 3s, 2, 2);
  EXPECT_EQ(counters().written, (wal::Extent{9, 90}));
}

TEST_F(WalStates, IsNotWatchedBeforeTheFirstSample) {
  EXPECT_EQ(wal.watch_degraded(), "not watched yet");
  take(wal.ask(), 0s);
  EXPECT_EQ(wal.watch_degraded(), "");
}

TEST(WalStateLog, AFailureIsSaidOnceUntilItIsAnother) {
  Bench bench;
  bench.settings.checkpoint.method = influxdb::Method::none;
  bench.start();
  bench.wal = failure(ErrorKind::not_found, "no such directory");
  bench.pass(5min);
  EXPECT_EQ(bench.logged("error: cannot read the WAL: no such directory [plant]"), 1U);
  bench.wal = failure(ErrorKind::permission, "Permission denied");
  bench.pass(1min);
  EXPECT_EQ(bench.logged("error: cannot read the WAL: Permission denied [plant]"), 1U);
  bench.wal = segments(0);
  bench.pass(2min);
  EXPECT_EQ(bench.logged("info: the WAL can be read again [plant]"), 1U);
}

TEST(WalStateLog, ThousandsOfChangesAreOneSampleASecond) {
  Bench bench;
  bench.settings.checkpoint.method = influxdb::Method::none;
  bench.start();
  const auto before = bench.wanted.samples;
  for (int i = 0; i < 1000; ++i) {
    bench.change();
    bench.pass(10ms);
  }
  EXPECT_EQ(bench.wanted.samples, before + 10);
}

TEST(WalStateLog, ASampleFromTheFutureIsTakenAgainWhenTheClockWasSetBack) {
  Bench bench;
  bench.settings.checkpoint.method = influxdb::Method::none;
  bench.start();
  bench.pass(30s);
  bench.set_wall(bench.now().wall - 1h);
  bench.on_time();
  EXPECT_EQ(bench.wanted.samples, 2U);
  EXPECT_EQ(bench.view()->sample->taken_at, bench.now().wall);
}

}  // namespace
}  // namespace wal_exporter::control
