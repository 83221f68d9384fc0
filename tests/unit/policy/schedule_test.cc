// The scheduled run: when it is due, and what is worth one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hand_driven.h"

namespace wal_exporter::policy {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// The schedule was last served at kStart, so it is due 10 min later.
HandDriven scheduled(wal::Extent pending, std::optional<Duration> oldest = std::nullopt) {
  HandDriven target;
  target.memory = after_schedule({}, kStart);
  wal::Sample sample = sample_of(pending, minutes(10));
  if (oldest) sample.oldest_pending = kStart + *oldest;
  target.take_sample(sample);
  return target;
}

TEST(Schedule, IsDueAfterTenMinutes) {
  const HandDriven target = scheduled({15, 0});
  EXPECT_FALSE(schedule_due(target.rules, target.memory, kStart + minutes(10) - nanoseconds(1)));
  EXPECT_EQ(target.decide(minutes(10) - nanoseconds(1)).reason, std::nullopt);
  EXPECT_TRUE(schedule_due(target.rules, target.memory, kStart + minutes(10)));
  EXPECT_EQ(target.decide(minutes(10)).reason, Reason::scheduled);
}

TEST(Schedule, ServedItIsDueTenMinutesLater) {
  HandDriven target = scheduled({15, 0});
  target.memory = after_schedule(target.memory, kStart + minutes(10));
  EXPECT_FALSE(schedule_due(target.rules, target.memory, kStart + minutes(20) - nanoseconds(1)));
  EXPECT_TRUE(schedule_due(target.rules, target.memory, kStart + minutes(20)));
}

TEST(Schedule, OffItIsNeverDue) {
  HandDriven target = scheduled({30, kGiB});
  target.rules.schedule.reset();
  EXPECT_FALSE(schedule_due(target.rules, target.memory, kStart + hours(100)));
  EXPECT_EQ(target.decide(minutes(10)).action, Action::none);
}

TEST(Schedule, SurvivesARestartOfThisProcess) {
  HandDriven target = scheduled({15, 0});
  target.memory = from_text(to_text(target.memory)).value();
  EXPECT_TRUE(schedule_due(target.rules, target.memory, kStart + minutes(10)));
}

TEST(ScheduledRun, HalfOfTheFileLimitIsWorthOne) {
  const Decision decision = scheduled({15, 0}).decide(minutes(10));
  EXPECT_EQ(decision.action, Action::checkpoint);
  EXPECT_EQ(decision.reason, Reason::scheduled);
  EXPECT_THAT(decision.explanation(), HasSubstr("15 files"));
  EXPECT_THAT(decision.explanation(), HasSubstr("half of a limit (30 files or 1.0 GiB)"));
  EXPECT_EQ(scheduled({16, 0}).decide(minutes(10)).reason, Reason::scheduled);
}

TEST(ScheduledRun, OneFileLessThanHalfIsNot) {
  const Decision decision = scheduled({14, 0}).decide(minutes(10));
  EXPECT_EQ(decision.action, Action::none);
  EXPECT_EQ(decision.reason, std::nullopt);
}

TEST(ScheduledRun, HalfOfAnOddLimitIsNotRoundedDown) {
  HandDriven target = scheduled({15, 0});
  target.rules.thresholds.max_files = 31;
  EXPECT_EQ(target.decide(minutes(10)).reason, std::nullopt);
  target.rules.thresholds.max_files = 29;
  EXPECT_EQ(target.decide(minutes(10)).reason, Reason::scheduled);
}

TEST(ScheduledRun, HalfOfTheSizeLimitIsWorthOne) {
  EXPECT_EQ(scheduled({1, kGiB / 2 - 1}).decide(minutes(10)).reason, std::nullopt);
  EXPECT_EQ(scheduled({1, kGiB / 2}).decide(minutes(10)).reason, Reason::scheduled);
  EXPECT_EQ(scheduled({1, kGiB / 2 + 1}).decide(minutes(10)).reason, Reason::scheduled);
}

TEST(ScheduledRun, OneMebibyteOlderThanTheScheduleIsWorthOne) {
  const Decision decision = scheduled({1, kMiB}, seconds(-1)).decide(minutes(10));
  EXPECT_EQ(decision.reason, Reason::scheduled);
  EXPECT_THAT(decision.explanation(), HasSubstr("1.0 MiB pending"));
  EXPECT_THAT(decision.explanation(), HasSubstr("oldest 10m 1s"));
}

TEST(ScheduledRun, OneMebibyteAsOldAsTheScheduleIsNot) {
  EXPECT_EQ(scheduled({1, kMiB}, seconds(0)).decide(minutes(10)).reason, std::nullopt);
  EXPECT_EQ(scheduled({1, kMiB}, -nanoseconds(1)).decide(minutes(10)).reason, Reason::scheduled);
}

TEST(ScheduledRun, LessThanOneMebibyteIsNotHoweverOld) {
  EXPECT_EQ(scheduled({1, kMiB - 1}, hours(-48)).decide(minutes(10)).reason, std::nullopt);
}

TEST(ScheduledRun, OneMebibyteOfUnknownAgeIsNot) {
  EXPECT_EQ(scheduled({1, kMiB}).decide(minutes(10)).reason, std::nullopt);
}

TEST(ScheduledRun, NothingPendingIsNot) {
  EXPECT_EQ(scheduled({0, 0}, hours(-48)).decide(minutes(10)).reason, std::nullopt);
}

TEST(ScheduledRun, NothingPendingIsNotEvenAtTheSmallestLimits) {
  HandDriven target = scheduled({0, 0});
  target.rules.thresholds.max_files = 0;
  target.rules.thresholds.max_bytes = 0;
  EXPECT_EQ(target.decide(minutes(10)).reason, std::nullopt);
}

TEST(ScheduledRun, On3xHalfOfThreeHalvesOfTheSnapshotSize) {
  HandDriven target;
  target.memory = after_schedule({}, kStart);
  wal::Sample sample = sample_of({449, 0}, minutes(10));
  sample.layout = wal::Layout::node;
  target.take_sample(sample);
  EXPECT_EQ(target.decide(minutes(10)).reason, std::nullopt);
  sample.pending.files = 450;
  target.take_sample(sample);
  EXPECT_EQ(target.decide(minutes(10)).reason, Reason::scheduled);
}

TEST(ScheduledRun, WaitsForTheCooldownAndStaysDue) {
  HandDriven target = scheduled({15, 0});
  target.start(minutes(6));
  target.end({.reason = Reason::manual, .success = true}, minutes(6));
  const Decision early = target.decide(minutes(11) - nanoseconds(1));
  EXPECT_EQ(early.reason, Reason::scheduled);
  EXPECT_THAT(early.blockers, ElementsAre(Blocker::cooldown));
  EXPECT_EQ(target.decide(minutes(11)).action, Action::checkpoint);
}

TEST(ScheduledRun, AWarningIsAWarningEvenWhenTheScheduleIsDue) {
  EXPECT_EQ(scheduled({31, 0}).decide(minutes(10)).reason, Reason::warning);
  EXPECT_EQ(scheduled({61, 0}).decide(minutes(10)).reason, Reason::critical);
}

}  // namespace
}  // namespace wal_exporter::policy
