#include "policy/budget.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "hand_driven.h"

namespace wal_exporter::policy {
namespace {

using namespace std::chrono_literals;

// A node that made a snapshot each `every`, `count` of them, the newest just now.
wal::Sample snapshots(std::size_t count, Duration every) {
  wal::Sample sample;
  sample.layout = wal::Layout::node;
  sample.taken_at = Time(std::chrono::seconds(1'795'398'060));
  sample.snapshot_files = count;
  for (std::size_t i = 0; i < count; ++i) {
    sample.snapshot_times.push_back(sample.taken_at - static_cast<std::int64_t>(i) * every);
  }
  return sample;
}

// As those of `sample`, with so many more before them.
void add_older(wal::Sample& sample, std::size_t count, Duration every) {
  const Time oldest = sample.snapshot_times.back();
  sample.snapshot_files += count;
  for (std::size_t i = 1; i <= count; ++i) {
    sample.snapshot_times.push_back(oldest - static_cast<std::int64_t>(i) * every);
  }
}

TEST(SnapshotBudget, IsNotUsedByOneSnapshotPerGenerationForAMonthOrLonger) {
  for (const Duration every : {Duration(604s), Duration(10min), Duration(1h)}) {
    for (const std::size_t count : {1, 143, 720, 4354, 4383, 4384, 51'100}) {
      const auto budget = snapshot_budget(snapshots(count, every), kRules);
      ASSERT_TRUE(budget.has_value());
      EXPECT_EQ(budget->limit, 4383U);
      EXPECT_EQ(budget->remaining, 4382U) << count;  // the one made just now
      EXPECT_FALSE(budget->is_low());
      EXPECT_EQ(budget->days_left, std::nullopt) << count;
    }
  }
}

TEST(SnapshotBudget, OneSnapshotPerGenerationMayComeAFewSecondsEarlyOrLate) {
  for (const int phase : {0, 1, 300, 599}) {
    auto sample = snapshots(4400, 10min);
    for (std::size_t i = 0; i < sample.snapshot_times.size(); ++i) {
      sample.snapshot_times[i] -= std::chrono::seconds(phase + static_cast<int>(i * 7 % 11) - 5);
    }
    const auto budget = snapshot_budget(sample, kRules);
    EXPECT_GE(budget->remaining, 4381U) << phase;
    EXPECT_EQ(budget->days_left, std::nullopt) << phase;
  }
}

TEST(SnapshotBudget, IsUsedInThreeDaysByASnapshotEachMinute) {
  const auto hour = snapshot_budget(snapshots(60, 1min), kRules);
  EXPECT_EQ(hour->remaining, 4323U);
  EXPECT_NEAR(hour->days_left.value(), 3.0, 0.06);
  const auto day = snapshot_budget(snapshots(1440, 1min), kRules);
  EXPECT_EQ(day->remaining, 2943U);
  EXPECT_NEAR(day->days_left.value(), 2943.0 / 1440, 0.01);
  EXPECT_FALSE(day->is_low());
  const auto late = snapshot_budget(snapshots(4000, 1min), kRules);
  EXPECT_EQ(late->remaining, 383U);
  EXPECT_NEAR(late->days_left.value(), 383.0 / 1440, 0.01);
  EXPECT_TRUE(late->is_low());
  EXPECT_GE(late->remaining, late->floor);
  const auto later = snapshot_budget(snapshots(4200, 1min), kRules);
  EXPECT_EQ(later->remaining, 183U);
  EXPECT_LT(later->remaining, later->floor);
  const auto used = snapshot_budget(snapshots(4383, 1min), kRules);
  EXPECT_EQ(used->remaining, 0U);
  EXPECT_EQ(used->days_left, 0.0);
}

TEST(SnapshotBudget, IsUsedByThoseOfEachMinuteAfterAMonthOfOnePerGeneration) {
  // What a month at one per G leaves within the lookback counts as well.
  auto sample = snapshots(144, 1min);
  add_older(sample, 4383, 10min);
  const auto budget = snapshot_budget(sample, kRules);
  EXPECT_EQ(budget->remaining, 0U);
  EXPECT_EQ(budget->days_left, 0.0);
}

TEST(SnapshotBudget, SeesDataGoLaterWhereSnapshotsAreAsManyPerGenerationAsTwo) {
  // Ten days at 288 a day; the 4,383rd comes on the sixteenth.
  const auto budget = snapshot_budget(snapshots(2880, 5min), kRules);
  EXPECT_EQ(budget->remaining, 1503U);
  EXPECT_NEAR(budget->days_left.value(), 1503.0 / 288, 0.03);
}

TEST(SnapshotBudget, RemembersABurstThatIsOverUntilItLeavesTheLookback) {
  // Two days of one a minute, then ten days of one per G.
  auto sample = snapshots(1440, 10min);
  add_older(sample, 2880, 1min);
  const auto after = snapshot_budget(sample, kRules);
  EXPECT_EQ(after->remaining, 4383U - 4320);
  EXPECT_NEAR(after->days_left.value(), 63.0 / 144, 0.01);
  // 29 days later the rest of it is too little to matter.
  sample = snapshots(4176, 10min);
  add_older(sample, 2880, 1min);
  EXPECT_EQ(snapshot_budget(sample, kRules)->remaining, 0U);
  sample = snapshots(4320, 10min);
  add_older(sample, 2880, 1min);
  EXPECT_EQ(snapshot_budget(sample, kRules)->remaining, 4382U);
}

TEST(SnapshotBudget, ANudgeCostsOneAndHasItBackAGenerationLater) {
  auto sample = snapshots(4354, 604s);
  sample.taken_at += 3min;
  EXPECT_EQ(snapshot_budget(sample, kRules)->remaining, 4382U);
  sample.snapshot_times.insert(sample.snapshot_times.begin(), sample.taken_at);
  ++sample.snapshot_files;
  EXPECT_EQ(snapshot_budget(sample, kRules)->remaining, 4381U);
  sample.taken_at += 10min;
  EXPECT_EQ(snapshot_budget(sample, kRules)->remaining, 4382U);
  sample.taken_at += 10min;
  EXPECT_EQ(snapshot_budget(sample, kRules)->remaining, 4383U);
}

TEST(SnapshotBudget, ANudgeEveryTenMinutesBesidesAServerAtOnePerGenerationIsTooMany) {
  // The fiftieth of a month that is let go is 88 of them: used in 15 hours.
  const auto nudged = [](std::size_t times) {
    auto sample = snapshots(2 * times, 5min);
    add_older(sample, 4383, 10min);
    return snapshot_budget(sample, kRules).value();
  };
  EXPECT_FALSE(nudged(12).is_low());
  EXPECT_TRUE(nudged(48).is_low());
  EXPECT_GT(nudged(48).remaining, 0U);
  EXPECT_EQ(nudged(90).remaining, 0U);
}

TEST(SnapshotBudget, AFewNudgesADayDoNotStopAServerAtOnePerGeneration) {
  auto sample = snapshots(4400, 10min);
  std::vector<Time> nudges;
  for (int day = 0; day < 30; ++day) nudges.push_back(sample.taken_at - day * Duration(24h) - Duration(5min));
  sample.snapshot_times.insert(sample.snapshot_times.end(), nudges.begin(), nudges.end());
  std::sort(sample.snapshot_times.rbegin(), sample.snapshot_times.rend());
  sample.snapshot_files += nudges.size();
  const auto budget = snapshot_budget(sample, kRules);
  EXPECT_EQ(budget->remaining, 4383U - 31);
  EXPECT_EQ(budget->days_left, std::nullopt);
}

TEST(SnapshotBudget, CountsWithinTheLookbackThatTheServerSays) {
  wal::NodeRules rules = kRules;
  rules.lookback = 24h;
  EXPECT_EQ(snapshot_budget(snapshots(1000, 10min), rules)->limit, 144U);
  EXPECT_EQ(snapshot_budget(snapshots(1000, 10min), rules)->remaining, 143U);
  auto sample = snapshots(70, 1min);
  EXPECT_EQ(snapshot_budget(sample, rules)->remaining, 74U);
  add_older(sample, 71, 10min);
  EXPECT_EQ(snapshot_budget(sample, rules)->remaining, 3U);
  // A month before that is of no account.
  add_older(sample, 4383, 10min);
  EXPECT_EQ(snapshot_budget(sample, rules)->remaining, 0U);
  sample.taken_at += 24h;
  EXPECT_EQ(snapshot_budget(sample, rules)->remaining, 144U);
}

TEST(SnapshotBudget, IsNotUsedByWhatAMetadataCheckpointCovers) {
  auto sample = snapshots(383, 1min);
  EXPECT_EQ(snapshot_budget(sample, kRules)->remaining, 4000U);
  sample.snapshots_covered = 283;
  EXPECT_EQ(snapshot_budget(sample, kRules)->remaining, 4283U);
  sample.snapshots_covered = 383;
  EXPECT_EQ(snapshot_budget(sample, kRules)->remaining, 4383U);
}

TEST(SnapshotBudget, AHundredAreReadHoweverShortTheLookback) {
  wal::NodeRules rules = kRules;
  rules.lookback = 1h;
  EXPECT_EQ(snapshot_budget(snapshots(0, 1s), rules)->limit, 100U);
  EXPECT_EQ(snapshot_budget(snapshots(0, 1s), rules)->remaining, 100U);
  EXPECT_EQ(snapshot_budget(snapshots(96, 1s), rules)->remaining, 4U);
  EXPECT_EQ(snapshot_budget(snapshots(5000, 1s), rules)->remaining, 0U);
  // 100 an hour are as many as are read.
  EXPECT_EQ(snapshot_budget(snapshots(5000, 36s), rules)->remaining, 99U);
}

TEST(SnapshotBudget, IsWholeWhereTheLookbackIsUnheardOf) {
  wal::NodeRules rules = kRules;
  rules.lookback = Duration::zero();
  EXPECT_EQ(snapshot_budget(snapshots(1, 1s), rules)->limit, 100U);
  EXPECT_EQ(snapshot_budget(snapshots(1, 1s), rules)->remaining, 99U);
}

TEST(SnapshotBudget, IsForNodesAlone) {
  auto sample = snapshots(10, 1min);
  sample.layout = wal::Layout::segments;
  EXPECT_FALSE(snapshot_budget(sample, kRules).has_value());
}

TEST(SnapshotsTooOften, IsThreeTimesSTimesFBelowG) {
  EXPECT_TRUE(snapshots_too_often(kRules));
  wal::NodeRules rules = kRules;
  rules.flush_interval = 10s;  // 3 x 20 x 10 s = 10 min
  EXPECT_FALSE(snapshots_too_often(rules));
}

}  // namespace
}  // namespace wal_exporter::policy
