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
  bench.give_answer();
  // That one was asked before the files were missed.
  bench.answers.questions = true;
  pass();
  EXPECT_EQ(bench.view()->health, Health::warning);
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

TEST_F(VanishTold, WithoutAUrlADirectoryCountsAndSingleFilesDoNot) {
  bench.settings.influxdb.url.clear();
  start();
  vanish(wal::Vanished::Cause::files);
  pass();
  EXPECT_EQ(bench.view()->vanished, std::nullopt);
  vanish(wal::Vanished::Cause::directory, 2);
  pass();
  EXPECT_TRUE(bench.view()->vanished.has_value());
}

TEST_F(VanishTold, BehindTheSnapshotCountsOnlyWhereEverySnapshotLeavesAManifest) {
  std::uint64_t number = 0;
  for (const auto& [version, counts] : {std::pair{"3.10.5", false}, {"", false}, {"3.10.6", true}, {"3.12.0", true}}) {
    bench.server.version = version;
    start();
    vanish(wal::Vanished::Cause::front, ++number);
    pass();
    EXPECT_EQ(bench.view()->vanished.has_value(), counts) << version;
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
