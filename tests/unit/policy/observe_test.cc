// What a fresh sample changes: health, the time over the limit, the episode.
#include <gtest/gtest.h>

#include "hand_driven.h"

namespace wal_exporter::policy {
namespace {

TEST(Observe, TheFirstSampleIsJudgedWithoutHysteresis) {
  HandDriven target;
  target.take_sample({28, 0}, seconds(0));
  EXPECT_EQ(target.health(), Health::healthy);
  HandDriven other;
  other.take_sample({60, 0}, seconds(0));
  EXPECT_EQ(other.health(), Health::warning);
}

TEST(Observe, AWalOnTheEdgeDoesNotFlap) {
  HandDriven target;
  target.take_sample({31, 0}, minutes(0));
  for (int i = 1; i < 10; ++i) {
    target.take_sample({i % 2 == 0 ? 31U : 29U, 0}, minutes(2 * i));
    EXPECT_EQ(target.health(), Health::warning) << i;
  }
  target.take_sample({26, 0}, minutes(20));
  EXPECT_EQ(target.health(), Health::healthy);
}

TEST(Observe, HysteresisSurvivesARestartOfThisProcess) {
  HandDriven before;
  before.take_sample(kCritical, minutes(0));
  HandDriven after;
  after.memory = from_text(to_text(before.memory)).value();
  after.take_sample({55, 0}, minutes(1));
  EXPECT_EQ(after.health(), Health::critical);
}

TEST(Observe, RetainedFilesDoNotCount) {
  wal::Sample sample = sample_of(kHealthy, seconds(0));
  sample.retained = {300, 5 * kGiB};
  HandDriven target;
  target.take_sample(sample);
  EXPECT_EQ(target.health(), Health::healthy);
}

TEST(Observe, On1xTheCountCountsAtOnce) {
  HandDriven target;
  target.take_sample({61, 0}, seconds(0));
  EXPECT_EQ(target.health(), Health::critical);
}

// 3.x with S = 20: 30 and 60 files, and a count over the limit must last 2 min.
class Observe3x : public testing::Test {
 protected:
  Observe3x() {
    target_.rules.thresholds.snapshot_size = 20;
    target_.rules.files_grace = minutes(2);
    target_.rules.min_interval = minutes(10);
  }
  Health take_sample(wal::Extent pending, Duration now) {
    wal::Sample sample = sample_of(pending, now);
    sample.layout = wal::Layout::node;
    target_.take_sample(sample);
    return target_.health();
  }
  HandDriven target_;
};

TEST_F(Observe3x, ACountOverTheLimitCountsAfterTwoMinutes) {
  EXPECT_EQ(take_sample({31, 0}, seconds(0)), Health::healthy);
  EXPECT_EQ(take_sample({31, 0}, minutes(2) - milliseconds(1)), Health::healthy);
  EXPECT_EQ(take_sample({31, 0}, minutes(2)), Health::warning);
}

TEST_F(Observe3x, ACriticalCountCountsAtOnce) {
  EXPECT_EQ(take_sample({60, 0}, seconds(0)), Health::healthy);
  EXPECT_EQ(take_sample({61, 0}, seconds(1)), Health::critical);
  EXPECT_EQ(take_sample({31, 0}, seconds(2)), Health::warning);
}

TEST_F(Observe3x, ACriticalCountCountsAtOnceAlsoAfterTheClockWasSetBack) {
  EXPECT_EQ(take_sample({31, 0}, hours(3)), Health::healthy);
  EXPECT_EQ(take_sample({61, 0}, hours(1)), Health::critical);
}

TEST_F(Observe3x, AHealthyServerThatTouchesTheLimitStaysHealthy) {
  EXPECT_EQ(take_sample({31, 0}, seconds(0)), Health::healthy);
  EXPECT_EQ(take_sample({20, 0}, seconds(30)), Health::healthy);
  EXPECT_EQ(take_sample({31, 0}, seconds(100)), Health::healthy);
  EXPECT_EQ(take_sample({31, 0}, seconds(219)), Health::healthy);
  EXPECT_EQ(take_sample({31, 0}, seconds(220)), Health::warning);
}

TEST_F(Observe3x, ExactlyAtTheLimitIsNotOverIt) {
  EXPECT_EQ(take_sample({31, 0}, seconds(0)), Health::healthy);
  EXPECT_EQ(take_sample({30, 0}, seconds(60)), Health::healthy);
  EXPECT_EQ(take_sample({31, 0}, seconds(130)), Health::healthy);
}

TEST_F(Observe3x, TheSizeCountsAtOnce) {
  EXPECT_EQ(take_sample({31, kGiB + 1}, seconds(0)), Health::warning);
  EXPECT_EQ(take_sample({31, 3 * kGiB + 1}, seconds(1)), Health::critical);
  EXPECT_EQ(target_.memory.levels->files, Health::healthy);
}

TEST_F(Observe3x, OnceItCountsHysteresisHoldsIt) {
  take_sample({31, 0}, seconds(0));
  EXPECT_EQ(take_sample({31, 0}, minutes(2)), Health::warning);
  EXPECT_EQ(take_sample({29, 0}, minutes(3)), Health::warning);
  EXPECT_EQ(take_sample({31, 0}, minutes(4)), Health::warning);
  EXPECT_EQ(take_sample({26, 0}, minutes(5)), Health::healthy);
}

TEST_F(Observe3x, TheTimeOverTheLimitSurvivesARestartOfThisProcess) {
  take_sample({31, 0}, seconds(0));
  target_.memory = from_text(to_text(target_.memory)).value();
  EXPECT_EQ(take_sample({31, 0}, minutes(2)), Health::warning);
}

TEST_F(Observe3x, AClockSetBackDoesNotLengthenTheWait) {
  EXPECT_EQ(take_sample({31, 0}, hours(1)), Health::healthy);
  EXPECT_EQ(take_sample({31, 0}, seconds(0)), Health::healthy);
  EXPECT_EQ(take_sample({31, 0}, minutes(2)), Health::warning);
}

TEST_F(Observe3x, TheDecisionSaysThatTheCountHasToLast) {
  take_sample({31, 0}, seconds(0));
  const Decision decision = target_.decide(seconds(30));
  EXPECT_EQ(decision.reason, std::nullopt);
  EXPECT_NE(decision.explanation().find("31 files"), std::string::npos) << decision.explanation();
  EXPECT_NE(decision.explanation().find("2m"), std::string::npos) << decision.explanation();
}

}  // namespace
}  // namespace wal_exporter::policy
