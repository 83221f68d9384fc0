// Checkpoints that somebody asks for: what each waits for, and that everybody gets one
// answer in time.
#include <gmock/gmock.h>

#include "unit/control/bench.h"

namespace wal_exporter::control {
namespace {

using namespace std::chrono_literals;
using influxdb::OutcomeKind;
using policy::Blocker;
using policy::Reason;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Asked : public ::testing::Test {
 protected:
  using State = view::CheckpointAnswer::State;

  Asked() { bench.settings.influxdb.backup_address = "127.0.0.1:8088"; }

  std::optional<view::CheckpointAnswer> answer(std::uint64_t request) const {
    return bench.answer_to<view::CheckpointAnswer>(request);
  }
  std::uint64_t no_ops() const { return bench.view()->counters.checkpoints.at({Reason::manual, OutcomeKind::no_op}); }

  Bench bench;
};

TEST_F(Asked, ForNothingPendingStartsNothingAndIsToldAsSuch) {
  bench.wal = segments(0);
  bench.start();
  const auto said = answer(bench.checkpoint({.actor = "user alice"})).value();
  EXPECT_EQ(said.state, State::no_op);
  EXPECT_EQ(said.message, "Nothing to do: no WAL data is pending");
  EXPECT_EQ(said.timestamp, kBenchStart);
  EXPECT_THAT(bench.wanted.checkpoints, IsEmpty());
  EXPECT_EQ(bench.store->summary_of("wal.checkpoint"), "checkpoint skipped: nothing is pending");
  const auto told = bench.store->details("wal.checkpoint").at(0);
  EXPECT_EQ(told.at("state"), "ended");
  EXPECT_EQ(told.at("reason"), "manual");
  EXPECT_EQ(told.at("outcome"), "no_op");
  EXPECT_EQ(told.at("by"), "user alice");
  EXPECT_EQ(no_ops(), 1U);
  EXPECT_EQ(bench.view()->last_checkpoint, std::nullopt) << "no cooldown follows";
}

// Also where something forbids it: there is nothing to forbid.
TEST_F(Asked, ForNothingPendingIsNoOpEvenWhilePaused) {
  bench.wal = segments(0);
  bench.start();
  bench.pause(1h);
  EXPECT_EQ(answer(bench.checkpoint({}))->state, State::no_op);
}

TEST_F(Asked, WhatIsForbiddenIsBlockedAndNoted) {
  bench.start();
  bench.pause(1h);
  const auto said = answer(bench.checkpoint({.actor = "loopback"})).value();
  EXPECT_EQ(said.state, State::blocked);
  EXPECT_THAT(said.blockers, ElementsAre(Blocker::paused));
  EXPECT_THAT(policy::explain(said.message, said.blockers),
              HasSubstr("No checkpoint was started; blocked by paused: actions are paused until 2026-01-01T01:00:00"));
  EXPECT_THAT(bench.wanted.checkpoints, IsEmpty());
  const auto noted = bench.store->entries("decision").back();
  EXPECT_THAT(noted.summary, HasSubstr("refused: asked for (manual)"));
  EXPECT_EQ(nlohmann::json::parse(noted.detail), (nlohmann::json{{"by", "loopback"}}));
}

TEST_F(Asked, IsAnsweredWithTheOutcomeWhereItEndsInTime) {
  bench.start();
  const auto said = answer(bench.checkpoint({})).value();
  EXPECT_EQ(said.state, State::ended);
  EXPECT_EQ(said.message, "nothing is left");
  ASSERT_TRUE(said.run.has_value());
  EXPECT_EQ(said.run->outcome->kind, OutcomeKind::succeeded);
  EXPECT_EQ(said.run->reason, Reason::manual);
  EXPECT_EQ(said.run->id, bench.wanted.checkpoints.at(0).id);
}

TEST_F(Asked, IsAnsweredAsRunningWhereItDoesNotEndInTime) {
  bench.answers.checkpoints = false;
  bench.start();
  const auto request = bench.checkpoint({.wait = 5s});
  bench.pass(5s - 1ms);
  EXPECT_FALSE(answer(request).has_value());
  bench.pass(1ms);
  const auto said = answer(request).value();
  EXPECT_EQ(said.state, State::running);
  EXPECT_EQ(said.message, "The checkpoint is running");
  ASSERT_TRUE(said.run.has_value());
  EXPECT_FALSE(said.run->outcome.has_value());
  EXPECT_EQ(bench.view()->running.value().id, said.run->id);
  bench.end_checkpoint(OutcomeKind::unverified, "the WAL does not show it");
  const auto ended = bench.parts().checkpointer.find(said.run->id).value();
  EXPECT_EQ(ended.outcome->kind, OutcomeKind::unverified);
  EXPECT_EQ(ended.ended, bench.now().wall);
}

TEST_F(Asked, WithoutAWaitIsAnsweredAtOnce) {
  bench.answers.checkpoints = false;
  bench.start();
  EXPECT_EQ(answer(bench.checkpoint({.wait = 0s}))->state, State::running);
}

TEST_F(Asked, RestsOnASampleThatBeganAfterIt) {
  bench.start();
  bench.answers.samples = false;
  bench.wal = segments(0);
  const auto request = bench.checkpoint({});
  EXPECT_FALSE(answer(request).has_value());
  bench.give_sample();
  EXPECT_EQ(answer(request)->state, State::no_op) << "as it is now";
}

TEST_F(Asked, DuringASampleWaitsForTheNextOne) {
  bench.start();
  bench.answers.samples = false;
  bench.freeze(10s);
  bench.change();
  ASSERT_TRUE(bench.open().sample.has_value());
  const auto request = bench.checkpoint({});
  bench.give_sample();
  EXPECT_FALSE(answer(request).has_value()) << "that one may have passed the place already";
  ASSERT_TRUE(bench.open().sample.has_value()) << "the next begins at once";
  bench.wal = segments(0);
  bench.give_sample();
  EXPECT_EQ(answer(request)->state, State::no_op);
  EXPECT_FALSE(bench.open().sample.has_value()) << "one is enough";
}

TEST_F(Asked, TwiceDuringASampleShareTheNextOne) {
  bench.start();
  bench.answers.samples = false;
  bench.answers.checkpoints = false;
  bench.freeze(10s);
  bench.change();
  const auto first = bench.checkpoint({.wait = 0s});
  const auto second = bench.checkpoint({.wait = 0s});
  bench.give_sample();
  bench.give_sample();
  EXPECT_FALSE(bench.open().sample.has_value());
  EXPECT_EQ(answer(first)->state, State::running);
  EXPECT_EQ(answer(second)->state, State::blocked) << "the first one's checkpoint runs";
  EXPECT_THAT(answer(second)->blockers, ElementsAre(Blocker::in_flight));
  EXPECT_EQ(bench.wanted.checkpoints.size(), 1U);
}

TEST_F(Asked, WhereTheSampleNeverComesIsDecidedByWhatIsKnownAfterTenSeconds) {
  bench.start();
  bench.answers.samples = false;
  const auto request = bench.checkpoint({});
  bench.pass(10s - 1ms);
  EXPECT_FALSE(answer(request).has_value());
  bench.pass(1ms);
  EXPECT_EQ(answer(request)->state, State::ended) << "the last sample is still fresh";

  // And where that is too old.
  bench.pass(2min + 1s);
  ASSERT_EQ(bench.view()->health, std::nullopt);
  const auto late = bench.checkpoint({});
  bench.pass(10s);
  EXPECT_EQ(answer(late)->state, State::blocked);
  EXPECT_THAT(answer(late)->blockers, Contains(Blocker::sample_stale));
}

TEST_F(Asked, WhereTheSampleFailsIsDecidedByTheLastGoodOne) {
  bench.start();
  bench.wal = failure(ErrorKind::permission, "opening /var/lib/influxdb/wal: Permission denied");
  bench.answers.checkpoints = false;
  EXPECT_EQ(answer(bench.checkpoint({.wait = 0s}))->state, State::running);
}

TEST_F(Asked, DuringACheckpointIsBlockedAtOnce) {
  bench.answers.checkpoints = false;
  bench.start();
  static_cast<void>(bench.checkpoint({.wait = 0s}));
  bench.answers.samples = false;
  const auto samples = bench.wanted.samples;
  const auto said = answer(bench.checkpoint({})).value();
  EXPECT_EQ(said.state, State::blocked);
  EXPECT_THAT(said.blockers, ElementsAre(Blocker::in_flight));
  EXPECT_EQ(bench.wanted.samples, samples) << "nothing is read for it";
}

TEST_F(Asked, ByTwoAtOnceStartsOneCheckpoint) {
  bench.answers.checkpoints = false;
  bench.start();
  bench.answers.samples = false;
  const auto first = bench.checkpoint({.wait = 1min});
  const auto second = bench.checkpoint({.wait = 1min});
  bench.give_sample();
  if (bench.open().sample) bench.give_sample();
  EXPECT_EQ(answer(second)->state, State::blocked);
  EXPECT_FALSE(answer(first).has_value());
  bench.end_checkpoint(OutcomeKind::succeeded);
  EXPECT_EQ(answer(first)->state, State::ended);
  EXPECT_EQ(bench.wanted.checkpoints.size(), 1U);
}

TEST_F(Asked, ComesBeforeThePolicyThatWantsTheSame) {
  bench.settings.rules.thresholds.max_files = 1;
  bench.wal = segments(0);
  bench.start();
  bench.answers.checkpoints = false;
  bench.wal = segments(5);
  const auto request = bench.checkpoint({.wait = 0s});
  EXPECT_EQ(answer(request)->state, State::running);
  ASSERT_EQ(bench.wanted.checkpoints.size(), 1U);
  EXPECT_EQ(bench.wanted.checkpoints.at(0).reason, Reason::manual);
}

TEST_F(Asked, ComesBeforeThePolicyAlsoWhileItWaitsForItsSample) {
  bench.settings.rules.thresholds.max_files = 3;
  bench.settings.rules.sample_interval = 30min;
  bench.wal = segments(5);
  bench.checkpoint_does = [](const RunCheckpoint&) {
    influxdb::Outcome outcome;
    outcome.kind = OutcomeKind::succeeded;
    return outcome;
  };
  bench.start();
  ASSERT_EQ(bench.wanted.checkpoints.size(), 1U);
  bench.answers.samples = false;
  bench.answers.checkpoints = false;
  bench.freeze(bench.settings.rules.cooldown);
  const auto request = bench.checkpoint({.wait = 0s});
  EXPECT_EQ(bench.wanted.checkpoints.size(), 1U) << "the policy's turn comes after that";
  bench.give_sample();
  EXPECT_EQ(answer(request)->state, State::running);
  ASSERT_EQ(bench.wanted.checkpoints.size(), 2U);
  EXPECT_EQ(bench.wanted.checkpoints.at(1).reason, Reason::manual);
}

TEST_F(Asked, ByHandPassesOverBackoffAndBreakerAndTheAuditSaysWhoDidSo) {
  bench.checkpoint_does = [](const RunCheckpoint&) { return influxdb::Outcome{}; };
  bench.start();
  EXPECT_EQ(answer(bench.checkpoint({.actor = "user alice"}))->state, State::ended);
  EXPECT_FALSE(bench.store->details("wal.checkpoint").at(0).contains("passed_over"));
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(bench.parts().memory.backoff_until.has_value());
    EXPECT_THAT(bench.view()->request_blockers, IsEmpty());
    EXPECT_EQ(answer(bench.checkpoint({.actor = "user alice"}))->state, State::ended);
  }
  ASSERT_TRUE(bench.parts().memory.breaker_until.has_value());
  const auto told = bench.store->details("wal.checkpoint");
  const auto& started = told.at(told.size() - 2);
  EXPECT_EQ(started.at("by"), "user alice");
  EXPECT_EQ(started.at("passed_over"), (nlohmann::json{"backoff", "breaker_open"}));
  const auto entries = bench.store->entries("wal.checkpoint");
  EXPECT_EQ(entries.at(entries.size() - 2).summary,
            "checkpoint started (reason: manual), asked for by user alice, passing over backoff, breaker_open");
}

TEST_F(Asked, BeforeTheServerHasAnsweredWaitsForThat) {
  bench.settings.influxdb.url = "http://127.0.0.1:8086";
  bench.answers.questions = false;
  bench.start();
  const auto request = bench.checkpoint({});
  EXPECT_FALSE(answer(request).has_value());
  bench.give_answer();
  EXPECT_EQ(answer(request)->state, State::ended);
}

TEST_F(Asked, WhereTheServerHangsIsDecidedWithoutItAfterTenSeconds) {
  bench.settings.influxdb.url = "http://127.0.0.1:8086";
  bench.answers.questions = false;
  bench.start();
  const auto request = bench.checkpoint({});
  bench.pass(10s);
  EXPECT_EQ(answer(request)->state, State::ended);
}

TEST_F(Asked, OfAServerThatDoesNotAnswerIsTriedAllTheSame) {
  bench.settings.influxdb.url = "http://127.0.0.1:8086";
  bench.server = server_down();
  bench.start();
  EXPECT_EQ(answer(bench.checkpoint({}))->state, State::ended);
}

TEST_F(Asked, AtTheStopIsToldSoWhetherItWaitsOrComesLater) {
  bench.start();
  bench.answers.samples = false;
  const auto before = bench.checkpoint({});
  bench.stop();
  const Error told = bench.error_to<view::CheckpointAnswer>(before).value();
  EXPECT_EQ(told.kind, ErrorKind::cancelled);
  EXPECT_EQ(told.message, "The exporter is shutting down or its settings for this target have changed");
  EXPECT_EQ(bench.error_to<view::CheckpointAnswer>(bench.checkpoint({})).value().kind, ErrorKind::cancelled);
  EXPECT_TRUE(bench.control().has_ended());
}

TEST_F(Asked, WhoseCheckpointIsStoppedIsToldWhatCameOfIt) {
  bench.answers.checkpoints = false;
  bench.start();
  const auto request = bench.checkpoint({.wait = 1min});
  bench.stop();
  EXPECT_EQ(bench.wanted.checkpoint_stops, 1U);
  EXPECT_FALSE(answer(request).has_value());
  EXPECT_FALSE(bench.control().has_ended());
  bench.pass(5s);
  bench.end_checkpoint(OutcomeKind::failed, "stopped after 2 of 5 shards", /*stopped=*/true);
  EXPECT_EQ(answer(request)->state, State::ended);
  EXPECT_EQ(answer(request)->message, "stopped after 2 of 5 shards");
  EXPECT_TRUE(bench.control().has_ended());
}

// A stop may take a while; nothing is asked for meanwhile, and nobody asks to be called
// without an end (which pass() would notice).
TEST_F(Asked, NothingIsBegunAfterTheStop) {
  bench.settings.influxdb.url = "http://127.0.0.1:8086";
  bench.settings.rules.sample_interval = 1s;
  bench.answers.checkpoints = false;
  bench.start();
  static_cast<void>(bench.checkpoint({.wait = 0s}));
  bench.stop();
  const auto samples = bench.wanted.samples;
  const auto questions = bench.wanted.questions;
  bench.change();
  bench.pass(15s);
  EXPECT_EQ(bench.wanted.samples, samples);
  EXPECT_EQ(bench.wanted.questions, questions);
  EXPECT_THAT(bench.store->healths(), ElementsAre("unknown -> healthy")) << "nobody looks, which is no news";
}

TEST_F(Asked, ASampleThatWasAskedForDuringAnotherIsNotTakenAfterTheStop) {
  bench.start();
  bench.answers.samples = false;
  bench.freeze(10s);
  bench.change();
  static_cast<void>(bench.checkpoint({}));
  bench.stop();
  bench.give_sample();
  EXPECT_FALSE(bench.open().sample.has_value());
}

TEST_F(Asked, AnEmptyDirectoryOfUnknownVersionWaitsForTheServersWord) {
  bench.settings.influxdb.version = wal::Generation::unknown;
  bench.settings.influxdb.url = "http://127.0.0.1:8086";
  bench.version = wal::Generation::unknown;
  bench.wal = segments(0);
  bench.answers.questions = false;
  bench.start();
  const auto request = bench.checkpoint({});
  EXPECT_FALSE(answer(request).has_value());
  bench.version = wal::Generation::v1;
  bench.give_answer();
  bench.pass(1s);  // the earliest time of the sample that this asks for
  EXPECT_EQ(answer(request)->state, State::no_op);
  EXPECT_EQ(bench.view()->version, wal::Generation::v1);
}

}  // namespace
}  // namespace wal_exporter::control
