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

TEST(Request, IsBoundByBackoffAndBreaker) {
  HandDriven target;
  target.take_sample(kWarning, seconds(0));
  target.fail(1, seconds(0));
  EXPECT_THAT(target.request(seconds(30) - nanoseconds(1)).blockers, ElementsAre(Blocker::backoff));
  EXPECT_EQ(target.request(seconds(30)).action, Action::checkpoint);
  target.fail(4, seconds(30));
  EXPECT_THAT(target.request(seconds(31)).blockers, ElementsAre(Blocker::backoff, Blocker::breaker_open));
}

TEST(Request, OverrideLiftsBackoffAndBreaker) {
  HandDriven target;
  target.take_sample(kWarning, seconds(0));
  target.fail(5, seconds(0));
  EXPECT_EQ(target.request(seconds(1), true).action, Action::checkpoint);
}

TEST(Request, AnOverriddenSuccessClosesTheBreaker) {
  HandDriven target;
  target.take_sample(kWarning, seconds(0));
  target.fail(5, seconds(0));
  target.start(seconds(1));
  target.end({.reason = Reason::manual, .success = true}, seconds(2));
  EXPECT_EQ(target.request(seconds(3)).action, Action::checkpoint);
}

class Hard : public testing::TestWithParam<bool> {
 protected:
  Hard() { target_.take_sample(kCritical, seconds(0)); }
  std::vector<Blocker> blockers(Duration now = seconds(0)) {
    const Decision decision = target_.request(now, GetParam());
    EXPECT_EQ(decision.action, decision.blockers.empty() ? Action::checkpoint : Action::none);
    for (const auto& [blocker, why] : decision.blockers) {
      EXPECT_THAT(decision.explanation(), HasSubstr("; blocked by " + std::string(to_string(blocker)) + ": " + why));
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
