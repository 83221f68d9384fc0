#include "policy/recommend.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hand_driven.h"

namespace wal_exporter::policy {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(Recommend, HealthyWordForWord) {
  EXPECT_THAT(recommend(Health::healthy, {}, {}, {}),
              ElementsAre("WAL health is optimal", "Continue current write patterns"));
}

TEST(Recommend, WarningWordForWord) {
  EXPECT_THAT(recommend(Health::warning, {}, {}, {}),
              ElementsAre("Schedule checkpoint soon", "Monitor WAL growth rate", "Optimize write batching"));
}

TEST(Recommend, CriticalWordForWord) {
  EXPECT_THAT(recommend(Health::critical, {}, {}, {}),
              ElementsAre("Immediate checkpoint required", "Consider container restart if checkpoint fails",
                          "Review write patterns and batch size"));
}

TEST(Recommend, WhatBlocksTheCheckpointFollows) {
  HandDriven target;
  target.take_sample(kCritical, seconds(0));
  target.situation.paused = true;
  const auto lines = recommend(Health::critical, *target.sample, target.decide(seconds(0)), {});
  ASSERT_EQ(lines.size(), 4U);
  EXPECT_THAT(lines[3], HasSubstr("blocked by paused"));
}

TEST(Recommend, ABlockedScheduledRunIsNoAdvice) {
  Decision decision;
  decision.reason = Reason::scheduled;
  decision.blockers = {{Blocker::cooldown, "too soon"}};
  EXPECT_EQ(recommend(Health::healthy, {}, decision, {}).size(), 2U);
}

TEST(Recommend, DamagedFilesAreCountedAndTheFirstIsNamed) {
  wal::Sample sample;
  sample.invalid = {{"db/autogen/1/_00002.wal", wal::InvalidReason::checksum, false, "entry 3"},
                    {"db/autogen/1/_00005.wal", wal::InvalidReason::too_short, false, ""}};
  const auto lines = recommend(Health::healthy, sample, {}, {});
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_THAT(lines[2], HasSubstr("2 files"));
  EXPECT_THAT(lines[2], HasSubstr("db/autogen/1/_00002.wal (checksum: entry 3)"));
  sample.invalid.pop_back();
  EXPECT_THAT(recommend(Health::healthy, sample, {}, {})[2], HasSubstr("1 file of the WAL"));
}

TEST(Recommend, NotesOfTheLookFollowInTheirOrder) {
  wal::Sample sample;
  sample.notes = {"first note", "second note"};
  EXPECT_THAT(recommend(Health::warning, sample, {}, {}),
              ElementsAre("Schedule checkpoint soon", "Monitor WAL growth rate", "Optimize write batching",
                          "first note", "second note"));
}

}  // namespace
}  // namespace wal_exporter::policy
