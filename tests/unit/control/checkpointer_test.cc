// Checkpoints: what is told of each, what is remembered, and plans.
#include <gmock/gmock.h>

#include "base/bytes.h"
#include "unit/control/bench.h"

namespace wal_exporter::control {
namespace {

using namespace std::chrono_literals;
using influxdb::OutcomeKind;
using policy::Blocker;
using policy::Health;
using policy::Reason;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class Checkpoints : public ::testing::Test {
 protected:
  Checkpoints() {
    bench.settings.influxdb.backup_address = "127.0.0.1:8088";
    bench.settings.rules.thresholds.max_files = 1;
    bench.answers.checkpoints = false;
  }
  std::uint64_t outcomes(Reason reason, OutcomeKind kind) const {
    return bench.view()->counters.checkpoints.at({reason, kind});
  }
  // A node of 3.x with snapshots of 20 files that its server confirms.
  void of_3x() {
    bench.settings.influxdb.version = wal::Generation::v3;
    bench.settings.influxdb.url = "http://127.0.0.1:8181";
    bench.settings.checkpoint.nudge.enabled = true;
    bench.settings.rules.thresholds.max_files.reset();
    bench.version = wal::Generation::v3;
    bench.server = server_up("3.10.0");
    bench.node.emplace();
    bench.node->snapshot_size = 20;
    bench.node->flush_interval = 1s;
    bench.node->gen1_duration = 10min;
    bench.node->kept_files = 300;
    bench.wal = periods_until(kBenchStart, 10);
  }

  Bench bench;
};

TEST_F(Checkpoints, ThatThePolicyStartsAreToldWithWhatTheyRestOn) {
  bench.start();
  ASSERT_THAT(bench.wanted.checkpoints, SizeIs(1));
  const RunCheckpoint& run = bench.wanted.checkpoints.at(0);
  EXPECT_EQ(run.reason, Reason::critical);
  EXPECT_EQ(run.started, kBenchStart);
  EXPECT_EQ(run.version, wal::Generation::v1);
  EXPECT_TRUE(run.boundary_passed) << "nobody waits for it";
  const auto entry = bench.store->entries("wal.checkpoint").at(0);
  EXPECT_EQ(entry.id, run.id) << "the id of a checkpoint is that of its row in the audit";
  EXPECT_EQ(entry.summary, "checkpoint started (reason: critical)");
  const auto detail = nlohmann::json::parse(entry.detail);
  EXPECT_EQ(detail.at("state"), "started");
  EXPECT_EQ(detail.at("by"), "policy");
  EXPECT_EQ(detail.at("method"), "backup");
  EXPECT_EQ(detail.at("severity"), "info");
  EXPECT_EQ(detail.at("sample").at("pending").at("files"), 5);
  EXPECT_EQ(bench.logged("info: Triggering checkpoint (reason: critical)... [plant]"), 1U);
  // The decision is in the audit before the act.
  EXPECT_LT(bench.store->entries("decision").back().id, entry.id);
}

TEST_F(Checkpoints, ThatEndAreToldWithWhatTheyLeft) {
  bench.start();
  bench.freeze(3s);
  bench.wal = segments(0);
  influxdb::Outcome outcome;
  outcome.kind = OutcomeKind::succeeded;
  outcome.message = "5 shards are empty";
  outcome.reclaimed = {5, 5000};
  outcome.elapsed = 3s;
  bench.end_checkpoint(outcome);
  const auto told = bench.store->details("wal.checkpoint").at(1);
  EXPECT_EQ(told.at("state"), "ended");
  EXPECT_EQ(told.at("outcome"), "succeeded");
  EXPECT_EQ(told.at("sample").at("pending").at("files"), 0);
  EXPECT_EQ(bench.store->summary_of("wal.checkpoint"), "checkpoint succeeded: 5 shards are empty");
  EXPECT_EQ(bench.logged("info: Checkpoint completed successfully: 5 shards are empty [plant]"), 1U);
  const auto view = bench.view();
  EXPECT_EQ(view->running, std::nullopt);
  EXPECT_EQ(view->last_run->ended, kBenchStart + 3s);
  EXPECT_EQ(view->last_success, kBenchStart + 3s);
  EXPECT_EQ(view->health, Health::healthy) << "by the sample that the checkpoint took itself";
  EXPECT_EQ(view->counters.reclaimed, (wal::Extent{5, 5000}));
  EXPECT_EQ(outcomes(Reason::critical, OutcomeKind::succeeded), 1U);
  EXPECT_EQ(view->counters.checkpoint_duration.total(), 1U);
  EXPECT_EQ(view->counters.checkpoint_duration.sum, 3);
}

TEST_F(Checkpoints, ThatFailAreWarningsAndDelayTheNext) {
  bench.start();
  bench.end_checkpoint(OutcomeKind::failed, "connection refused");
  const auto told = bench.store->details("wal.checkpoint").at(1);
  EXPECT_EQ(told.at("severity"), "warning");
  EXPECT_EQ(bench.logged("error: Checkpoint failed: connection refused [plant]"), 1U);
  EXPECT_EQ(bench.view()->last_run->outcome->kind, OutcomeKind::failed);
  bench.pass(60s - 1ms);
  EXPECT_THAT(bench.wanted.checkpoints, SizeIs(1));
  bench.pass(1ms);
  EXPECT_THAT(bench.wanted.checkpoints, SizeIs(2));
}

TEST_F(Checkpoints, ThatSomebodyElseMadeAreNeitherWellNorBad) {
  bench.wal = segments(2);  // a warning
  bench.start();
  bench.wal = segments(1);
  bench.end_checkpoint(OutcomeKind::busy, "another process acts on plant");
  const auto told = bench.store->details("wal.checkpoint").at(1);
  EXPECT_EQ(told.at("severity"), "info");
  EXPECT_EQ(bench.view()->last_run, std::nullopt);
  EXPECT_EQ(bench.view()->last_checkpoint, std::nullopt);
  EXPECT_EQ(bench.parts().memory.failures, 0U);
}

// An exporter that dies once in each checkpoint has to be seen: its counters begin at 0 each time.
TEST_F(Checkpoints, InWhichTheProcessWasKilledCountAsFailedAtTheNextStart) {
  bench.start();
  ASSERT_THAT(bench.wanted.checkpoints, SizeIs(1));
  for (std::uint64_t deaths = 1; deaths <= 3; ++deaths) {
    bench.kill();
    bench.freeze(1min);
    bench.start();
    EXPECT_EQ(bench.view()->failed, deaths);
    EXPECT_EQ(outcomes(Reason::critical, OutcomeKind::failed), 1U);
    ASSERT_THAT(bench.wanted.checkpoints, SizeIs(deaths + 1)) << "it is no reason to wait: InfluxDB did nothing wrong";
  }
  const auto told = bench.store->details("wal.checkpoint");
  ASSERT_THAT(told, SizeIs(7));
  EXPECT_EQ(told.at(1).at("outcome"), "failed");
  EXPECT_EQ(told.at(1).at("severity"), "warning");
  EXPECT_EQ(told.at(1).at("message"), "the exporter ended while it ran, so what came of it is not known");
  bench.wal = segments(0);
  bench.end_checkpoint(OutcomeKind::succeeded);
  EXPECT_EQ(bench.view()->failed, 0U);
  bench.kill();
  bench.start();
  EXPECT_EQ(bench.view()->failed, 0U) << "that one ended";
  EXPECT_THAT(bench.store->details("wal.checkpoint"), SizeIs(8));
}

TEST_F(Checkpoints, ThatWereStoppedSayNothingAboutInfluxdb) {
  bench.start();
  bench.end_checkpoint(OutcomeKind::failed, "stopped", /*stopped=*/true);
  EXPECT_EQ(bench.parts().memory.failures, 0U);
  EXPECT_EQ(bench.parts().memory.critical_failures, 0U);
  EXPECT_EQ(bench.parts().memory.last_end, std::nullopt);
  EXPECT_EQ(outcomes(Reason::critical, OutcomeKind::failed), 1U) << "it is counted all the same";
}

TEST_F(Checkpoints, ThatSucceedWhileTheyAreStoppedCount) {
  bench.start();
  bench.wal = segments(0);
  bench.end_checkpoint(OutcomeKind::succeeded, "done", /*stopped=*/true);
  EXPECT_EQ(bench.parts().memory.last_success, kBenchStart);
}

TEST_F(Checkpoints, ThatLeaveTheWalCriticalCountTowardsARestart) {
  bench.start();
  bench.end_checkpoint(OutcomeKind::succeeded, "but it fills faster");
  EXPECT_EQ(bench.parts().memory.critical_failures, 1U);
}

TEST_F(Checkpoints, WhoseWalCanNotBeReadAfterwardsAreJudgedByTheLastSample) {
  bench.start();
  bench.wal = failure(ErrorKind::permission, "Permission denied");
  bench.end_checkpoint(OutcomeKind::succeeded);
  EXPECT_EQ(bench.parts().memory.critical_failures, 1U);
  EXPECT_EQ(bench.view()->sample->pending.files, 5U);
  EXPECT_EQ(bench.store->details("wal.checkpoint").at(1).at("sample").at("pending").at("files"), 5);
}

// The sample that a checkpoint takes is one like any other.
TEST_F(Checkpoints, WhoseSampleShowsTheWalAgainSayThatItWorks) {
  bench.start();
  bench.wal = failure(ErrorKind::permission, "Permission denied");
  bench.pass(1min);
  EXPECT_EQ(bench.view()->error, "Permission denied");
  const auto samples = bench.view()->counters.samples;
  bench.wal = segments(0);
  bench.end_checkpoint(OutcomeKind::succeeded);
  EXPECT_EQ(bench.view()->error, "");
  EXPECT_EQ(bench.logged("info: the WAL can be read again [plant]"), 1U);
  EXPECT_EQ(bench.view()->counters.samples, samples + 1);
}

TEST_F(Checkpoints, TakeNothingAwayFromWhatWasWritten) {
  bench.start();
  bench.wal->written = {60, 6000};
  bench.pass(1min);
  bench.wal = segments(0);
  bench.wal->written = {60, 6000};
  bench.end_checkpoint(OutcomeKind::succeeded);
  const auto growth = policy::growth(bench.parts().wal.history(), 10min);
  ASSERT_TRUE(growth.has_value());
  EXPECT_DOUBLE_EQ(growth->files_per_second, 1);
  EXPECT_DOUBLE_EQ(growth->bytes_per_second, 100);
}

// Its points are no measure of what comes.
TEST_F(Checkpoints, ByANudgeEndWhatGrowthWasMeasuredOn) {
  of_3x();
  bench.start();
  bench.pass(1min);
  static_cast<void>(bench.checkpoint({.wait = 0s, .at_once = true}));
  bench.wal->written = {900, 90'000};
  bench.end_checkpoint(OutcomeKind::succeeded);
  EXPECT_FALSE(policy::growth(bench.parts().wal.history(), 10min).has_value());
}

TEST_F(Checkpoints, AreFoundWhileTheyRunAndAmongTheLastHundred) {
  bench.settings.rules.thresholds.max_files = 1000;
  bench.start();
  std::vector<std::int64_t> ids;
  for (int i = 0; i < 101; ++i) {
    static_cast<void>(bench.checkpoint({.override_soft = true, .wait = 0s}));
    ids.push_back(bench.open().checkpoint->id);
    EXPECT_TRUE(bench.parts().checkpointer.find(ids.back()).has_value());
    bench.end_checkpoint(OutcomeKind::failed);
  }
  EXPECT_FALSE(bench.parts().checkpointer.find(ids.at(0)).has_value());
  EXPECT_TRUE(bench.parts().checkpointer.find(ids.at(1)).has_value());
  EXPECT_TRUE(std::is_sorted(ids.begin(), ids.end()));
}

TEST_F(Checkpoints, LeaveSmallShardsAloneWhereTheirNumberIsNotTheTrouble) {
  const auto bytes_of = [](std::uint64_t small, std::uint64_t large) {
    wal::Sample sample = segments(2);
    sample.shards.at(0).pending = {1, small};
    sample.shards.at(1).pending = {1, large};
    sample.pending = {2, small + large};
    return sample;
  };
  const auto skipped = [&](const wal::Sample& sample, std::uint64_t max_files) {
    Bench one;
    one.settings = bench.settings;
    one.settings.rules.thresholds.max_files = max_files;
    one.settings.rules.thresholds.max_bytes = kMiB;
    one.answers.checkpoints = false;
    one.wal = sample;
    one.start();
    EXPECT_THAT(one.wanted.checkpoints, SizeIs(1));
    return one.wanted.checkpoints.at(0).skip_below;
  };
  EXPECT_EQ(skipped(bytes_of(1000, 5 * kMiB), 100), kMiB) << "size alone is the trouble";
  EXPECT_EQ(skipped(bytes_of(1000, 5 * kMiB), 1), 0U) << "their number is";
  EXPECT_EQ(skipped(bytes_of(kMiB - 1, kMiB - 1), 100), 0U) << "there are only small ones";
}

TEST_F(Checkpoints, OfTheScheduleLeaveSmallShardsAlone) {
  bench.settings.rules.thresholds.max_files = 8;
  bench.settings.rules.schedule = 10min;
  bench.start();
  bench.pass(10min);
  ASSERT_THAT(bench.wanted.checkpoints, SizeIs(1));
  EXPECT_EQ(bench.wanted.checkpoints.at(0).reason, Reason::scheduled);
  EXPECT_EQ(bench.wanted.checkpoints.at(0).skip_below, kMiB);
}

TEST_F(Checkpoints, ThatWereAskedForLeaveNothingAlone) {
  bench.settings.rules.thresholds.max_files = 100;
  bench.start();
  static_cast<void>(bench.checkpoint({.wait = 0s}));
  EXPECT_EQ(bench.wanted.checkpoints.at(0).skip_below, 0U);
}

TEST_F(Checkpoints, ByNudgesGoByTheServersRulesAndSayTheirPlan) {
  of_3x();
  bench.start();
  static_cast<void>(bench.checkpoint({.wait = 0s, .at_once = true}));
  ASSERT_THAT(bench.wanted.checkpoints, SizeIs(1));
  const RunCheckpoint& run = bench.wanted.checkpoints.at(0);
  EXPECT_EQ(run.mode, influxdb::NudgeMode::at_once);
  EXPECT_FALSE(run.boundary_passed);
  EXPECT_EQ(run.rules.snapshot_size, 20U);
  EXPECT_EQ(run.version, wal::Generation::v3);
  EXPECT_THAT(bench.store->entries("wal.checkpoint").at(0).summary,
              HasSubstr("checkpoint started (reason: manual): 10 files pending, goal 30: 20 points"));
  bench.end_checkpoint(OutcomeKind::failed);
  bench.pass(10min);
  static_cast<void>(bench.checkpoint({.wait = 0s}));
  EXPECT_EQ(bench.wanted.checkpoints.back().mode, influxdb::NudgeMode::patient);
}

// By its clock the last file of 00:04 is of before the boundary, not of the future.
TEST_F(Checkpoints, ByNudgesGoByTheServersClock) {
  of_3x();
  bench.server.clock_offset = 7min;
  bench.wal = periods_until(kBenchStart + 4min, 10);
  bench.start();
  const auto plan = plan_of(bench.parts(), influxdb::NudgeMode::patient, bench.now());
  EXPECT_EQ(plan.points, 20U);
  EXPECT_EQ(plan.not_before, kBenchStart + 3min) << "00:10 by the server's clock, told by ours";
  static_cast<void>(bench.checkpoint({.wait = 0s}));
  ASSERT_THAT(bench.wanted.checkpoints, SizeIs(1));
  EXPECT_EQ(bench.wanted.checkpoints.at(0).clock_offset, 7min);
}

TEST_F(Checkpoints, ByNudgesAreNotMadeWhereClocksDifferByMoreThanG) {
  of_3x();
  for (const Duration offset : {Duration(10min + 1s), Duration(-25min)}) {
    bench.server.clock_offset = offset;
    bench.wal = periods_until(kBenchStart + offset, 29);
    bench.start();
    const auto plan = plan_of(bench.parts(), influxdb::NudgeMode::at_once, bench.now());
    EXPECT_THAT(policy::names(plan.blockers), ElementsAre("clocks_differ"));
    EXPECT_EQ(plan.points, 1U) << "not 3 x S: nothing is of the future";
    bench.kill();
  }
  bench.server.clock_offset = 10min;
  bench.start();
  EXPECT_THAT(plan_of(bench.parts(), influxdb::NudgeMode::at_once, bench.now()).blockers, IsEmpty());
}

// A restart of this process must not take the point for the user's data.
TEST_F(Checkpoints, ATriggerOfANudgeIsOnDiskAtOnceAndKnownToTheNextProcess) {
  of_3x();
  bench.start();
  static_cast<void>(bench.checkpoint({.wait = 0s, .at_once = true}));
  bench.on_trigger(std::nullopt, kBenchStart + 10min);
  bench.kill();
  bench.start();
  EXPECT_EQ(bench.parts().memory.own_trigger_time, kBenchStart + 10min);
  EXPECT_EQ(bench.parts().memory.own_trigger_file, std::nullopt);
  bench.on_trigger(11, kBenchStart + 10min);
  bench.kill();
  bench.start();
  EXPECT_EQ(bench.parts().memory.own_trigger_file, 11U);
}

TEST_F(Checkpoints, NobodyAsksForArePlannedAsTheyWouldGo) {
  bench.settings.rules.thresholds.max_files = 100;
  bench.start();
  const auto plan = [&](influxdb::NudgeMode mode) { return plan_of(bench.parts(), mode, bench.now()); };
  const auto backup = plan(influxdb::NudgeMode::patient);
  EXPECT_EQ(backup.target, "plant");
  EXPECT_EQ(backup.method, "backup");
  EXPECT_EQ(backup.points, 0U);
  EXPECT_THAT(backup.blockers, IsEmpty());
  EXPECT_EQ(backup.why, "asked for (manual), 5 files, 4.9 KiB pending");
  bench.pause(1h);
  EXPECT_THAT(plan(influxdb::NudgeMode::patient).blockers, ElementsAre(Blocker::paused));
}

TEST_F(Checkpoints, ByNudgesArePlannedForBothModes) {
  of_3x();
  bench.start();
  bench.freeze(30s);
  const auto patient = plan_of(bench.parts(), influxdb::NudgeMode::patient, bench.now());
  EXPECT_EQ(patient.method, "nudge");
  EXPECT_EQ(patient.mode, "patient");
  EXPECT_EQ(patient.goal, 30U);
  EXPECT_EQ(patient.points, 20U);
  EXPECT_EQ(patient.not_before, kBenchStart + 10min);
  EXPECT_THAT(patient.why, HasSubstr("10 files pending, goal 30: 20 points"));
  EXPECT_THAT(patient.why, HasSubstr("; asked for (manual), 10 files"));
  EXPECT_TRUE(patient.snapshot_budget_remaining.has_value());
  const auto at_once = plan_of(bench.parts(), influxdb::NudgeMode::at_once, bench.now());
  EXPECT_EQ(at_once.mode, "at_once");
  EXPECT_EQ(at_once.not_before, std::nullopt);
  EXPECT_EQ(at_once.duration_seconds, 20);
}

TEST_F(Checkpoints, BeforeAnythingIsKnownArePlannedAsBlocked) {
  bench.answers.samples = false;
  bench.start();
  const auto plan = plan_of(bench.parts(), influxdb::NudgeMode::patient, bench.now());
  EXPECT_THAT(plan.blockers, ElementsAre(Blocker::sample_stale));
  EXPECT_EQ(plan.snapshot_budget_remaining, std::nullopt);
}

}  // namespace
}  // namespace wal_exporter::control
