// What a target tells about health, also across a restart of the exporter.
#include <gmock/gmock.h>

#include "unit/control/bench.h"

namespace wal_exporter::control {
namespace {

using namespace std::chrono_literals;
using policy::Health;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

class HealthTold : public ::testing::Test {
 protected:
  HealthTold() {
    bench.settings.rules.thresholds.max_files = 1;
    bench.settings.checkpoint.method = influxdb::Method::none;
  }
  void restart() {
    bench.end();
    bench.start();
  }
  // What the last event advises, in one text.
  std::string advised() {
    std::string out;
    const nlohmann::json last = bench.store->details("wal.health").back();
    for (const auto& line : last.at("recommendations")) out += line.get<std::string>() + "\n";
    return out;
  }

  Bench bench;
};

TEST_F(HealthTold, ThatIsAsItWasToldBeforeTheRestartIsNoNews) {
  bench.start();
  EXPECT_THAT(bench.store->healths(), ElementsAre("unknown -> critical"));
  restart();
  EXPECT_EQ(bench.view()->health, Health::critical);
  EXPECT_THAT(bench.store->healths(), ElementsAre("unknown -> critical"));
  // A change after that is news as ever.
  bench.wal = segments(0);
  bench.pass(1min);
  EXPECT_EQ(bench.view()->health, Health::healthy);
  EXPECT_THAT(bench.store->healths(), ElementsAre("unknown -> critical", "critical -> healthy"));
}

TEST_F(HealthTold, ThatChangedWhileTheExporterWasDownIsNews) {
  bench.start();
  bench.wal = segments(0);
  restart();
  EXPECT_THAT(bench.store->healths(), ElementsAre("unknown -> critical", "critical -> healthy"))
      << "against what was told last";
}

TEST_F(HealthTold, OfOneThatLeavesWhileCriticalIsToldAndToldAnewWhenItReturns) {
  bench.start();
  bench.leave();
  bench.end();
  EXPECT_THAT(bench.store->healths(), ElementsAre("unknown -> critical", "critical -> removed"));
  EXPECT_EQ(bench.store->summary_of("wal.health"),
            "removed from the settings while critical (5 files, 4.9 KiB pending)");
  EXPECT_EQ(bench.store->details("wal.health").back().at("severity"), "warning");
  EXPECT_EQ(bench.logged("warning: target plant: removed from the settings while critical"), 1U);
  bench.start();
  EXPECT_THAT(bench.store->healths(), ElementsAre("unknown -> critical", "critical -> removed", "unknown -> critical"));
}

TEST_F(HealthTold, OfOneThatLeavesHealthyIsNoNews) {
  bench.wal = segments(0);
  bench.start();
  bench.leave();
  bench.end();
  EXPECT_THAT(bench.store->healths(), ElementsAre("unknown -> healthy"));
}

TEST_F(HealthTold, IsToldAgainAfterAnEndInWhichItWasUnknown) {
  bench.start();
  bench.wal = failure(ErrorKind::not_found, "opening /var/lib/influxdb/wal: No such file or directory");
  bench.pass_until([&] { return !bench.view()->health.has_value(); }, 3min);
  EXPECT_EQ(bench.now().wall - kBenchStart, 2min + 1ms) << "two intervals after the last good sample";
  bench.end();
  bench.wal = segments(5);
  bench.start();
  EXPECT_THAT(bench.store->healths(), ElementsAre("unknown -> critical", "critical -> unknown", "unknown -> critical"));
}

TEST_F(HealthTold, IsToldWithWhatHoldsACheckpointBackNow) {
  bench.start();
  EXPECT_THAT(advised(), HasSubstr("blocked by method_disabled"));
  EXPECT_THAT(advised(), Not(HasSubstr("sample_stale"))) << "that was before the sample";
  bench.wal = segments(0);
  bench.pass(1min);
  EXPECT_EQ(bench.view()->health, Health::healthy);
  EXPECT_TRUE(bench.pause(1h).value().until.has_value());
  bench.wal = segments(2);
  bench.pass(1min);
  EXPECT_EQ(bench.view()->health, Health::warning);
  EXPECT_THAT(advised(), HasSubstr("paused"));
  bench.wal = segments(5);
  bench.pass(1min);
  EXPECT_EQ(bench.view()->health, Health::critical);
  EXPECT_THAT(advised(), HasSubstr("limit for critical"));
}

TEST_F(HealthTold, SaysWhatARestartWouldReplayAndWhatComesNext) {
  bench.start();
  const nlohmann::json told = bench.store->details("wal.health").back();
  EXPECT_EQ(told.at("replay").at("files"), 5);
  EXPECT_EQ(told.at("replay").at("text"), "5 files, 4.9 KiB, less than a second");
  EXPECT_EQ(
      told.at("next"),
      "The exporter holds back its next checkpoint: method_disabled (checkpoint.method is none: this target is only "
      "watched).");
  EXPECT_EQ(bench.logged("error: health: unknown -> critical (5 files, 4.9 KiB pending) [plant]"), 1U);
}

TEST_F(HealthTold, NamesWhatHoldsTheCheckpointBackWithPointsInTime) {
  bench.wal = segments(0);
  bench.start();
  EXPECT_TRUE(bench.pause(1h).value().until.has_value());
  bench.wal = segments(5);
  bench.pass(1min);
  const std::string next = bench.store->details("wal.health").back().at("next");
  EXPECT_THAT(next, StartsWith("The exporter holds back its next checkpoint: paused ("));
  EXPECT_THAT(next, Not(HasSubstr("to go")));
}

TEST_F(HealthTold, ThatIsLostSaysWhyAndAdvisesNothing) {
  bench.start();
  bench.wal = failure(ErrorKind::permission, "opening /var/lib/influxdb/wal: Permission denied");
  bench.pass(3min);
  const nlohmann::json lost = bench.store->details("wal.health").back();
  EXPECT_EQ(lost.at("severity"), "warning");
  EXPECT_THAT(lost.at("recommendations"), IsEmpty());
  EXPECT_EQ(bench.store->summary_of("wal.health"),
            "health: critical -> unknown (5 files, 4.9 KiB pending at the last sample); no fresh sample: opening "
            "/var/lib/influxdb/wal: Permission denied");
  EXPECT_EQ(lost.at("next"), "The exporter makes no checkpoint until it can read the WAL again.");
  EXPECT_EQ(bench.logged("no successful sample of the WAL for 2m 0s; health is unknown [plant]") +
                bench.logged("no successful sample of the WAL for 2m; health is unknown [plant]"),
            1U);
}

TEST_F(HealthTold, HasTheOlderServicesLineOncePerIntervalAndForEachChange) {
  bench.start();
  EXPECT_EQ(bench.logged("error: CRITICAL WAL status: 5 files, 0.00GB [plant]"), 1U);
  // Samples between two intervals, as changes in the directory bring them, are for debug.
  bench.freeze(10s);
  bench.change();
  EXPECT_EQ(bench.wanted.samples, 2U);
  EXPECT_EQ(bench.logged("error: CRITICAL WAL status"), 1U);
  EXPECT_EQ(bench.logged("debug: CRITICAL WAL status"), 1U);
  bench.pass(1min);
  EXPECT_EQ(bench.logged("error: CRITICAL WAL status"), 2U);
  bench.wal = segments(0);
  bench.freeze(5s);
  bench.change();
  EXPECT_EQ(bench.logged("info: WAL health normal: 0 files, 0.00GB [plant]"), 1U);
}

TEST_F(HealthTold, OfA3xNodeSaysWhyItDoesNotShrink) {
  bench.settings.rules.thresholds.max_files.reset();
  bench.settings.influxdb.version = wal::Generation::v3;
  bench.settings.influxdb.snapshot_size = 600;
  bench.version = wal::Generation::v3;
  bench.wal = periods_until(kBenchStart, 5);
  bench.start();
  const nlohmann::json told = bench.store->details("wal.health").back();
  EXPECT_EQ(told.at("to"), "healthy");
  ASSERT_TRUE(told.contains("not_shrinking"));
  EXPECT_EQ(told.at("not_shrinking").at("cause"), "too_few_files");
  EXPECT_EQ(told.at("not_shrinking").at("detail"), bench.view()->not_shrinking.value().detail);
}

// Six files a minute, and a snapshot of its own at each 30: it shrinks as it should.
TEST_F(HealthTold, OfA3xNodeThatSnapshotsByItselfIsNoComplaint) {
  bench.settings.rules.thresholds.max_files.reset();
  bench.settings.influxdb.version = wal::Generation::v3;
  bench.settings.influxdb.snapshot_size = 20;
  bench.version = wal::Generation::v3;
  std::uint64_t written = 0;
  const auto write = [&](std::uint64_t files) {
    written += files;
    bench.wal = periods_until(bench.now().wall, written % 30);
    bench.wal->written = {written, written * 100};
    for (wal::Period& period : bench.wal->periods) period.max_time = *period.max_time - 20min;
  };
  write(4);
  bench.start();
  for (int minute = 0; minute < 14; ++minute) {
    write(6);
    bench.pass(1min);
  }
  const auto view = bench.view();
  ASSERT_EQ(view->sample->pending.files, 28U);
  EXPECT_NEAR(view->forecast.short_window.value().files_per_second, 0.1, 1e-9);
  EXPECT_EQ(view->forecast.warning_eta_seconds, std::numeric_limits<double>::infinity());
  ASSERT_TRUE(view->not_shrinking.has_value());
  EXPECT_EQ(view->not_shrinking->cause, policy::Cause::too_few_files);
  EXPECT_TRUE(view->not_shrinking->expected);
  EXPECT_THAT(view->recommendations, testing::Contains("Next snapshot due in about 20s (30 files; 28 so far)"));
}

// A count over the limit for warning says nothing on 3.x until it has lasted two minutes.
TEST_F(HealthTold, OfA3xNodeIsWorseOnlyOnceACountOverTheLimitHasLasted) {
  bench.settings.influxdb.version = wal::Generation::v3;
  bench.version = wal::Generation::v3;
  bench.wal = periods_until(kBenchStart, 2);
  bench.start();
  EXPECT_EQ(bench.view()->health, Health::healthy);
  bench.pass(2min - 1s);
  EXPECT_EQ(bench.view()->health, Health::healthy);
  bench.pass(1s);
  EXPECT_EQ(bench.view()->health, Health::warning);
}

// The second voice: what was found counts whatever the limits say.
class HealthOfFindings : public ::testing::Test {
 protected:
  HealthOfFindings() {
    bench.settings.influxdb.version = wal::Generation::v3;
    bench.settings.influxdb.url = "http://127.0.0.1:8181";
    bench.settings.checkpoint.method = influxdb::Method::none;
    bench.version = wal::Generation::v3;
    bench.server = server_up("3.10.0");
    bench.node.emplace();
    bench.node->snapshot_size = 600;
    bench.wal = periods_until(kBenchStart, 5);
  }
  void find(wal::InvalidReason reason, bool newest = false) {
    auto& files = reason == wal::InvalidReason::newer ? bench.wal->unknown : bench.wal->invalid;
    files = {{"00000000003.wal", reason, newest, ""}};
  }

  Bench bench;
};

TEST_F(HealthOfFindings, IsCriticalWhereTheServerEndsAndSaysWhy) {
  find(wal::InvalidReason::times);
  bench.start();
  EXPECT_EQ(bench.view()->health, Health::critical);
  EXPECT_EQ(bench.parts().memory.levels->worse(), Health::healthy) << "the limits decide on actions";
  EXPECT_THAT(
      bench.store->summary_of("wal.health"),
      HasSubstr("5 files, 500 B pending); 1 file with impossible data times: 00000000003.wal; InfluxDB will not "
                "start again"));
  EXPECT_THAT(bench.store->details("wal.health").back().at("findings").at(0).get<std::string>(), HasSubstr("cure"));
  EXPECT_THAT(bench.log(), HasSubstr("CRITICAL WAL status: 5 files, 0.00GB [plant]: 1 file with impossible data"));
  EXPECT_FALSE(bench.parts().memory.restart_considered);
}

TEST_F(HealthOfFindings, IsAWarningWhereAStartLosesData) {
  find(wal::InvalidReason::checksum);
  bench.start();
  EXPECT_EQ(bench.view()->health, Health::warning);
  bench.wal->invalid.clear();
  bench.pass(2min);
  EXPECT_EQ(bench.view()->health, Health::healthy);
  EXPECT_THAT(bench.store->healths(), ElementsAre("unknown -> warning", "warning -> healthy"));
}

TEST_F(HealthOfFindings, FollowsTheFlagsOfTheServerAlsoWhileItIsDown) {
  find(wal::InvalidReason::checksum);
  bench.node->fails_on_error = true;
  bench.start();
  EXPECT_EQ(bench.view()->health, Health::critical);
  EXPECT_THAT(bench.store->summary_of("wal.health"),
              HasSubstr("with --wal-replay-fail-on-error, so it will not start"));
  bench.server = server_down();
  bench.node.reset();
  bench.end();
  bench.start();
  EXPECT_EQ(bench.view()->health, Health::critical) << "as it was said to the process before";
}

TEST_F(HealthOfFindings, OfANewerFormatIsWhatTheVersionMakesOfIt) {
  find(wal::InvalidReason::newer, true);
  bench.server = server_up("3.13.0");
  bench.start();
  EXPECT_EQ(bench.view()->health, Health::healthy);
  EXPECT_EQ(bench.logged("of a newer format"), 1U);
  bench.pass(10min);
  EXPECT_EQ(bench.logged("of a newer format"), 1U) << "said once";
  bench.server = server_up("3.10.1");
  bench.pass(20s);
  EXPECT_EQ(bench.view()->health, Health::critical) << "judged anew at once";
  bench.server = server_down();
  bench.end();
  bench.start();
  EXPECT_EQ(bench.view()->health, Health::critical);
}

}  // namespace
}  // namespace wal_exporter::control
