#include "policy/forecast.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "hand_driven.h"

namespace wal_exporter::policy {
namespace {

constexpr double kNotInSight = std::numeric_limits<double>::infinity();

GrowthHistory history() {
  return GrowthHistory(hours(1));
}

// Nothing was taken away: what is pending is what was written.
void add(GrowthHistory& points, Duration now, wal::Extent pending) {
  points.add({kStart + now, pending, pending});
}

// Files of 100 bytes, one a second, that the server snapshots at `peak`, down to `rest`.
GrowthHistory sawtooth(Duration length, std::uint64_t rest, std::uint64_t peak) {
  GrowthHistory points = history();
  std::uint64_t pending = rest;
  for (std::uint64_t second = 0; seconds(second) <= length; ++second) {
    points.add({kStart + seconds(second), {pending, pending * 100}, {second, second * 100}});
    if (++pending > peak) pending = rest;
  }
  return points;
}

// 1 file of 1 MiB a minute for `length`, from nothing.
GrowthHistory steady(Duration length) {
  GrowthHistory points = history();
  for (std::uint64_t minute = 0; minutes(minute) <= length; ++minute) {
    add(points, minutes(minute), {minute, minute * kMiB});
  }
  return points;
}

TEST(Growth, IsUnknownWithFewerThanTwoPoints) {
  GrowthHistory points = history();
  EXPECT_FALSE(growth(points, minutes(10)).has_value());
  add(points, seconds(0), {1, 1});
  EXPECT_FALSE(growth(points, minutes(10)).has_value());
}

TEST(Growth, IsPerSecondBetweenTwoPoints) {
  GrowthHistory points = history();
  add(points, seconds(0), {10, 1000});
  add(points, seconds(120), {16, 13'000});
  EXPECT_DOUBLE_EQ(growth(points, minutes(10)).value().files_per_second, 0.05);
  EXPECT_DOUBLE_EQ(growth(points, minutes(10)).value().bytes_per_second, 100);
}

TEST(Growth, IsWhatWasWrittenWhateverASnapshotTookAway) {
  const GrowthHistory points = sawtooth(minutes(20), 10, 59);
  EXPECT_DOUBLE_EQ(growth(points, minutes(10)).value().files_per_second, 1);
  EXPECT_DOUBLE_EQ(growth(points, minutes(10)).value().bytes_per_second, 100);
  EXPECT_DOUBLE_EQ(growth(points, hours(1)).value().files_per_second, 1);
}

TEST(Growth, EachWindowLooksBackAsFarAsItIsLong) {
  GrowthHistory points = history();
  add(points, minutes(0), {0, 0});
  add(points, minutes(50), {0, 0});
  add(points, minutes(60), {0, 6'000'000});
  EXPECT_DOUBLE_EQ(growth(points, minutes(10)).value().bytes_per_second, 10'000);
  EXPECT_DOUBLE_EQ(growth(points, hours(1)).value().bytes_per_second, 6'000'000.0 / 3600);
}

TEST(Growth, APointExactlyAtTheEdgeOfTheWindowIsInside) {
  GrowthHistory points = history();
  add(points, minutes(0), {0, 0});
  add(points, minutes(5), {0, 0});
  add(points, minutes(10), {0, 600});
  EXPECT_DOUBLE_EQ(growth(points, minutes(10)).value().bytes_per_second, 1);
}

TEST(Growth, PointsFurtherApartThanTheWindowAreWhatThereIs) {
  GrowthHistory points = history();
  add(points, minutes(0), {0, 0});
  add(points, minutes(30), {0, 1800});
  EXPECT_DOUBLE_EQ(growth(points, minutes(10)).value().bytes_per_second, 1);
}

TEST(Growth, IsUnknownAfterItWasForgottenUntilTwoNewPoints) {
  GrowthHistory points = steady(minutes(30));
  points.clear();
  EXPECT_FALSE(growth(points, hours(1)).has_value());
  add(points, minutes(31), {0, 0});
  EXPECT_FALSE(growth(points, hours(1)).has_value());
  add(points, minutes(33), {0, 120});
  EXPECT_DOUBLE_EQ(growth(points, hours(1)).value().bytes_per_second, 1);
}

TEST(Growth, AClockSetBackBreaksTheLine) {
  GrowthHistory points = steady(minutes(30));
  add(points, minutes(10), {31, 31 * kMiB});
  EXPECT_FALSE(growth(points, hours(1)).has_value());
  add(points, minutes(11), {32, 31 * kMiB + 60});
  EXPECT_DOUBLE_EQ(growth(points, hours(1)).value().bytes_per_second, 1);
}

TEST(Growth, ASecondLookAtTheSameInstantReplacesTheFirst) {
  GrowthHistory points = history();
  add(points, seconds(0), {0, 0});
  add(points, seconds(100), {0, 1});
  add(points, seconds(100), {0, 200});
  EXPECT_DOUBLE_EQ(growth(points, minutes(10)).value().bytes_per_second, 2);
}

TEST(Growth, ASecondLookAtTheFirstInstantReplacesIt) {
  GrowthHistory points = history();
  add(points, seconds(0), {0, 0});
  add(points, seconds(0), {0, 50});
  EXPECT_FALSE(growth(points, minutes(10)).has_value());
  add(points, seconds(50), {0, 100});
  EXPECT_DOUBLE_EQ(growth(points, minutes(10)).value().bytes_per_second, 1);
}

TEST(GrowthHistory, ForgetsWhatIsOlderThanTheLongestWindow) {
  GrowthHistory points = history();
  for (int minute = 0; minute <= 24 * 60; minute += 2) add(points, minutes(minute), {0, 0});
  EXPECT_EQ(points.points().size(), 31U);
  EXPECT_EQ(points.points().front().time, kStart + hours(23));
}

TEST(GrowthHistory, ManyPointsInAShortTimeAreBoundedAndKeepTheOldOnes) {
  GrowthHistory points = history();
  add(points, minutes(0), {0, 0});
  for (std::uint64_t i = 1; i <= 200'000; ++i) {
    add(points, minutes(59) + std::chrono::microseconds(i * 200), {i, i * 10});
  }
  EXPECT_LE(points.points().size(), 1024U);
  EXPECT_EQ(points.points().front().time, kStart);
  EXPECT_EQ(points.points().back().pending.files, 200'000U);
  EXPECT_NEAR(growth(points, hours(1)).value().files_per_second, 200'000 / (59 * 60 + 40.0), 0.01);
}

TEST(GrowthHistory, AnHourOfPointsFourTimesASecondIsBoundedAndStillAnHourLong) {
  GrowthHistory points = history();
  for (std::uint64_t i = 0; i <= 4 * 3600 * 2; ++i) add(points, milliseconds(250 * i), {i, 0});
  EXPECT_LE(points.points().size(), 1024U);
  EXPECT_NEAR(growth(points, hours(1)).value().files_per_second, 4, 0.001);
  const Duration length = points.points().back().time - points.points().front().time;
  EXPECT_GE(length, hours(1) - seconds(4));
  EXPECT_LE(length, hours(1) + seconds(4));
}

TEST(Forecast, IsUnknownUntilThereIsGrowthToGoBy) {
  const Forecast known = forecast({}, history(), {10, 0}, {});
  EXPECT_FALSE(known.short_window.has_value());
  EXPECT_FALSE(known.long_window.has_value());
  EXPECT_EQ(known.warning_eta_seconds, std::nullopt);
  EXPECT_EQ(known.critical_eta_seconds, std::nullopt);
}

TEST(Forecast, TheTimeToEachLimitIsLinear) {
  // 1 file and 1 MiB a minute: by count first.
  const Forecast linear = forecast({}, steady(minutes(20)), {20, 20 * kMiB}, {});
  EXPECT_NEAR(linear.warning_eta_seconds.value(), 600, 1e-6);
  EXPECT_NEAR(linear.critical_eta_seconds.value(), 2400, 1e-6);
}

TEST(Forecast, WhicheverLimitComesFirstCounts) {
  GrowthHistory points = history();
  add(points, seconds(0), {1, 0});
  add(points, seconds(60), {2, kGiB / 2});
  const Forecast by_size = forecast({}, points, {2, kGiB / 2}, {});
  EXPECT_NEAR(by_size.warning_eta_seconds.value(), 60, 1e-6);
  EXPECT_NEAR(by_size.critical_eta_seconds.value(), 300, 1e-6);
}

TEST(Forecast, BothWindowsAreGiven) {
  GrowthHistory points = history();
  add(points, minutes(0), {0, 0});
  add(points, minutes(50), {0, 0});
  add(points, minutes(60), {0, 6000});
  const Forecast both = forecast({}, points, {0, 6000}, {});
  EXPECT_DOUBLE_EQ(both.short_window.value().bytes_per_second, 10);
  EXPECT_DOUBLE_EQ(both.long_window.value().bytes_per_second, 6000.0 / 3600);
}

TEST(Forecast, WithoutGrowthTheLimitIsNotInSight) {
  GrowthHistory points = history();
  add(points, seconds(0), {10, 10});
  add(points, seconds(60), {10, 10});
  EXPECT_EQ(forecast({}, points, {10, 10}, {}).warning_eta_seconds, kNotInSight);
  EXPECT_EQ(forecast({}, points, {10, 10}, {}).critical_eta_seconds, kNotInSight);
}

TEST(Forecast, WhatTheServerCutsDownBelowALimitDoesNotReachIt) {
  // Now at 20 on its way to 59.
  const GrowthHistory points = sawtooth(minutes(10) + seconds(10), 10, 59);
  const std::uint64_t now = points.points().back().pending.files;
  EXPECT_EQ(now, 20U);
  const Forecast above = forecast({}, points, {now, now * 100}, {60, 120});
  EXPECT_EQ(above.warning_eta_seconds, kNotInSight);
  EXPECT_EQ(above.critical_eta_seconds, kNotInSight);
  // A limit that each tooth passes comes as fast as files do.
  const Forecast within = forecast({}, points, {now, now * 100}, {40, 80});
  EXPECT_NEAR(within.warning_eta_seconds.value(), 20, 1e-6);
  EXPECT_EQ(within.critical_eta_seconds, kNotInSight);
}

TEST(Forecast, AboveEveryPeakTheCutsAreOverAndTheLimitComes) {
  GrowthHistory points = sawtooth(minutes(10), 10, 59);
  const std::uint64_t written = points.points().back().written.files;
  points.add({kStart + minutes(11), {70, 7000}, {written + 60, (written + 60) * 100}});
  EXPECT_NEAR(forecast({}, points, {70, 7000}, {100, 200}).warning_eta_seconds.value(), 30, 1e-6);
}

// Many shards, each cut down on its own: the sum falls often, and rises all the same.
TEST(Forecast, PeaksThatRiseReachTheLimitWhenTheyDo) {
  GrowthHistory points = history();
  for (std::uint64_t minute = 0; minute <= 40; ++minute) {
    const std::uint64_t files = minute + (minute % 4 == 3 ? 0 : 6);
    points.add({kStart + minutes(minute), {files, 0}, {10 * minute, 0}});
  }
  // Peaks of 8 in minute 2 to 44 in minute 38: one a minute, ten were written.
  const Forecast rising = forecast({}, points, {46, 0}, {104, 1000});
  EXPECT_NEAR(rising.warning_eta_seconds.value(), 3600, 1e-6);
}

TEST(Forecast, OverALimitItIsZeroWhateverTheGrowth) {
  GrowthHistory points = history();
  add(points, seconds(0), {60, 0});
  add(points, seconds(60), {31, 0});
  const Forecast over = forecast({}, points, {31, 0}, {});
  EXPECT_EQ(over.warning_eta_seconds, 0);
  EXPECT_EQ(over.critical_eta_seconds, kNotInSight);
}

TEST(Forecast, ExactlyAtALimitTheNextFileReachesIt) {
  GrowthHistory points = history();
  add(points, seconds(0), {29, 0});
  add(points, seconds(60), {30, 0});
  EXPECT_EQ(forecast({}, points, {30, 0}, {}).warning_eta_seconds, 0);
}

TEST(Forecast, TheReplayEstimateFollowsTheConfiguredRate) {
  EXPECT_DOUBLE_EQ(forecast({}, history(), {1, 80'000'000}, {}).replay_estimate_seconds, 10);
  EXPECT_DOUBLE_EQ(
      forecast({.replay_bytes_per_second = 1'000'000}, history(), {1, 80'000'000}, {}).replay_estimate_seconds, 80);
  EXPECT_DOUBLE_EQ(forecast({}, history(), {0, 0}, {}).replay_estimate_seconds, 0);
}

TEST(Forecast, ARateOfZeroDoesNotDivideByIt) {
  EXPECT_TRUE(
      std::isfinite(forecast({.replay_bytes_per_second = 0}, history(), {1, 80'000'000}, {}).replay_estimate_seconds));
}

}  // namespace
}  // namespace wal_exporter::policy
