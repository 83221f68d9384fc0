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
    outcome.server_proven = true;
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

TEST_F(Shards, OfWhichOneFailsMakeThatCheckpointAPartialSuccessAlsoAfterAKill) {
  bench.wal = shards(3);
  bench.start();
  influxdb::Outcome outcome;
  outcome.kind = OutcomeKind::failed;
  outcome.shards = {{kFirst, ShardEnd::failed, "no"}, {{"db", "autogen", 2}, ShardEnd::persisted, ""}};
  bench.end_checkpoint(outcome);
  EXPECT_EQ(bench.view()->partial, 1U);
  EXPECT_EQ(bench.view()->failed, 0U);
  bench.kill();
  bench.start();
  EXPECT_EQ(bench.view()->partial, 1U);
  // Without one that is done it is a failure, and a success ends both counts.
  bench.pass_until([&] { return bench.wanted.checkpoints.size() == 2; });
  outcome.shards.pop_back();
  bench.end_checkpoint(outcome);
  EXPECT_EQ(bench.view()->partial, 1U);
  EXPECT_EQ(bench.view()->failed, 1U);
  bench.pass_until([&] { return bench.wanted.checkpoints.size() == 3; });
  end_with_first(ShardEnd::persisted, "");
  EXPECT_EQ(bench.view()->partial, 0U);
  EXPECT_EQ(bench.view()->failed, 0U);
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

TEST_F(Shards, WhoseSnapshotsFailAreLeftAloneAfterThreeQuestionsAndNoFailureOfTheTarget) {
  bench.settings.rules.thresholds.max_files = 1;
  for (int asked = 1; asked <= 3; ++asked) {
    bench.wal = shards(2);
    asked == 1 ? bench.start() : bench.pass_until([&] { return bench.open().checkpoint.has_value(); });
    EXPECT_THAT(bench.open().checkpoint->leave_alone, IsEmpty());
    end_with_first(ShardEnd::busy, "its snapshot fails");
  }
  EXPECT_EQ(bench.parts().memory.failures, 0U);
  EXPECT_EQ(bench.logged("Shard db/autogen/1 was asked 3 times in a row and is left alone for 30m: its snapshot fails"),
            1U);
  const auto view = bench.view();
  EXPECT_EQ(view->failing_shards, 1U);
  EXPECT_EQ(view->shards.at(0).name, "db/autogen/1");
  EXPECT_EQ(view->shards.at(0).state, "failing");
  EXPECT_THAT(view->recommendations, ::testing::Contains(HasSubstr("1 shard can't be persisted, first db/autogen/1")));
  bench.wal = shards(2);
  bench.pass_until([&] { return bench.open().checkpoint.has_value(); });
  EXPECT_THAT(bench.open().checkpoint->leave_alone, ElementsAre(kFirst));
}

TEST_F(Shards, ThatAreBusyForEverAreAFailureAndThenABackoff) {
  bench.wal = shards(5);
  bench.wal->shards.resize(1);
  bench.wal->pending = {30, 1000};
  bench.wal->shards[0].pending = {30, 1000};
  bench.start();
  for (int asked = 1; asked <= 3; ++asked) {
    bench.pass_until([&] { return bench.open().checkpoint.has_value(); });
    influxdb::Outcome outcome;
    outcome.kind = OutcomeKind::busy;
    outcome.server_proven = true;
    outcome.shards = {{kFirst, ShardEnd::busy, "another snapshot of it is running"}};
    bench.end_checkpoint(outcome);
    const auto kind = bench.store->details("wal.checkpoint").back().at("outcome");
    EXPECT_EQ(kind, asked < 3 ? "busy" : "failed");
  }
  EXPECT_THAT(bench.wanted.checkpoints, SizeIs(3));
  bench.pass(20min);
  EXPECT_THAT(bench.wanted.checkpoints, SizeIs(3)) << "asked three times in a row at most";
  EXPECT_THAT(bench.view()->decision.explanation(), HasSubstr("all that is pending lies in shards whose snapshots fail "
                                                              "(db/autogen/1: another snapshot of it is running)"));
  EXPECT_EQ(bench.view()->next_allowed, bench.parts().shards.entries.at(kFirst).next_try);
  // Somebody who may asks all the same.
  view::CheckpointCommand command;
  command.override_soft = true;
  static_cast<void>(bench.checkpoint(command));
  ASSERT_THAT(bench.wanted.checkpoints, SizeIs(4));
  EXPECT_THAT(bench.wanted.checkpoints.back().leave_alone, IsEmpty());
}

// Who has repaired a shard does not wait until its rest ends, whatever else is pending.
TEST_F(Shards, ThatRestAreAskedOnceByAPersonAndByNobodyElse) {
  bench.settings.rules.thresholds.max_files = 1;
  for (int asked = 1; asked <= 3; ++asked) {
    bench.wal = shards(2);
    asked == 1 ? bench.start() : bench.pass_until([&] { return bench.open().checkpoint.has_value(); });
    end_with_first(ShardEnd::failed, "its snapshot fails");
  }
  const auto asks = [&](const std::function<void()>& how) {
    bench.wal = shards(2);
    how();
    const bool rests = bench.open().checkpoint.value().leave_alone == std::vector<wal::ShardKey>{kFirst};
    end_with_first(rests ? ShardEnd::left_alone : ShardEnd::failed, "its snapshot fails");
    return !rests;
  };
  EXPECT_FALSE(asks([&] { static_cast<void>(bench.alert({"a"})); }));
  EXPECT_TRUE(asks([&] { static_cast<void>(bench.checkpoint({})); }));
  EXPECT_EQ(bench.parts().shards.entries.at(kFirst).failures, 4U);
  EXPECT_FALSE(asks([&] { bench.pass_until([&] { return bench.open().checkpoint.has_value(); }); }));
  // Alone it is asked as well.
  bench.wal = shards(1);
  EXPECT_THAT(bench.view()->request_blockers, IsEmpty());
  static_cast<void>(bench.checkpoint({}));
  ASSERT_TRUE(bench.open().checkpoint.has_value());
  EXPECT_THAT(bench.open().checkpoint->leave_alone, IsEmpty());
  bench.wal = segments(0);
  influxdb::Outcome repaired;
  repaired.kind = OutcomeKind::succeeded;
  repaired.shards = {{kFirst, ShardEnd::persisted, ""}};
  bench.end_checkpoint(repaired);
  EXPECT_THAT(bench.parts().shards.entries, IsEmpty());
}

TEST_F(Shards, ThatFailMakeARestartUnsafeThoughTheOthersArePersisted) {
  bench.wal = shards(2);
  bench.settings.rules.thresholds.max_files = 100;
  bench.start();
  const auto number = bench.prepare_restart({});
  end_with_first(ShardEnd::failed, "it can't write a snapshot");
  const auto answer = bench.answer_to<view::PrepareRestartAnswer>(number).value();
  EXPECT_FALSE(answer.safe);
  EXPECT_THAT(answer.message, HasSubstr("the snapshot of shard db/autogen/1 fails"));
}

// Nobody moves the wrong one away.
TEST_F(Shards, WithOneNumberAreShownWithoutAWordOfACopyAsLongAsNothingProvesIt) {
  bench.wal = shards(2);
  bench.wal->shards[1].id = 1;
  bench.wal->shards[1].database = "db.old";
  bench.settings.rules.thresholds.max_files = 100;
  bench.start();
  EXPECT_EQ(bench.view()->shards.at(0).why,
            "shard db/autogen/1, which is counted, has the same number; InfluxDB reads only one of the two, and SHOW "
            "SHARDS tells which");
  bench.wal->shards[0].has_data = false;
  bench.wal->shards[1].has_data = true;
  bench.pass(2min);
  EXPECT_EQ(bench.view()->shards.at(0).name, "db/autogen/1");
  EXPECT_THAT(bench.view()->shards.at(0).why, HasSubstr("it is a copy"));
}

TEST_F(Shards, WhichAreCopiesAreNamedOnceInTheLog) {
  for (int run = 1; run <= 2; ++run) {
    bench.wal = shards(5);
    run == 1 ? bench.start() : bench.pass_until([&] { return bench.open().checkpoint.has_value(); });
    end_with_first(ShardEnd::orphaned, "it is a copy");
  }
  EXPECT_EQ(bench.logged("Shard db/autogen/1 is set apart: it is a copy"), 1U);
}

TEST_F(Shards, OfAServerThatWasNeverProvenAreNotToBlame) {
  bench.wal = shards(3);
  bench.start();
  influxdb::Outcome outcome;
  outcome.kind = OutcomeKind::unverified;
  outcome.shards = {{kFirst, ShardEnd::unverified, "nothing moved"}};
  bench.end_checkpoint(outcome);
  EXPECT_THAT(bench.parts().shards.entries, IsEmpty());
  EXPECT_EQ(bench.parts().memory.failures, 1U);
}

}  // namespace
}  // namespace wal_exporter::control
