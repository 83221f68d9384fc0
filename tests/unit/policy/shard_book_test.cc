#include "policy/shard_book.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hand_driven.h"

namespace wal_exporter::policy {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using wal::ShardKey;
using wal::ShardState;

// A shard with segments of 10 bytes, numbered from `first`, written a minute apart.
wal::Shard shard_of(const std::string& database, std::uint64_t id, std::uint64_t files, std::uint64_t first = 1) {
  wal::Shard shard;
  shard.database = database;
  shard.retention_policy = "autogen";
  shard.id = id;
  for (std::uint64_t number = first; number < first + files; ++number) {
    wal::Segment segment;
    segment.number = number;
    segment.inode = 100 * id + number;
    segment.bytes = 10;
    segment.modified = segment.oldest_data = kStart + minutes(number);
    shard.segments.push_back(segment);
    shard.pending += {1, 10};
  }
  return shard;
}

wal::Sample sample_with(std::vector<wal::Shard> shards) {
  wal::Sample sample;
  sample.taken_at = kStart;
  sample.shards = std::move(shards);
  for (const wal::Shard& shard : sample.shards) sample.pending += shard.pending;
  return sample;
}

const ShardKey kOld{"old", "autogen", 66};
const ShardKey kPlant{"plant", "autogen", 1};

TEST(ShardBookOrphans, AreCountedApartAndNotPending) {
  const auto sample = sample_with({shard_of("old", 66, 40), shard_of("plant", 1, 3, 50)});
  const ShardBook book = set_apart({}, sample.shards[0], ShardState::orphaned, "the server does not know it", kStart);
  const wal::Sample seen = apply(book, sample);
  EXPECT_EQ(seen.pending, (wal::Extent{3, 30}));
  EXPECT_EQ(seen.orphaned, (wal::Extent{40, 400}));
  EXPECT_EQ(seen.kept_open, wal::Extent{});
  EXPECT_EQ(seen.oldest_pending, kStart + minutes(50));
  EXPECT_EQ(seen.shards[0].state, ShardState::orphaned);
  EXPECT_EQ(seen.shards[1].state, ShardState::pending);
  EXPECT_THAT(seen.notes, ElementsAre(HasSubstr("Shard old/autogen/66 is not counted: the server does not know it; if "
                                                "it is not needed, move its folder out of the WAL directory with "
                                                "InfluxDB stopped")));
  EXPECT_THAT(left_alone(book, seen, kStart), ElementsAre(kOld));
}

TEST(ShardBookOrphans, AreLookedAtAgainAfterADay) {
  const auto sample = sample_with({shard_of("old", 66, 2), shard_of("plant", 1, 1)});
  const ShardBook book = set_apart({}, sample.shards[0], ShardState::orphaned, "", kStart);
  EXPECT_THAT(left_alone(book, apply(book, sample), kStart + hours(24) - nanoseconds(1)), SizeIs(1));
  EXPECT_THAT(left_alone(book, apply(book, sample), kStart + hours(24)), IsEmpty());
  EXPECT_EQ(apply(book, sample).orphaned.files, 2U) << "and set apart until the answer is there";
  const auto alone = sample_with({sample.shards[0]});
  EXPECT_THAT(left_alone(book, apply(book, alone), kStart + hours(24)), ElementsAre(kOld))
      << "alone it would look like a shard of another server";
}

TEST(ShardBookOrphans, CountAgainOnceTheirSegmentsChange) {
  const auto sample = sample_with({shard_of("old", 66, 2)});
  const ShardBook book = set_apart({}, sample.shards[0], ShardState::orphaned, "", kStart);
  EXPECT_THAT(after_sample(book, sample, kStart).entries, SizeIs(1));
  EXPECT_THAT(after_sample(book, sample_with({shard_of("old", 66, 3)}), kStart).entries, IsEmpty());
  EXPECT_THAT(after_sample(book, sample_with({}), kStart).entries, IsEmpty()) << "and its folder is gone";
}

TEST(ShardBookKeptOpen, IsCountedForItself) {
  const auto sample = sample_with({shard_of("plant", 1, 1)});
  const ShardBook book = set_apart({}, sample.shards[0], ShardState::kept_open, "", kStart);
  const wal::Sample seen = apply(book, sample);
  EXPECT_EQ(seen.pending, wal::Extent{});
  EXPECT_EQ(seen.oldest_pending, std::nullopt);
  EXPECT_EQ(seen.kept_open, (wal::Extent{1, 10}));
  EXPECT_THAT(seen.notes, IsEmpty());
}

// Each question may leave one more segment.
TEST(ShardBookFailures, LeaveAShardAloneAfterThreeInARow) {
  ShardBook book;
  for (std::uint64_t asked = 1; asked <= 3; ++asked) {
    const auto sample = sample_with({shard_of("plant", 1, 30 + asked)});
    EXPECT_THAT(left_alone(book, apply(book, sample), kStart), IsEmpty());
    book = after_failure(std::move(book), sample.shards[0], "the snapshot fails", kStart + minutes(asked));
  }
  const auto sample = sample_with({shard_of("plant", 1, 33)});
  EXPECT_TRUE(book.entries.at(kPlant).is_failing());
  EXPECT_EQ(book.entries.at(kPlant).since, kStart + minutes(1));
  EXPECT_EQ(apply(book, sample).pending.files, 33U) << "its data is at risk, so it counts";
  EXPECT_THAT(left_alone(book, sample, kStart + minutes(33) - nanoseconds(1)), ElementsAre(kPlant));
  EXPECT_THAT(left_alone(book, sample, kStart + minutes(33)), IsEmpty());
}

TEST(ShardBookFailures, DoubleTheWaitUpToADay) {
  const wal::Shard shard = shard_of("plant", 1, 5);
  ShardBook book;
  std::vector<std::int64_t> waits;
  for (int i = 0; i < 12; ++i) {
    book = after_failure(std::move(book), shard, "", kStart);
    if (const auto next = book.entries.at(kPlant).next_try) {
      waits.push_back(std::chrono::duration_cast<minutes>(*next - kStart).count());
    }
  }
  EXPECT_THAT(waits, ElementsAre(30, 60, 120, 240, 480, 960, 1440, 1440, 1440, 1440));
}

TEST(ShardBookFailures, AreForgottenOnceTheOldestSegmentIsGone) {
  const auto failed = shard_of("plant", 1, 5);
  const ShardBook book = after_failure({}, failed, "", kStart);
  EXPECT_THAT(after_sample(book, sample_with({shard_of("plant", 1, 9)}), kStart).entries, SizeIs(1)) << "it grew";
  EXPECT_THAT(after_sample(book, sample_with({shard_of("plant", 1, 4, 2)}), kStart).entries, IsEmpty())
      << "the server persisted the first one by itself";
}

TEST(ShardBookFailures, AreForgottenWithASuccess) {
  ShardBook book = after_failure({}, shard_of("plant", 1, 5), "", kStart);
  book = after_persisted(std::move(book), kPlant);
  EXPECT_THAT(book.entries, IsEmpty());
}

TEST(ShardBookFailures, WaitNoLongerThanTheirOwnLengthWhenTheClockWasSetBack) {
  const auto sample = sample_with({shard_of("plant", 1, 5)});
  ShardBook book;
  for (const Duration length : {minutes(0), minutes(0), minutes(30), minutes(60)}) {
    book = after_failure(std::move(book), sample.shards[0], "", kStart + hours(1000));
    const ShardBook back = after_sample(book, sample, kStart);
    EXPECT_EQ(back.entries.at(kPlant).since, kStart);
    if (length == Duration::zero()) continue;
    EXPECT_EQ(back.entries.at(kPlant).next_try, kStart + length);
  }
  for (int i = 0; i < 10; ++i) book = after_failure(std::move(book), sample.shards[0], "", kStart + hours(1000));
  EXPECT_EQ(after_sample(std::move(book), sample, kStart).entries.at(kPlant).next_try, kStart + hours(24));
}

constexpr const char* kMoveIt = "move its folder out of the WAL directory";

TEST(ShardBookCopies, OfTwoFoldersWithOneNumberTheLastWrittenCountsAndNoneIsCalledTheCopy) {
  const wal::Sample seen = apply({}, sample_with({shard_of("grid", 17, 25, 1), shard_of("grid.old", 17, 20, 40)}));
  EXPECT_EQ(seen.pending, (wal::Extent{20, 200}));
  EXPECT_EQ(seen.orphaned, (wal::Extent{25, 250}));
  EXPECT_EQ(seen.shards[0].state, ShardState::orphaned);
  EXPECT_THAT(seen.notes,
              ElementsAre("Shard grid/autogen/17 is not counted: shard grid.old/autogen/17, which is counted, has the "
                          "same number; InfluxDB reads only one of the two, and SHOW SHARDS tells which"));
  EXPECT_THAT(left_alone({}, seen, kStart), ElementsAre(ShardKey{"grid", "autogen", 17}));
}

TEST(ShardBookCopies, OfBucketsTheDataDirectoryTells) {
  auto sample = sample_with({shard_of("00000000000000aa", 17, 2), shard_of("00000000000000bb", 17, 2)});
  sample.bucket_ids = true;
  EXPECT_THAT(apply({}, sample).notes, ElementsAre(HasSubstr("only one of the two, and its data directory tells")));
}

TEST(ShardBookCopies, ThatKeptTheirTimesAreCountedOnce) {
  const wal::Sample seen =
      apply({}, sample_with({shard_of("a.old", 7, 2), shard_of("cellar", 7, 2), shard_of("b", 7, 2)}));
  EXPECT_EQ(seen.pending.files, 2U);
  EXPECT_EQ(seen.orphaned.files, 4U);
  for (const std::string& text : seen.notes) EXPECT_EQ(text.find(kMoveIt), std::string::npos) << text;
}

// A copy that was made later, or whose name sorts first.
TEST(ShardBookCopies, AreNamedWhereTheDataDirectoryHasTheOther) {
  auto sample = sample_with({shard_of("aaa", 17, 25, 40), shard_of("grid", 17, 20)});
  sample.shards[0].has_data = false;
  sample.shards[1].has_data = true;
  const wal::Sample seen = apply({}, sample);
  EXPECT_EQ(seen.shards[0].state, ShardState::orphaned);
  EXPECT_EQ(seen.shards[1].state, ShardState::pending);
  ASSERT_THAT(seen.notes, SizeIs(1));
  EXPECT_THAT(seen.notes[0], HasSubstr("Shard aaa/autogen/17 is not counted: its number is that of shard "
                                       "grid/autogen/17, which has a folder in the data directory while this one has "
                                       "none: it is a copy, which InfluxDB does not read"));
  EXPECT_THAT(seen.notes[0], HasSubstr(kMoveIt));
}

TEST(ShardBookCopies, AreNotNamedWhereTheDataDirectoryHasBothOrNone) {
  auto sample = sample_with({shard_of("grid", 17, 25), shard_of("grid.bak", 17, 25)});
  for (const std::optional<bool> has_data : {std::optional(true), std::optional(false), std::optional<bool>()}) {
    sample.shards[0].has_data = sample.shards[1].has_data = has_data;
    EXPECT_FALSE(why_not_counted(apply({}, sample), sample.shards[1]).is_copy);
  }
  sample.shards[0].has_data = true;  // the other may not be looked at
  EXPECT_EQ(apply({}, sample).shards[0].state, ShardState::pending);
  EXPECT_FALSE(why_not_counted(apply({}, sample), sample.shards[1]).is_copy);
}

TEST(ShardBookCopies, InAFolderOfOtherProgramsAreNotTheOnesThatCount) {
  auto sample = sample_with({shard_of(".snapshot", 8, 49, 50), shard_of("meter", 8, 40)});
  sample.shards[0].stray_name = true;
  EXPECT_EQ(apply({}, sample).pending.files, 40U);
}

TEST(ShardBookCopies, OfOneThatIsKeptOpenDoNotTakeItsPlace) {
  const auto sample = sample_with({shard_of("grid", 17, 1, 5), shard_of("grid.bak", 17, 1)});
  const ShardBook book = set_apart({}, sample.shards[0], ShardState::kept_open, "", kStart);
  const wal::Sample seen = apply(book, sample);
  EXPECT_EQ(seen.kept_open.files, 1U);
  EXPECT_EQ(seen.orphaned.files, 1U);
}

TEST(ShardBookCopies, OfAnOrphanAreOrphansToo) {
  const auto sample = sample_with({shard_of("grid", 17, 2), shard_of("grid.bak", 17, 2)});
  ShardBook book = set_apart({}, sample.shards[0], ShardState::orphaned, "unknown", kStart);
  book = set_apart(std::move(book), sample.shards[1], ShardState::orphaned, "unknown", kStart);
  EXPECT_EQ(apply(book, sample).orphaned.files, 4U);
}

// The run asked for the number, and the other folder was emptied.
TEST(ShardBookCopies, FollowWhatACheckpointHasShown) {
  const auto sample = sample_with({shard_of("plant", 7, 2, 5), shard_of("plant.bak", 7, 2, 1)});
  const ShardBook book = set_apart({}, sample.shards[0], ShardState::orphaned, "", kStart);
  EXPECT_EQ(apply(book, sample).shards[0].state, ShardState::orphaned);
  EXPECT_EQ(apply(book, sample).shards[1].state, ShardState::pending);
}

TEST(ShardBookText, EverythingComesBack) {
  ShardBook book;
  book.server = "127.0.0.1:8088 ";
  book.server_proven = true;
  for (int i = 0; i < 4; ++i) book = after_failure(std::move(book), shard_of("plant", 1, 5), "says no", kStart);
  book = set_apart(std::move(book), shard_of("old", 66, 2), ShardState::orphaned, "unknown", kStart + nanoseconds(1));
  book = set_apart(std::move(book), shard_of("cold", 3, 1), ShardState::kept_open, "", kStart);
  EXPECT_EQ(shard_book_from(to_text(book)).value(), book);
}

TEST(ShardBookText, ThatIsNoneIsAnError) {
  EXPECT_FALSE(shard_book_from("").has_value());
  EXPECT_FALSE(shard_book_from("[]").has_value());
  EXPECT_FALSE(shard_book_from(R"({"server":"","server_proven":false,"shards":[{"state":"failing","id":-1}]})"));
}

TEST(ShardBookText, IsBounded) {
  ShardBook book;
  for (std::uint64_t id = 1; id <= kMostShardEntries + 10; ++id) {
    book = set_apart(std::move(book), shard_of("old", id, 1), ShardState::orphaned, std::string(10'000, 'x'), kStart);
  }
  EXPECT_THAT(book.entries, SizeIs(kMostShardEntries));
  EXPECT_LT(to_text(book).size(), 2'000'000U);
}

}  // namespace
}  // namespace wal_exporter::policy
