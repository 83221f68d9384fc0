// What a target knows of single shards: told by checkpoints, kept, and applied to each sample.
#include <gmock/gmock.h>

#include "unit/control/bench.h"

namespace wal_exporter::control {
namespace {

using namespace std::chrono_literals;
using influxdb::OutcomeKind;
using influxdb::ShardEnd;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const wal::ShardKey kFirst{"db", "autogen", 1};

// So many shards, each with one segment.
wal::Sample shards(std::uint64_t count) {
  wal::Sample sample = segments(count);
  for (wal::Shard& shard : sample.shards) {
    wal::Segment segment;
    segment.number = 1;
    segment.inode = shard.id;
    segment.bytes = 1000;
    shard.segments.push_back(segment);
  }
  return sample;
}

class Shards : public ::testing::Test {
 protected:
  Shards() {
    bench.settings.influxdb.backup_address = "127.0.0.1:8088";
    bench.settings.rules.thresholds.max_files = 2;
    bench.answers.checkpoints = false;
  }
  // All but the first shard are persisted; of that one the end is another.
  void end_with_first(ShardEnd end, const std::string& message) {
    influxdb::Outcome outcome;
    outcome.kind = OutcomeKind::succeeded;
    outcome.shards = {{kFirst, end, message}, {{"db", "autogen", 2}, ShardEnd::persisted, ""}};
    bench.wal->shards.resize(1);
    bench.wal->pending = {1, 1000};
    bench.end_checkpoint(outcome);
  }

  Bench bench;
};

TEST_F(Shards, ThatTheServerDoesNotKnowAreNotPending) {
  bench.wal = shards(3);
  bench.start();
  EXPECT_THAT(bench.wanted.checkpoints.at(0).leave_alone, IsEmpty());
  EXPECT_FALSE(bench.wanted.checkpoints.at(0).server_proven);
  end_with_first(ShardEnd::orphaned, "the server does not know it");
  EXPECT_EQ(bench.view()->sample->pending, wal::Extent{});
  EXPECT_EQ(bench.view()->sample->orphaned, (wal::Extent{1, 1000}));
  bench.wal = shards(5);
  bench.pass_until([&] { return bench.wanted.checkpoints.size() == 2; });
  EXPECT_EQ(bench.view()->sample->pending.files, 4U);
  EXPECT_THAT(bench.wanted.checkpoints.at(1).leave_alone, ElementsAre(kFirst));
  EXPECT_TRUE(bench.wanted.checkpoints.at(1).server_proven);
}

TEST_F(Shards, AreKnownAfterAKill) {
  bench.wal = shards(3);
  bench.start();
  end_with_first(ShardEnd::orphaned, "the server does not know it");
  bench.kill();
  bench.wal = shards(5);
  bench.start();
  EXPECT_EQ(bench.view()->sample->pending.files, 4U);
}

TEST_F(Shards, OfAnotherServerAreNotKnown) {
  bench.wal = shards(3);
  bench.start();
  end_with_first(ShardEnd::orphaned, "the server does not know it");
  bench.kill();
  bench.settings.influxdb.backup_address = "127.0.0.1:9088";
  bench.wal = shards(5);
  bench.start();
  EXPECT_EQ(bench.view()->sample->pending.files, 5U);
}

TEST_F(Shards, WhoseBookCanNotBeReadAreNotKnownAndTheLogSaysSo) {
  bench.store->values[kShardsKey] = "rubbish";
  bench.wal = shards(3);
  bench.start();
  EXPECT_EQ(bench.view()->sample->pending.files, 3U);
  EXPECT_EQ(bench.logged("what is remembered of single shards can't be read"), 1U);
}

}  // namespace
}  // namespace wal_exporter::control
