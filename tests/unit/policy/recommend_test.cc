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
  EXPECT_THAT(recommend(Health::healthy, sample, {}, {}),
              ElementsAre(HasSubstr("1 file with a wrong checksum: db/autogen/1/_00002.wal (entry 3); "
                                    "InfluxDB skips what it can't read when it replays, and those writes are lost"),
                          HasSubstr("1 file cut short: db/autogen/1/_00005.wal;")));
  sample.invalid.push_back(sample.invalid.front());
  EXPECT_THAT(recommend(Health::healthy, sample, {}, {})[0], HasSubstr("2 files with a wrong checksum"));
}

TEST(Recommend, NothingIsOptimalWhileAnythingIsFound) {
  wal::Sample sample;
  sample.unknown = {{"00000000009.wal", wal::InvalidReason::newer, true, "it begins with idb3.002"}};
  EXPECT_THAT(recommend(Health::healthy, sample, {}, {}), ElementsAre(HasSubstr("leave it there")));
  EXPECT_THAT(recommend(Health::healthy, sample, {}, {}, {"3.10.0", false}),
              ElementsAre(HasSubstr("start a version of InfluxDB that reads it")));
}

TEST(Recommend, NothingIsOptimalThatIsToldAsWorseThanItsLimits) {
  EXPECT_THAT(recommend(Health::healthy, {}, {}, {}, {}, Health::warning), testing::IsEmpty());
}

TEST(Recommend, NoRestartWhereItWouldLoseDataOrTheServer) {
  wal::Sample sample;
  sample.invalid = {{"00000000003.wal", wal::InvalidReason::times, false, ""}};
  EXPECT_THAT(recommend(Health::critical, sample, {}, {}),
              ElementsAre("Immediate checkpoint required", "Review write patterns and batch size",
                          HasSubstr("a checkpoint while InfluxDB still runs is the cure")));
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
