#include "influxdb/nudge_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace wal_exporter::influxdb {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::HasSubstr;

// 2026-11-23T01:40:00Z is a multiple of G = 10 min.
const Time kMultiple = Time(seconds(1795398000));
const Time kNow = kMultiple + minutes(4);

wal::NodeRules rules(std::uint64_t snapshot_size = 20) {
  wal::NodeRules rules;
  rules.snapshot_size = snapshot_size;
  return rules;
}

// Files 1, 2, ... whose data lies at these times, one second wide.
wal::Sample sample(const std::vector<Time>& times) {
  wal::Sample sample;
  sample.layout = wal::Layout::node;
  for (const Time time : times) {
    wal::Period period;
    period.number = sample.periods.size() + 1;
    period.bytes = 100;
    period.persisted = time;
    period.min_time = time - seconds(1);
    period.max_time = time;
    sample.periods.push_back(period);
    sample.pending += {1, 100};
  }
  return sample;
}
std::vector<Time> repeated(std::size_t count, Time time) {
  return std::vector<Time>(count, time);
}

NudgePlan planned(const wal::Sample& what, NudgeMode mode = NudgeMode::patient, bool boundary_passed = false,
                  wal::NodeRules with = rules(), Time now = kNow) {
  auto plan = plan_nudge(what, with, mode, boundary_passed, now);
  EXPECT_TRUE(plan) << plan.error().message;
  return plan.value_or(NudgePlan{});
}

// It stops the next start, and a snapshot is the cure.
TEST(PlanNudge, AFileThatHoldsNothingValidGoesWithTheOthers) {
  auto what = sample(repeated(12, kNow - seconds(30)));
  const auto before = planned(what);
  wal::Period& empty = what.periods[4];
  empty.min_time = empty.max_time = std::nullopt;
  empty.void_times = true;
  EXPECT_EQ(planned(what).explanation, before.explanation);
  EXPECT_EQ(planned(what).filler_time, before.filler_time);
  EXPECT_EQ(planned(what).cover_to, 12U);
  empty.void_times = false;
  EXPECT_FALSE(plan_nudge(what, rules(), NudgeMode::patient, false, kNow));
}

TEST(PlanNudge, WhereNothingValidIsPendingTheFillersLieBeforeTheBoundary) {
  wal::Sample what = sample({kNow});
  what.periods[0].min_time = what.periods[0].max_time = std::nullopt;
  what.periods[0].void_times = true;
  for (const NudgeMode mode : {NudgeMode::patient, NudgeMode::at_once}) {
    const auto plan = planned(what, mode, mode == NudgeMode::patient);
    EXPECT_EQ(plan.points, 29U);
    EXPECT_EQ(plan.cover_to, 1U);
    EXPECT_LT(plan.filler_time, kMultiple);
    EXPECT_FALSE(plan.everything);
  }
}

TEST(PlanNudge, NothingPendingNeedsNoPoints) {
  const auto plan = planned(sample({}));
  EXPECT_EQ(plan.points, 0U);
  EXPECT_EQ(plan.cover_to, 0U);
  EXPECT_EQ(plan.explanation, "nothing is pending");
}

TEST(PlanNudge, PatientFillsUpToOneAndAHalfSAndWaitsForTheBoundaryOfTheNewestData) {
  const auto plan = planned(sample(repeated(12, kNow - seconds(30))));
  EXPECT_FALSE(plan.everything);
  EXPECT_EQ(plan.goal, 30U);
  EXPECT_EQ(plan.points, 18U);
  EXPECT_EQ(plan.filler_time, kNow - seconds(31));
  EXPECT_EQ(plan.boundary, kMultiple + minutes(10));
  EXPECT_EQ(plan.trigger_time, std::nullopt);
  EXPECT_EQ(plan.cover_to, 12U);
  EXPECT_EQ(plan.duration, minutes(6) + seconds(1));
  EXPECT_THAT(plan.explanation, HasSubstr("12 files pending, goal 30: 18 points"));
  EXPECT_THAT(plan.explanation, HasSubstr("written after 2026-11-23T01:50:00.000Z"));
}

TEST(PlanNudge, PatientNeedsNoWaitWhereAllDataIsOfAnEarlierPeriod) {
  const auto plan = planned(sample(repeated(12, kMultiple - seconds(1))));
  EXPECT_EQ(plan.boundary, kMultiple);
  EXPECT_EQ(plan.cover_to, 12U);
  EXPECT_EQ(plan.duration, seconds(18));
}

TEST(PlanNudge, DataExactlyAtAMultipleBelongsToThePeriodThatBeginsThere) {
  EXPECT_EQ(planned(sample({kMultiple})).boundary, kMultiple + minutes(10));
  EXPECT_EQ(planned(sample({kMultiple - Duration(1)})).boundary, kMultiple);
}

TEST(PlanNudge, OddSIsHalvedAsTheServerDoes) {
  EXPECT_EQ(planned(sample({kNow}), NudgeMode::patient, false, rules(15)).goal, 22U);
}

TEST(PlanNudge, EnoughPendingStillNeedsThePointThatMakesTheServerLook) {
  EXPECT_EQ(planned(sample(repeated(30, kMultiple - seconds(1)))).points, 1U);
  EXPECT_EQ(planned(sample(repeated(45, kMultiple - seconds(1)))).points, 1U);
  EXPECT_EQ(planned(sample(repeated(29, kMultiple - seconds(1)))).points, 1U);
  EXPECT_EQ(planned(sample(repeated(28, kMultiple - seconds(1)))).points, 2U);
}

TEST(PlanNudge, AtOnceDatesTheLastPointAtTheNextMultiple) {
  // Measured: S = 600, 50 data files + 849 fillers + the trigger.
  const auto plan = planned(sample(repeated(50, kNow)), NudgeMode::at_once, false, rules(600));
  EXPECT_EQ(plan.points, 850U);
  EXPECT_EQ(plan.trigger_time, kMultiple + minutes(10));
  EXPECT_EQ(plan.boundary, std::nullopt);
  EXPECT_EQ(plan.cover_to, 50U);
  EXPECT_EQ(plan.duration, seconds(850));
  EXPECT_THAT(plan.explanation, HasSubstr("delays the server's own next snapshot"));
}

TEST(PlanNudge, FutureDataMakesItGoOnToThreeTimesSInEitherMode) {
  // Measured: 31 pending with a future-dated one, 148 fillers and a last point at 180.
  auto times = repeated(31, kNow);
  times[3] = kNow + hours(5);
  for (const NudgeMode mode : {NudgeMode::patient, NudgeMode::at_once}) {
    const auto plan = planned(sample(times), mode, false, rules(60));
    EXPECT_TRUE(plan.everything);
    EXPECT_EQ(plan.goal, 180U);
    EXPECT_EQ(plan.points, 149U);
    EXPECT_EQ(plan.filler_time, kNow - seconds(1));
    EXPECT_EQ(plan.boundary, std::nullopt);
    EXPECT_EQ(plan.trigger_time, std::nullopt);
    EXPECT_EQ(plan.cover_to, 31U);
    EXPECT_EQ(plan.duration, seconds(149));
  }
}

TEST(PlanNudge, DataOfThisPeriodIsNoFutureDataAndDataOfTheNextOneIs) {
  const Time next = kMultiple + minutes(10);
  EXPECT_FALSE(planned(sample({next - Duration(1)})).everything);
  EXPECT_TRUE(planned(sample({next})).everything);
}

TEST(PlanNudge, FillersAreDatedAtTheSmallestTimeOfAnyFile) {
  const auto plan = planned(sample({kNow, kNow - hours(48), kNow}));
  EXPECT_EQ(plan.filler_time, kNow - hours(48) - seconds(1));
}

TEST(PlanNudge, WithThePassedBoundaryOnlyWhatLiesBeforeItInARowIsToBeCovered) {
  const Time old = kMultiple - seconds(5);
  const auto plan = planned(sample({old, old, kNow, old}), NudgeMode::patient, true);
  EXPECT_EQ(plan.boundary, kMultiple);
  EXPECT_EQ(plan.cover_to, 2U);
  EXPECT_EQ(plan.duration, seconds(26));
  EXPECT_EQ(planned(sample({kNow, old}), NudgeMode::patient, true).cover_to, 0U);
}

TEST(PlanNudge, ADamagedNewestFileIsAConflict) {
  auto what = sample({kNow});
  what.newest_file_damaged = true;
  const auto plan = plan_nudge(what, rules(), NudgeMode::patient, false, kNow);
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().kind, ErrorKind::conflict);
  EXPECT_THAT(plan.error().message, HasSubstr("stop it, move the file out of wal/"));
}

TEST(PlanNudge, AFileOfUnknownTimesCantBePlannedAndIsNamed) {
  auto what = sample({kNow, kNow});
  what.periods[1].max_time.reset();
  const auto plan = plan_nudge(what, rules(), NudgeMode::patient, false, kNow);
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().kind, ErrorKind::corrupt);
  EXPECT_THAT(plan.error().message, HasSubstr("WAL file 2 "));
}

TEST(PlanNudge, AFlushIntervalOfDaysDoesNotOverflow) {
  auto with = rules(100'000);
  with.flush_interval = hours(24 * 7);
  EXPECT_EQ(planned(sample({kNow}), NudgeMode::at_once, false, with).duration, hours(24 * 365));
}

TEST(NextStep, FillsThenWaitsThenTriggers) {
  const auto plan = planned(sample(repeated(12, kNow)));
  const Time before = *plan.boundary - milliseconds(1);
  EXPECT_EQ(next_step(plan, 12, 0, false, kNow), NudgeStep::filler);
  EXPECT_EQ(next_step(plan, 28, 16, false, kNow), NudgeStep::filler);
  EXPECT_EQ(next_step(plan, 29, 17, false, before), NudgeStep::wait_boundary);
  EXPECT_EQ(next_step(plan, 29, 17, false, *plan.boundary), NudgeStep::trigger);
}

TEST(NextStep, OthersFilesCount) {
  const auto plan = planned(sample(repeated(12, kMultiple - seconds(1))));
  EXPECT_EQ(next_step(plan, 29, 3, false, kNow), NudgeStep::trigger);
  EXPECT_EQ(next_step(plan, 50, 3, false, kNow), NudgeStep::trigger);
}

TEST(NextStep, WaitsForOthersWhereTheServerTookPartOfTheRowItself) {
  const auto plan = planned(sample(repeated(12, kMultiple - seconds(1))));
  EXPECT_EQ(next_step(plan, 10, 5, true, kNow), NudgeStep::wait_others);
  EXPECT_EQ(next_step(plan, 17, 5, true, kNow), NudgeStep::filler);
}

TEST(NextStep, EverythingIsUnreachableOnceTheFrontWasReleased) {
  const auto plan = planned(sample({kNow, kNow + hours(1)}));
  EXPECT_EQ(plan.points, 58U);
  EXPECT_EQ(next_step(plan, 59, 57, false, kNow), NudgeStep::filler);
  EXPECT_EQ(next_step(plan, 39, 57, true, kNow), NudgeStep::unreachable);
  EXPECT_EQ(next_step(plan, 58, 57, false, kNow), NudgeStep::wait_others);  // a directory that lags
  EXPECT_EQ(next_step(plan, 55, 50, true, kNow), NudgeStep::filler);
}

}  // namespace
}  // namespace wal_exporter::influxdb
