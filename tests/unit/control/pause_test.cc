// A person pauses all actions: at any moment, and across a restart of the exporter.
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
using ::testing::Not;
using ::testing::SizeIs;

class Paused : public ::testing::Test {
 protected:
  Paused() {
    bench.settings.influxdb.backup_address = "127.0.0.1:8088";
    bench.settings.rules.thresholds.max_files = 1;
  }

  Bench bench;
};

TEST_F(Paused, NothingActsUntilItEndsByItself) {
  bench.wal = segments(0);
  bench.start();
  const auto said = bench.pause(1h).value();
  EXPECT_EQ(said.until, kBenchStart + 1h);
  EXPECT_EQ(said.timestamp, kBenchStart);
  EXPECT_EQ(said.message, "Actions on plant are paused until 2026-01-01T01:00:00.000Z");
  EXPECT_EQ(bench.logged("warning: " + said.message + " (by alice) [plant]"), 1U);
  EXPECT_EQ(bench.store->entries("pause").at(0).summary, said.message);
  EXPECT_EQ(bench.store->entries("pause").at(0).detail, R"({"by":"alice"})");
  bench.wal = segments(5);
  bench.pass(1h - 1ms);
  EXPECT_THAT(bench.wanted.checkpoints, IsEmpty());
  EXPECT_TRUE(bench.view()->paused);
  EXPECT_EQ(bench.view()->paused_by, "alice");
  bench.pass(1ms);
  EXPECT_THAT(bench.wanted.checkpoints, SizeIs(1)) << "at that moment";
  EXPECT_FALSE(bench.view()->paused);
  EXPECT_EQ(bench.view()->paused_by, "");
}

TEST_F(Paused, AndResumedItActsAtOnce) {
  bench.wal = segments(0);
  bench.start();
  bench.pause(24h);
  bench.wal = segments(5);
  bench.pass(2min);
  const auto said = bench.pause(std::nullopt, "bob").value();
  EXPECT_EQ(said.until, std::nullopt);
  EXPECT_EQ(said.message, "Actions on plant are resumed");
  EXPECT_EQ(bench.store->entries("resume").at(0).detail, R"({"by":"bob"})");
  EXPECT_THAT(bench.wanted.checkpoints, SizeIs(1));
  EXPECT_EQ(bench.pause(std::nullopt).value().message, "Actions on plant were not paused");
}

TEST_F(Paused, OutlivesTheProcess) {
  bench.wal = segments(0);
  bench.start();
  bench.pause(1h);
  bench.kill();
  bench.wal = segments(5);
  bench.start();
  bench.pass(1h - 1s);
  EXPECT_THAT(bench.wanted.checkpoints, IsEmpty());
  bench.pass(2s);
  EXPECT_THAT(bench.wanted.checkpoints, SizeIs(1));
}

TEST_F(Paused, WhereThatCanNotBeKeptSaysSo) {
  bench.wal = segments(0);
  bench.start();
  bench.store->fails_put = [](const std::string&) { return true; };
  const Error said = bench.pause(1h).error();
  EXPECT_EQ(said.kind, ErrorKind::unavailable);
  EXPECT_THAT(said.message, HasSubstr(", but that could not be kept: a restart of this exporter forgets it; see its "
                                      "log"));
  EXPECT_TRUE(bench.view()->paused) << "for this process it holds";
  // Kept as soon as that works again.
  bench.store->fails_put = nullptr;
  bench.pass(1min);
  bench.kill();
  bench.start();
  EXPECT_TRUE(bench.view()->paused);
}

TEST_F(Paused, DuringACheckpointLetsThatEndAndStartsNoOther) {
  bench.answers.checkpoints = false;
  bench.start();
  ASSERT_THAT(bench.wanted.checkpoints, SizeIs(1));
  bench.pause(1h);
  EXPECT_EQ(bench.wanted.checkpoint_stops, 0U);
  bench.end_checkpoint(OutcomeKind::unverified);
  bench.pass(50min);
  EXPECT_THAT(bench.wanted.checkpoints, SizeIs(1));
}

TEST_F(Paused, WhileARequestWaitsForItsSampleBlocksThatRequest) {
  bench.wal = segments(0);
  bench.start();
  bench.answers.samples = false;
  const auto request = bench.checkpoint({});
  bench.pause(1h);
  bench.wal = segments(1);
  bench.give_sample();
  EXPECT_THAT(bench.answer_to<view::CheckpointAnswer>(request)->blockers, ElementsAre(Blocker::paused));
}

TEST_F(Paused, AtTheStopIsRefused) {
  bench.start();
  bench.stop();
  const Error said = bench.pause(1h).error();
  EXPECT_EQ(said.kind, ErrorKind::cancelled);
  EXPECT_EQ(said.message, "The exporter is shutting down, or the settings of this target are being changed; try again");
  EXPECT_THAT(bench.store->entries("pause"), IsEmpty());
}

TEST_F(Paused, NamesWhoAndUntilWhenToWhomItHoldsBack) {
  bench.checkpoint_does = [](const RunCheckpoint&) { return influxdb::Outcome{}; };
  bench.start();
  bench.pause(1h, "carol");
  const auto request = bench.checkpoint({});
  const auto said = bench.answer_to<view::CheckpointAnswer>(request).value();
  EXPECT_THAT(policy::explain(said.message, said.blockers),
              HasSubstr("actions are paused until 2026-01-01T01:00:00.000Z by carol; resume them first"));
}

}  // namespace
}  // namespace wal_exporter::control
