// The preparation of a planned restart that somebody asks for.
#include <gmock/gmock.h>

#include "unit/control/bench.h"

namespace wal_exporter::control {
namespace {

using namespace std::chrono_literals;
using influxdb::OutcomeKind;
using policy::Blocker;
using policy::Reason;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Prepared : public ::testing::Test {
 protected:
  Prepared() { bench.settings.influxdb.backup_address = "127.0.0.1:8088"; }

  // A node of 3.x with snapshots of 20 files.
  void of_3x() {
    bench.settings.influxdb.version = wal::Generation::v3;
    bench.settings.influxdb.url = "http://127.0.0.1:8181";
    bench.settings.influxdb.snapshot_size = 20;
    bench.settings.influxdb.flush_interval = 1s;
    bench.settings.influxdb.gen1_duration = 10min;
    bench.settings.checkpoint.nudge.enabled = true;
    bench.version = wal::Generation::v3;
    bench.server = server_up("3.10.0");
    bench.node.emplace();
    bench.wal = periods_until(kBenchStart, 10);
  }
  std::optional<view::PrepareRestartAnswer> answer(std::uint64_t request) const {
    return bench.answer_to<view::PrepareRestartAnswer>(request);
  }
  std::optional<view::CheckpointAnswer> asked(std::uint64_t request) const {
    return bench.answer_to<view::CheckpointAnswer>(request);
  }

  Bench bench;
};

TEST_F(Prepared, WithNothingPendingIsSafeWithoutACheckpoint) {
  bench.wal = segments(0);
  bench.start();
  const auto said = answer(bench.prepare_restart({})).value();
  EXPECT_TRUE(said.safe);
  EXPECT_EQ(said.message, "Safe to restart: nothing is pending; replay takes less than a second");
  EXPECT_EQ(said.replay_estimate_seconds, 0);
  EXPECT_THAT(bench.wanted.checkpoints, IsEmpty());
}

// The server replays what lies there, and nobody knows what that is.
TEST_F(Prepared, OfAWalThatCanNotBeCountedWholeIsNeverSafe) {
  bench.wal = segments(0);
  bench.wal->uncounted.add("/wal/plant: the symbolic link leads nowhere");
  bench.start();
  const auto empty = answer(bench.prepare_restart({})).value();
  EXPECT_FALSE(empty.safe);
  EXPECT_THAT(empty.message, HasSubstr("Not safe: 1 folder of the WAL could not be counted"));
  EXPECT_EQ(bench.view()->health, policy::Health::warning);
  bench.wal = segments(5);
  bench.wal->uncounted.add("/wal/plant: the symbolic link leads nowhere");
  bench.checkpoint_does = [this](const RunCheckpoint&) {
    bench.wal->pending = {};
    influxdb::Outcome outcome;
    outcome.kind = OutcomeKind::succeeded;
    outcome.message = "5 shards are empty";
    return outcome;
  };
  const auto emptied = answer(bench.prepare_restart({})).value();
  EXPECT_FALSE(emptied.safe);
  EXPECT_THAT(emptied.message, HasSubstr("Not safe: 5 shards are empty; 1 folder"));
}

// Enterprise 3.11 and later: all that lies in wal/ is of the time before.
TEST_F(Prepared, OfAnEngineWhoseWalIsNotMeasuredIsNeverSafe) {
  of_3x();
  bench.wal = periods_until(kBenchStart, 0);
  bench.node->snapshot_size = 20;
  bench.node->other_engine = true;
  bench.start();
  const auto said = answer(bench.prepare_restart({})).value();
  EXPECT_FALSE(said.safe);
  EXPECT_THAT(said.message, HasSubstr("this engine's WAL is not measured"));
  EXPECT_EQ(bench.view()->health, policy::Health::warning);
  EXPECT_THAT(bench.view()->recommendations, ::testing::Contains(HasSubstr("is not measured")));
  EXPECT_THAT(bench.view()->request_blockers, ::testing::Contains(Blocker::method_disabled));
}

TEST_F(Prepared, ByACheckpointSaysWhatIsLeft) {
  bench.start();
  bench.checkpoint_does = [this](const RunCheckpoint&) {
    bench.wal = segments(1);
    influxdb::Outcome outcome;
    outcome.kind = OutcomeKind::succeeded;
    outcome.message = "5 shards are empty";
    return outcome;
  };
  const auto said = answer(bench.prepare_restart({.actor = "user alice"})).value();
  EXPECT_TRUE(said.safe);
  EXPECT_THAT(said.message, HasSubstr("Safe to restart: 5 shards are empty; 1 file, 1000 B left"));
  EXPECT_EQ(said.pending, (wal::Extent{1, 1000}));
  ASSERT_TRUE(said.run.has_value());
  EXPECT_EQ(said.run->reason, Reason::pre_restart);
  const auto started = bench.store->details("wal.checkpoint").at(0);
  EXPECT_EQ(started.at("by"), "user alice");
  EXPECT_EQ(bench.wanted.checkpoints.at(0).mode, influxdb::NudgeMode::at_once);
  EXPECT_FALSE(bench.wanted.checkpoints.at(0).boundary_passed);
}

TEST_F(Prepared, ByACheckpointThatFailsIsNotSafe) {
  bench.checkpoint_does = [](const RunCheckpoint&) {
    influxdb::Outcome outcome;
    outcome.message = "connection refused";
    return outcome;
  };
  bench.start();
  const auto said = answer(bench.prepare_restart({})).value();
  EXPECT_FALSE(said.safe);
  EXPECT_THAT(said.message, HasSubstr("Not safe: connection refused; 5 files"));
}

TEST_F(Prepared, DuringACheckpointWaitsForItsEndThenReadsTheWalAndRunsItsOwn) {
  bench.answers.checkpoints = false;
  bench.start();
  static_cast<void>(bench.checkpoint({.wait = 0s}));
  const auto request = bench.prepare_restart({.max_wait = 60s});
  bench.pass(20s);
  EXPECT_FALSE(answer(request).has_value());
  bench.answers.samples = false;
  bench.end_checkpoint(OutcomeKind::succeeded);
  EXPECT_FALSE(answer(request).has_value());
  EXPECT_THAT(bench.wanted.checkpoints, ::testing::SizeIs(1));
  ASSERT_TRUE(bench.open().sample.has_value());
  bench.give_sample();
  ASSERT_THAT(bench.wanted.checkpoints, ::testing::SizeIs(2));
  EXPECT_EQ(bench.wanted.checkpoints.back().reason, Reason::pre_restart);
  bench.wal = segments(0);
  bench.end_checkpoint(OutcomeKind::succeeded);
  EXPECT_TRUE(answer(request)->safe);
}

TEST_F(Prepared, DuringACheckpointThatDoesNotEndIsNotSafeWhenMaxWaitIsOver) {
  bench.answers.checkpoints = false;
  bench.start();
  static_cast<void>(bench.checkpoint({.wait = 0s}));
  const auto request = bench.prepare_restart({.max_wait = 30s});
  bench.pass(30s - 1ms);
  EXPECT_FALSE(answer(request).has_value());
  bench.pass(1ms);
  EXPECT_FALSE(answer(request)->safe);
  EXPECT_THAT(answer(request)->message, HasSubstr("Not safe: a checkpoint is still running; 5 files"));
  EXPECT_THAT(answer(request)->blockers, ElementsAre(Blocker::in_flight));
  EXPECT_EQ(bench.wanted.checkpoint_stops, 0U) << "somebody else asked for it";
}

TEST_F(Prepared, WhoseOwnCheckpointDoesNotEndIsNotSafeAndStopsIt) {
  bench.answers.checkpoints = false;
  bench.start();
  const auto request = bench.prepare_restart({.max_wait = 30s});
  bench.pass(30s - 1ms);
  EXPECT_FALSE(answer(request).has_value());
  EXPECT_EQ(bench.wanted.checkpoint_stops, 0U);
  bench.pass(1ms);
  EXPECT_EQ(bench.wanted.checkpoint_stops, 1U);
  EXPECT_FALSE(answer(request)->safe);
  EXPECT_THAT(answer(request)->message,
              HasSubstr("Not safe: the checkpoint did not end within max_wait and is being stopped; 5 files"));
  EXPECT_THAT(answer(request)->blockers, IsEmpty());
}

TEST_F(Prepared, WhoseSampleNeverComesIsDecidedByWhatIsKnownWhenMaxWaitIsOver) {
  bench.start();
  bench.answers.samples = false;
  const auto soon = bench.prepare_restart({.max_wait = 1s});
  bench.pass(10s - 1ms);
  EXPECT_FALSE(answer(soon).has_value()) << "at least 10 s, as every sample may take";
  bench.pass(1ms);
  EXPECT_TRUE(answer(soon).has_value());
}

TEST_F(Prepared, WithoutAFreshSampleIsNotSafe) {
  bench.start();
  bench.wal = failure(ErrorKind::permission, "opening /var/lib/influxdb/wal: Permission denied");
  const auto said = answer(bench.prepare_restart({})).value();
  EXPECT_FALSE(said.safe);
  EXPECT_EQ(said.message,
            "Not safe: there is no current sample of the WAL: opening /var/lib/influxdb/wal: Permission denied");
  EXPECT_THAT(said.blockers, ElementsAre(Blocker::sample_stale));
  EXPECT_EQ(said.replay_estimate_seconds, std::nullopt);
}

TEST_F(Prepared, WithADamagedNewestFileIsNotSafe) {
  bench.wal->invalid = {{"00000000005.wal", wal::InvalidReason::empty, true, ""}};
  bench.start();
  const auto said = answer(bench.prepare_restart({})).value();
  EXPECT_FALSE(said.safe);
  EXPECT_THAT(said.message, HasSubstr("Not safe: 1 file without content: 00000000005.wal; the newest WAL file is "
                                      "damaged, so InfluxDB will exit at its next write"));
  EXPECT_THAT(bench.wanted.checkpoints, IsEmpty());
}

// Also where nothing is pending: the start reads it all the same.
TEST_F(Prepared, WithADoubledNumberIsNotSafe) {
  of_3x();
  bench.wal = periods_until(kBenchStart, 0);
  bench.wal->invalid = {{"00000000009.wal.bak", wal::InvalidReason::doubled, false, ""}};
  bench.start();
  const auto said = answer(bench.prepare_restart({})).value();
  EXPECT_FALSE(said.safe);
  EXPECT_THAT(said.message, HasSubstr("InfluxDB will not start again: stop InfluxDB, move the file out of wal/"));
}

TEST_F(Prepared, WhatAStartWouldSkipIsNotSafeThoughNothingIsPending) {
  of_3x();
  bench.wal = periods_until(kBenchStart, 0);
  bench.wal->invalid = {{"a.wal", wal::InvalidReason::snapshot, false, ""}};
  bench.start();
  const auto said = answer(bench.prepare_restart({})).value();
  EXPECT_FALSE(said.safe);
  EXPECT_THAT(said.message, HasSubstr("it skips every WAL file up to that number"));
}

TEST_F(Prepared, WithAForeignFileIsSafeAndSaysSo) {
  of_3x();
  bench.wal = periods_until(kBenchStart, 0);
  bench.wal->invalid = {{"b.wal", wal::InvalidReason::foreign, false, "its header holds number 31"}};
  bench.start();
  const auto said = answer(bench.prepare_restart({})).value();
  EXPECT_TRUE(said.safe);
  EXPECT_THAT(said.message, HasSubstr("Safe to restart: nothing is pending; but 1 file of a foreign name: b.wal"));
}

TEST_F(Prepared, WhereACheckpointIsTheCureIsSafeOnceItHasHelped) {
  of_3x();
  for (const bool helps : {true, false}) {
    Bench one;
    std::swap(one.settings, bench.settings);
    one.version = wal::Generation::v3;
    one.server = server_up("3.10.0");
    one.node.emplace();
    one.wal = periods_until(kBenchStart, 10);
    one.wal->periods[3].void_times = true;
    one.wal->invalid = {{"00000000004.wal", wal::InvalidReason::times, false, ""}};
    one.settings.dry_run = false;
    one.checkpoint_does = [&](const RunCheckpoint&) {
      if (helps) one.wal = periods_until(kBenchStart, 0);
      influxdb::Outcome outcome;
      outcome.kind = OutcomeKind::succeeded;
      outcome.message = "10 files covered";
      return outcome;
    };
    one.start(Purpose::explain);
    const auto request = one.prepare_restart({.max_wait = 1h});
    const auto said = one.answer_to<view::PrepareRestartAnswer>(request).value();
    EXPECT_EQ(said.safe, helps) << said.message;
    EXPECT_THAT(said.message, HasSubstr(helps ? "Safe to restart: 10 files covered" : "InfluxDB will not start again"));
    ASSERT_EQ(one.wanted.checkpoints.size(), 1U);
    std::swap(one.settings, bench.settings);
  }
}

TEST_F(Prepared, WhereTheCureIsBlockedSaysWhatItWouldCure) {
  of_3x();
  bench.wal->periods[3].void_times = true;
  bench.wal->invalid = {{"00000000004.wal", wal::InvalidReason::times, false, ""}};
  bench.start(Purpose::explain);
  bench.pause(1h);
  const auto said = answer(bench.prepare_restart({})).value();
  EXPECT_FALSE(said.safe);
  EXPECT_THAT(said.message, HasSubstr("blocked by paused"));
  EXPECT_THAT(said.message,
              HasSubstr("InfluxDB will not start again: a checkpoint while InfluxDB still runs is the cure"));
}

TEST_F(Prepared, WhatIsLeftAndWouldBeSkippedIsNotSafe) {
  bench.wal->invalid = {{"db/autogen/3/_00001.wal", wal::InvalidReason::checksum, false, ""}};
  bench.checkpoint_does = [](const RunCheckpoint&) {
    influxdb::Outcome outcome;
    outcome.kind = OutcomeKind::succeeded;
    outcome.message = "5 shards are empty";
    return outcome;
  };
  bench.start();
  const auto said = answer(bench.prepare_restart({})).value();
  EXPECT_FALSE(said.safe);
  EXPECT_THAT(said.message, HasSubstr("Not safe: 5 shards are empty; 1 file with a wrong checksum"));
}

TEST_F(Prepared, AfterFailuresIsTriedAtOnce) {
  bench.checkpoint_does = [](const RunCheckpoint&) { return influxdb::Outcome{}; };
  bench.start();
  for (int i = 0; i < 6; ++i) static_cast<void>(bench.checkpoint({}));
  ASSERT_TRUE(bench.parts().memory.breaker_until.has_value());
  bench.checkpoint_does = [this](const RunCheckpoint&) {
    bench.wal = segments(0);
    influxdb::Outcome outcome;
    outcome.kind = OutcomeKind::succeeded;
    return outcome;
  };
  EXPECT_TRUE(answer(bench.prepare_restart({.actor = "command line"}))->safe);
  const auto told = bench.store->details("wal.checkpoint");
  EXPECT_EQ(told.at(told.size() - 2).at("by"), "command line");
  EXPECT_EQ(told.at(told.size() - 2).at("passed_over"), (nlohmann::json{"backoff", "breaker_open"}));
}

// G between two nudges holds for everybody.
TEST_F(Prepared, WaitsForWhatEndsWithinItsTime) {
  of_3x();
  bench.settings.influxdb.gen1_duration = 1min;
  bench.start();
  EXPECT_TRUE(asked(bench.checkpoint({.at_once = true})).has_value());
  ASSERT_THAT(bench.wanted.checkpoints, ::testing::SizeIs(1));
  const Time start = bench.parts().memory.last_start.value();
  bench.pass(20s);
  bench.wal = periods_until(bench.now().wall, 10);
  const auto soon = answer(bench.prepare_restart({.max_wait = 39s})).value();
  EXPECT_THAT(soon.blockers, ElementsAre(Blocker::min_interval)) << "it would not end in time";
  EXPECT_THAT(soon.message, HasSubstr("blocked by min_interval: waiting 40s more after the last start"));
  const auto request = bench.prepare_restart({.max_wait = 2min});
  bench.pass(40s - 1ms);
  EXPECT_FALSE(answer(request).has_value());
  bench.pass(1ms);
  ASSERT_THAT(bench.wanted.checkpoints, ::testing::SizeIs(2));
  EXPECT_EQ(bench.wanted.checkpoints.at(1).started, start + 1min);
  EXPECT_EQ(bench.wanted.checkpoints.at(1).reason, Reason::pre_restart);
  EXPECT_TRUE(answer(request).has_value());
}

TEST_F(Prepared, AtTheStopNobodyWaits) {
  of_3x();
  bench.settings.influxdb.gen1_duration = 1min;
  bench.start();
  static_cast<void>(bench.checkpoint({.at_once = true}));
  bench.pass(20s);
  bench.wal = periods_until(bench.now().wall, 10);
  const auto request = bench.prepare_restart({.max_wait = 2min});
  EXPECT_FALSE(answer(request).has_value());
  bench.stop();
  EXPECT_THAT(answer(request)->message, HasSubstr("shutting down"));
  EXPECT_TRUE(bench.control().has_ended());
}

TEST_F(Prepared, WhatIsBlockedIsNotSafeAndNoted) {
  bench.start();
  bench.pause(1h);
  const auto said = answer(bench.prepare_restart({})).value();
  EXPECT_FALSE(said.safe);
  EXPECT_THAT(said.message, HasSubstr("Not safe: no checkpoint was started; blocked by paused"));
  EXPECT_THAT(said.blockers, ElementsAre(Blocker::paused));
  EXPECT_EQ(said.pending, (wal::Extent{5, 5000}));
  EXPECT_THAT(bench.store->entries("decision").back().summary, HasSubstr("restart not prepared: asked for"));
}

TEST_F(Prepared, OutsideTheWindowsOnlyWhereThatIsAsked) {
  // On Thursday, 2026-01-01, from two to three.
  Window window;
  window.when = DailyWindow{std::bitset<7>("1111111"), 120min, 180min};
  bench.settings.checkpoint.windows = {window};
  bench.settings.maintenance = {Window{DailyWindow{std::bitset<7>("1111111"), 0min, 60min}, {}}};
  bench.start();
  EXPECT_THAT(answer(bench.prepare_restart({}))->blockers, ElementsAre(Blocker::outside_window, Blocker::maintenance));
  EXPECT_TRUE(answer(bench.prepare_restart({.in_any_window = true}))->safe);
}

TEST_F(Prepared, OfAPlanThatIsLongerThanMaxWaitIsTooLong) {
  of_3x();
  bench.start();
  // 20 points are missing, one a second.
  const auto said = answer(bench.prepare_restart({.max_wait = 5s})).value();
  EXPECT_FALSE(said.safe);
  EXPECT_THAT(said.blockers, ElementsAre(Blocker::too_long));
  EXPECT_THAT(said.message, HasSubstr("20 points take about 20s, max_wait leaves 5s; allow more"));
  EXPECT_THAT(bench.wanted.checkpoints, IsEmpty());
  bench.answers.checkpoints = false;
  static_cast<void>(bench.prepare_restart({.max_wait = 30s}));
  EXPECT_THAT(bench.wanted.checkpoints, ::testing::SizeIs(1));
}

TEST_F(Prepared, MaxWaitBeginsWhenItIsAskedFor) {
  of_3x();
  bench.start();
  bench.answers.samples = false;
  const auto request = bench.prepare_restart({.max_wait = 25s});
  bench.pass(7s);
  bench.give_sample();
  EXPECT_THAT(answer(request)->message, HasSubstr("max_wait leaves 18s"));
}

TEST_F(Prepared, WithNothingButTheLastNudgesOwnPointPendingIsSafe) {
  of_3x();
  bench.wal = periods_until(kBenchStart, 1);
  bench.start();
  bench.on_trigger(1, kBenchStart + 10min);
  const auto said = answer(bench.prepare_restart({})).value();
  EXPECT_TRUE(said.safe);
  EXPECT_THAT(said.message, HasSubstr("Safe to restart: nothing but the last nudge's own point is pending; 1 file"));
  EXPECT_THAT(bench.wanted.checkpoints, IsEmpty());
}

TEST_F(Prepared, AtTheStopIsNotSafe) {
  bench.start();
  bench.answers.samples = false;
  const auto waiting = bench.prepare_restart({.max_wait = 1min});
  bench.stop();
  EXPECT_FALSE(answer(waiting)->safe);
  EXPECT_EQ(answer(waiting)->message, "Not safe: the exporter is shutting down");
  EXPECT_EQ(answer(bench.prepare_restart({}))->message, "Not safe: the exporter is shutting down");
  EXPECT_TRUE(bench.control().has_ended());
}

TEST_F(Prepared, WhoseCheckpointIsStoppedWithTheExporterIsToldWhatCameOfIt) {
  bench.answers.checkpoints = false;
  bench.start();
  const auto request = bench.prepare_restart({.max_wait = 1min});
  bench.stop();
  EXPECT_FALSE(answer(request).has_value());
  bench.end_checkpoint(OutcomeKind::failed, "stopped", /*stopped=*/true);
  EXPECT_FALSE(answer(request)->safe);
  EXPECT_THAT(answer(request)->message, HasSubstr("Not safe: stopped; 5 files"));
}

TEST_F(Prepared, DuringACheckpointAtTheStopHearsOfTheStopWhenThatEnds) {
  bench.answers.checkpoints = false;
  bench.start();
  static_cast<void>(bench.checkpoint({.wait = 0s}));
  const auto request = bench.prepare_restart({.max_wait = 1min});
  bench.stop();
  bench.end_checkpoint(OutcomeKind::failed, "stopped", /*stopped=*/true);
  EXPECT_EQ(answer(request)->message, "Not safe: the exporter is shutting down");
  EXPECT_TRUE(bench.control().has_ended());
}

TEST_F(Prepared, ByTwoAtOnceRunsOneCheckpointAndTheOtherWaitsForIt) {
  bench.answers.checkpoints = false;
  bench.start();
  bench.answers.samples = false;
  const auto first = bench.prepare_restart({.max_wait = 1min});
  const auto second = bench.prepare_restart({.max_wait = 1min});
  bench.give_sample();
  if (bench.open().sample) bench.give_sample();
  EXPECT_FALSE(answer(first).has_value());
  EXPECT_FALSE(answer(second).has_value());
  bench.wal = segments(0);
  bench.end_checkpoint(OutcomeKind::succeeded);
  EXPECT_TRUE(answer(first)->safe);
  bench.give_sample();
  EXPECT_TRUE(answer(second)->safe);
  EXPECT_THAT(bench.wanted.checkpoints, ::testing::SizeIs(1));
}

}  // namespace
}  // namespace wal_exporter::control
