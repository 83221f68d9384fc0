#include "influxdb/kept_open.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace wal_exporter::influxdb {
namespace {

using std::chrono::seconds;

const Time kStart = Time(std::chrono::hours(24 * 365 * 50));

// Written 10 s before the server's start.
wal::Shard shard(std::uint64_t bytes = 40, Time modified = kStart - seconds(10)) {
  wal::Shard one{"plant", "autogen", 7, {1, bytes}, {}};
  one.segments.push_back({"_00003.wal", 3, 903, bytes, modified, modified, false});
  return one;
}

DebugVars vars(std::uint64_t memory, std::uint64_t segment = 40) {
  return {kStart, {{{"plant", "autogen", 7}, {memory, segment}}}};
}

BackupAnswers answers(const DebugVars& vars) {
  return {true, false, false, &vars};
}

TEST(KeptOpen, IsProvenByAnEmptyCache) {
  const DebugVars empty = vars(0);
  EXPECT_EQ(judge_kept(shard(), shard(), answers(empty)), Kept::open);
}

TEST(KeptOpen, IsTheLastSegmentAloneAlsoWhereClosedOnesWent) {
  wal::Shard before = shard();
  before.segments.insert(before.segments.begin(), {"_00002.wal", 2, 902, 10, kStart - seconds(60), {}, false});
  before.pending += {1, 10};
  const DebugVars empty = vars(0);
  EXPECT_EQ(judge_kept(before, shard(), answers(empty)), Kept::open);
  EXPECT_EQ(judge_kept(before, before, answers(empty)), Kept::unknown) << "a closed one stayed";
}

TEST(KeptOpen, IsNotWhatTheServerHoldsInMemory) {
  const DebugVars failing = vars(26);
  EXPECT_EQ(judge_kept(shard(), shard(), answers(failing)), Kept::in_memory);
}

TEST(KeptOpen, IsNotWhatWasWrittenSinceTheStart) {
  const DebugVars lagging = vars(0, 20);
  const wal::Shard young = shard(40, kStart + seconds(1));
  EXPECT_EQ(judge_kept(young, young, answers(lagging)), Kept::written_since);
}

TEST(KeptOpen, RestsOnNoClock) {
  // A machine without one of its own starts InfluxDB in the past.
  const DebugVars empty = vars(0);
  const wal::Shard later = shard(40, kStart + std::chrono::hours(24 * 365));
  EXPECT_EQ(judge_kept(later, later, answers(empty)), Kept::open);
}

TEST(KeptOpen, IsNotWhatTheServerDoesNotHave) {
  const DebugVars another = {kStart, {{{"office", "autogen", 7}, {0U, 40U}}}};
  EXPECT_EQ(judge_kept(shard(), shard(), answers(another)), Kept::elsewhere);
  const DebugVars longer = vars(0, 41);
  EXPECT_EQ(judge_kept(shard(), shard(), answers(longer)), Kept::elsewhere);
}

TEST(KeptOpen, IsNotWhatMovedMeanwhile) {
  const DebugVars empty = vars(0);
  wal::Shard rolled = shard();
  rolled.segments.push_back({"_00004.wal", 4, 904, 0, kStart + seconds(5), {}, false});
  EXPECT_EQ(judge_kept(shard(), rolled, answers(empty)), Kept::unknown);
  EXPECT_EQ(judge_kept(shard(), shard(50, kStart + seconds(5)), answers(empty)), Kept::unknown);
  wal::Shard replaced = shard();
  replaced.segments.back().inode = 905;
  EXPECT_EQ(judge_kept(shard(), replaced, answers(empty)), Kept::unknown);
}

TEST(KeptOpen, WithoutAllFiguresNothingIsProven) {
  DebugVars no_segment = vars(0);
  no_segment.shards.begin()->second.segment_bytes.reset();
  EXPECT_EQ(judge_kept(shard(), shard(), answers(no_segment)), Kept::unknown);
  DebugVars no_cache = vars(0);
  no_cache.shards.begin()->second.memory_bytes.reset();
  EXPECT_EQ(judge_kept(shard(), shard(), answers(no_cache)), Kept::unknown);
}

TEST(KeptOpen, WithoutFiguresAnArchiveFromTheRightServerProvesIt) {
  EXPECT_EQ(judge_kept(shard(), shard(), {true, true, false, nullptr}), Kept::open);
  EXPECT_EQ(judge_kept(shard(), shard(), {true, false, false, nullptr}), Kept::unknown) << "perhaps another server";
  EXPECT_EQ(judge_kept(shard(), shard(), {false, true, false, nullptr}), Kept::unknown) << "refused";
  EXPECT_EQ(judge_kept(shard(), shard(), {true, true, true, nullptr}), Kept::unknown) << "perhaps of the other folder";
}

TEST(KeptOpen, WhyNotIsToldApart) {
  std::set<std::string> texts;
  for (const Kept kept : {Kept::in_memory, Kept::written_since, Kept::elsewhere, Kept::unknown}) {
    texts.insert(why_unverified(kept, "influxdb.backup_address"));
    EXPECT_THAT(*texts.rbegin(), ::testing::HasSubstr("influxdb.backup_address"));
  }
  EXPECT_EQ(texts.size(), 4U);
}

}  // namespace
}  // namespace wal_exporter::influxdb
