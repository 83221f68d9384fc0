// Decisions that nobody asked for: reasons, the cooldown, spacing, the schedule,
// staleness, and what they say.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hand_driven.h"

namespace wal_exporter::policy {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A target whose last checkpoint ended at kStart, 10 s after its start.
HandDriven checkpointed(wal::Extent pending, Duration sampled) {
  HandDriven target;
  target.start(seconds(-10));
  target.end({.reason = Reason::warning, .success = true}, seconds(0));
  target.take_sample(pending, sampled);
  return target;
}

TEST(Decide, HealthyIsLeftAlone) {
  HandDriven target;
  target.take_sample(kHealthy, seconds(0));
  const Decision decision = target.decide(seconds(0));
  EXPECT_EQ(decision.action, Action::none);
  EXPECT_EQ(decision.reason, std::nullopt);
  EXPECT_THAT(decision.blockers, IsEmpty());
  EXPECT_EQ(decision.explanation(), "5 files, 1000 B pending, limit for warning 30 files or 1.0 GiB: nothing to do");
}

// The next start fails with that file, and only a snapshot while the server runs helps.
TEST(Decide, WhatACheckpointCuresIsCheckpointedThoughNoLimitIsReached) {
  HandDriven target = checkpointed(kHealthy, seconds(1));
  target.sample->invalid = {{"00000000003.wal", wal::InvalidReason::times, false, ""}};
  const Decision decision = target.decide(minutes(2));
  EXPECT_EQ(decision.action, Action::checkpoint) << "the cooldown does not hold it";
  EXPECT_EQ(decision.reason, Reason::critical);
  EXPECT_THAT(decision.why, HasSubstr("InfluxDB will not start again, and a checkpoint is the cure"));
}

TEST(Decide, WhatNoCheckpointCuresIsNoReasonForOne) {
  for (const wal::InvalidReason reason : {wal::InvalidReason::doubled, wal::InvalidReason::empty}) {
    HandDriven target;
    target.take_sample(kHealthy, seconds(0));
    target.sample->invalid = {{"00000000003.wal", reason, true, ""}};
    EXPECT_EQ(target.decide(seconds(0)).reason, std::nullopt);
  }
}

TEST(Decide, WarningIsCheckpointed) {
  HandDriven target;
  target.take_sample(kWarning, seconds(0));
  const Decision decision = target.decide(seconds(0));
  EXPECT_EQ(decision.action, Action::checkpoint);
  EXPECT_EQ(decision.reason, Reason::warning);
  EXPECT_THAT(decision.blockers, IsEmpty());
  EXPECT_EQ(decision.explanation(), "31 files, 1000 B pending, limit for warning 30 files or 1.0 GiB");
}

TEST(Decide, CriticalIsCheckpointed) {
  HandDriven target;
  target.take_sample({1, 4 * kGiB}, seconds(0));
  const Decision decision = target.decide(seconds(0));
  EXPECT_EQ(decision.action, Action::checkpoint);
  EXPECT_EQ(decision.reason, Reason::critical);
  EXPECT_EQ(decision.explanation(), "1 file, 4.0 GiB pending, limit for critical 60 files or 3.0 GiB");
}

TEST(Decide, HealthHeldByHysteresisSaysSo) {
  HandDriven target;
  target.take_sample(kWarning, seconds(0));
  target.take_sample({28, 0}, seconds(10));
  const Decision decision = target.decide(seconds(10));
  EXPECT_EQ(decision.reason, Reason::warning);
  EXPECT_THAT(decision.explanation(), HasSubstr("28 files"));
  EXPECT_THAT(decision.explanation(), HasSubstr("90 %"));
}

TEST(Cooldown, WarningWaitsUntilItsLastInstant) {
  const HandDriven target = checkpointed(kWarning, minutes(4));
  const Decision decision = target.decide(minutes(5) - nanoseconds(1));
  EXPECT_EQ(decision.action, Action::none);
  EXPECT_EQ(decision.reason, Reason::warning);
  EXPECT_THAT(decision.blockers, ElementsAre(Blocker::cooldown));
}

TEST(Cooldown, WarningGoesAtItsEnd) {
  EXPECT_EQ(checkpointed(kWarning, minutes(4)).decide(minutes(5)).action, Action::checkpoint);
}

TEST(Cooldown, SaysHowLongItTakesYet) {
  const HandDriven target = checkpointed(kWarning, minutes(2));
  EXPECT_THAT(target.decide(minutes(3)).explanation(), HasSubstr("blocked by cooldown: "));
  EXPECT_THAT(target.decide(minutes(3)).explanation(), HasSubstr("waiting 2m more after the last checkpoint"));
}

TEST(Cooldown, StartsAtTheEndOfACheckpointWhateverCameOfIt) {
  HandDriven target;
  target.take_sample(kWarning, seconds(0));
  target.start(seconds(0));
  target.end({.reason = Reason::warning}, minutes(2));
  EXPECT_EQ(cooldown_until(target.rules, target.memory, kStart + minutes(3)), kStart + minutes(7));
}

TEST(Cooldown, IsNotStartedByANoOp) {
  HandDriven target;
  target.start(seconds(0));
  target.end({.reason = Reason::manual, .success = true, .did_nothing = true}, seconds(1));
  EXPECT_EQ(cooldown_until(target.rules, target.memory, kStart + seconds(1)), std::nullopt);
  EXPECT_EQ(target.memory.last_end, std::nullopt);
  EXPECT_EQ(target.memory.last_success, std::nullopt);
}

TEST(Cooldown, IsNotMovedByANoOp) {
  HandDriven target = checkpointed(kWarning, minutes(1));
  target.start(minutes(2));
  target.end({.reason = Reason::manual, .success = true, .did_nothing = true}, minutes(2));
  EXPECT_EQ(cooldown_until(target.rules, target.memory, kStart + minutes(2)), kStart + minutes(5));
}

TEST(Cooldown, IsOverAtItsEnd) {
  const HandDriven target = checkpointed(kWarning, minutes(1));
  EXPECT_EQ(cooldown_until(target.rules, target.memory, kStart + minutes(5) - nanoseconds(1)), kStart + minutes(5));
  EXPECT_EQ(cooldown_until(target.rules, target.memory, kStart + minutes(5)), std::nullopt);
}

TEST(Cooldown, SurvivesARestartOfThisProcess) {
  HandDriven target = checkpointed(kWarning, minutes(1));
  target.memory = from_text(to_text(target.memory)).value();
  EXPECT_THAT(target.decide(minutes(2)).blockers, ElementsAre(Blocker::cooldown));
}

TEST(Cooldown, OfZeroNeverWaits) {
  HandDriven target = checkpointed(kWarning, minutes(2));
  target.rules.cooldown = Duration::zero();
  EXPECT_EQ(target.decide(minutes(2)).action, Action::checkpoint);
}

TEST(Critical, IgnoresTheCooldown) {
  const Decision decision = checkpointed(kCritical, minutes(1)).decide(minutes(1));
  EXPECT_EQ(decision.action, Action::checkpoint);
  EXPECT_EQ(decision.reason, Reason::critical);
}

TEST(Critical, StartsAtMostOncePerMinute) {
  HandDriven target;
  target.take_sample(kCritical, seconds(0));
  target.start(seconds(0));
  EXPECT_THAT(target.decide(seconds(60) - nanoseconds(1)).blockers, ElementsAre(Blocker::min_interval));
  EXPECT_THAT(target.decide(seconds(60) - nanoseconds(1)).explanation(), HasSubstr("at most one per 1m"));
  EXPECT_EQ(target.decide(seconds(60)).action, Action::checkpoint);
}

TEST(Critical, On3xStartsAtMostOncePerGen1Duration) {
  HandDriven target;
  target.rules.min_interval = minutes(10);
  target.start(seconds(0));
  target.take_sample(kCritical, minutes(9));
  EXPECT_THAT(target.decide(minutes(10) - nanoseconds(1)).blockers, ElementsAre(Blocker::min_interval));
  EXPECT_EQ(target.decide(minutes(10)).action, Action::checkpoint);
}

TEST(Critical, SpacingCountsFromTheStartNotTheEnd) {
  HandDriven target;
  target.take_sample(kCritical, seconds(0));
  target.start(seconds(0));
  target.end({.reason = Reason::critical, .success = true}, seconds(59));
  EXPECT_EQ(target.decide(seconds(60)).action, Action::checkpoint);
}

TEST(Stale, ASampleCountsForTwoIntervals) {
  HandDriven target;
  target.take_sample(kWarning, seconds(0));
  EXPECT_FALSE(is_stale(target.rules, &*target.sample, kStart + minutes(4)));
  EXPECT_EQ(target.decide(minutes(4)).action, Action::checkpoint);
  EXPECT_TRUE(is_stale(target.rules, &*target.sample, kStart + minutes(4) + nanoseconds(1)));
}

TEST(Stale, NothingActsNotEvenWhenCritical) {
  HandDriven target;
  target.take_sample(kCritical, seconds(0));
  const Decision decision = target.decide(minutes(4) + nanoseconds(1));
  EXPECT_EQ(decision.action, Action::none);
  EXPECT_EQ(decision.reason, std::nullopt);
  EXPECT_THAT(decision.blockers, ElementsAre(Blocker::sample_stale));
  EXPECT_THAT(decision.explanation(), HasSubstr("sample_stale"));
  EXPECT_THAT(decision.explanation(), HasSubstr("4m ago"));
}

TEST(Stale, NothingActsBeforeTheFirstSample) {
  const HandDriven target;
  EXPECT_TRUE(is_stale(target.rules, nullptr, kStart));
  const Decision decision = target.decide(seconds(0));
  EXPECT_EQ(decision.action, Action::none);
  EXPECT_THAT(decision.blockers, ElementsAre(Blocker::sample_stale));
  EXPECT_THAT(decision.explanation(), HasSubstr("there is no sample of the WAL yet"));
  EXPECT_THAT(decision.explanation(), HasSubstr("sample_stale"));
}

TEST(Stale, RememberedHealthDoesNotActBeforeTheFirstSample) {
  HandDriven target;
  target.take_sample(kCritical, seconds(0));
  target.sample.reset();
  EXPECT_EQ(target.decide(seconds(1)).action, Action::none);
}

TEST(Stale, FollowsTheSampleInterval) {
  HandDriven target;
  target.rules.sample_interval = seconds(10);
  target.take_sample(kWarning, seconds(0));
  EXPECT_EQ(target.decide(seconds(20)).action, Action::checkpoint);
  EXPECT_THAT(target.decide(seconds(21)).blockers, ElementsAre(Blocker::sample_stale));
}

TEST(Stale, AFreshSampleEndsIt) {
  HandDriven target;
  target.take_sample(kWarning, seconds(0));
  target.take_sample(kWarning, minutes(9));
  EXPECT_EQ(target.decide(minutes(9)).action, Action::checkpoint);
}

TEST(Blockers, EachIsNamedInTheOrderOfTheEnumAndExplained) {
  HandDriven target;
  target.rules.min_free_bytes = 2 * kGiB;
  target.start(seconds(0));
  target.fail(5, seconds(1));
  wal::Sample sample = sample_of(kWarning, seconds(2));
  sample.data_filesystem_avail_bytes = kGiB;
  target.take_sample(sample);
  target.situation.dry_run = true;
  target.situation.in_flight = true;
  target.situation.paused = true;
  target.situation.server_unreachable = true;
  target.situation.server_error = "connecting to 127.0.0.1:8086: connection refused";
  target.situation.method_disabled = "no backup_address is set; set influxdb.backup_address";
  const Decision decision = target.decide(seconds(2));
  EXPECT_EQ(decision.action, Action::none);
  EXPECT_EQ(decision.reason, Reason::warning);
  EXPECT_THAT(decision.blockers,
              ElementsAre(Blocker::in_flight, Blocker::cooldown, Blocker::min_interval, Blocker::backoff,
                          Blocker::breaker_open, Blocker::paused, Blocker::server_unreachable, Blocker::disk_headroom,
                          Blocker::method_disabled, Blocker::dry_run));
  EXPECT_THAT(decision.explanation(), testing::StartsWith("31 files, 1000 B pending, limit for warning 30 files"));
  const auto why = [&](Blocker blocker) {
    return std::find(decision.blockers.begin(), decision.blockers.end(), blocker)->why;
  };
  EXPECT_THAT(why(Blocker::server_unreachable), HasSubstr("connection refused"));
  EXPECT_THAT(why(Blocker::method_disabled), HasSubstr("set influxdb.backup_address"));
  EXPECT_THAT(why(Blocker::disk_headroom), HasSubstr("1.0 GiB free"));
  EXPECT_THAT(why(Blocker::disk_headroom), HasSubstr("wants 2.0 GiB"));
  EXPECT_EQ(why(Blocker::breaker_open),
            "waiting 29m 59s more after 5 failed checkpoints in a row (the breaker is open); see why they fail");
  EXPECT_THAT(decision.explanation(), testing::EndsWith("; blocked by paused: " + why(Blocker::paused) +
                                                        "; also blocked by server_unreachable, disk_headroom, "
                                                        "method_disabled, dry_run"))
      << "waits that end by themselves are no news beside them";
}

TEST(Blockers, ExactlyTheFreeSpaceWantedIsEnough) {
  HandDriven target;
  target.rules.min_free_bytes = kGiB;
  wal::Sample sample = sample_of(kCritical, seconds(0));
  sample.data_filesystem_avail_bytes = kGiB;
  target.take_sample(sample);
  EXPECT_EQ(target.decide(seconds(0)).action, Action::checkpoint);
  sample.data_filesystem_avail_bytes = kGiB - 1;
  target.take_sample(sample);
  EXPECT_THAT(target.decide(seconds(0)).blockers, ElementsAre(Blocker::disk_headroom));
}

// A snapshot of 3.x is written where the WAL lies.
TEST(Blockers, OfANodeTheFreeSpaceOfTheWalCountsAndOneThatCanNotBeReadBlocks) {
  HandDriven target;
  wal::Sample sample = sample_of(wal::Extent{2000, 1000}, seconds(0));
  sample.layout = wal::Layout::node;
  sample.filesystem_avail_bytes = kMiB;
  target.take_sample(sample);
  EXPECT_THAT(target.decide(seconds(0)).blockers, ElementsAre(Blocker::disk_headroom));
  sample.filesystem_avail_bytes.reset();
  target.take_sample(sample);
  EXPECT_THAT(target.decide(seconds(0)).blockers, ElementsAre(Blocker::disk_headroom));
}

// 1.x and 2.x: a checkpoint frees the WAL's disk and writes to the data's.
TEST(Blockers, AFullFilesystemOfTheWalAloneIsNoBlocker) {
  HandDriven target;
  wal::Sample sample = sample_of(kWarning, seconds(0));
  sample.filesystem_avail_bytes = 0;
  sample.has_own_filesystem = true;
  target.take_sample(sample);
  const Decision decision = target.decide(seconds(0));
  EXPECT_EQ(decision.action, Action::checkpoint);
  EXPECT_EQ(decision.reason, Reason::critical);
  sample.data_filesystem_avail_bytes.reset();
  sample.has_own_filesystem = false;
  target.take_sample(sample);
  EXPECT_EQ(target.decide(seconds(0)).action, Action::checkpoint) << "nobody knows where the data lies";
}

TEST(Decide, AFilesystemForTheWalAloneThatFillsIsAReasonToAct) {
  HandDriven target;
  wal::Sample sample = sample_of(wal::Extent{2, 30 * kMiB}, seconds(0));
  sample.has_own_filesystem = true;
  const auto reason = [&](std::uint64_t free) {
    sample.filesystem_avail_bytes = free;
    target.take_sample(sample);
    return target.decide(seconds(0)).reason;
  };
  EXPECT_EQ(reason(30 * kMiB), std::nullopt);
  EXPECT_EQ(reason(30 * kMiB - 1), Reason::warning);
  EXPECT_EQ(reason(10 * kMiB), Reason::warning);
  EXPECT_EQ(reason(10 * kMiB - 1), Reason::critical);
  EXPECT_THAT(target.decide(seconds(0)).why, HasSubstr("only 10.0 MiB free on the filesystem of the WAL"));
  sample.has_own_filesystem = false;
  EXPECT_EQ(reason(kMiB), std::nullopt) << "the data lies there too";
}

TEST(Blockers, BindCriticalToo) {
  HandDriven target;
  target.take_sample(kCritical, seconds(0));
  target.situation.paused = true;
  EXPECT_THAT(target.decide(seconds(0)).blockers, ElementsAre(Blocker::paused));
  target.situation.paused = false;
  target.situation.in_flight = true;
  EXPECT_THAT(target.decide(seconds(0)).blockers, ElementsAre(Blocker::in_flight));
}

TEST(NextAllowed, IsNowWhereNothingWasDone) {
  const HandDriven target;
  EXPECT_EQ(next_allowed(target.rules, target.memory, kStart), std::nullopt);
}

TEST(NextAllowed, IsTheEndOfTheCooldownUnlessCritical) {
  const HandDriven warning = checkpointed(kWarning, seconds(1));
  EXPECT_EQ(next_allowed(warning.rules, warning.memory, kStart + seconds(1)), kStart + minutes(5));
  const HandDriven critical = checkpointed(kCritical, seconds(1));
  EXPECT_EQ(next_allowed(critical.rules, critical.memory, kStart + seconds(1)), kStart + seconds(50));
}

TEST(NextAllowed, IsTheEndOfTheBreakerWhereItIsOpen) {
  HandDriven target;
  target.take_sample(kCritical, seconds(0));
  target.fail(5, seconds(0), Reason::critical);
  EXPECT_EQ(next_allowed(target.rules, target.memory, kStart + seconds(1)), kStart + minutes(30));
}

}  // namespace
}  // namespace wal_exporter::policy
