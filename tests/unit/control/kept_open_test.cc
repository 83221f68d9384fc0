// A segment that InfluxDB 1 keeps open over a restart: beside pending, safe, and freed where that is allowed.
#include <gmock/gmock.h>

#include "unit/control/bench.h"

namespace wal_exporter::control {
namespace {

using namespace std::chrono_literals;
using influxdb::OutcomeKind;
using influxdb::ShardEnd;
using policy::Health;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const wal::ShardKey kKept{"db", "autogen", 1};

class KeptOpenShards : public ::testing::Test {
 protected:
  KeptOpenShards() {
    bench.settings.influxdb.url = "http://127.0.0.1:8086";
    bench.settings.influxdb.backup_address = "127.0.0.1:8088";
    bench.settings.rules.thresholds.max_files = 2;
    bench.answers.checkpoints = false;
    bench.wal = one_segment_each(9);
  }

  static wal::Sample one_segment_each(std::uint64_t count) {
    wal::Sample sample = segments(count);
    for (wal::Shard& shard : sample.shards) {
      shard.segments.push_back({"_00001.wal", 1, shard.id, 1000, {}, {}, false});
    }
    return sample;
  }

  // Nine are critical; afterwards each is left, and all are kept open.
  void start() {
    bench.start();
    influxdb::Outcome outcome;
    outcome.kind = OutcomeKind::succeeded;
    for (const wal::Shard& shard : bench.wal->shards) {
      outcome.shards.push_back({shard.key(), ShardEnd::kept_open, "persisted"});
    }
    bench.end_checkpoint(outcome);
  }
  Bench bench;
};

TEST_F(KeptOpenShards, AreHealthyThoughTheyAreNineAndTheLimitIsTwo) {
  start();
  const auto view = bench.view();
  EXPECT_EQ(view->health, Health::healthy);
  EXPECT_EQ(view->sample->pending, wal::Extent{});
  EXPECT_EQ(view->sample->kept_open, (wal::Extent{9, 9000}));
  EXPECT_DOUBLE_EQ(view->forecast.replay_estimate_seconds,
                   9000.0 / static_cast<double>(bench.settings.forecast.replay_bytes_per_second));
  bench.pass(10min);
  EXPECT_EQ(bench.wanted.checkpoints.size(), 1U);
}

TEST_F(KeptOpenShards, AreSafeToReplayOnceMoreAndThatIsSaid) {
  start();
  const auto answer = bench.answer_to<view::PrepareRestartAnswer>(bench.prepare_restart({})).value();
  EXPECT_TRUE(answer.safe);
  EXPECT_EQ(answer.kept_open, (wal::Extent{9, 9000}));
  EXPECT_THAT(answer.message,
              HasSubstr("9 files, 8.8 KiB persisted, but kept open by InfluxDB, so replayed once more"));
  EXPECT_EQ(bench.wanted.checkpoints.size(), 1U);
}

TEST_F(KeptOpenShards, ArePendingOnceTheyAreWrittenTo) {
  start();
  bench.wal->shards[0].segments[0].bytes = 1200;
  bench.wal->shards[0].pending = {1, 1200};
  bench.pass(1min);
  EXPECT_EQ(bench.view()->sample->pending, (wal::Extent{1, 1200}));
  EXPECT_EQ(bench.view()->sample->kept_open, (wal::Extent{8, 8000}));
}

TEST_F(KeptOpenShards, AreAskedAboutOnlyWhereAPointMayBeWrittenAgain) {
  std::vector<wal::ShardKey> asked;
  bench.during = [&](const Effect& effect) {
    if (const auto* question = std::get_if<AskServer>(&effect)) asked = question->kept_open;
  };
  start();
  bench.pass(1min);
  EXPECT_THAT(asked, IsEmpty());
  bench.kill();
  bench.settings.checkpoint.rewrite_kept_open = true;
  bench.start();
  bench.pass(1min);
  EXPECT_EQ(asked.size(), 9U);
}

TEST_F(KeptOpenShards, WithAPlanAreFreedByWhoeverAsks) {
  bench.settings.checkpoint.rewrite_kept_open = true;
  influxdb::Rewrite rewrite;
  rewrite.shard = kKept;
  rewrite.point.measurement = "pump";
  bench.rewrites = {{kKept, rewrite, ""},
                    {{"db", "autogen", 2}, std::nullopt, "its retention ends soon"},
                    {{"db", "autogen", 99}, rewrite, ""}};  // not one of those that are kept open
  start();
  bench.pass(1min);
  const view::CheckpointPlan plan = plan_of(bench.parts(), influxdb::NudgeMode::patient, bench.now());
  ASSERT_EQ(plan.rewrites.size(), 2U);
  EXPECT_EQ(plan.rewrites[0].rewrite, rewrite);
  EXPECT_EQ(plan.rewrites[1].why_not, "its retention ends soon");
  EXPECT_THAT(plan.why, HasSubstr("writes 1 point again exactly"));
  EXPECT_EQ(bench.wanted.checkpoints.size(), 1U) << "nobody asked";
  bench.checkpoint({});
  ASSERT_EQ(bench.wanted.checkpoints.size(), 2U);
  EXPECT_THAT(bench.wanted.checkpoints[1].rewrites, ElementsAre(rewrite));
}

}  // namespace
}  // namespace wal_exporter::control
