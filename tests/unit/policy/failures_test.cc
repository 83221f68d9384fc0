// What failures lead to: backoff, the breaker, the consideration of a restart.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hand_driven.h"

namespace wal_exporter::policy {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr Ended kSucceeded{.reason = Reason::critical, .success = true};
constexpr Ended kBusy{.reason = Reason::warning, .neutral = true};
constexpr Ended kCriticalFailed{.reason = Reason::critical, .still_critical = true};

Duration backoff_after(int failures, double jitter) {
  HandDriven target;
  target.fail(failures - 1, seconds(0));
  target.end({.reason = Reason::warning}, seconds(0), jitter);
  return *target.memory.backoff_until - kStart;
}

TEST(Backoff, DoublesFrom30SecondsTo15Minutes) {
  EXPECT_EQ(backoff_after(1, 0), seconds(30));
  EXPECT_EQ(backoff_after(2, 0), seconds(60));
  EXPECT_EQ(backoff_after(3, 0), seconds(120));
  EXPECT_EQ(backoff_after(4, 0), seconds(240));
  EXPECT_EQ(backoff_after(5, 0), seconds(480));
  EXPECT_EQ(backoff_after(6, 0), minutes(15));
  EXPECT_EQ(backoff_after(7, 0), minutes(15));
  EXPECT_EQ(backoff_after(1000, 0), minutes(15));
}

TEST(Backoff, VariesBy20Percent) {
  EXPECT_EQ(backoff_after(1, -1), seconds(24));
  EXPECT_EQ(backoff_after(1, 1), seconds(36));
  EXPECT_EQ(backoff_after(2, 0.5), seconds(66));
  EXPECT_EQ(backoff_after(6, -1), minutes(12));
  EXPECT_EQ(backoff_after(6, 1), minutes(18));
}

TEST(Backoff, AJitterOutOfRangeIsCutToIt) {
  EXPECT_EQ(backoff_after(1, 7), seconds(36));
  EXPECT_EQ(backoff_after(1, -7), seconds(24));
}

TEST(Backoff, BlocksUntilItsEnd) {
  HandDriven target;
  target.take_sample(kCritical, seconds(0));
  target.fail(1, seconds(0), Reason::critical);
  const Decision decision = target.decide(seconds(30) - nanoseconds(1));
  EXPECT_THAT(decision.blockers, ElementsAre(Blocker::backoff));
  EXPECT_THAT(decision.explanation(), HasSubstr("more after a failed checkpoint"));
  EXPECT_EQ(target.decide(seconds(30)).action, Action::checkpoint);
}

TEST(Backoff, IsAsLongAsItWasDrawn) {
  HandDriven target;
  target.take_sample(kCritical, seconds(0));
  target.end(kCriticalFailed, seconds(0), 1);
  EXPECT_THAT(target.decide(seconds(36) - nanoseconds(1)).blockers, ElementsAre(Blocker::backoff));
  EXPECT_EQ(target.decide(seconds(36)).action, Action::checkpoint);
}

TEST(Backoff, ASuccessForgetsFailures) {
  HandDriven target;
  target.fail(4, seconds(0));
  target.end(kSucceeded, seconds(1));
  EXPECT_EQ(target.memory.failures, 0U);
  EXPECT_EQ(target.memory.backoff_until, std::nullopt);
  EXPECT_EQ(target.memory.last_success, kStart + seconds(1));
  target.fail(1, seconds(2));
  EXPECT_EQ(target.memory.backoff_until, kStart + seconds(32));
}

TEST(Backoff, SurvivesARestartOfThisProcess) {
  HandDriven target;
  target.fail(2, seconds(0));
  target.memory = from_text(to_text(target.memory)).value();
  target.take_sample(kCritical, seconds(1));
  EXPECT_THAT(target.decide(seconds(59)).blockers, ElementsAre(Blocker::backoff));
  target.fail(1, seconds(60));
  EXPECT_EQ(target.memory.backoff_until, kStart + seconds(180));
}

TEST(Outcome, BusyIsNeitherASuccessNorAFailure) {
  HandDriven target;
  target.fail(3, seconds(0));
  const Memory before = target.memory;
  target.end(kBusy, seconds(10));
  EXPECT_EQ(target.memory.failures, 3U);
  EXPECT_EQ(target.memory.backoff_until, before.backoff_until);
  EXPECT_EQ(target.memory.last_success, std::nullopt);
}

TEST(Outcome, ACriticalCheckpointThatIsBusyAndStillCriticalIsAFailure) {
  HandDriven target;
  target.end({.reason = Reason::critical, .neutral = true, .still_critical = true}, seconds(0));
  EXPECT_EQ(target.memory.failures, 1U);
  EXPECT_EQ(target.memory.critical_failures, 1U);
}

TEST(Outcome, ACriticalCheckpointThatIsBusyAndBelowCriticalIsNeutral) {
  HandDriven target;
  target.end({.reason = Reason::critical, .neutral = true}, seconds(0));
  EXPECT_EQ(target.memory.failures, 0U);
}

TEST(Outcome, ACriticalCheckpointThatSucceedsAndIsStillCriticalIsAFailure) {
  HandDriven target;
  target.end({.reason = Reason::critical, .success = true, .still_critical = true}, seconds(0));
  EXPECT_EQ(target.memory.failures, 1U);
  EXPECT_EQ(target.memory.critical_failures, 1U);
  EXPECT_EQ(target.memory.backoff_until, kStart + seconds(30));
}

TEST(Outcome, ACriticalNoOpThatIsStillCriticalIsAFailure) {
  HandDriven target;
  target.end({.reason = Reason::critical, .success = true, .did_nothing = true, .still_critical = true}, seconds(0));
  EXPECT_EQ(target.memory.failures, 1U);
}

TEST(Outcome, ACheckpointForAWarningThatSucceedsIsASuccessWhateverCameAfter) {
  HandDriven target;
  target.end({.reason = Reason::warning, .success = true, .still_critical = true}, seconds(0));
  EXPECT_EQ(target.memory.failures, 0U);
  EXPECT_EQ(target.memory.critical_failures, 0U);
}

TEST(Outcome, ACriticalCheckpointThatFailsButIsBelowCriticalCountsForTheBackoffAlone) {
  HandDriven target;
  target.end({.reason = Reason::critical}, seconds(0));
  EXPECT_EQ(target.memory.failures, 1U);
  EXPECT_EQ(target.memory.critical_failures, 0U);
}

TEST(Outcome, WhatFellShortIsCountedByKindUntilACheckpointSucceeds) {
  HandDriven target;
  target.end({.reason = Reason::warning, .shortfall = Shortfall::failed}, seconds(0));
  target.end({.reason = Reason::warning, .shortfall = Shortfall::failed}, seconds(60));
  target.end({.reason = Reason::warning, .shortfall = Shortfall::unverified}, seconds(120));
  target.end({.reason = Reason::warning, .shortfall = Shortfall::partial}, seconds(180));
  target.end(kBusy, seconds(240));
  EXPECT_EQ(target.memory.failed, 2U);
  EXPECT_EQ(target.memory.unverified, 1U);
  EXPECT_EQ(target.memory.partial, 1U);
  // The breaker's count goes on: it is critical still. That checkpoints work is known again.
  target.end({.reason = Reason::critical, .success = true, .still_critical = true}, seconds(300));
  EXPECT_EQ(target.memory.failures, 5U);
  EXPECT_EQ(target.memory.failed + target.memory.unverified + target.memory.partial, 0U);
}

TEST(Breaker, OpensAtTheFifthFailureInARowForHalfAnHour) {
  HandDriven target;
  target.fail(4, seconds(0));
  EXPECT_EQ(target.memory.breaker_until, std::nullopt);
  target.fail(1, seconds(10));
  EXPECT_EQ(target.memory.breaker_until, kStart + seconds(10) + minutes(30));
}

TEST(Breaker, ASuccessInBetweenStartsTheCountAgain) {
  HandDriven target;
  target.fail(4, seconds(0));
  target.end(kSucceeded, seconds(1));
  target.fail(4, seconds(2));
  EXPECT_EQ(target.memory.breaker_until, std::nullopt);
}

TEST(Breaker, BindsCriticalUntilItsEndAndThenLetsOneThrough) {
  HandDriven target;
  target.fail(5, seconds(0), Reason::critical);
  target.take_sample(kCritical, minutes(29));
  const Decision decision = target.decide(minutes(30) - nanoseconds(1));
  EXPECT_EQ(decision.reason, Reason::critical);
  EXPECT_THAT(decision.blockers, ElementsAre(Blocker::breaker_open));
  EXPECT_THAT(decision.explanation(), HasSubstr("after 5 failed checkpoints in a row"));
  EXPECT_EQ(target.decide(minutes(30)).action, Action::checkpoint);
}

TEST(Breaker, LetsOnlyOneThrough) {
  HandDriven target;
  target.fail(5, seconds(0), Reason::critical);
  target.take_sample(kCritical, minutes(30));
  target.start(minutes(30));
  target.situation.in_flight = true;
  EXPECT_THAT(target.decide(minutes(31)).blockers, ElementsAre(Blocker::in_flight));
}

TEST(Breaker, ReopensAtOnceWhenTheOneTryFails) {
  HandDriven target;
  target.fail(5, seconds(0), Reason::critical);
  target.start(minutes(30));
  target.end(kCriticalFailed, minutes(31));
  EXPECT_EQ(target.memory.breaker_until, kStart + minutes(61));
  target.take_sample(kCritical, minutes(60));
  EXPECT_THAT(target.decide(minutes(61) - nanoseconds(1)).blockers, ElementsAre(Blocker::breaker_open));
  EXPECT_EQ(target.decide(minutes(61)).action, Action::checkpoint);
}

TEST(Breaker, ClosesWhenTheOneTrySucceeds) {
  HandDriven target;
  target.fail(5, seconds(0), Reason::critical);
  target.start(minutes(30));
  target.end(kSucceeded, minutes(30));
  EXPECT_EQ(target.memory.failures, 0U);
  EXPECT_EQ(target.memory.breaker_until, std::nullopt);
  target.fail(1, minutes(31), Reason::critical);
  EXPECT_EQ(target.memory.breaker_until, std::nullopt);
}

TEST(Breaker, AOneTryThatIsBusyLetsTheNextOneThrough) {
  HandDriven target;
  target.fail(5, seconds(0), Reason::warning);
  target.take_sample(kCritical, minutes(31));
  target.start(minutes(30));
  target.end(kBusy, minutes(30));
  EXPECT_EQ(target.decide(minutes(31)).action, Action::checkpoint);
  target.fail(1, minutes(32));
  EXPECT_EQ(target.memory.breaker_until, kStart + minutes(62));
}

TEST(Breaker, SurvivesARestartOfThisProcess) {
  HandDriven target;
  target.fail(5, seconds(0), Reason::critical);
  target.memory = from_text(to_text(target.memory)).value();
  target.take_sample(kCritical, minutes(20));
  EXPECT_THAT(target.decide(minutes(20)).blockers, ElementsAre(Blocker::breaker_open));
}

// Restart: the critical episode.

std::optional<std::string> consideration(const HandDriven& target, Duration now) {
  return restart_consideration(target.rules, target.memory, kStart + now);
}

// What app does on each turn: decide, and keep count.
void turn(HandDriven& target, Duration now) {
  target.memory = after_decision(target.memory, target.decide(now), kStart + now);
}

TEST(Restart, IsConsideredAfterThreeCriticalFailuresFiveMinutesApart) {
  HandDriven target;
  target.take_sample(kCritical, seconds(0));
  target.end(kCriticalFailed, minutes(0));
  target.end(kCriticalFailed, minutes(5));
  EXPECT_EQ(consideration(target, minutes(5)), std::nullopt);
  target.end(kCriticalFailed, minutes(10));
  EXPECT_EQ(consideration(target, minutes(10)),
            "3 critical checkpoints, at least 5m apart, did not bring the WAL below critical");
}

TEST(Restart, FailuresCloserThanFiveMinutesCountOnce) {
  HandDriven target;
  target.take_sample(kCritical, seconds(0));
  target.end(kCriticalFailed, seconds(0));
  for (int second = 60; second < 300; second += 60) target.end(kCriticalFailed, seconds(second));
  target.end(kCriticalFailed, minutes(5) - nanoseconds(1));
  EXPECT_EQ(target.memory.critical_failures, 1U);
  target.end(kCriticalFailed, minutes(5));
  EXPECT_EQ(target.memory.critical_failures, 2U);
  target.end(kCriticalFailed, minutes(10) - nanoseconds(1));
  EXPECT_EQ(consideration(target, minutes(10)), std::nullopt);
}

TEST(Restart, FailuresOfOtherReasonsDoNotCount) {
  HandDriven target;
  target.take_sample(kCritical, seconds(0));
  for (int i = 0; i < 5; ++i) target.end({.reason = Reason::manual, .still_critical = true}, minutes(5 * i));
  EXPECT_EQ(consideration(target, minutes(25)), std::nullopt);
}

TEST(Restart, IsConsideredAfterFifteenMinutesCriticalAndBlocked) {
  HandDriven target;
  target.situation.paused = true;
  for (int minute = 0; minute <= 14; minute += 2) {
    target.take_sample(kCritical, minutes(minute));
    turn(target, minutes(minute));
  }
  EXPECT_EQ(consideration(target, minutes(15) - nanoseconds(1)), std::nullopt);
  const auto why = consideration(target, minutes(15));
  ASSERT_TRUE(why.has_value());
  EXPECT_THAT(*why, HasSubstr("15m"));
}

TEST(Restart, ACheckpointThatStartsEndsTheBlockade) {
  HandDriven target;
  target.situation.paused = true;
  target.take_sample(kCritical, seconds(0));
  turn(target, seconds(0));
  target.situation.paused = false;
  target.start(minutes(10));
  target.situation.in_flight = true;
  target.take_sample(kCritical, minutes(14));
  turn(target, minutes(14));
  EXPECT_EQ(consideration(target, minutes(16)), std::nullopt);
}

TEST(Restart, ARunningCheckpointIsNoBlockade) {
  HandDriven target;
  target.situation.in_flight = true;
  for (int minute = 0; minute <= 30; minute += 2) {
    target.take_sample(kCritical, minutes(minute));
    turn(target, minutes(minute));
  }
  EXPECT_EQ(consideration(target, minutes(30)), std::nullopt);
}

TEST(Restart, LeavingCriticalEndsTheBlockade) {
  HandDriven target;
  target.situation.paused = true;
  target.take_sample(kCritical, seconds(0));
  turn(target, seconds(0));
  target.take_sample({50, 0}, minutes(10));
  turn(target, minutes(10));
  target.take_sample(kCritical, minutes(12));
  turn(target, minutes(12));
  EXPECT_EQ(consideration(target, minutes(26)), std::nullopt);
  EXPECT_NE(consideration(target, minutes(27)), std::nullopt);
}

TEST(Restart, IsNotConsideredBelowCritical) {
  HandDriven target;
  target.take_sample(kCritical, seconds(0));
  for (int i = 0; i < 3; ++i) target.end(kCriticalFailed, minutes(5 * i));
  target.take_sample(kWarning, minutes(11));
  EXPECT_EQ(consideration(target, minutes(11)), std::nullopt);
}

TEST(Restart, IsConsideredOncePerEpisode) {
  HandDriven target;
  target.take_sample(kCritical, seconds(0));
  for (int i = 0; i < 3; ++i) target.end(kCriticalFailed, minutes(5 * i));
  ASSERT_NE(consideration(target, minutes(10)), std::nullopt);
  target.memory = after_restart_considered(target.memory);
  EXPECT_EQ(consideration(target, minutes(10)), std::nullopt);
  for (int i = 3; i < 20; ++i) {
    target.take_sample(kCritical, minutes(5 * i));
    target.end(kCriticalFailed, minutes(5 * i));
    turn(target, minutes(5 * i));
    EXPECT_EQ(consideration(target, minutes(5 * i)), std::nullopt) << i;
  }
}

TEST(Restart, OncePerEpisodeHoldsAcrossARestartOfThisProcess) {
  HandDriven target;
  target.take_sample(kCritical, seconds(0));
  for (int i = 0; i < 3; ++i) target.end(kCriticalFailed, minutes(5 * i));
  target.memory = from_text(to_text(after_restart_considered(target.memory))).value();
  target.take_sample(kCritical, minutes(12));
  EXPECT_EQ(consideration(target, minutes(12)), std::nullopt);
}

TEST(Restart, WarningDoesNotReArmIt) {
  HandDriven target;
  target.take_sample(kCritical, seconds(0));
  for (int i = 0; i < 3; ++i) target.end(kCriticalFailed, minutes(5 * i));
  target.memory = after_restart_considered(target.memory);
  target.take_sample(kWarning, minutes(11));
  target.take_sample(kCritical, minutes(12));
  EXPECT_EQ(consideration(target, minutes(12)), std::nullopt);
}

TEST(Restart, HealthyReArmsItAndTheCountStartsAgain) {
  HandDriven target;
  target.take_sample(kCritical, seconds(0));
  for (int i = 0; i < 3; ++i) target.end(kCriticalFailed, minutes(5 * i));
  target.memory = after_restart_considered(target.memory);
  target.take_sample(kHealthy, minutes(11));
  target.take_sample(kCritical, minutes(12));
  EXPECT_EQ(consideration(target, minutes(12)), std::nullopt);
  for (int i = 0; i < 3; ++i) target.end(kCriticalFailed, minutes(12 + 5 * i));
  EXPECT_NE(consideration(target, minutes(22)), std::nullopt);
}

}  // namespace
}  // namespace wal_exporter::policy
