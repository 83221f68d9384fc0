// Windows, maintenance and a pause: what they hold back, and what lifts them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hand_driven.h"

namespace wal_exporter::policy {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Closed : public testing::Test {
 protected:
  Closed() {
    target_.take_sample(kCritical, seconds(0));
    target_.situation.outside_window = "the next begins at two";
    target_.situation.maintenance = "until four";
  }
  HandDriven target_;
};

TEST_F(Closed, HoldsBackEvenACriticalCheckpoint) {
  const Decision decision = target_.decide(seconds(0));
  EXPECT_EQ(decision.action, Action::none);
  EXPECT_THAT(decision.blockers, ElementsAre(Blocker::outside_window, Blocker::maintenance));
  EXPECT_THAT(decision.explanation(), HasSubstr("blocked by outside_window: the next begins at two"));
  EXPECT_THAT(decision.explanation(), HasSubstr("also blocked by maintenance"));
}

TEST_F(Closed, HoldsBackWhatSomebodyAsksFor) {
  for (const Reason reason : {Reason::manual, Reason::alert, Reason::pre_restart}) {
    EXPECT_THAT(target_.request(seconds(0), false, reason).blockers,
                ElementsAre(Blocker::outside_window, Blocker::maintenance));
  }
}

TEST_F(Closed, AnOverrideLiftsBothButNotAPause) {
  EXPECT_EQ(target_.request(seconds(0), true).action, Action::checkpoint);
  target_.situation.paused = true;
  EXPECT_THAT(target_.request(seconds(0), true).blockers, ElementsAre(Blocker::paused));
}

TEST_F(Closed, CountsAsBlockedForTheRestartConsideration) {
  const Decision decision = target_.decide(seconds(0));
  target_.memory = after_decision(target_.memory, decision, kStart);
  EXPECT_EQ(restart_consideration(target_.rules, target_.memory, kStart + minutes(14)), std::nullopt);
  EXPECT_NE(restart_consideration(target_.rules, target_.memory, kStart + minutes(15)), std::nullopt);
}

TEST(Pause, EndsByItself) {
  Memory memory;
  memory.paused_until = kStart + hours(1);
  EXPECT_EQ(paused_until(memory, kStart), kStart + hours(1));
  EXPECT_EQ(paused_until(memory, kStart + hours(1) - nanoseconds(1)), kStart + hours(1));
  EXPECT_EQ(paused_until(memory, kStart + hours(1)), std::nullopt);
  EXPECT_EQ(paused_until(Memory{}, kStart), std::nullopt);
}

TEST(Pause, LastsNoLongerThanAMonthWhenTheClockWasSetBack) {
  Memory memory;
  memory.paused_until = kStart + hours(24 * 400);
  EXPECT_EQ(paused_until(memory, kStart), kStart + kLongestPause);
}

TEST(Pause, SurvivesARestart) {
  Memory memory;
  memory.paused_until = kStart + hours(1);
  memory.paused_by = "user alice";
  EXPECT_EQ(from_text(to_text(memory)).value(), memory);
}

}  // namespace
}  // namespace wal_exporter::policy
