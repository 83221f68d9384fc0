#include "view/samples.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/bytes.h"

namespace wal_exporter::view {
namespace {

using policy::Health;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

// At the beginning of a bucket.
const Time kStart = *parse_time("2026-11-25T00:00:00.000Z");
constexpr std::size_t kAll = 10000;

SamplePoint point(Duration after, std::uint64_t bytes, std::optional<Health> health = Health::healthy) {
  return {kStart + after, health, {bytes / 10 + 1, bytes}, {2, 5}};
}

std::vector<std::uint64_t> bytes_of(const SampleHistory& history) {
  std::vector<std::uint64_t> out;
  for (const auto& one : history.points(std::nullopt, kAll)) out.push_back(one.pending.bytes);
  return out;
}

TEST(SampleHistory, PointsComeOldestFirstFromSinceOnAndTheNewestWhereTheyAreTooMany) {
  SampleHistory history;
  for (int i = 0; i < 5; ++i) history.add(point(minutes(i), i));
  EXPECT_EQ(bytes_of(history), (std::vector<std::uint64_t>{0, 1, 2, 3, 4}));
  const auto since = history.points(kStart + minutes(2), kAll);
  ASSERT_EQ(since.size(), 3);
  EXPECT_EQ(since.front(), point(minutes(2), 2));
  const auto newest = history.points(std::nullopt, 2);
  ASSERT_EQ(newest.size(), 2);
  EXPECT_EQ(newest.back(), point(minutes(4), 4));
}

TEST(SampleHistory, LooksThatCrowdGiveWayToTheNewest) {
  SampleHistory history;
  for (int i = 0; i <= 12; ++i) history.add(point(seconds(i), i));
  EXPECT_EQ(bytes_of(history), (std::vector<std::uint64_t>{0, 4, 8, 12}));
}

TEST(SampleHistory, AChangeOfHealthIsKeptHoweverCrowded) {
  SampleHistory history;
  history.add(point(seconds(0), 1));
  history.add(point(seconds(1), 2));
  history.add(point(seconds(2), 3, Health::warning));
  history.add(point(seconds(3), 4, Health::warning));
  history.add(point(seconds(4), 1));
  EXPECT_EQ(bytes_of(history), (std::vector<std::uint64_t>{1, 2, 3, 4, 1}));
}

TEST(SampleHistory, OldBucketsKeepTheirPeakAndTheirValley) {
  SampleHistory history;
  // A saw: grows by 1 each 10 s, empties after 3 minutes, peaks at 1017.
  for (int i = 0; i < 360; ++i) history.add(point(seconds(10 * i), i % 18 == 0 ? 7 : 1000 + i % 18));
  const auto points = history.points(std::nullopt, kAll);
  for (auto bucket = kStart; bucket + minutes(4) < kStart + minutes(40); bucket += minutes(4)) {
    std::vector<std::uint64_t> inside;
    for (const auto& one : points) {
      if (one.time >= bucket && one.time < bucket + minutes(4)) inside.push_back(one.pending.bytes);
    }
    ASSERT_EQ(inside.size(), 2) << format_time(bucket);
    EXPECT_EQ(std::min(inside[0], inside[1]), 7) << format_time(bucket);
    EXPECT_EQ(std::max(inside[0], inside[1]), 1017) << format_time(bucket);
  }
  EXPECT_TRUE(
      std::is_sorted(points.begin(), points.end(), [](const auto& a, const auto& b) { return a.time < b.time; }));
}

TEST(SampleHistory, AThirdAlikeIsDroppedFromABucket) {
  SampleHistory history;
  for (int i = 0; i < 24; ++i) history.add(point(minutes(i), 5));
  const auto points = history.points(std::nullopt, kAll);
  EXPECT_EQ(points[0].time, kStart);
  EXPECT_EQ(points[1].time, kStart + minutes(3));
  EXPECT_EQ(points[2].time, kStart + minutes(4));
}

TEST(SampleHistory, StaysBoundedAndADayLongWhateverComes) {
  SampleHistory history;
  for (int i = 0; i < 60 * 60 * 26; ++i) {
    // The worst case: a change of health at each sample, ten looks in ten seconds.
    history.add(point(seconds(i), i * 37 % 1000, i % 2 == 0 ? Health::healthy : Health::warning));
  }
  EXPECT_LE(history.size(), SampleHistory::kMostCoarse + SampleHistory::kMostFine);
  const auto points = history.points(std::nullopt, kAll);
  EXPECT_GE(points.front().time, points.back().time - hours(24));
  EXPECT_LE(points.front().time, points.back().time - hours(24) + minutes(4));
  EXPECT_LT(history.to_text().size(), 64 * kKiB);
}

TEST(SampleHistory, AClockSetBackForgetsTheFuture) {
  SampleHistory history;
  for (int i = 0; i < 90; ++i) history.add(point(minutes(i), i));
  history.add(point(minutes(10), 1));
  const auto points = history.points(std::nullopt, kAll);
  EXPECT_EQ(points.back(), point(minutes(10), 1));
  EXPECT_TRUE(
      std::all_of(points.begin(), points.end() - 1, [](const auto& one) { return one.time < kStart + minutes(10); }));
}

TEST(SampleHistory, AGapIsOnePointThatKnowsNothingAndIsNeverFolded) {
  SampleHistory history;
  history.add_gap(kStart);
  EXPECT_EQ(history.size(), 0);
  history.add(point(minutes(0), 5));
  history.add_gap(kStart + minutes(1));
  history.add_gap(kStart + minutes(2));
  EXPECT_EQ(history.size(), 2);
  for (int i = 2; i < 60; ++i) history.add(point(minutes(i), 5));
  const auto points = history.points(std::nullopt, kAll);
  EXPECT_EQ(points[1].time, kStart + minutes(1));
  EXPECT_EQ(points[1].health, std::nullopt);
}

TEST(SampleHistory, ItsTextGivesItBack) {
  SampleHistory history;
  for (int i = 0; i < 300; ++i) {
    history.add(
        point(seconds(20 * i) + milliseconds(i), i * 31 % 100, i % 50 == 0 ? Health::critical : Health::healthy));
    if (i == 120) history.add_gap(kStart + seconds(20 * i + 5));
  }
  const auto again = SampleHistory::from_text(history.to_text());
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->points(std::nullopt, kAll), history.points(std::nullopt, kAll));
  EXPECT_EQ(again->newest(), history.newest());
  EXPECT_EQ(SampleHistory::from_text(SampleHistory().to_text())->size(), 0);
}

TEST(SampleHistory, ATextThatIsNoneIsAnErrorThatNamesTheLine) {
  for (const auto* text : {"", "samples 2\n", "samples 1\nx\n", "samples 1\n1 0 1 1 0 0", "samples 1\n1 4 1 1 0 0\n",
                           "samples 1\n1 0 1 1 0\n", "samples 1\n1 0 1 1 0 0 0\n", "samples 1\n-1 0 1 1 0 0\n",
                           "samples 1\n9999999999999 0 1 1 0 0\n", "samples 1\n1 0 99999999999999999999 1 0 0\n"}) {
    const auto history = SampleHistory::from_text(text);
    ASSERT_FALSE(history) << text;
    EXPECT_EQ(history.error().kind, ErrorKind::corrupt);
    EXPECT_NE(history.error().message.find("line "), std::string::npos) << history.error().message;
  }
}

}  // namespace
}  // namespace wal_exporter::view
