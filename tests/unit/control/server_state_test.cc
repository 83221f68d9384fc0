// InfluxDB as it answers: when it is asked, and what follows from its answers.
#include <gmock/gmock.h>

#include "unit/control/bench.h"

namespace wal_exporter::control {
namespace {

using namespace std::chrono_literals;
using policy::Blocker;
using policy::Health;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ServerAnswers : public ::testing::Test {
 protected:
  ServerAnswers() {
    bench.settings.influxdb.url = "http://127.0.0.1:8086";
    bench.settings.checkpoint.method = influxdb::Method::none;
  }
  // Of unknown version until directory or server tell; snapshots of 20 files.
  void of_3x() {
    bench.settings.influxdb.version = wal::Generation::unknown;
    bench.version = wal::Generation::v3;
    bench.server = server_up("3.10.0");
    bench.node.emplace();
    bench.node->snapshot_size = 20;
    bench.node->flush_interval = 1s;
    bench.node->gen1_duration = 10min;
    bench.node->kept_files = 300;
    bench.wal = periods_until(kBenchStart, 5);
  }

  Bench bench;
};

// 19 of 30 files dated by a clock 24 min ahead of ours.
TEST_F(ServerAnswers, ThatTellAnotherTimeMakeNoFutureOfItsData) {
  of_3x();
  bench.server.clock_offset = 24min;
  bench.wal = periods_until(kBenchStart + 24min, 19);
  bench.start();
  const auto view = bench.view();
  ASSERT_TRUE(view->not_shrinking.has_value());
  EXPECT_EQ(view->not_shrinking->cause, policy::Cause::too_few_files);
  EXPECT_THAT(view->recommendations,
              Contains(HasSubstr("clocks differ by 24m: InfluxDB's is ahead of this machine's by more than the gen1 "
                                 "duration (10m)")));
  // What it said holds while it is down.
  bench.server.up = false;
  bench.server.clock_offset.reset();
  bench.pass(2h);
  EXPECT_THAT(bench.view()->recommendations, Contains(HasSubstr("clocks differ by 24m")));
}

TEST_F(ServerAnswers, ThatTellAnotherTimeOnceAreNotBelieved) {
  of_3x();
  bench.server.clock_offset = 0s;
  bench.start();
  bench.pass(1min);
  const std::uint64_t questions = bench.wanted.questions;
  bench.server.clock_offset = 3h;
  bench.pass(15s);
  ASSERT_EQ(bench.wanted.questions, questions + 1);
  EXPECT_EQ(bench.parts().server.clock_offset(bench.now()), 0s);
  bench.server.clock_offset = 1s;
  bench.pass(15s);
  EXPECT_EQ(bench.parts().server.clock_offset(bench.now()), 0s);
}

TEST_F(ServerAnswers, AreAskedForEveryQuarterOfAMinuteOneAtATime) {
  bench.start();
  EXPECT_EQ(bench.wanted.questions, 1U);
  bench.pass(1min);
  EXPECT_EQ(bench.wanted.questions, 5U);
  bench.answers.questions = false;
  bench.pass(15s);
  bench.pass(10min);
  EXPECT_EQ(bench.wanted.questions, 6U) << "a server that hangs is not asked again meanwhile";
  bench.answers.questions = true;
  bench.give_answer();
  EXPECT_EQ(bench.wanted.questions, 7U) << "the next is long due";
}

TEST_F(ServerAnswers, AreAskedForAsOftenAsSamplesAreTakenButNotMoreThanEverySecond) {
  bench.settings.rules.sample_interval = 5s;
  bench.start();
  bench.pass(20s);
  EXPECT_EQ(bench.wanted.questions, 5U);
}

TEST_F(ServerAnswers, AreNotAskedForWithoutAUrl) {
  bench.settings.influxdb.url.clear();
  bench.start();
  bench.pass(1h);
  EXPECT_EQ(bench.wanted.questions, 0U);
  EXPECT_FALSE(bench.view()->server_asked);
  EXPECT_EQ(not_ready(bench.control()), "");
}

TEST_F(ServerAnswers, AreLoggedWhereTheyAreNews) {
  bench.start();
  bench.pass(1min);
  EXPECT_EQ(bench.logged("info: InfluxDB 1.6.7 is up [plant]"), 1U);
  bench.server = server_down();
  bench.pass(1min);
  EXPECT_EQ(bench.logged("warning: InfluxDB is not reachable: connecting to 127.0.0.1:8086: Connection refused"), 1U);
  bench.server = server_up("");
  bench.pass(1min);
  EXPECT_EQ(bench.logged("info: InfluxDB (which does not say its version) is up [plant]"), 1U);
  bench.server.error = "the token can't be read";
  bench.pass(1min);
  EXPECT_EQ(bench.logged("warning: InfluxDB is up, but the token can't be read [plant]"), 1U);
}

TEST_F(ServerAnswers, ThatItIsDownHoldsBackWhatNobodyAskedFor) {
  bench.settings.checkpoint.method = influxdb::Method::automatic;
  bench.settings.influxdb.backup_address = "127.0.0.1:8088";
  bench.settings.rules.thresholds.max_files = 1;
  bench.wal = segments(0);
  bench.start();
  bench.server = server_down();
  bench.pass(15s);
  bench.wal = segments(5);
  bench.pass(1min);
  EXPECT_THAT(bench.view()->decision.blockers, Contains(Blocker::server_unreachable));
}

// Which one does not matter: the table says what is true of it.
TEST_F(ServerAnswers, WhatOneForbidsHoldsForEverybodyUntilTheNext) {
  bench.settings.checkpoint.method = influxdb::Method::automatic;
  bench.settings.influxdb.backup_address = "127.0.0.1:8088";
  bench.settings.rules.thresholds.max_files = 1;
  bench.settings.rules.files_grace = 0s;
  bench.server_blockers = {{Blocker::maintenance, "a copy of the disk is being taken; wait for its end"}};
  bench.wal = segments(0);
  bench.start();
  bench.wal = segments(5);
  bench.pass(1min);
  EXPECT_THAT(bench.wanted.checkpoints, IsEmpty());
  EXPECT_THAT(bench.view()->decision.blockers, ElementsAre(Blocker::maintenance));
  EXPECT_THAT(bench.view()->request_blockers, ElementsAre(Blocker::maintenance));
  const auto refused = bench.answer_to<view::CheckpointAnswer>(bench.checkpoint({})).value();
  EXPECT_THAT(policy::explain(refused.message, refused.blockers),
              HasSubstr("blocked by maintenance: a copy of the disk is being taken; wait for its end"));
  const auto lifted = bench.answer_to<view::CheckpointAnswer>(bench.checkpoint({.override_soft = true})).value();
  EXPECT_EQ(lifted.state, view::CheckpointAnswer::State::ended) << "a login lifts this one";
  bench.wal = segments(5);
  bench.server_blockers.clear();
  bench.pass(1h);
  EXPECT_THAT(bench.view()->request_blockers, IsEmpty());
  EXPECT_EQ(bench.wanted.checkpoints.back().reason, policy::Reason::critical);
}

TEST_F(ServerAnswers, TheDirectorysVersionIsAskedWithAtOnceWhereTheServerDoesNotSayItsOwn) {
  of_3x();
  bench.server = server_up("");
  std::vector<AskServer> asked;
  bench.during = [&](const Effect& effect) {
    if (const auto* question = std::get_if<AskServer>(&effect)) asked.push_back(*question);
  };
  bench.start();
  EXPECT_THAT(asked, ::testing::ElementsAre(AskServer{wal::Generation::unknown}, AskServer{wal::Generation::v3}));
  EXPECT_EQ(bench.logged("info: /var/lib/influxdb/wal is a WAL of InfluxDB 3.x [plant]"), 1U);
}

TEST_F(ServerAnswers, TheServersVersionGoesWithTheNextSample) {
  std::vector<TakeSample> taken;
  bench.during = [&](const Effect& effect) {
    if (const auto* sample = std::get_if<TakeSample>(&effect)) taken.push_back(*sample);
  };
  bench.start();
  bench.pass(1min);
  EXPECT_THAT(taken, ::testing::ElementsAre(TakeSample{1, ""}, TakeSample{2, "1.6.7"}));
}

TEST_F(ServerAnswers, TheFirstSampleOfA3xNodeWaitsForItsLimits) {
  of_3x();
  bench.answers.questions = false;
  bench.start();
  EXPECT_EQ(bench.view()->health, std::nullopt);
  EXPECT_NE(bench.view()->sample, nullptr);
  EXPECT_EQ(not_ready(bench.control()), "plant: InfluxDB has not answered yet");
  bench.pass(10s);
  bench.give_answer();
  EXPECT_EQ(bench.view()->health, Health::healthy);
  EXPECT_EQ(bench.view()->thresholds.warning_files, 30U);
  EXPECT_EQ(not_ready(bench.control()), "");
}

TEST_F(ServerAnswers, TheFirstSampleOfA3xNodeWaitsAQuarterOfAMinuteAtTheLongest) {
  of_3x();
  bench.answers.questions = false;
  bench.start();
  bench.pass(15s - 1ms);
  EXPECT_EQ(bench.view()->health, std::nullopt);
  bench.pass(1ms);
  EXPECT_EQ(bench.view()->health, Health::healthy);
  EXPECT_EQ(bench.view()->thresholds.warning_files, 900U) << "by the defaults";
}

TEST_F(ServerAnswers, TheFirstSampleDoesNotWaitForAServerThatIsDown) {
  of_3x();
  bench.server = server_down();
  bench.node.reset();
  bench.start();
  EXPECT_EQ(bench.view()->health, Health::healthy);
}

TEST_F(ServerAnswers, WhatANodeSaidHoldsForTheNextProcessUntilItAnswers) {
  of_3x();
  bench.start();
  EXPECT_EQ(bench.view()->thresholds.warning_files, 30U);
  bench.kill();
  bench.node.reset();
  bench.server = server_down();
  bench.start();
  EXPECT_EQ(bench.view()->thresholds.warning_files, 30U);
  bench.server = server_up("3.10.0");
  bench.node.emplace();
  bench.node->problems = {"the token may not read the system tables"};
  bench.pass(15s);
  EXPECT_EQ(bench.view()->thresholds.warning_files, 30U) << "it does not say so now";
  EXPECT_THAT(bench.view()->node->warnings, Contains("the token may not read the system tables"));
  bench.node->problems.clear();
  bench.node->snapshot_size = 40;
  bench.pass(15s);
  EXPECT_EQ(bench.view()->thresholds.warning_files, 60U);
}

TEST_F(ServerAnswers, WarningsOfANodeAreLoggedOnce) {
  of_3x();
  bench.node->problems = {"the token may not read the system tables"};
  bench.start();
  bench.pass(5min);
  EXPECT_EQ(bench.logged("warning: the token may not read the system tables [plant]"), 1U);
}

TEST_F(ServerAnswers, ANudgeWaitsForTheSettingsThatItsPlanRestsOn) {
  of_3x();
  bench.settings.checkpoint.method = influxdb::Method::nudge;
  bench.settings.checkpoint.nudge.enabled = true;
  bench.server = server_down();
  bench.node.reset();
  bench.start();
  EXPECT_THAT(bench.view()->request_blockers, Contains(Blocker::server_unreachable));
  const auto plan = plan_of(bench.parts(), influxdb::NudgeMode::patient, bench.now());
  EXPECT_THAT(policy::explain(plan.why, plan.blockers),
              HasSubstr("its settings, which the plan rests on, are not known yet: connecting to 127.0.0.1:8086"));
}

TEST_F(ServerAnswers, ANodesBoundaryIsATimeToLookAt) {
  of_3x();
  bench.start();
  bench.set_wall(kBenchStart + 10min - 5s);
  EXPECT_LE(bench.control().next(bench.now()) - bench.now().steady, 5s);
}

}  // namespace
}  // namespace wal_exporter::control
