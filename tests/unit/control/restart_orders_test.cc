// A restart that the exporter makes, and what else may happen at each of its steps: the
// stop of the exporter, a kill, a pause, samples, requests.
#include <gmock/gmock.h>

#include <algorithm>
#include <ostream>

#include "unit/control/bench.h"

namespace wal_exporter::control {
namespace {

using namespace std::chrono_literals;
using influxdb::OutcomeKind;
using policy::Blocker;
using policy::Health;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// What the restart waits for.
enum class At {
  its_time,    // something holds it back
  check,       // whether it can be made
  sample,      // the preparation's
  checkpoint,  // the preparation's
  safe_point,  // of that, which took too long
  lock,
  act,
  start,    // InfluxDB is not up yet
  compare,  // it is; the sample to compare
};
constexpr At kSteps[] = {At::its_time, At::check, At::sample, At::checkpoint, At::safe_point,
                         At::lock,     At::act,   At::start,  At::compare};

std::ostream& operator<<(std::ostream& out, At at) {
  constexpr const char* kNames[] = {"its_time", "check", "sample", "checkpoint", "safe_point",
                                    "lock",     "act",   "start",  "compare"};
  return out << kNames[static_cast<int>(at)];
}

// What the world does when it is left alone.
void set_free(Bench& bench) {
  bench.answers = {};
  bench.during = nullptr;
  bench.server = server_up("1.6.7");
  bench.settings.rules.min_free_bytes = 0;
}

class RestartStep : public ::testing::TestWithParam<At> {
 protected:
  RestartStep() {
    settings::Target& settings = bench.settings;
    settings.influxdb.url = "http://127.0.0.1:8086";
    settings.rules.thresholds.max_files = 1;
    settings.checkpoint.method = influxdb::Method::http;
    settings.checkpoint.http.emplace();
    settings.checkpoint.http->path = "/checkpoint";
    settings.rules.restart.enabled = true;
    settings.rules.restart.unprepared = true;
    settings.rules.restart.max_per_day = 10;
    settings.rules.restart.after_failures = 1;  // the first checkpoint that does not help is enough
    settings.restart.method = actions::Way::command;
    bench.checkpoint_does = [](const RunCheckpoint&) {
      influxdb::Outcome outcome;
      outcome.message = "InfluxDB answered 500";
      return outcome;
    };
  }

  void reach(At at) {
    bench.answers.checks = at != At::check;
    bench.answers.locks = at != At::lock;
    bench.answers.restarts = at != At::act;
    if (at == At::its_time) bench.settings.rules.min_free_bytes = 1;
    bench.during = [this, at](const Effect& effect) {
      const auto* run = std::get_if<RunCheckpoint>(&effect);
      // The one that fails fills the disk.
      if (at == At::its_time && run != nullptr) bench.wal->data_filesystem_avail_bytes = 0;
      const bool prepares = run != nullptr && run->reason == policy::Reason::pre_restart;
      if (prepares && (at == At::checkpoint || at == At::safe_point)) bench.answers.checkpoints = false;
      if (at == At::sample && std::holds_alternative<CheckRestart>(effect)) bench.answers.samples = false;
      if (!std::holds_alternative<RestartInfluxdb>(effect)) return;
      bench.freeze(1s);
      if (at == At::start) bench.server.up = false;
      if (at == At::compare) bench.answers.samples = false;
    };
    bench.start();
    bench.pass_until([&] { return is_at(at); }, 1h);
    if (at == At::safe_point) bench.pass(bench.settings.rules.restart.prepare_wait);
    if (at == At::compare) bench.pass(15s);  // until the server is asked again
    EXPECT_TRUE(is_at(at)) << at;
  }

  bool is_at(At at) const {
    const auto& open = bench.open();
    const std::string state = shown();
    switch (at) {
      case At::its_time:
        return state == "waiting";
      case At::check:
        return open.check && state == "preparing";
      case At::sample:
        return open.sample && state == "preparing";
      case At::checkpoint:
      case At::safe_point:
        return open.checkpoint && state == "preparing";
      case At::lock:
        return open.lock && state == "restarting";
      case At::act:
        return open.restart && state == "restarting";
      case At::start:
      case At::compare:
        return state == "starting";
    }
    return false;
  }
  std::string shown() const { return std::string(view::to_string(bench.restart().state)); }
  bool begun() const { return !bench.store->values["restart_begun"].empty(); }
  std::string message() { return bench.store->details("wal.restart").back().at("message"); }
  std::size_t told(const std::string& step) {
    const auto steps = bench.store->steps();
    return static_cast<std::size_t>(std::count(steps.begin(), steps.end(), step));
  }
  // What InfluxDB was told is known to the next process.
  void next_process() {
    set_free(bench);
    bench.start();
    bench.pass(20min);
  }

  Bench bench;
};

INSTANTIATE_TEST_SUITE_P(Each, RestartStep, ::testing::ValuesIn(kSteps));

TEST_P(RestartStep, SeesNothingElseBegin) {
  reach(GetParam());
  bench.answers.samples = true;
  if (bench.open().sample && GetParam() != At::sample && GetParam() != At::compare) bench.give_sample();
  if (GetParam() == At::sample || GetParam() == At::compare) return;  // the sample itself goes on with it
  const auto before = bench.wanted.checkpoints.size();
  const auto asked = bench.checkpoint({.override_soft = true, .wait = 0s});
  const auto prepared = bench.prepare_restart({.max_wait = 0s, .override_soft = true});
  bench.pass(10s);
  EXPECT_EQ(bench.answer_to<view::CheckpointAnswer>(asked)->state, view::CheckpointAnswer::State::blocked);
  EXPECT_FALSE(bench.answer_to<view::PrepareRestartAnswer>(prepared)->safe);
  if (GetParam() != At::its_time) {
    EXPECT_THAT(bench.answer_to<view::CheckpointAnswer>(asked)->blockers, Contains(Blocker::in_flight));
    EXPECT_THAT(bench.answer_to<view::PrepareRestartAnswer>(prepared)->blockers, Contains(Blocker::in_flight));
  }
  EXPECT_EQ(bench.wanted.checkpoints.size(), before);
}

// A person's POST used to pass while the restart's own preparation was asked for.
TEST_F(RestartStep, APersonsRequestIsBlockedWhileThePreparationsOwnCheckpointPasses) {
  reach(At::sample);
  const auto asked = bench.checkpoint({.wait = 0s});
  const auto prepared = bench.prepare_restart({.max_wait = 1min});
  bench.answers.samples = true;
  bench.answers.checkpoints = false;
  bench.give_sample();
  EXPECT_EQ(bench.answer_to<view::CheckpointAnswer>(asked)->state, view::CheckpointAnswer::State::blocked);
  EXPECT_THAT(policy::explain("", bench.answer_to<view::CheckpointAnswer>(asked)->blockers),
              HasSubstr("InfluxDB is being restarted"));
  EXPECT_FALSE(bench.answer_to<view::PrepareRestartAnswer>(prepared).has_value()) << "there is time to wait for it";
  ASSERT_TRUE(bench.open().checkpoint.has_value());
  EXPECT_EQ(bench.open().checkpoint->reason, policy::Reason::pre_restart);
  EXPECT_EQ(bench.store->details("wal.checkpoint").back().at("by"), "restart");
  bench.pass(1min);
  EXPECT_THAT(bench.answer_to<view::PrepareRestartAnswer>(prepared)->blockers, Contains(Blocker::in_flight));
}

TEST_P(RestartStep, AtTheStopLeavesWhatWasNotBegunToTheNextProcessAndSeesTheActToItsEnd) {
  const At at = GetParam();
  reach(at);
  const auto steps = bench.store->steps();
  bench.stop();
  EXPECT_EQ(bench.wanted.restart_stops, at == At::check || at == At::act ? 1U : 0U);
  EXPECT_EQ(bench.wanted.checkpoint_stops, at == At::checkpoint ? 1U : at == At::safe_point ? 2U : 0U);
  const bool still = at == At::checkpoint || at == At::safe_point || at == At::act;
  EXPECT_EQ(bench.control().has_ended(), !still);
  if (still) bench.pass(3s);
  // What still comes changes nothing more.
  if (bench.open().check) bench.give_check(std::string("run it"));
  if (bench.open().checkpoint) bench.end_checkpoint(OutcomeKind::failed, "stopped", /*stopped=*/true);
  if (bench.open().sample) bench.give_sample();
  if (bench.open().lock) bench.give_lock(std::make_shared<const int>(1));
  if (bench.open().restart) bench.give_restarted(std::string("ran it"));
  EXPECT_TRUE(bench.control().has_ended());
  EXPECT_FALSE(bench.lock_held());
  EXPECT_EQ(shown(), at < At::act ? "waiting" : "idle");
  EXPECT_EQ(bench.wanted.restarts, at < At::act ? 0U : 1U);
  EXPECT_EQ(begun(), at == At::act || at == At::start);
  auto after = steps;
  if (at == At::act) after.emplace_back("restarted");
  if (at == At::compare) after.emplace_back("ready");
  EXPECT_EQ(bench.store->steps(), after);
  bench.end();
  next_process();
  EXPECT_EQ(bench.wanted.restarts, 1U);
  EXPECT_EQ(told("ready"), 1U);
  EXPECT_EQ(told("failed"), 0U);
  EXPECT_EQ(shown(), "idle");
  EXPECT_FALSE(begun());
}

TEST_P(RestartStep, AtAKillIsSeenToItsEndByTheNextProcess) {
  const At at = GetParam();
  reach(at);
  EXPECT_EQ(begun(), at >= At::act);
  bench.kill();
  next_process();
  EXPECT_EQ(bench.wanted.restarts, 1U) << "once, whoever made it";
  EXPECT_EQ(told("ready"), at == At::act ? 0U : 1U);
  EXPECT_EQ(told("failed"), at == At::act ? 1U : 0U) << "nobody knows whether the act came to its end";
  EXPECT_EQ(shown(), "idle");
  EXPECT_FALSE(begun());
  EXPECT_EQ(bench.restart().remaining_today, 9U);
}

TEST_P(RestartStep, APauseHoldsItBackUntilTheActAndNoLonger) {
  const At at = GetParam();
  reach(at);
  EXPECT_TRUE(bench.pause(24h).has_value());
  EXPECT_EQ(bench.wanted.restart_stops + bench.wanted.checkpoint_stops, at == At::safe_point ? 1U : 0U);
  bench.answers = {};
  bench.during = nullptr;
  bench.server = server_up("1.6.7");
  if (bench.open().check) bench.give_check(bench.check);
  if (bench.open().sample) bench.give_sample();
  if (bench.open().checkpoint) bench.end_checkpoint(OutcomeKind::failed);
  if (bench.open().lock) bench.give_lock(std::make_shared<const int>(1));
  if (bench.open().restart) bench.give_restarted(std::string("ran it"));
  bench.pass(2h);
  if (at >= At::lock) {
    EXPECT_EQ(told("ready"), 1U);
    EXPECT_EQ(shown(), "idle");
    return;
  }
  EXPECT_EQ(bench.wanted.restarts, 0U);
  EXPECT_EQ(shown(), "waiting");
  const nlohmann::json held = bench.store->details("wal.restart").back();
  EXPECT_EQ(held.at("step"), "refused");
  EXPECT_EQ(held.at("waits"), true);
  EXPECT_THAT(held.at("blockers"), Contains("paused"));
}

TEST_P(RestartStep, ManySamplesChangeNothingOfIt) {
  const At at = GetParam();
  reach(at);
  if (at == At::sample || at == At::compare) return;
  const auto steps = bench.store->steps();
  for (int i = 0; i < 5; ++i) {
    bench.freeze(1500ms);
    bench.change();
  }
  EXPECT_TRUE(is_at(at));
  EXPECT_EQ(bench.store->steps(), steps);
}

// The episode ends while the restart is prepared: it is not needed any more.
TEST_P(RestartStep, AHealthyWalEndsItUntilTheAct) {
  const At at = GetParam();
  reach(at);
  bench.wal = segments(0);
  const auto open = bench.open();
  bench.answers = {};
  bench.during = nullptr;
  bench.server = server_up("1.6.7");
  if (open.check) bench.give_check(bench.check);
  if (bench.open().sample) bench.give_sample();
  if (bench.open().checkpoint) bench.end_checkpoint(OutcomeKind::succeeded);
  if (bench.open().lock) bench.give_lock(std::make_shared<const int>(1));
  if (bench.open().restart) bench.give_restarted(std::string("ran it"));
  bench.pass(1h);
  EXPECT_EQ(bench.view()->health, Health::healthy);
  EXPECT_EQ(bench.wanted.restarts, at >= At::lock ? 1U : 0U);
  EXPECT_EQ(shown(), "idle");
  EXPECT_FALSE(bench.lock_held());
}

// A checkpoint that the preparation gave up on has a minute to come to its safe point.
TEST_F(RestartStep, WaitsForTheSafePointOfTheCheckpointThatItStopped) {
  reach(At::safe_point);
  EXPECT_THAT(bench.store->steps(), ElementsAre("preparing", "not_prepared"));
  EXPECT_THAT(message(), HasSubstr("the checkpoint did not end within max_wait and is being stopped"));
  bench.pass(20s);
  EXPECT_EQ(bench.wanted.restarts, 0U);
  set_free(bench);
  bench.end_checkpoint(OutcomeKind::failed, "stopped", /*stopped=*/true);
  EXPECT_EQ(bench.wanted.restarts, 1U);
}

TEST_F(RestartStep, WaitsAgainWhereTheStoppedCheckpointDoesNotEndWithinAMinute) {
  reach(At::safe_point);
  bench.pass(60s);
  EXPECT_EQ(bench.store->steps().back(), "refused");
  EXPECT_EQ(bench.store->details("wal.restart").back().at("blockers"), (nlohmann::json{"in_flight"}));
  EXPECT_EQ(shown(), "waiting");
  bench.pass(5min);
  EXPECT_EQ(bench.wanted.restarts, 0U) << "never during a checkpoint";
  set_free(bench);
  bench.end_checkpoint(OutcomeKind::failed, "stopped", /*stopped=*/true);
  bench.pass_until_step("ready");
  EXPECT_EQ(bench.wanted.restarts, 1U);
}

TEST_F(RestartStep, ThatTheNextProcessTakesUpGoesOnWhereTheTargetIsLockedElsewhere) {
  reach(At::start);
  bench.kill();
  bench.locked_elsewhere = true;
  next_process();
  EXPECT_EQ(bench.store->steps().back(), "ready");
}

TEST_F(RestartStep, ThatTheNextProcessTakesUpHoldsTheTargetUntilItsEnd) {
  reach(At::start);
  bench.kill();
  set_free(bench);
  bench.server = server_down();
  bench.start();
  EXPECT_TRUE(bench.lock_held());
  EXPECT_EQ(shown(), "starting");
  bench.pass(1min);
  EXPECT_TRUE(bench.lock_held());
  bench.server = server_up("1.6.7");
  bench.pass(16s);
  EXPECT_EQ(bench.store->steps().back(), "ready");
  EXPECT_FALSE(bench.lock_held());
}

TEST_F(RestartStep, ThatTheNextProcessTakesUpHasItsTimeFromThen) {
  bench.settings.rules.restart.ready_timeout = 10min;
  reach(At::start);
  const SteadyTime begun_at = bench.now().steady;
  bench.kill();
  bench.freeze(1h);
  bench.start();
  bench.pass_until_step("failed");
  EXPECT_EQ(bench.now().steady - begun_at, 70min);
  EXPECT_THAT(message(), HasSubstr("InfluxDB is not up 1h 10m after the restart began"));
}

// Whoever was asked before the act may be the InfluxDB of before it.
TEST_F(RestartStep, AnAnswerToAQuestionFromBeforeTheActSaysNothing) {
  reach(At::act);
  bench.answers.questions = false;
  bench.pass_until([&] { return bench.open().question.has_value(); }, 16s);
  bench.freeze(5s);
  bench.give_restarted(std::string("ran it"));
  bench.give_answer();
  EXPECT_EQ(shown(), "starting");
  bench.pass_until([&] { return bench.open().question.has_value(); }, 16s);
  bench.give_answer();
  EXPECT_EQ(bench.store->steps().back(), "ready");
}

// Its clock may have been set back since.
TEST_F(RestartStep, TheSecondAnswerAfterTheActIsBelievedWhateverTheClockSays) {
  reach(At::act);
  bench.give_restarted(std::string("ran it"));
  bench.set_wall(bench.now().wall - 24h);
  bench.pass(16s);
  EXPECT_EQ(shown(), "starting");
  bench.pass(15s);
  EXPECT_EQ(bench.store->steps().back(), "ready");
}

TEST_F(RestartStep, BySameProcessThatAnswersIsAFailure) {
  bench.server.process_id = "a";
  reach(At::start);
  set_free(bench);
  bench.server.process_id = "a";
  bench.pass_until_step("failed");
  EXPECT_EQ(message(), "InfluxDB answers, but it is the same process as before: ran /usr/local/bin/restart");
  EXPECT_EQ(bench.store->details("wal.restart").back().at("new_process"), false);
  EXPECT_FALSE(bench.restart().last->success);
}

TEST_F(RestartStep, ByAnotherProcessThatAnswersIsReadyAndSaysSo) {
  bench.server.process_id = "a";
  reach(At::start);
  set_free(bench);
  bench.server.process_id = "b";
  bench.pass_until_step("ready");
  EXPECT_EQ(bench.store->details("wal.restart").back().at("new_process"), true);
}

TEST_F(RestartStep, KilledDuringTheActByItsNewProcessIsKnownToHaveEnded) {
  bench.server.process_id = "a";
  reach(At::act);
  bench.kill();
  set_free(bench);
  bench.server.process_id = "b";
  bench.start();
  bench.pass_until_step("ready");
  EXPECT_EQ(told("failed"), 0U);
}

TEST_F(RestartStep, WhoseActFailsIsOverAndCounts) {
  reach(At::act);
  set_free(bench);
  bench.give_restarted(failure(ErrorKind::unavailable, "/usr/local/bin/restart ended with 1: no such unit"));
  EXPECT_EQ(bench.store->steps().back(), "failed");
  EXPECT_EQ(message(), "/usr/local/bin/restart ended with 1: no such unit");
  EXPECT_FALSE(bench.lock_held());
  EXPECT_FALSE(begun());
  EXPECT_EQ(bench.view()->counters.restart_failures, 1U);
  EXPECT_EQ(bench.view()->counters.restarts, 0U);
  EXPECT_EQ(bench.restart().remaining_today, 9U) << "InfluxDB was told";
  EXPECT_EQ(bench.logged("error: Restart failed: /usr/local/bin/restart ended with 1: no such unit [plant]"), 1U);
}

TEST_F(RestartStep, WithoutASampleToCompareIsReadyAllTheSame) {
  reach(At::compare);
  bench.pass(10s);
  EXPECT_EQ(bench.store->steps().back(), "ready");
}

TEST_F(RestartStep, WhatHeldBackTheRestartOfAnEarlierEpisodeIsToldAgainInTheNext) {
  reach(At::its_time);
  EXPECT_EQ(told("refused"), 1U);
  bench.wal = segments(0);
  bench.pass(2min);
  EXPECT_EQ(shown(), "idle");
  bench.wal = segments(5);
  bench.pass(20min);
  EXPECT_EQ(shown(), "waiting");
  EXPECT_EQ(told("refused"), 2U);
}

TEST_F(RestartStep, WhatCameOfTheLastOneOutlivesTheProcess) {
  reach(At::act);
  bench.answers = {};
  bench.during = nullptr;
  bench.give_restarted(failure(ErrorKind::unavailable, "no such unit \xff"));
  const auto last = bench.restart().last.value();
  bench.kill();
  bench.wal = segments(0);
  bench.start();
  EXPECT_EQ(bench.restart().last->time, last.time);
  EXPECT_FALSE(bench.restart().last->success);
  EXPECT_EQ(bench.restart().last->message, "no such unit \xEF\xBF\xBD") << "as far as JSON can hold it";
}

TEST_F(RestartStep, IsForgottenWhereTheNextProcessMayNotRestart) {
  reach(At::its_time);
  bench.kill();
  bench.settings.rules.restart.enabled = false;
  next_process();
  EXPECT_EQ(bench.wanted.restarts, 0U);
  EXPECT_EQ(shown(), "idle");
  EXPECT_FALSE(bench.parts().memory.restart_waits);
}

// `--prepare-restart` on its own, beside an exporter whose restart waits or is under way.
TEST_P(RestartStep, IsLeftAloneByAProcessThatServesRequestsAlone) {
  reach(GetParam());
  const auto before = bench.wanted.restarts;
  bench.kill();
  set_free(bench);
  const bool was_begun = begun();
  bench.start(Purpose::requests);
  bench.pass(20min);
  EXPECT_EQ(bench.wanted.restarts, before);
  EXPECT_EQ(begun(), was_begun);
  EXPECT_EQ(told("ready") + told("failed"), 0U);
}

}  // namespace
}  // namespace wal_exporter::control
