// A target whose WAL stays critical: when a restart of InfluxDB is considered, what
// comes of it, and that it comes once.
#include <gmock/gmock.h>

#include <algorithm>

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
using ::testing::Not;

class Restart : public ::testing::Test {
 protected:
  Restart() {
    settings::Target& settings = bench.settings;
    settings.influxdb.url = "http://127.0.0.1:8086";
    settings.rules.thresholds.max_files = 1;
    settings.checkpoint.method = influxdb::Method::none;
    settings.rules.restart.enabled = true;
    settings.rules.restart.unprepared = true;
    settings.rules.restart.max_per_day = 10;
    settings.restart.method = actions::Way::command;
    // One that changes nothing.
    bench.checkpoint_does = [](const RunCheckpoint&) {
      influxdb::Outcome outcome;
      outcome.message = "InfluxDB answered 500";
      return outcome;
    };
  }

  void start() {
    bench.start();
    ASSERT_EQ(bench.view()->health, Health::critical);
  }
  // Three checkpoints that fail, then the restart's own.
  void with_checkpoints() {
    bench.settings.checkpoint.method = influxdb::Method::http;
    bench.settings.checkpoint.http.emplace();
    bench.settings.checkpoint.http->path = "/checkpoint";
  }
  // While the restart's own checkpoint runs.
  void on_preparation(std::function<void()> does) {
    bench.during = [does = std::move(does)](const Effect& effect) {
      const auto* run = std::get_if<RunCheckpoint>(&effect);
      if (run != nullptr && run->reason == policy::Reason::pre_restart) does();
    };
  }
  std::vector<nlohmann::json> told() { return bench.store->details("wal.restart"); }
  std::string message() { return told().back().at("message"); }

  Bench bench;
};

TEST_F(Restart, IsMadeAfterAQuarterOfAnHourBlockedAndOncePerEpisode) {
  start();
  bench.pass(15min - 1s);
  EXPECT_EQ(bench.view()->counters.restart_considerations, 0U);
  EXPECT_THAT(bench.store->steps(), IsEmpty());
  bench.pass(1s);
  EXPECT_THAT(bench.store->steps(), ElementsAre("preparing", "not_prepared", "restarting", "restarted", "ready"));
  EXPECT_EQ(bench.wanted.restarts, 1U);
  EXPECT_EQ(told().at(2).at("pending"), (nlohmann::json{{"files", 5}, {"bytes", 5000}}));
  EXPECT_EQ(told().at(4).at("pending_before"), told().at(4).at("pending_after"));
  EXPECT_EQ(told().at(4).at("method"), "command");
  const nlohmann::json why = bench.store->details("wal.restart_consideration").at(0);
  EXPECT_EQ(why.at("blockers"), nlohmann::json{"method_disabled"});
  EXPECT_THAT(why.at("recommendations"), Contains(HasSubstr("No checkpoint is started now: ")));
  const auto view = bench.view();
  EXPECT_EQ(view->restart.state, view::RestartState::idle);
  ASSERT_TRUE(view->restart.last.has_value());
  EXPECT_TRUE(view->restart.last->success);
  EXPECT_THAT(view->restart.last->message, HasSubstr("InfluxDB is up again"));
  EXPECT_EQ(view->restart.remaining_today, 9U);
  EXPECT_EQ(view->counters.restarts, 1U);
  EXPECT_EQ(view->counters.restart_failures, 0U);

  bench.pass(1h);
  EXPECT_EQ(bench.view()->counters.restart_considerations, 1U) << "the episode goes on";
  EXPECT_EQ(bench.wanted.restarts, 1U);

  bench.wal = segments(0);
  bench.pass(2min);
  EXPECT_EQ(bench.view()->health, Health::healthy);
  bench.wal = segments(5);
  bench.pass_until([&] { return bench.view()->health == Health::critical; });
  bench.pass(15min - 1s);
  EXPECT_EQ(bench.wanted.restarts, 1U);
  bench.pass(1s);
  EXPECT_EQ(bench.wanted.restarts, 2U) << "the next episode's";
}

TEST_F(Restart, IsMadeAfterThreeCheckpointsFiveMinutesApartThatDidNotHelp) {
  with_checkpoints();
  start();
  bench.pass(9min);
  EXPECT_GE(bench.wanted.checkpoints.size(), 2U);
  EXPECT_EQ(bench.view()->counters.restart_considerations, 0U);
  // Between them lies the backoff, of 15 min at most.
  bench.pass_until_step("ready");
  EXPECT_GE(bench.wanted.checkpoints.size(), 4U) << "three, and the restart's own";
  EXPECT_EQ(bench.wanted.restarts, 1U);
  EXPECT_THAT(told().at(1).at("message"), HasSubstr("Not safe: "));
  EXPECT_THAT(bench.store->summary_of("wal.restart_consideration"), HasSubstr("; the last checkpoint: failed: "));
  EXPECT_EQ(bench.store->details("wal.checkpoint").back().at("reason"), "pre_restart")
      << "the backoff does not hold it back";
}

TEST_F(Restart, WithoutAPreparationThatWorkedIsNotMadeUnlessThatIsAllowed) {
  bench.settings.rules.restart.unprepared = false;
  start();
  bench.pass_until_step("refused");
  EXPECT_THAT(bench.store->steps(), ElementsAre("preparing", "not_prepared", "refused"));
  EXPECT_THAT(message(), HasSubstr("it could not be prepared, and restart.unprepared is false: Not safe: "));
  bench.pass(20min);
  EXPECT_EQ(bench.wanted.restarts, 0U);
  EXPECT_EQ(bench.store->steps().size(), 3U);
  EXPECT_THAT(bench.view()->recommendations, Contains(HasSubstr("The exporter did not restart InfluxDB: ")));
}

TEST_F(Restart, IsNotMadeWhereTheReplayWouldTakeTooLong) {
  bench.settings.rules.restart.max_replay = 1s;
  bench.settings.forecast.replay_bytes_per_second = 10;
  start();
  bench.pass_until_step("refused");
  EXPECT_THAT(message(), HasSubstr("replay would take about 8m 20s"));
  EXPECT_EQ(bench.wanted.restarts, 0U);
}

TEST_F(Restart, IsOnlyToldInADryRun) {
  bench.settings.dry_run = true;
  start();
  bench.pass_until_step("dry_run");
  EXPECT_THAT(bench.store->steps(), ElementsAre("dry_run"));
  EXPECT_EQ(message(), "would prepare it, then run /usr/local/bin/restart; dry_run is set for this target");
  EXPECT_EQ(bench.wanted.restarts, 0U);
  EXPECT_EQ(bench.restart().remaining_today, 10U);
}

TEST_F(Restart, IsAnEventAloneWhereItIsNotEnabled) {
  bench.settings.rules.restart.enabled = false;
  start();
  bench.pass(30min);
  EXPECT_EQ(bench.view()->counters.restart_considerations, 1U);
  EXPECT_THAT(bench.store->steps(), IsEmpty());
  EXPECT_EQ(bench.wanted.restarts, 0U);
  EXPECT_THAT(bench.view()->recommendations, Contains(HasSubstr("A restart of InfluxDB is worth considering")));
}

TEST_F(Restart, WaitsAsLongAsSomethingHoldsItBackAndSaysSoOnce) {
  bench.settings.maintenance = {Window{DailyWindow{std::bitset<7>("1111111"), 0min, std::chrono::hours(24)}, {}}};
  start();
  bench.pass_until_step("refused");
  bench.pass(30min);
  EXPECT_THAT(bench.store->steps(), ElementsAre("refused"));
  EXPECT_THAT(message(), HasSubstr("not now, but when this ends: "));
  EXPECT_EQ(told().back().at("blockers"), (nlohmann::json{"maintenance"}));
  EXPECT_EQ(told().back().at("waits"), true);
  EXPECT_EQ(bench.restart().state, view::RestartState::waiting);
  EXPECT_THAT(bench.view()->recommendations, Contains(HasSubstr("The restart of InfluxDB is held back: ")));

  // The next process remembers it, and acts when it is over.
  bench.end();
  bench.settings.maintenance.clear();
  start();
  bench.pass_until_step("ready");
  EXPECT_EQ(bench.wanted.restarts, 1U);
  EXPECT_EQ(bench.view()->counters.restart_considerations, 0U) << "by this process";
}

// Its start would replay everything into the same full disk.
TEST_F(Restart, IsNotConsideredForWantOfSpace) {
  bench.settings.rules.min_free_bytes = std::uint64_t{1} << 50U;
  start();
  bench.pass(2h);
  EXPECT_EQ(bench.view()->health, policy::Health::critical);
  EXPECT_THAT(bench.view()->decision.blockers, Contains(policy::Blocker::disk_headroom));
  EXPECT_EQ(bench.view()->counters.restart_considerations, 0U);
  EXPECT_THAT(bench.store->steps(), IsEmpty());
}

TEST_F(Restart, OfAProcessThatWasKilledWhilePreparingIsMadeByTheNext) {
  with_checkpoints();
  std::optional<Bench::Left> left;
  on_preparation([&] {
    if (!left) left = bench.left();
  });
  start();
  bench.pass_until_step("ready");
  ASSERT_TRUE(left.has_value());
  bench.kill(*left);
  start();
  bench.pass_until([&] { return bench.wanted.restarts == 2; }, 1min);
  bench.pass(20min);
  EXPECT_EQ(bench.wanted.restarts, 2U);
  EXPECT_EQ(bench.view()->counters.restart_considerations, 0U) << "by this process";
}

TEST_F(Restart, IsNotMadeWhereItCanNotBeKeptThatItWas) {
  bench.settings.rules.restart.max_per_day = 1;
  start();
  bench.pass(14min);
  bench.store->fails_put = [](const std::string&) { return true; };
  bench.pass_until_step("refused");
  EXPECT_EQ(bench.wanted.restarts, 0U);
  EXPECT_THAT(message(), HasSubstr("restart.max_per_day would not hold"));
  EXPECT_EQ(bench.restart().remaining_today, 1U);
  EXPECT_FALSE(bench.lock_held());
}

// The next process would take it for one that is under way.
TEST_F(Restart, ThatIsRefusedBecauseItCanNotBeKeptLeavesNoBegunOneBehind) {
  for (const char* failing : {"policy", "restart_begun"}) {
    Bench fresh;
    fresh.settings = bench.settings;
    fresh.start();
    fresh.pass(14min);
    fresh.store->fails_put = [&](const std::string& key) { return key == failing; };
    fresh.pass_until_step("refused");
    fresh.store->fails_put = nullptr;
    EXPECT_EQ(fresh.store->values["restart_begun"], "") << failing;
    fresh.kill();
    fresh.start();
    EXPECT_EQ(fresh.restart().state, view::RestartState::idle) << failing;
    EXPECT_EQ(fresh.logged("was ended while InfluxDB was being restarted"), 0U) << failing;
  }
}

// What a killed process leaves in its state while its restart is under way.
class RestartKilled : public Restart {
 protected:
  // Has the restart begun by a process that is killed after what `last` says, then starts
  // the next.
  void kill_after(const std::string& last) {
    bench.answers.restarts = last != "restarting";
    if (last == "restarted") bench.answers.samples = true;
    start();
    bench.pass(14min + 45s);
    bench.server = server_down();
    bench.server.port_closed = false;
    bench.pass_until_step(last);
    before_ = bench.store->steps().size();
    ASSERT_EQ(bench.store->steps().back(), last);
    EXPECT_THAT(bench.store->values["restart_begun"], HasSubstr("run /usr/local/bin/restart"));
    bench.kill();
    bench.server = server_up("1.6.7");
    start();
  }

  std::size_t before_ = 0;
};

TEST_F(RestartKilled, WhileTheCommandRanIsToldByTheNextProcessAsNotKnown) {
  kill_after("restarting");
  bench.pass_until_step("failed");
  EXPECT_THAT(message(), HasSubstr("whether that came to its end is not known"));
  EXPECT_EQ(told().back().at("pending_before"), (nlohmann::json{{"files", 5}, {"bytes", 5000}}));
  EXPECT_EQ(bench.logged("This exporter was ended while InfluxDB was being restarted (run /usr/local/bin/restart)"),
            1U);
  bench.pass(5min);
  EXPECT_EQ(bench.wanted.restarts, 1U) << "it is not made again";
  EXPECT_EQ(bench.store->steps().size(), before_ + 1);

  // Told once: the one after that knows nothing of it.
  bench.end();
  start();
  EXPECT_EQ(bench.restart().state, view::RestartState::idle);
}

TEST_F(RestartKilled, AfterTheCommandIsSeenToItsEndByTheNextProcess) {
  kill_after("restarted");
  bench.pass_until_step("ready");
  EXPECT_TRUE(bench.restart().last->success);
  EXPECT_THAT(bench.restart().last->message, HasSubstr("InfluxDB is up again"));
}

TEST_F(Restart, WaitsAgainWhereAPersonPausesWhileItIsPrepared) {
  with_checkpoints();
  bool once = true;
  on_preparation([&] {
    if (std::exchange(once, false)) {
      EXPECT_TRUE(bench.pause(24h).value().until.has_value());
    }
  });
  start();
  bench.pass_until_step("refused");
  bench.pass(20min);
  EXPECT_THAT(bench.store->steps(), ElementsAre("preparing", "not_prepared", "refused"));
  EXPECT_EQ(told().back().at("waits"), true);
  EXPECT_EQ(told().back().at("blockers"), (nlohmann::json{"paused"}));
  EXPECT_EQ(bench.restart().state, view::RestartState::waiting);
  EXPECT_FALSE(bench.restart().last.has_value()) << "it is not over";
  EXPECT_EQ(bench.wanted.restarts, 0U);

  EXPECT_FALSE(bench.pause(std::nullopt).value().until.has_value());
  bench.pass_until_step("ready");
  EXPECT_EQ(bench.wanted.restarts, 1U);
  EXPECT_EQ(bench.view()->counters.restart_considerations, 1U) << "the same episode";
}

TEST_F(Restart, WaitsAgainWhereTheWalCanNotBeReadWhileItIsPrepared) {
  bench.during = [&](const Effect& effect) {
    if (std::holds_alternative<CheckRestart>(effect)) bench.wal = failure(ErrorKind::not_found, "no such directory");
  };
  start();
  bench.pass_until_step("refused");
  EXPECT_EQ(told().back().at("blockers"), (nlohmann::json{"sample_stale"}));
  const auto failures = [&] { return bench.view()->counters.sample_failures; };
  bench.pass_until([&, before = failures()] { return failures() >= before + 2; });
  EXPECT_THAT(bench.store->steps(), ElementsAre("preparing", "not_prepared", "refused")) << "not again and again";
  bench.wal = segments(5);
  bench.during = nullptr;
  bench.pass_until_step("ready");
  EXPECT_EQ(bench.wanted.restarts, 1U);
}

TEST_F(Restart, IsNotMadeWhereThePreparationBroughtTheWalBelowCritical) {
  with_checkpoints();
  on_preparation([&] { bench.wal = segments(2); });
  start();
  bench.pass_until_step("refused");
  EXPECT_EQ(bench.view()->health, Health::critical) << "2 files, the limit: not below 90 % of it";
  EXPECT_THAT(message(), HasSubstr("the WAL is not critical now"));
  bench.pass(20min);
  EXPECT_EQ(bench.wanted.restarts, 0U);
}

TEST_F(Restart, WaitsWhileInfluxdbMayBeReplayingAndIsMadeWhenItHadItsTime) {
  start();
  bench.pass(14min + 30s);
  bench.server = server_down();
  const SteadyTime closed_at = bench.now().steady;
  bench.pass_until_step("refused");
  EXPECT_EQ(told().back().at("blockers"), (nlohmann::json{"server_unreachable"}));
  bench.pass(20min);
  EXPECT_THAT(bench.store->steps(), ElementsAre("refused"));
  EXPECT_EQ(bench.restart().state, view::RestartState::waiting);
  EXPECT_EQ(bench.wanted.restarts, 0U);
  bench.pass_until_step("restarted");
  EXPECT_GE(bench.now().steady - closed_at, 29min + 30s);
  EXPECT_LE(bench.now().steady - closed_at, 30min + 30s);
  bench.server = server_up("1.6.7");
  bench.pass_until_step("ready");
  EXPECT_EQ(bench.wanted.restarts, 1U);
}

TEST_F(Restart, IsMadeWhenInfluxdbHasReplayedAndTheWalIsCriticalStill) {
  start();
  bench.pass(14min + 30s);
  bench.server = server_down();
  bench.pass_until_step("refused");
  bench.pass(5min);
  EXPECT_EQ(bench.wanted.restarts, 0U);
  bench.server = server_up("1.6.7");
  bench.pass_until_step("ready");
  EXPECT_EQ(bench.wanted.restarts, 1U);
}

TEST_F(Restart, LetsGoOfTheTargetWhenItIsOver) {
  start();
  bench.pass(14min + 45s);
  bench.answers.samples = false;  // the one to compare is still to come
  bench.pass_until([&] { return bench.wanted.restarts == 1 || bench.open().sample.has_value(); });
  if (bench.open().sample) bench.give_sample();
  bench.pass_until([&] { return bench.restart().state == view::RestartState::starting; });
  EXPECT_TRUE(bench.lock_held());
  bench.answers.samples = true;
  bench.give_sample();
  bench.pass_until_step("ready");
  EXPECT_EQ(bench.restart().state, view::RestartState::idle);
  EXPECT_FALSE(bench.lock_held()) << "a checkpoint that is asked for now would be busy";
}

TEST_F(Restart, TheLimitPerDayOutlivesTheProcess) {
  bench.settings.rules.restart.max_per_day = 1;
  start();
  bench.pass_until_step("ready");
  bench.end();
  start();
  bench.wal = segments(0);
  bench.pass(2min);
  bench.wal = segments(5);
  bench.pass_until_step("refused");
  EXPECT_EQ(bench.wanted.restarts, 1U);
  EXPECT_THAT(message(), HasSubstr("restart.max_per_day allows 1"));
  EXPECT_EQ(bench.restart().remaining_today, 0U);
}

TEST_F(Restart, OfAnInfluxdbThatComesUpLateIsReadyOnlyThen) {
  start();
  bench.pass(14min + 45s);
  bench.server = server_down();
  bench.server.port_closed = false;
  bench.pass_until_step("restarted");
  bench.pass(5min);
  EXPECT_THAT(bench.store->steps(), Not(Contains("ready")));
  EXPECT_EQ(bench.restart().state, view::RestartState::starting);
  // Nothing else is done to it meanwhile.
  const auto asked = bench.checkpoint({.wait = 0s});
  const auto answer = bench.answer_to<view::CheckpointAnswer>(asked);
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->state, view::CheckpointAnswer::State::blocked);
  EXPECT_THAT(answer->blockers, Contains(Blocker::in_flight));
  EXPECT_THAT(answer->blockers.front().why, HasSubstr("InfluxDB is being restarted"));
  bench.server = server_up("1.6.7");
  bench.pass_until_step("ready");
  EXPECT_GE(told().back().at("took_seconds"), 300);
  EXPECT_LE(told().back().at("took_seconds"), 315) << "it is asked every 15 s";
}

TEST_F(Restart, OfAnInfluxdbThatDoesNotComeUpFails) {
  bench.settings.rules.restart.ready_timeout = 10min;
  start();
  bench.pass(14min + 45s);
  bench.server = server_down();
  bench.server.port_closed = false;
  bench.pass_until_step("restarted");
  bench.pass(10min - 1s);
  EXPECT_THAT(bench.store->steps(), Not(Contains("failed")));
  bench.pass(1s);
  EXPECT_EQ(bench.store->steps().back(), "failed");
  EXPECT_THAT(message(), HasSubstr("InfluxDB is not up 10m"));
  EXPECT_EQ(bench.view()->counters.restart_failures, 1U);
  EXPECT_EQ(bench.view()->counters.restarts, 1U);
  EXPECT_FALSE(bench.restart().last->success);
  EXPECT_FALSE(bench.lock_held());
}

TEST_F(Restart, ThatCanNotBeMadeFailsBeforeAnythingIsPrepared) {
  bench.check = failure(ErrorKind::not_found, "/usr/local/bin/restart: No such file or directory");
  start();
  bench.pass_until_step("failed");
  EXPECT_THAT(bench.store->steps(), ElementsAre("failed"));
  EXPECT_THAT(message(), HasSubstr("No such file"));
  EXPECT_EQ(bench.restart().remaining_today, 10U);
}

TEST_F(Restart, IsNotMadeWhileAnotherProcessActsOnTheTarget) {
  bench.locked_elsewhere = true;
  start();
  bench.pass_until_step("refused");
  EXPECT_EQ(message(), "another process acts on plant");
  EXPECT_EQ(bench.wanted.restarts, 0U);
  EXPECT_EQ(bench.store->values["restart_begun"], "");
}

TEST_F(Restart, ThatHangsIsEndedWithItsTargetAndNothingWaitsForIt) {
  bench.answers.restarts = false;
  start();
  bench.pass_until_step("restarting");
  bench.pass(2min);
  EXPECT_EQ(bench.restart().state, view::RestartState::restarting);
  bench.stop();
  EXPECT_EQ(bench.wanted.restart_stops, 1U);
  EXPECT_FALSE(bench.control().has_ended()) << "what InfluxDB is told comes to its end first";
  bench.give_restarted(
      failure(ErrorKind::cancelled, "/usr/local/bin/restart was ended because this exporter is stopping"));
  EXPECT_TRUE(bench.control().has_ended());
  EXPECT_THAT(bench.store->steps(), ElementsAre("preparing", "not_prepared", "restarting"))
      << "that we end is no failure of it";
  EXPECT_EQ(bench.restart().state, view::RestartState::idle);
  EXPECT_EQ(bench.view()->counters.restart_failures, 0U);
  ASSERT_TRUE(bench.restart().last.has_value());
  EXPECT_FALSE(bench.restart().last->success);
  EXPECT_THAT(bench.restart().last->message, HasSubstr("because this exporter is stopping"));
  EXPECT_NE(bench.store->values["restart_begun"], "") << "the next process looks what came of it";
}

}  // namespace
}  // namespace wal_exporter::control
