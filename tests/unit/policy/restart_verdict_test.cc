// What allows a restart that was considered, and what holds it back or forbids it.
#include "policy/restart_verdict.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <limits>

#include "hand_driven.h"

namespace wal_exporter::policy {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Kind = RestartVerdict::Kind;

struct World {
  HandDriven target;
  RestartRules rules;
  bool version_3 = false;

  World() {
    rules.enabled = true;
    rules.ready_timeout = minutes(10);
    target.take_sample(kCritical, seconds(0));
  }
  [[nodiscard]] RestartVerdict judge(Duration now = seconds(1)) const {
    Rules all = target.rules;
    all.restart = rules;
    return judge_restart(all, target.memory, target.at(now), version_3);
  }
};

struct Case {
  const char* name;
  std::function<void(World&)> change;
  Kind kind;
  std::vector<Blocker> blockers;
  const char* explanation;
};

class JudgeRestart : public testing::TestWithParam<Case> {};

TEST_P(JudgeRestart, GivesTheVerdictOfTheTable) {
  World world;
  GetParam().change(world);
  const RestartVerdict verdict = world.judge();
  EXPECT_EQ(verdict.kind, GetParam().kind);
  EXPECT_EQ(verdict.blockers, GetParam().blockers);
  EXPECT_THAT(verdict.explanation, HasSubstr(GetParam().explanation));
}

INSTANTIATE_TEST_SUITE_P(
    Table, JudgeRestart,
    testing::Values(
        Case{"critical", [](World&) {}, Kind::go, {}, "nothing blocks it"},
        Case{"off", [](World& w) { w.rules.enabled = false; }, Kind::refuse, {}, "restart.enabled is false"},
        Case{"version 3", [](World& w) { w.version_3 = true; }, Kind::refuse, {}, "set restart.allow_v3"},
        Case{"version 3 allowed", [](World& w) { w.version_3 = w.rules.allow_v3 = true; }, Kind::go, {}, ""},
        Case{"damaged newest file",
             [](World& w) {
               w.target.sample->invalid = {{"00000000004.wal", wal::InvalidReason::empty, true, ""}};
             },
             Kind::refuse,
             {},
             "InfluxDB will exit at its next write"},
        Case{"what stops a start",
             [](World& w) {
               w.target.sample->invalid = {{"a", wal::InvalidReason::times, false, ""}};
             },
             Kind::refuse,
             {},
             "InfluxDB will not start again"},
        Case{"what a start would lose",
             [](World& w) {
               w.target.sample->invalid = {{"a", wal::InvalidReason::checksum, false, ""}};
             },
             Kind::refuse,
             {},
             "those writes are lost"},
        Case{"what only has to be looked at",
             [](World& w) {
               w.target.sample->invalid = {{"a", wal::InvalidReason::unreadable, false, ""}};
             },
             Kind::go,
             {},
             ""},
        Case{"damaged newest file of 3 whatever is allowed",
             [](World& w) {
               w.version_3 = w.rules.allow_v3 = w.rules.unprepared = true;
               w.target.sample->invalid = {{"00000000004.wal", wal::InvalidReason::magic, true, ""}};
             },
             Kind::refuse,
             {},
             "move the file out of wal/"},
        Case{"none allowed",
             [](World& w) { w.rules.max_per_day = 0; },
             Kind::refuse,
             {},
             "0 restarts in the last 24 h, restart.max_per_day allows 0"},
        Case{"one made an hour ago",
             [](World& w) { w.target.memory.restarts = {kStart - hours(1)}; },
             Kind::refuse,
             {},
             "1 restart in the last 24 h"},
        Case{"one made yesterday", [](World& w) { w.target.memory.restarts = {kStart - hours(24)}; }, Kind::go, {}, ""},
        Case{"one of two made",
             [](World& w) {
               w.rules.max_per_day = 2;
               w.target.memory.restarts = {kStart - hours(1)};
             },
             Kind::go,
             {},
             ""},
        Case{"warning",
             [](World& w) {
               w.target.memory.levels = Levels{Health::warning, Health::healthy};
             },
             Kind::wait,
             {},
             "not critical now"},
        // What preparing it left: health, with its hysteresis, is critical still.
        Case{"a WAL just below critical",
             [](World& w) {
               w.target.take_sample({60, 1000}, seconds(0));
               ASSERT_EQ(w.target.health(), Health::critical);
             },
             Kind::wait,
             {},
             "not critical now"},
        Case{"a WAL not looked at",
             [](World& w) { w.target.sample.reset(); },
             Kind::wait,
             {Blocker::sample_stale},
             "there is no current sample of the WAL"},
        Case{"never judged", [](World& w) { w.target.memory.levels.reset(); }, Kind::wait, {}, "not critical now"},
        Case{"paused", [](World& w) { w.target.situation.paused = true; }, Kind::wait, {Blocker::paused}, "resume"},
        Case{"a running checkpoint",
             [](World& w) { w.target.situation.in_flight = true; },
             Kind::wait,
             {Blocker::in_flight},
             "already running"},
        Case{"another restart",
             [](World& w) {
               w.target.situation.blockers = {{Blocker::in_flight, "InfluxDB is being restarted"}};
             },
             Kind::wait,
             {Blocker::in_flight},
             "being restarted"},
        Case{"too little space",
             [](World& w) {
               w.target.rules.min_free_bytes = 64 * kMiB;
               w.target.sample->data_filesystem_avail_bytes = 1;
             },
             Kind::wait,
             {Blocker::disk_headroom},
             "make room"},
        Case{"an old sample",
             [](World& w) { w.target.sample->taken_at = kStart - hours(1); },
             Kind::wait,
             {Blocker::sample_stale},
             "there is no current sample of the WAL"},
        // What holds back checkpoints alone is why a restart is considered at all.
        Case{"backoff and an open breaker",
             [](World& w) {
               w.target.memory.failures = 5;
               w.target.memory.backoff_until = kStart + minutes(10);
               w.target.memory.breaker_until = kStart + minutes(30);
             },
             Kind::go,
             {},
             ""},
        Case{"a recent start", [](World& w) { w.target.memory.last_start = kStart; }, Kind::go, {}, ""},
        Case{"a server that does not answer",
             [](World& w) { w.target.situation.server_unreachable = true; },
             Kind::go,
             {},
             ""},
        Case{"a port that was open a moment ago",
             [](World& w) { w.target.situation.server_down_for = Duration::zero(); },
             Kind::wait,
             {Blocker::server_unreachable},
             "it may be replaying its WAL, so a restart waits until 10m (restart.ready_timeout) after it was last up"},
        Case{"a port that is closed almost as long as a start may take",
             [](World& w) {
               w.target.situation.server_down_for = minutes(10) - seconds(1);
               w.target.situation.paused = true;
             },
             Kind::wait,
             {Blocker::paused, Blocker::server_unreachable},
             ""},
        Case{"a port that is closed for longer than a start may take",
             [](World& w) { w.target.situation.server_down_for = minutes(10); },
             Kind::go,
             {},
             ""},
        Case{"no method", [](World& w) { w.target.situation.method_disabled = "off"; }, Kind::go, {}, ""},
        Case{"a plan that is too long or has no budget",
             [](World& w) {
               w.target.situation.interval_binds_requests = true;
               w.target.situation.blockers = {{Blocker::too_long, "x"}, {Blocker::snapshot_budget, "y"}};
             },
             Kind::go,
             {},
             ""},
        // The caller stops before the act.
        Case{"dry run", [](World& w) { w.target.situation.dry_run = true; }, Kind::go, {}, ""}),
    [](const auto& tested) {
      std::string name = tested.param.name;
      std::replace(name.begin(), name.end(), ' ', '_');
      return name;
    });

TEST(RestartsLeft, CountsThoseOfTheLast24Hours) {
  RestartRules rules;
  rules.max_per_day = 3;
  Memory memory;
  EXPECT_EQ(restarts_left(rules, memory, kStart), 3U);
  memory.restarts = {kStart - hours(25), kStart - hours(23), kStart - hours(1)};
  EXPECT_EQ(restarts_left(rules, memory, kStart), 1U);
  rules.max_per_day = 1;
  EXPECT_EQ(restarts_left(rules, memory, kStart), 0U) << "the limit was lowered meanwhile";
}

TEST(RestartsLeft, AClockThatWasSetBackLengthensTheDayByNoMoreThanADay) {
  RestartRules rules;
  HandDriven target;
  target.memory.restarts = {kStart + hours(24 * 365)};
  target.take_sample(kCritical, seconds(0));
  EXPECT_EQ(restarts_left(rules, target.memory, kStart), 0U);
  EXPECT_EQ(restarts_left(rules, target.memory, kStart + hours(24)), 1U);
}

TEST(AfterRestartBegun, ForgetsWhatIsOlderThanADay) {
  Memory memory;
  memory = after_restart_begun(memory, kStart);
  memory = after_restart_begun(memory, kStart + hours(23));
  EXPECT_THAT(memory.restarts, ElementsAre(kStart, kStart + hours(23)));
  memory = after_restart_begun(memory, kStart + hours(30));
  EXPECT_THAT(memory.restarts, ElementsAre(kStart + hours(23), kStart + hours(30)));
}

TEST(RestartWanted, IsForgottenWhenTheTargetIsHealthyAgain) {
  HandDriven target;
  target.take_sample(kCritical, seconds(0));
  target.memory = after_restart_wanted(target.memory);
  target.take_sample(kWarning, seconds(1));
  EXPECT_TRUE(target.memory.restart_waits) << "the episode goes on";
  target.take_sample(kHealthy, seconds(2));
  EXPECT_FALSE(target.memory.restart_waits);
}

TEST(RestartWanted, SurvivesARestartOfTheExporterUntilItIsBegun) {
  const Memory waiting = from_text(to_text(after_restart_wanted({}))).value();
  EXPECT_TRUE(waiting.restart_waits);
  EXPECT_FALSE(after_restart_settled(waiting).restart_waits);
  const Memory begun = from_text(to_text(after_restart_begun(waiting, kStart))).value();
  EXPECT_FALSE(begun.restart_waits);
  EXPECT_THAT(begun.restarts, ElementsAre(kStart));
}

TEST(Unprepared, IsForbiddenUnlessAllowedAndTheReplayIsKnownAndShort) {
  RestartRules rules;
  rules.max_replay = minutes(5);
  EXPECT_EQ(forbids_unprepared(rules, 1.0), "restart.unprepared is false");
  rules.unprepared = true;
  EXPECT_EQ(forbids_unprepared(rules, std::nullopt), "how long a restart would replay is not known");
  EXPECT_EQ(forbids_unprepared(rules, 300.0), std::nullopt);
  EXPECT_EQ(forbids_unprepared(rules, 301.0), "replay would take about 5m 1s, restart.max_replay is 5m");
  for (const double odd : {std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()}) {
    EXPECT_NE(forbids_unprepared(rules, odd), std::nullopt);
  }
  rules.max_replay = Duration::zero();
  EXPECT_EQ(forbids_unprepared(rules, 0.0), std::nullopt);
}

}  // namespace
}  // namespace wal_exporter::policy
