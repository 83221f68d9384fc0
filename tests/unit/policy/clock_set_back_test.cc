// The wall clock is set back while something waits: no wait gets longer than its
// own length from then on, whatever was remembered.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hand_driven.h"

namespace wal_exporter::policy {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Not;

constexpr Duration kBefore = hours(5);
constexpr wal::Extent kScheduledRun{20, 1000};

// Looks every minute from kStart on, which the clock was set back to, up to `until`.
void sample_until(HandDriven& target, wal::Extent pending, Duration until) {
  for (Duration now = seconds(0); now <= until; now += minutes(1)) target.take_sample(pending, now);
}

TEST(ClockSetBack, TheCooldownEndsAfterItsLength) {
  HandDriven target;
  target.take_sample(kWarning, kBefore);
  target.start(kBefore - seconds(90));
  target.end({.reason = Reason::warning, .success = true}, kBefore);
  sample_until(target, kWarning, minutes(4));
  EXPECT_THAT(target.decide(minutes(5) - nanoseconds(1)).blockers, ElementsAre(Blocker::cooldown));
  EXPECT_EQ(cooldown_until(target.rules, target.memory, kStart + minutes(4)), kStart + minutes(5));
  EXPECT_EQ(target.decide(minutes(5)).action, Action::checkpoint);
}

TEST(ClockSetBack, BeforeTheNextSampleTheCooldownIsNoLongerThanItself) {
  HandDriven target;
  target.end({.reason = Reason::warning, .success = true}, kBefore);
  EXPECT_EQ(cooldown_until(target.rules, target.memory, kStart), kStart + minutes(5));
}

TEST(ClockSetBack, TheSpacingEndsAfterItsLength) {
  HandDriven target;
  target.take_sample(kCritical, kBefore);
  target.start(kBefore);
  sample_until(target, kCritical, minutes(1));
  EXPECT_EQ(target.decide(minutes(1)).action, Action::checkpoint);
}

TEST(ClockSetBack, TheScheduleIsDueAfterItsLength) {
  HandDriven target;
  target.memory = after_schedule({}, kStart + kBefore);
  sample_until(target, kScheduledRun, minutes(10));
  EXPECT_FALSE(schedule_due(target.rules, target.memory, kStart + minutes(10) - nanoseconds(1)));
  EXPECT_EQ(target.decide(minutes(10)).reason, Reason::scheduled);
}

TEST(ClockSetBack, TheBackoffEndsAfterItsOwnLengthNotTheLongestOne) {
  HandDriven target;
  target.take_sample(kWarning, kBefore);
  target.fail(1, kBefore);
  target.rules.cooldown = Duration::zero();
  target.take_sample(kWarning, seconds(0));
  EXPECT_THAT(target.decide(seconds(1)).blockers, Contains(Blocker::backoff));
  // 30 s, and the 20 % that it may have been drawn longer.
  EXPECT_EQ(target.decide(seconds(36)).action, Action::checkpoint);
}

TEST(ClockSetBack, TheBreakerLetsOneThroughAfterHalfAnHour) {
  HandDriven target;
  target.take_sample(kCritical, kBefore);
  target.fail(5, kBefore, Reason::critical);
  sample_until(target, kCritical, minutes(30));
  EXPECT_THAT(target.decide(minutes(30) - nanoseconds(1)).blockers, ElementsAre(Blocker::breaker_open));
  EXPECT_EQ(target.decide(minutes(30)).action, Action::checkpoint);
}

TEST(ClockSetBack, ALittleSetBackKeepsWhatIsLeft) {
  HandDriven target;
  target.fail(5, minutes(10), Reason::critical);  // open until 40 min
  target.take_sample(kCritical, minutes(38));
  target.take_sample(kCritical, minutes(37));  // set back by more than the minute that passed
  EXPECT_THAT(target.decide(minutes(40) - nanoseconds(1)).blockers, ElementsAre(Blocker::breaker_open));
  EXPECT_EQ(target.decide(minutes(40)).action, Action::checkpoint);
}

TEST(ClockSetBack, CriticalFailuresCountAgainAfterFiveMinutes) {
  const Ended failed{.reason = Reason::critical, .still_critical = true};
  HandDriven target;
  target.take_sample(kCritical, kBefore);
  target.end(failed, kBefore);
  sample_until(target, kCritical, minutes(5));
  target.end(failed, minutes(5));
  EXPECT_EQ(target.memory.critical_failures, 2U);
}

TEST(ClockSetBack, ABlockadeIsConsideredAfterFifteenMinutes) {
  HandDriven target;
  target.situation.paused = true;
  const auto turn = [&](Duration now) {
    target.take_sample(kCritical, now);
    target.memory = after_decision(target.memory, target.decide(now), kStart + now);
  };
  turn(kBefore);
  for (int minute = 0; minute <= 15; ++minute) turn(minutes(minute));
  EXPECT_NE(restart_consideration(target.rules, target.memory, kStart + minutes(15)), std::nullopt);
}

TEST(ClockSetBack, ASampleFromFarInTheFutureIsNotFresh) {
  const Rules rules;
  const wal::Sample sample = sample_of(kHealthy, kBefore);
  EXPECT_TRUE(is_stale(rules, &sample, kStart));
  EXPECT_TRUE(is_stale(rules, &sample, kStart + kBefore - minutes(4) - nanoseconds(1)));
}

TEST(ClockSetBack, ASmallCorrectionLeavesTheSampleFresh) {
  const Rules rules;
  const wal::Sample sample = sample_of(kHealthy, seconds(0));
  EXPECT_FALSE(is_stale(rules, &sample, kStart - seconds(1)));
  EXPECT_FALSE(is_stale(rules, &sample, kStart - minutes(4)));
}

TEST(ClockSetBack, TheAgeOfWhatIsPendingIsNeverNegative) {
  HandDriven target;
  target.memory = after_schedule({}, kStart - minutes(10));
  wal::Sample sample = sample_of({1, kMiB}, seconds(0));
  sample.oldest_pending = kStart + kBefore;
  target.take_sample(sample);
  EXPECT_EQ(target.decide(seconds(0)).reason, std::nullopt);
}

}  // namespace
}  // namespace wal_exporter::policy
