// What a target makes of files that vanished: whether InfluxDB ran meanwhile decides.
#include <gmock/gmock.h>

#include "unit/control/bench.h"

namespace wal_exporter::control {
namespace {

using namespace std::chrono_literals;
using policy::Health;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class VanishTold : public ::testing::Test {
 protected:
  VanishTold() {
    bench.settings.checkpoint.method = influxdb::Method::none;
    bench.settings.influxdb.url = "http://127.0.0.1:8086";
  }
  void start() {
    bench.wal = segments(3);
    bench.start();
  }
  void vanish(wal::Vanished::Cause cause = wal::Vanished::Cause::directory, std::uint64_t number = 1) {
    bench.wal = segments(0);
    bench.wal->vanished = wal::Vanished{number, cause, {3, 3'145'728}, bench.now().wall, bench.now().wall + 1ms, false};
    if (cause != wal::Vanished::Cause::directory) bench.wal->layout = wal::Layout::node;
  }
  void pass() { bench.pass(1min); }

  Bench bench;
};

TEST_F(VanishTold, UnderARunningServerIsNeverHealthyUntilItIsOver) {
  start();
  ASSERT_EQ(bench.view()->health, Health::healthy);
  vanish();
  pass();
  EXPECT_EQ(bench.view()->health, Health::warning);
  ASSERT_TRUE(bench.view()->vanished.has_value());
  EXPECT_EQ(bench.view()->vanished->extent.files, 3U);
  EXPECT_THAT(bench.view()->recommendations, Contains(HasSubstr("3 files, 3.0 MiB of the WAL vanished")));
  EXPECT_EQ(bench.logged("3 files, 3.0 MiB of the WAL vanished"), 1U + 1U) << "and once with the event";
  EXPECT_THAT(bench.store->healths(), ElementsAre("unknown -> healthy", "healthy -> warning"));
  const auto told = bench.store->details("wal.health").back();
  EXPECT_EQ(told.at("vanished").at("files"), 3);
  pass();
  EXPECT_EQ(bench.store->healths().size(), 2U);
  bench.wal->vanished->over = true;
  pass();
  EXPECT_EQ(bench.view()->health, Health::healthy);
  EXPECT_EQ(bench.view()->vanished, std::nullopt);
}

TEST_F(VanishTold, IsToldThoughTheWalWasOverItsLimitBefore) {
  bench.settings.rules.thresholds.max_files = 2;
  start();
  bench.wal = segments(3);
  ASSERT_EQ(bench.view()->health, Health::warning);
  vanish();
  pass();
  EXPECT_EQ(bench.store->details("wal.health").size(), 2U);
}

TEST_F(VanishTold, NothingIsSaidOfHealthWhileTheServersWordIsAwaited) {
  start();
  vanish();
  bench.answers.questions = false;
  bench.pass_until([&] { return bench.parts().vanish.suspects(); }, 1min);
  EXPECT_EQ(bench.store->healths().size(), 1U);
  // That one was asked before the files were missed, and not since when InfluxDB runs.
  EXPECT_FALSE(bench.open().question->wants_start);
  bench.answers.questions = true;
  bench.give_answer();
  pass();
  EXPECT_EQ(bench.view()->health, Health::warning);
}

class VanishedBeforeThis : public VanishTold {
 protected:
  // The exporter ends while three files are there; when the next one begins they are gone.
  void over_an_end(bool killed = false) {
    bench.wal = segments(3);
    bench.start();
    bench.pass(1h);
    last_seen_ = bench.parts().wal.sample()->taken_at;
    killed ? bench.kill() : bench.end();
    if (!next_process_.empty()) bench.server.process_id = next_process_;
    bench.wal = segments(0);
    bench.during = [&](const Effect& effect) {
      const auto* look = std::get_if<TakeSample>(&effect);
      if (look == nullptr || look->before == nullptr) return;
      before_ = look->before;
      bench.wal->vanished =
          wal::Vanished{1, wal::Vanished::Cause::directory, {3, 3000}, before_->taken_at, bench.now().wall, false};
    };
    bench.start();
    pass();
  }
  Time last_seen_{};
  std::string next_process_;  // of InfluxDB, if it is another one then
  std::shared_ptr<const wal::Sample> before_;
};

TEST_F(VanishedBeforeThis, IsToldWhereInfluxdbRanAllTheTime) {
  bench.server.started = kBenchStart - 1h;
  over_an_end();
  ASSERT_NE(before_, nullptr);
  EXPECT_EQ(before_->taken_at, last_seen_);
  EXPECT_EQ(bench.view()->health, Health::warning);
  EXPECT_THAT(bench.view()->vanished_detail, HasSubstr("InfluxDB still writes into the deleted files"));
}

TEST_F(VanishedBeforeThis, IsToldAfterAKillByALookOfFiveMinutesBefore) {
  bench.server.started = kBenchStart - 1h;
  over_an_end(/*killed=*/true);
  ASSERT_NE(before_, nullptr);
  EXPECT_GE(before_->taken_at, last_seen_ - 6min);
  EXPECT_EQ(bench.view()->health, Health::warning);
}

TEST_F(VanishedBeforeThis, IsNothingWhereInfluxdbWasStartedMeanwhile) {
  bench.server.started = kBenchStart + 2h;
  over_an_end();
  EXPECT_EQ(bench.view()->health, Health::healthy);
  EXPECT_EQ(bench.logged("vanished, while InfluxDB did not run"), 1U);
}

// It was healthy and safe, and a restart lost the data of an InfluxDB that had run all the time.
TEST_F(VanishedBeforeThis, IsNotKnownWhereInfluxdbDoesNotSaySinceWhenItRunsAndNotSafe) {
  over_an_end();
  EXPECT_EQ(bench.view()->health, Health::warning);
  EXPECT_THAT(bench.view()->vanished_detail, HasSubstr("whether InfluxDB has been running since is not known"));
}

TEST_F(VanishedBeforeThis, ByTheProcessWhereThatIsSaid) {
  bench.server.process_id = "4711";
  over_an_end();
  EXPECT_EQ(bench.view()->health, Health::warning);
}

TEST_F(VanishedBeforeThis, AnotherProcessHasLostNothingThere) {
  bench.server.process_id = "4711";
  next_process_ = "4712";
  over_an_end();
  EXPECT_EQ(bench.view()->health, Health::healthy);
  EXPECT_EQ(bench.logged("vanished, while InfluxDB did not run"), 1U);
}

TEST_F(VanishTold, WithTheServerDownAPersonMayMoveThem) {
  start();
  bench.server.up = false;
  vanish();
  pass();
  EXPECT_EQ(bench.view()->health, Health::healthy);
  EXPECT_EQ(bench.view()->vanished, std::nullopt);
  bench.server.up = true;
  pass();
  EXPECT_EQ(bench.view()->vanished, std::nullopt);
}

TEST_F(VanishTold, AnotherProcessIdMeansThatItWasStartedMeanwhile) {
  bench.server.process_id = "one";
  start();
  bench.server.process_id = "two";
  vanish();
  pass();
  EXPECT_EQ(bench.view()->vanished, std::nullopt);
  vanish(wal::Vanished::Cause::directory, 2);
  pass();
  EXPECT_TRUE(bench.view()->vanished.has_value());
  bench.server.process_id = "three";
  pass();
  EXPECT_EQ(bench.view()->vanished, std::nullopt) << "what they held is lost, or persisted";
  EXPECT_EQ(bench.view()->health, Health::healthy);
}

TEST_F(VanishTold, WithoutAUrlItIsToldThatNobodyKnowsWhetherTheServerRuns) {
  bench.settings.influxdb.url.clear();
  std::uint64_t number = 0;
  using Cause = wal::Vanished::Cause;
  for (const Cause cause : {Cause::files, Cause::front, Cause::folders, Cause::directory}) {
    start();
    vanish(cause, ++number);
    if (cause == Cause::folders) bench.wal->layout = wal::Layout::segments;
    pass();
    ASSERT_TRUE(bench.view()->vanished.has_value()) << number;
    EXPECT_EQ(bench.view()->health, Health::warning);
    EXPECT_THAT(bench.view()->vanished_detail, HasSubstr("whether InfluxDB has been running since is not known"));
    EXPECT_THAT(bench.view()->vanished_detail, HasSubstr("if it was stopped and somebody moved them"));
    bench.wal->vanished->over = true;
    pass();
    EXPECT_EQ(bench.view()->vanished, std::nullopt);
    bench.end();
  }
}

wal::Period file(std::uint64_t number, Time persisted) {
  return {number, 1000, persisted, persisted, persisted};
}

TEST_F(VanishTold, WithoutAUrlAFileAfterAPauseEndsIt) {
  bench.settings.influxdb.url.clear();
  bench.wal = segments(3);
  bench.wal->layout = wal::Layout::node;
  bench.wal->periods = {file(6, kBenchStart), file(7, kBenchStart + 1s), file(8, kBenchStart + 2s)};
  bench.start();
  vanish(wal::Vanished::Cause::files);
  bench.wal->periods = {file(6, kBenchStart), file(7, kBenchStart + 1s)};
  pass();
  pass();
  ASSERT_TRUE(bench.view()->vanished.has_value()) << "nothing was written since";
  // A server that went on writing has not been stopped.
  for (int i = 3; i < 30; ++i) bench.wal->periods.push_back(file(6 + i, kBenchStart + i * 1s));
  pass();
  EXPECT_TRUE(bench.view()->vanished.has_value());
  bench.wal->periods.push_back(file(36, kBenchStart + 45s));
  pass();
  EXPECT_EQ(bench.view()->vanished, std::nullopt);
  EXPECT_EQ(bench.view()->health, Health::healthy);
  // What was moved then is not told again with what vanishes next.
  bench.wal->vanished->number = 2;
  bench.wal->vanished->extent = {5, 5'000'000};
  pass();
  ASSERT_TRUE(bench.view()->vanished.has_value());
  EXPECT_EQ(bench.view()->vanished->extent.files, 2U);
}

// All of them moved: a server that starts takes their numbers again.
TEST_F(VanishTold, WithoutAUrlAFileWithTheNumberOfOneThatWasMovedEndsIt) {
  bench.settings.influxdb.url.clear();
  bench.wal = segments(3);
  bench.wal->layout = wal::Layout::node;
  bench.wal->periods = {file(6, kBenchStart), file(7, kBenchStart + 1s)};
  bench.start();
  vanish(wal::Vanished::Cause::front);
  pass();
  ASSERT_TRUE(bench.view()->vanished.has_value());
  bench.end();
  bench.wal->vanished.reset();
  bench.start();
  pass();
  ASSERT_TRUE(bench.view()->vanished.has_value()) << "an end of the exporter is none of it";
  EXPECT_THAT(bench.view()->vanished_detail, HasSubstr("has been running since is not known"));
  bench.wal->newest_file = bench.now().wall;
  bench.wal->periods = {file(6, bench.now().wall)};
  pass();
  EXPECT_EQ(bench.view()->vanished, std::nullopt);
}

TEST_F(VanishTold, BehindTheSnapshotCountsOnlyWhereEverySnapshotLeavesAManifest) {
  std::uint64_t number = 0;
  for (const auto& [version, counts] : {std::pair{"3.10.5", false}, {"", false}, {"3.10.6", true}, {"3.12.0", true}}) {
    bench.server.version = version;
    start();
    vanish(wal::Vanished::Cause::front, ++number);
    bench.wal->periods.resize(300);
    pass();
    EXPECT_EQ(bench.view()->vanished.has_value(), counts) << version;
    bench.end();
  }
}

// An empty snapshot keeps as many files as any other.
TEST_F(VanishTold, AnEmptySnapshotDoesNotTakeAllOfThem) {
  bench.server.version = "3.10.2";
  std::uint64_t number = 0;
  for (const auto& [left, kept, counts] :
       {std::tuple{300U, 300U, false}, {0U, 0U, false}, {299U, 300U, true}, {0U, 300U, true}}) {
    bench.settings.influxdb.kept_files = kept;
    start();
    vanish(wal::Vanished::Cause::front, ++number);
    bench.wal->periods.resize(left);
    bench.wal->sequence_gaps = bench.wal->front_gap = 14;
    pass();
    EXPECT_EQ(bench.view()->vanished.has_value(), counts) << left << " left";
    EXPECT_EQ(bench.view()->emptied_gaps, counts ? 0U : 14U) << "both is not said at once";
    bench.end();
  }
}

TEST_F(VanishTold, OutlastsTheExporterAndIsNotToldAgain) {
  bench.server.process_id = "one";
  start();
  vanish();
  pass();
  const auto told = bench.store->details("wal.health").size();
  bench.wal->vanished.reset();  // a new reader has nothing to compare with
  bench.wal->newest_file = std::nullopt;
  bench.end();
  bench.start();
  pass();
  EXPECT_EQ(bench.view()->health, Health::warning);
  ASSERT_TRUE(bench.view()->vanished.has_value());
  EXPECT_EQ(bench.view()->vanished->extent, (wal::Extent{3, 3'145'728}));
  EXPECT_EQ(bench.store->details("wal.health").size(), told);
  bench.wal = segments(1);
  bench.wal->newest_file = bench.now().wall;
  pass();
  EXPECT_EQ(bench.view()->vanished, std::nullopt);
  bench.end();
  bench.start();
  pass();
  EXPECT_EQ(bench.view()->vanished, std::nullopt);
}

// 1.x: another shard's new file is none of theirs.
TEST_F(VanishTold, OutlastsTheExporterUntilTheirShardsHaveNewFiles) {
  start();
  vanish();
  const wal::ShardKey lost{"kiln", "autogen", 4};
  bench.wal->vanished->shards = {{lost, 2}};
  pass();
  ASSERT_EQ(bench.view()->health, Health::warning);
  bench.wal = segments(1);
  bench.wal->newest_file = bench.now().wall + 1h;
  bench.end();
  bench.start();
  pass();
  EXPECT_EQ(bench.view()->health, Health::warning);
  wal::Shard kiln;
  kiln.database = "kiln";
  kiln.retention_policy = "autogen";
  kiln.id = 4;
  wal::Segment next;
  next.name = "_00003.wal";
  next.number = 3;
  kiln.segments = {next};
  bench.wal->shards.push_back(kiln);
  pass();
  EXPECT_EQ(bench.view()->health, Health::healthy);
}

TEST_F(VanishTold, AStartOfTheServerWhileTheExporterWasDownEndsIt) {
  bench.server.process_id = "one";
  start();
  vanish();
  pass();
  bench.wal->vanished.reset();
  bench.wal->newest_file = std::nullopt;
  bench.end();
  bench.server.process_id = "two";
  bench.start();
  pass();
  EXPECT_EQ(bench.view()->vanished, std::nullopt);
}

TEST_F(VanishTold, AHoleThatAnEmptySnapshotExplainsIsNoGap) {
  for (const auto& [version, emptied] : {std::pair{"3.11.3", 400U}, {"3.11.4", 0U}}) {
    bench.server.version = version;
    bench.wal = segments(0);
    bench.wal->layout = wal::Layout::node;
    bench.wal->sequence_gaps = 401;
    bench.wal->front_gap = 400;
    bench.start();
    pass();
    EXPECT_EQ(bench.view()->emptied_gaps, emptied) << version;
    const auto explained = HasSubstr("400 numbers are missing right behind the newest snapshot");
    EXPECT_EQ(::testing::Matches(Contains(explained))(bench.view()->recommendations), emptied > 0);
    // What it said last holds while it is down.
    bench.server.up = false;
    bench.server.version.clear();
    pass();
    EXPECT_EQ(bench.view()->emptied_gaps, emptied) << version;
    bench.server.up = true;
    bench.end();
  }
}

TEST_F(VanishTold, NoRestartIsCalledSafe) {
  start();
  vanish();
  pass();
  const auto request = bench.prepare_restart({});
  pass();
  const auto answer = bench.answer_to<view::PrepareRestartAnswer>(request);
  ASSERT_TRUE(answer.has_value());
  EXPECT_FALSE(answer->safe);
  EXPECT_THAT(answer->message, HasSubstr("Not safe: 3 files"));
}

}  // namespace
}  // namespace wal_exporter::control
