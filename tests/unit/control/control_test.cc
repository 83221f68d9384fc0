// A target as a whole: what it is there for, what readers see, when it wants to be called.
#include "control/control.h"

#include <gmock/gmock.h>

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

class Controlled : public ::testing::Test {
 protected:
  Controlled() {
    bench.settings.influxdb.backup_address = "127.0.0.1:8088";
    bench.settings.rules.thresholds.max_files = 1;
  }

  Bench bench;
};

TEST_F(Controlled, ThatServesRequestsAloneActsOnNothingElse) {
  bench.start(Purpose::requests);
  bench.pass(1h);
  EXPECT_THAT(bench.wanted.checkpoints, IsEmpty());
  EXPECT_EQ(bench.view()->health, Health::critical);
  const auto request = bench.prepare_restart({});
  EXPECT_TRUE(bench.answer_to<view::PrepareRestartAnswer>(request)->safe);
}

TEST_F(Controlled, ThatExplainsDecidesAsOneThatServesWouldAndDoesNothing) {
  bench.start();  // acts at once, and the WAL is empty
  EXPECT_THAT(bench.wanted.checkpoints, SizeIs(1));
  bench.kill();
  bench.wal = segments(2);
  bench.start(Purpose::explain);
  EXPECT_THAT(bench.wanted.checkpoints, SizeIs(1));
  EXPECT_EQ(bench.view()->decision.reason, Reason::warning);
  EXPECT_THAT(bench.view()->decision.blockers, ElementsAre(Blocker::cooldown, Blocker::min_interval)) << "it remembers";
}

TEST_F(Controlled, ThatJudgesAtOnceGoesByWhatItSeesAlone) {
  bench.settings.checkpoint.method = influxdb::Method::none;
  bench.start();
  bench.kill();
  bench.wal = segments(1);  // at the limit: healthy, but not below 90 % of it
  bench.start(Purpose::explain);
  EXPECT_EQ(bench.view()->health, Health::warning);
  bench.kill();
  bench.start(Purpose::judge_at_once);
  EXPECT_EQ(bench.view()->health, Health::healthy);
}

TEST_F(Controlled, OfA3xNodeThatJudgesAtOnceDoesNotWaitTwoMinutes) {
  bench.settings.influxdb.version = wal::Generation::v3;
  bench.version = wal::Generation::v3;
  bench.wal = periods_until(kBenchStart, 5);
  bench.start(Purpose::judge_at_once);
  EXPECT_EQ(bench.view()->health, Health::critical);
}

TEST_F(Controlled, BeginsNoSecondCheckpointWhileOneRuns) {
  bench.answers.checkpoints = false;
  bench.start();
  bench.pass(1h);
  EXPECT_THAT(bench.wanted.checkpoints, SizeIs(1));
  EXPECT_THAT(bench.view()->decision.blockers, ::testing::Contains(Blocker::in_flight));
  EXPECT_EQ(bench.view()->counters.restart_considerations, 0U) << "a running checkpoint is no blockade";
}

TEST_F(Controlled, ASampleThatComesDuringACheckpointIsTakenLikeAnyOther) {
  bench.answers.checkpoints = false;
  bench.start();
  bench.wal = segments(2);
  bench.pass(1min);
  EXPECT_EQ(bench.view()->health, Health::critical) << "2 files are not below 90 % of 2";
  bench.wal = segments(0);
  bench.pass(1min);
  EXPECT_EQ(bench.view()->health, Health::healthy);
  bench.end_checkpoint(OutcomeKind::succeeded);
  EXPECT_EQ(bench.view()->last_run->outcome->kind, OutcomeKind::succeeded);
}

TEST_F(Controlled, AnEndThatIsNotOfTheRunningCheckpointIsIgnored) {
  bench.answers.checkpoints = false;
  bench.start();
  bench.end_checkpoint(OutcomeKind::failed);
  const auto before = bench.store->entries().size();
  RunEnded stray;
  stray.id = 12345;
  stray.after = failure(ErrorKind::internal, "none");
  bench.end_of_nothing(std::move(stray));
  EXPECT_EQ(bench.store->entries("wal.checkpoint").size(), 2U);
  EXPECT_EQ(bench.store->entries().size(), before);
}

TEST_F(Controlled, InADryRunDecidesAndDoesNothing) {
  bench.settings.dry_run = true;
  bench.start();
  bench.pass(20min);
  EXPECT_THAT(bench.wanted.checkpoints, IsEmpty());
  EXPECT_THAT(bench.view()->decision.blockers, ElementsAre(Blocker::dry_run));
  EXPECT_TRUE(bench.view()->dry_run);
}

TEST_F(Controlled, IsCalledAtTheMomentsThatTimeAloneBrings) {
  bench.wal = segments(2);
  bench.start();  // a warning's checkpoint at once; then the cooldown
  bench.wal = segments(2);
  bench.pass(5min - 1ms);
  EXPECT_THAT(bench.wanted.checkpoints, SizeIs(1));
  bench.pass(1ms);
  EXPECT_THAT(bench.wanted.checkpoints, SizeIs(2));
}

TEST_F(Controlled, AsksToBeCalledHalfAMinuteLaterWhereNothingElseIsDue) {
  bench.settings.rules.sample_interval = 10min;
  bench.wal = segments(0);
  bench.start();
  EXPECT_EQ(bench.control().next(bench.now()) - bench.now().steady, 30s);
}

TEST_F(Controlled, IsNotReadyBeforeTheFirstSampleAndTheFirstAnswer) {
  bench.settings.influxdb.url = "http://127.0.0.1:8086";
  bench.answers.samples = false;
  bench.answers.questions = false;
  bench.start();
  EXPECT_EQ(not_ready(bench.control()), "plant: the first sample of the WAL is still being taken");
  bench.give_sample();
  EXPECT_EQ(not_ready(bench.control()), "plant: InfluxDB has not answered yet");
  bench.give_answer();
  EXPECT_EQ(not_ready(bench.control()), "");
}

TEST_F(Controlled, AFirstSampleThatFailedIsReadyToo) {
  bench.wal = failure(ErrorKind::not_found, "no such directory");
  bench.start();
  EXPECT_EQ(not_ready(bench.control()), "");
  const auto view = bench.view();
  EXPECT_EQ(view->health, std::nullopt);
  EXPECT_EQ(view->sample, nullptr);
  EXPECT_EQ(view->error, "no such directory");
  EXPECT_FALSE(view->last_sample_success);
  EXPECT_EQ(view->stale_at, std::nullopt);
  EXPECT_THAT(view->decision.blockers, ElementsAre(Blocker::sample_stale));
}

TEST_F(Controlled, ShowsReadersWhatItKnows) {
  bench.settings.influxdb.url = "http://127.0.0.1:8086";
  bench.wal = segments(1);
  bench.start();
  const auto view = bench.view();
  EXPECT_EQ(view->name, "plant");
  EXPECT_EQ(view->wal_directory, "/var/lib/influxdb/wal");
  EXPECT_EQ(view->version, wal::Generation::v1);
  EXPECT_EQ(view->method, "backup");
  EXPECT_EQ(view->health, Health::healthy);
  EXPECT_TRUE(view->last_sample_success);
  EXPECT_EQ(view->stale_at, kBenchStart + 2min);
  EXPECT_EQ(view->thresholds.warning_files, 1U);
  EXPECT_EQ(view->thresholds.critical_files, 2U);
  EXPECT_TRUE(view->server_asked);
  EXPECT_TRUE(view->server->up);
  EXPECT_EQ(view->node, std::nullopt);
  EXPECT_THAT(view->request_blockers, IsEmpty());
  EXPECT_EQ(view->cooldown, 5min);
  EXPECT_EQ(view->restart.state, view::RestartState::idle);
  EXPECT_FALSE(view->restart.enabled);
  EXPECT_EQ(view->counters.samples, 1U);
  EXPECT_FALSE(view->watch_degraded);
}

TEST_F(Controlled, ShowsTheServersOpinionWhereItDiffers) {
  bench.settings.influxdb.url = "http://127.0.0.1:8086";
  bench.settings.influxdb.version = wal::Generation::v2;
  bench.version = wal::Generation::v2;
  bench.server = server_up("2.7.12");
  bench.metrics.emplace();
  bench.metrics->shards = {{"/elsewhere/wal", std::uint64_t{10} << 30U}};
  bench.start();
  EXPECT_THAT(bench.view()->recommendations, ::testing::Contains(HasSubstr("/elsewhere/wal")));
}

TEST_F(Controlled, HasEndedOnlyWhenItWasStopped) {
  bench.start();
  EXPECT_FALSE(bench.control().has_ended());
  bench.stop();
  EXPECT_TRUE(bench.control().has_ended());
  bench.stop();
  EXPECT_TRUE(bench.control().has_ended());
}

// The settings of a target change by ending it and beginning another on the same state.
TEST_F(Controlled, AReloadGoesOnWithWhatWasRemembered) {
  bench.wal = segments(2);
  bench.start();
  bench.wal = segments(2);
  bench.pass(1min);
  bench.end();
  bench.settings.rules.thresholds.max_files = 1;
  bench.settings.rules.cooldown = 10min;
  bench.start();
  EXPECT_THAT(bench.view()->decision.blockers, ElementsAre(Blocker::cooldown));
  EXPECT_EQ(bench.view()->cooldown_until, kBenchStart + 10min);
  EXPECT_EQ(bench.view()->last_success, kBenchStart);
}

TEST_F(Controlled, AReloadDuringACheckpointWaitsForItsSafePoint) {
  bench.answers.checkpoints = false;
  bench.start();
  bench.stop();
  EXPECT_FALSE(bench.control().has_ended());
  bench.end_checkpoint(OutcomeKind::failed, "stopped", /*stopped=*/true);
  EXPECT_TRUE(bench.control().has_ended());
  EXPECT_EQ(bench.store->details("wal.checkpoint").back().at("state"), "ended") << "it is told to its end";
  EXPECT_THAT(bench.wanted.checkpoints, SizeIs(1)) << "and no other begins";
}

}  // namespace
}  // namespace wal_exporter::control
