#include "policy/budget.h"

#include <gtest/gtest.h>

namespace walx::policy {
namespace {

using namespace std::chrono_literals;

constexpr wal::NodeRules kRules{20, 1s, 10min, 300, std::chrono::seconds(2'630'016)};

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

TEST(SnapshotBudget, CountsWithinTheLookbackThatTheServerSays) {
  wal::NodeRules rules = kRules;
  rules.lookback = 24h;
  const auto sample = snapshots(1000, 20min);
  const auto budget = snapshot_budget(sample, rules);
  ASSERT_TRUE(budget.has_value());
  EXPECT_EQ(budget->limit, 144U);
  EXPECT_EQ(budget->remaining, 72U);
  rules.lookback = 48h;
  EXPECT_EQ(snapshot_budget(sample, rules)->limit, 288U);
  EXPECT_EQ(snapshot_budget(sample, rules)->remaining, 144U);
}

TEST(SnapshotBudget, IsNotUsedByWhatAMetadataCheckpointCovers) {
  auto sample = snapshots(383, 1min);
  EXPECT_EQ(snapshot_budget(sample, kRules)->remaining, 4000U);
  sample.snapshots_covered = 283;
  EXPECT_EQ(snapshot_budget(sample, kRules)->remaining, 4283U);
}

TEST(SnapshotBudget, IsNeverBelowAHundredNorNegative) {
  wal::NodeRules rules = kRules;
  rules.lookback = 10min;
  EXPECT_EQ(snapshot_budget(snapshots(0, 1s), rules)->limit, 100U);
  EXPECT_EQ(snapshot_budget(snapshots(0, 1s), rules)->remaining, 100U);
  EXPECT_EQ(snapshot_budget(snapshots(5000, 1s), rules)->remaining, 0U);
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
}  // namespace walx::policy
