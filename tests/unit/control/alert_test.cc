// Checkpoints that alerts ask for: one for each, and not before it was possible.
#include <gmock/gmock.h>

#include "unit/control/bench.h"

namespace wal_exporter::control {
namespace {

using namespace std::chrono_literals;
using influxdb::OutcomeKind;
using policy::Blocker;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class AlertFires : public ::testing::Test {
 protected:
  using State = view::AlertAnswer::State;

  AlertFires() {
    bench.settings.influxdb.backup_address = "127.0.0.1:8088";
    bench.checkpoint_does = [](const RunCheckpoint&) {  // the WAL fills again at once
      influxdb::Outcome outcome;
      outcome.kind = OutcomeKind::succeeded;
      return outcome;
    };
  }
  std::optional<view::AlertAnswer> answer(std::uint64_t request) const {
    return bench.answer_to<view::AlertAnswer>(request);
  }
  State state(const std::vector<std::string>& instances) { return answer(bench.alert(instances))->state; }

  Bench bench;
};

TEST_F(AlertFires, AndHasItsCheckpointOnce) {
  bench.start();
  const auto said = answer(bench.alert({"a"})).value();
  EXPECT_EQ(said.state, State::started);
  EXPECT_EQ(said.run_id, bench.wanted.checkpoints.at(0).id);
  EXPECT_EQ(bench.wanted.checkpoints.at(0).reason, policy::Reason::alert);
  EXPECT_EQ(bench.store->details("wal.checkpoint").at(0).at("by"), "alert WalTooLarge");
  const auto again = answer(bench.alert({"a"})).value();
  EXPECT_EQ(again.state, State::already_served);
  EXPECT_EQ(again.message, "each of these alerts has had its checkpoint");
  EXPECT_THAT(bench.wanted.checkpoints, SizeIs(1));
  // A new one beside it has its own.
  EXPECT_EQ(state({"a", "b"}), State::started);
  EXPECT_THAT(bench.wanted.checkpoints, SizeIs(2));
}

TEST_F(AlertFires, AndIsNotServedByACheckpointThatWasBlocked) {
  bench.start();
  bench.pause(1h);
  const auto said = answer(bench.alert({"a"})).value();
  EXPECT_EQ(said.state, State::blocked);
  EXPECT_THAT(said.blockers, ElementsAre(Blocker::paused));
  bench.pause(std::nullopt);
  EXPECT_EQ(state({"a"}), State::started) << "when it is sent again";
}

// A person is let through; an alert that fires again and again would beat the breaker.
TEST_F(AlertFires, AndIsHeldBackAfterFailuresWithOneEntryForEachBlocker) {
  bench.checkpoint_does = [](const RunCheckpoint&) { return influxdb::Outcome{}; };
  bench.start();
  EXPECT_EQ(state({"a"}), State::started);
  const auto refused = [&] { return bench.store->entries("decision").size(); };
  const auto before = refused();
  for (const std::string instance : {"b", "c", "b"}) {
    const auto said = answer(bench.alert({instance})).value();
    EXPECT_EQ(said.state, State::blocked);
    EXPECT_THAT(said.blockers, ElementsAre(Blocker::backoff));
    EXPECT_THAT(said.message, HasSubstr("blocked by backoff: waiting 30s more after a failed checkpoint"));
  }
  EXPECT_EQ(refused(), before + 1);
  bench.pause(1h);
  EXPECT_EQ(state({"b"}), State::blocked);
  EXPECT_EQ(refused(), before + 2);
  bench.pause(std::nullopt);
  bench.pass(31s);
  EXPECT_EQ(state({"b"}), State::started) << "when it is repeated";
}

TEST_F(AlertFires, AndIsServedWhereNothingIsPending) {
  bench.wal = segments(0);
  bench.start();
  EXPECT_EQ(state({"a"}), State::no_op);
  EXPECT_EQ(state({"a"}), State::already_served);
}

TEST_F(AlertFires, AndIsServedByACheckpointThatFailed) {
  bench.checkpoint_does = [](const RunCheckpoint&) { return influxdb::Outcome{}; };
  bench.start();
  EXPECT_EQ(state({"a"}), State::started);
  EXPECT_EQ(state({"a"}), State::already_served);
}

TEST_F(AlertFires, AndIsBlockedAtOnceWhereInfluxdbDoesNotAnswer) {
  bench.settings.influxdb.url = "http://127.0.0.1:8086";
  bench.server = server_down();
  bench.start();
  bench.answers.samples = false;
  const auto said = answer(bench.alert({"a"})).value();
  EXPECT_EQ(said.state, State::blocked);
  EXPECT_THAT(said.blockers, ElementsAre(Blocker::server_unreachable));
  EXPECT_EQ(said.message, "InfluxDB does not answer: connecting to 127.0.0.1:8086: Connection refused");
  EXPECT_THAT(bench.wanted.checkpoints, IsEmpty());
  bench.answers.samples = true;
  bench.server = server_up("1.6.7");
  bench.pass(15s);
  EXPECT_EQ(state({"a"}), State::started) << "when it is sent again";
}

TEST_F(AlertFires, AndDoesNotWaitForTheEndOfItsCheckpoint) {
  bench.answers.checkpoints = false;
  bench.start();
  const auto said = answer(bench.alert({"a"})).value();
  EXPECT_EQ(said.state, State::started);
  EXPECT_EQ(said.message, "The checkpoint is running");
  EXPECT_EQ(state({"a"}), State::already_served);
  EXPECT_EQ(state({"b"}), State::blocked) << "one is running";
}

TEST_F(AlertFires, WhatWasServedOutlivesTheProcess) {
  bench.start();
  EXPECT_EQ(state({"a"}), State::started);
  bench.kill();
  bench.start();
  EXPECT_EQ(state({"a"}), State::already_served);
  EXPECT_EQ(state({"b"}), State::started);
}

TEST_F(AlertFires, AndIsServedOnceAlsoWhereThatCanNotBeKept) {
  bench.start();
  bench.store->fails_put = [](const std::string& key) { return key == "alerts"; };
  EXPECT_EQ(state({"a"}), State::started);
  EXPECT_EQ(state({"a"}), State::already_served) << "while this process lives";
  EXPECT_EQ(bench.logged("no space left for values [plant]"), 1U);
}

TEST_F(AlertFires, AtTheStopAndIsNotServed) {
  bench.start();
  bench.answers.samples = false;
  const auto request = bench.alert({"a"});
  bench.stop();
  EXPECT_EQ(bench.error_to<view::AlertAnswer>(request).value().kind, ErrorKind::cancelled);
  bench.kill();
  bench.answers.samples = true;
  bench.start();
  EXPECT_EQ(state({"a"}), State::started);
}

TEST_F(AlertFires, WithANameThatWouldBreakTheLogsLine) {
  bench.start();
  static_cast<void>(bench.alert({"a"}, "a\nb"));
  EXPECT_EQ(bench.store->details("wal.checkpoint").at(0).at("by"), "alert a\\nb");
}

}  // namespace
}  // namespace wal_exporter::control
