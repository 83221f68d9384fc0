// The day's points, across restarts of the exporter.
#include "control/chart.h"

#include <gmock/gmock.h>

#include "unit/control/bench.h"

namespace wal_exporter::control {
namespace {

using namespace std::chrono_literals;
using policy::Health;
using ::testing::SizeIs;

class Charts : public ::testing::Test {
 protected:
  Charts() { bench.settings.checkpoint.method = influxdb::Method::none; }
  std::vector<view::SamplePoint> points() const { return bench.parts().chart.points(std::nullopt, 10'000); }

  Bench bench;
};

TEST_F(Charts, HaveAPointForEachSample) {
  bench.start();
  bench.wal = segments(40);
  bench.pass(1min);
  ASSERT_THAT(points(), SizeIs(2));
  EXPECT_EQ(points().at(0), (view::SamplePoint{kBenchStart, Health::healthy, {5, 5000}, {}}));
  EXPECT_EQ(points().at(1).pending.files, 40U);
  EXPECT_THAT(bench.parts().chart.points(kBenchStart + 1s, 10'000), SizeIs(1));
}

TEST_F(Charts, HaveAGapWhereNothingWasKnown) {
  bench.start();
  bench.wal = failure(ErrorKind::not_found, "no such directory");
  bench.pass(10min);
  ASSERT_THAT(points(), SizeIs(2));
  EXPECT_EQ(points().at(1).health, std::nullopt);
}

TEST_F(Charts, AreKeptEveryFewMinutesAndAtTheEnd) {
  bench.start();
  bench.pass(5min - 1s);
  EXPECT_FALSE(bench.store->values.contains("samples"));
  bench.pass(6min);
  EXPECT_TRUE(bench.store->values.contains("samples"));
  const std::string kept = bench.store->values["samples"];
  bench.pass(1min);
  EXPECT_EQ(bench.store->values["samples"], kept);
  bench.end();
  EXPECT_NE(bench.store->values["samples"], kept);
}

TEST_F(Charts, GoOnInTheNextProcess) {
  bench.start();
  bench.pass(2min);
  bench.end();
  bench.freeze(1min);
  bench.start();
  ASSERT_THAT(points(), SizeIs(4));
  EXPECT_EQ(points().at(0).time, kBenchStart);
  EXPECT_TRUE(points().at(2).health.has_value());
}

TEST_F(Charts, HaveAGapForTheTimeWithoutAProcess) {
  bench.start();
  bench.pass(2min);
  bench.end();
  bench.freeze(10min);
  bench.start();
  ASSERT_THAT(points(), SizeIs(5));
  EXPECT_EQ(points().at(3).health, std::nullopt);
  EXPECT_EQ(points().at(3).time, kBenchStart + 4min) << "two intervals after the last one";
}

TEST_F(Charts, OfOnesThatServeRequestsAloneAreNotKept) {
  bench.start(Purpose::requests);
  bench.pass(1h);
  bench.end();
  EXPECT_FALSE(bench.store->values.contains("samples"));
}

TEST_F(Charts, ThatCouldNotBeKeptAreTriedAgainWhenTheirTimeComes) {
  bench.start();
  bench.store->fails_put = [](const std::string& key) { return key == "samples"; };
  bench.pass(11min);
  bench.store->fails_put = nullptr;
  bench.pass(6min);
  EXPECT_TRUE(bench.store->values.contains("samples"));
}

}  // namespace
}  // namespace wal_exporter::control
