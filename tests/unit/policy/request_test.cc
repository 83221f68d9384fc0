// Checkpoints that somebody asks for.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hand_driven.h"

namespace wal_exporter::policy {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(Request, StartsOnAHealthyTarget) {
  HandDriven target;
  target.take_sample(kHealthy, seconds(0));
  const Decision decision = target.request(seconds(0));
  EXPECT_EQ(decision.action, Action::checkpoint);
  EXPECT_EQ(decision.reason, Reason::manual);
  EXPECT_THAT(decision.blockers, IsEmpty());
  EXPECT_EQ(decision.explanation(), "asked for (manual), 5 files, 1000 B pending");
}

TEST(Request, KeepsItsReason) {
  HandDriven target;
  target.take_sample(kCritical, seconds(0));
  EXPECT_EQ(target.request(seconds(0), false, Reason::alert).reason, Reason::alert);
  EXPECT_EQ(target.request(seconds(0), false, Reason::pre_restart).reason, Reason::pre_restart);
}

TEST(Request, SkipsTheCooldownAndTheSpacing) {
  HandDriven target;
  target.take_sample(kHealthy, seconds(0));
  target.start(seconds(0));
  target.end({.reason = Reason::manual, .success = true}, seconds(1));
  EXPECT_EQ(target.request(seconds(1)).action, Action::checkpoint);
}

// Or one that fires again and again would beat the breaker.
TEST(Request, OfAnAlertIsBoundByBackoffAndBreaker) {
  HandDriven target;
  const auto asks = [&](Duration now) { return target.request(now, false, Reason::alert); };
  target.take_sample(kWarning, seconds(0));
  target.fail(1, seconds(0));
  EXPECT_THAT(asks(seconds(30) - nanoseconds(1)).blockers, ElementsAre(Blocker::backoff));
  EXPECT_EQ(asks(seconds(30)).action, Action::checkpoint);
  target.fail(4, seconds(30));
  EXPECT_THAT(asks(seconds(31)).blockers, ElementsAre(Blocker::backoff, Blocker::breaker_open));
  EXPECT_THAT(asks(seconds(31)).passed_over, IsEmpty());
}

TEST(Request, OfAPersonPassesOverBackoffAndBreakerAndSaysSo) {
  HandDriven target;
  target.take_sample(kWarning, seconds(0));
  target.fail(5, seconds(0));
  for (const Reason reason : {Reason::manual, Reason::pre_restart}) {
    const Decision decision = target.request(seconds(1), false, reason);
    EXPECT_EQ(decision.action, Action::checkpoint);
    EXPECT_THAT(decision.passed_over, ElementsAre(Blocker::backoff, Blocker::breaker_open));
  }
  EXPECT_THAT(target.decide(seconds(1)).blockers, testing::Contains(Blocker::breaker_open));
}

TEST(Request, OverrideLiftsTheWindowAndMaintenance) {
  HandDriven target;
  target.take_sample(kWarning, seconds(0));
  target.situation.outside_window = "the next begins at two";
  target.situation.maintenance = "until four";
  EXPECT_THAT(target.request(seconds(1)).blockers, ElementsAre(Blocker::outside_window, Blocker::maintenance));
  EXPECT_EQ(target.request(seconds(1), true).action, Action::checkpoint);
  EXPECT_THAT(target.request(seconds(1), true).passed_over, ElementsAre(Blocker::outside_window, Blocker::maintenance));
}

TEST(Request, OfAPersonIsBoundByTheSpacingThatTheMethodNeeds) {
  HandDriven target;
  target.rules.min_interval = minutes(10);
  target.situation.interval_binds_requests = true;
  target.take_sample(kWarning, seconds(0));
  target.start(seconds(0));
  target.take_sample(kWarning, minutes(9));
  const Decision decision = target.request(minutes(9));
  ASSERT_THAT(decision.blockers, ElementsAre(Blocker::min_interval));
  EXPECT_EQ(decision.blockers.front().until, kStart + minutes(10));
  EXPECT_EQ(decision.blockers.front().why, "waiting 1m more after the last start, at most one per 10m");
}

TEST(Request, ASuccessByHandClosesTheBreaker) {
  HandDriven target;
  target.take_sample(kWarning, seconds(0));
  target.fail(5, seconds(0));
  target.start(seconds(1));
  target.end({.reason = Reason::manual, .success = true}, seconds(2));
  EXPECT_THAT(target.request(seconds(3)).passed_over, IsEmpty());
}

class Hard : public testing::TestWithParam<bool> {
 protected:
  Hard() { target_.take_sample(kCritical, seconds(0)); }
  std::vector<Blocker> blockers(Duration now = seconds(0)) {
    const Decision decision = target_.request(now, GetParam());
    EXPECT_EQ(decision.action, decision.blockers.empty() ? Action::checkpoint : Action::none);
    if (!decision.blockers.empty()) {
      const Blocked& first = deciding(decision.blockers);
      EXPECT_THAT(decision.explanation(),
                  HasSubstr("; blocked by " + std::string(to_string(first.blocker)) + ": " + first.why));
    }
    return without_why(decision.blockers);
  }
  HandDriven target_;
};

TEST_P(Hard, Paused) {
  target_.situation.paused = true;
  EXPECT_THAT(blockers(), ElementsAre(Blocker::paused));
}

TEST_P(Hard, InFlight) {
  target_.situation.in_flight = true;
  EXPECT_THAT(blockers(), ElementsAre(Blocker::in_flight));
}

TEST_P(Hard, DryRun) {
  target_.situation.dry_run = true;
  EXPECT_THAT(blockers(), ElementsAre(Blocker::dry_run));
}

TEST_P(Hard, MethodDisabled) {
  target_.situation.method_disabled = "no method";
  EXPECT_THAT(blockers(), ElementsAre(Blocker::method_disabled));
}

TEST_P(Hard, DiskHeadroom) {
  target_.rules.min_free_bytes = kGiB;
  target_.sample->data_filesystem_avail_bytes = kGiB - 1;
  EXPECT_THAT(blockers(), ElementsAre(Blocker::disk_headroom));
}

TEST_P(Hard, UnknownDiskHeadroom) {
  target_.sample->layout = wal::Layout::node;
  target_.sample->filesystem_avail_bytes.reset();
  EXPECT_THAT(blockers(), ElementsAre(Blocker::disk_headroom));
}

TEST_P(Hard, StaleSample) {
  EXPECT_THAT(blockers(minutes(4)), IsEmpty());
  EXPECT_THAT(blockers(minutes(4) + nanoseconds(1)), ElementsAre(Blocker::sample_stale));
}

TEST_P(Hard, NoSampleYet) {
  target_.sample.reset();
  EXPECT_THAT(blockers(), ElementsAre(Blocker::sample_stale));
}

TEST_P(Hard, Several) {
  target_.situation.paused = true;
  target_.situation.in_flight = true;
  target_.situation.dry_run = true;
  EXPECT_THAT(blockers(), ElementsAre(Blocker::in_flight, Blocker::paused, Blocker::dry_run));
}

INSTANTIATE_TEST_SUITE_P(Request, Hard, testing::Bool(),
                         [](const auto& instance) { return instance.param ? "BindsAnOverride" : "BindsARequest"; });

}  // namespace
}  // namespace wal_exporter::policy
