// What a reader of the 3.x layout makes of changes between two samples, and what it
// costs.
#include <gmock/gmock.h>

#include <atomic>
#include <thread>
#include <vector>

#include "unit/wal/node_tree.h"

namespace wal_exporter::wal {
namespace {

using ::testing::HasSubstr;

TEST_F(Node, ALookOpensOnlyFilesItHasNotReadBefore) {
  const int folder = ::open((node_ / "wal").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  for (std::uint64_t number = 1; number <= 100'000; ++number) {
    ASSERT_EQ(::mknodat(folder, node_file_name(number).c_str(), S_IFREG | 0600, 0), 0);
  }
  ::close(folder);
  put_range(100'001, 100'900);
  write_all(snapshot(200), snapshot_json(200, 100'000));
  const auto source = open();

  const auto first = look(*source);
  EXPECT_EQ(first->retained.files, 100'000U);
  EXPECT_EQ(first->pending.files, 900U);
  EXPECT_EQ(counter_->opened, 900U + 1);
  EXPECT_LE(counter_->statted, 100'900U + 1);

  std::uint64_t opened = counter_->opened;
  std::uint64_t statted = counter_->statted;
  EXPECT_EQ(look(*source)->pending.files, 900U);
  EXPECT_EQ(counter_->opened - opened, 0U);
  EXPECT_LE(counter_->statted - statted, 2U) << "the newest file and the newest snapshot";

  put_range(100'901, 100'907);
  statted = counter_->statted;
  const auto third = look(*source);
  EXPECT_EQ(third->pending.files, 907U);
  EXPECT_EQ(counter_->opened - opened, 7U);
  EXPECT_LE(counter_->statted - statted, 7U + 2);
  EXPECT_EQ(third->written, (Extent{7, 7 * wal_file(1).size()}));

  write_all(snapshot(201), snapshot_json(201, 100'800));
  opened = counter_->opened;
  const auto fourth = look(*source);
  EXPECT_EQ(fourth->retained.files, 100'800U);
  EXPECT_EQ(fourth->pending.files, 107U);
  EXPECT_EQ(counter_->opened - opened, 1U) << "the new snapshot";
}

TEST_F(Node, EachSnapshotIsAskedOnceWhenItWasWritten) {
  const auto make = [&](std::uint64_t sequence, Time time) {
    write_all(snapshot(sequence), snapshot_json(sequence, sequence));
    set_modified(snapshot(sequence), time);
  };
  using std::chrono::minutes;
  for (std::uint64_t sequence = 1; sequence <= 1000; ++sequence) make(sequence, kTestNow - minutes(1001 - sequence));
  const auto source = open();
  const auto first = look(*source);
  ASSERT_EQ(first->snapshot_times.size(), 1000U);
  EXPECT_EQ(first->snapshot_times.front(), kTestNow - minutes(1));
  EXPECT_EQ(first->snapshot_times.back(), kTestNow - minutes(1000));
  EXPECT_EQ(counter_->statted, 1000U + 1) << "and the one before the newest: wal/ is empty, so it says what is likely";
  make(1001, kTestNow);
  std::filesystem::remove(snapshot(1));
  std::uint64_t statted = counter_->statted;
  const auto second = look(*source);
  ASSERT_EQ(second->snapshot_times.size(), 1000U);
  EXPECT_EQ(second->snapshot_times.front(), kTestNow);
  EXPECT_EQ(second->snapshot_times.back(), kTestNow - minutes(999));
  EXPECT_EQ(counter_->statted - statted, 1U + 1);
  // Another folder with the same numbers in it.
  std::filesystem::rename(node_ / "snapshots", top_ / "before");
  for (std::uint64_t sequence = 2; sequence <= 1001; ++sequence) make(sequence, kTestNow - minutes(5));
  EXPECT_EQ(look(*source)->snapshot_times, std::vector<Time>(1000, kTestNow - minutes(5)));
}

TEST_F(Node, TheNewestSnapshotsAreTimedAloneWhereThereAreVeryMany) {
  std::filesystem::create_directories(node_ / "snapshots");
  const int folder = ::open((node_ / "snapshots").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  for (std::uint64_t sequence = 1; sequence <= 50'009; ++sequence) {
    ASSERT_EQ(::mknodat(folder, snapshot_name(sequence).c_str(), S_IFREG | 0600, 0), 0);
  }
  ::close(folder);
  set_modified(snapshot(50'009), kTestNow);
  const auto sample = look_once();
  EXPECT_EQ(sample->snapshot_files, 50'009U);
  ASSERT_EQ(sample->snapshot_times.size(), 50'000U);
  EXPECT_EQ(sample->snapshot_times.front(), kTestNow);
}

TEST_F(Node, SnapshotsBehindTheServersOwnMetadataCheckpointAreCovered) {
  for (std::uint64_t sequence = 1; sequence <= 9; ++sequence) {
    write_all(snapshot(sequence), snapshot_json(sequence, sequence));
  }
  EXPECT_EQ(look_once()->snapshots_covered, 0U);
  const auto month = node_ / "snapshot-checkpoints" / "2026-10";
  std::filesystem::create_directories(month);
  std::string name = snapshot_name(6);
  write_all(month / name.replace(name.find(".info"), 5, ".checkpoint"), "{}");
  EXPECT_EQ(look_once()->snapshots_covered, 6U);
}

TEST_F(Node, FilesThatAppearCountAsWrittenAndThoseOfTheFirstLookDoNot) {
  put_range(1, 3);
  const auto source = open();
  EXPECT_EQ(look(*source)->written, Extent{});
  put_range(4, 5);
  const std::uint64_t size = wal_file(1).size();
  EXPECT_EQ(look(*source)->written, (Extent{2, 2 * size}));
  EXPECT_EQ(look(*source)->written, (Extent{2, 2 * size}));
  put_range(6, 8);
  write_all(snapshot(1), snapshot_json(1, 7));
  std::filesystem::remove(wal(1));
  const auto sample = look(*source);
  EXPECT_EQ(sample->written, (Extent{5, 5 * size})) << "snapshotted before it was seen";
  EXPECT_EQ(sample->retained.files, 6U);
  EXPECT_EQ(sample->pending.files, 1U);
}

TEST_F(Node, AHalfWrittenSnapshotIsReadAgainAndTheOneBeforeItStays) {
  use_fixture("after-snapshot");
  const auto source = open();
  ASSERT_EQ(look(*source)->pending.files, 5U);
  const std::string whole = snapshot_json(2, 33);
  for (const std::size_t size : {std::size_t{0}, whole.size() / 2, whole.size() - 1}) {
    write_all(snapshot(2), whole.substr(0, size));
    const auto sample = look(*source);
    EXPECT_EQ(sample->snapshot->sequence, 1U) << size;
    EXPECT_EQ(sample->pending.files, 5U) << size;
    ASSERT_EQ(sample->invalid.size(), 1U);
    EXPECT_EQ(sample->invalid[0].reason, InvalidReason::torn);
  }
  write_all(snapshot(2), whole);
  const auto sample = look(*source);
  EXPECT_EQ(sample->snapshot->sequence, 2U);
  EXPECT_EQ(sample->pending.files, 1U);
  EXPECT_TRUE(sample->invalid.empty());
}

TEST_F(Node, AHalfWrittenSnapshotIsPassedOverAtTheFirstLookToo) {
  use_fixture("after-snapshot");
  write_all(snapshot(2), "{\"snapshot_sequence_number\": 2, \"wal_file_sequence_number\": 33");
  EXPECT_EQ(look_once()->snapshot->sequence, 1U);
}

TEST_F(Node, AFirstSnapshotThatIsHalfWrittenLeavesEverythingPending) {
  use_fixture("after-snapshot");
  const std::string whole = read_all(snapshot(1));
  write_all(snapshot(1), whole.substr(0, whole.size() - 2));
  const auto source = open();
  const auto first = look(*source);
  EXPECT_EQ(first->snapshot, std::nullopt);
  EXPECT_EQ(first->pending.files, 34U);
  EXPECT_EQ(first->invalid.size(), 1U);
  write_all(snapshot(1), whole);
  EXPECT_EQ(look(*source)->pending.files, 5U);
}

TEST_F(Node, ASnapshotThatWasGoodStaysGoodWhileItIsRewritten) {
  use_fixture("after-snapshot");
  const auto source = open();
  ASSERT_EQ(look(*source)->pending.files, 5U);
  write_all(snapshot(1), "{");
  EXPECT_EQ(look(*source)->pending.files, 5U);
  write_all(snapshot(1), snapshot_json(1, 31));
  EXPECT_EQ(look(*source)->pending.files, 3U);
}

TEST_F(Node, ASnapshotOfAnotherNumberThanItsNameIsNotUsed) {
  use_fixture("after-snapshot");
  write_all(snapshot(9), snapshot_json(8, 34));
  const auto sample = look_once();
  EXPECT_EQ(sample->snapshot->sequence, 1U);
  EXPECT_EQ(sample->snapshot_files, 2U);
  ASSERT_EQ(sample->invalid.size(), 1U);
  EXPECT_EQ(sample->invalid[0].reason, InvalidReason::misnamed);
  EXPECT_THAT(sample->invalid[0].detail, HasSubstr("its snapshot_sequence_number is 8, its name says 9"));
}

TEST_F(Node, ASnapshotTakenAwayMakesItsFilesPendingAgain) {
  use_fixture("after-snapshot");
  const auto source = open();
  ASSERT_EQ(look(*source)->retained.files, 29U);
  std::filesystem::remove(snapshot(1));
  const auto sample = look(*source);
  EXPECT_EQ(sample->pending.files, 34U);
  EXPECT_EQ(sample->retained.files, 0U);
  EXPECT_EQ(sample->written, Extent{});
}

TEST_F(Node, ADamagedNewestFileJustPutThereIsJudgedAtTheNextLook) {
  put_range(1, 3);
  write_all(wal(4), "");
  set_modified(wal(4), kTestNow - std::chrono::seconds(1));
  const auto source = open();
  const auto first = look(*source);
  EXPECT_TRUE(first->invalid.empty());
  EXPECT_FALSE(first->newest_file_damaged);
  EXPECT_EQ(first->pending.files, 4U);
  ASSERT_EQ(first->notes.size(), 1U);
  EXPECT_THAT(first->notes[0], HasSubstr("00000000004.wal"));
  clock_->advance(std::chrono::seconds(2));
  const auto second = look(*source);
  EXPECT_TRUE(second->newest_file_damaged);
  ASSERT_EQ(second->invalid.size(), 1U);
  EXPECT_EQ(second->invalid[0].reason, InvalidReason::empty);
}

TEST_F(Node, WithoutASettleTimeEveryFileIsJudgedAtOnce) {
  put_range(1, 3);
  write_all(wal(4), "idb3");
  set_modified(wal(4), kTestNow);
  options_.settle_time = Duration::zero();
  EXPECT_TRUE(look_once()->newest_file_damaged);
}

TEST_F(Node, AnOlderFileOrATimeFarAheadGetsNoTimeToSettle) {
  put_range(1, 4);
  write_all(wal(2), "");
  set_modified(wal(2), kTestNow);
  EXPECT_EQ(look_once()->invalid.size(), 1U);
  write_all(wal(4), "");
  set_modified(wal(4), kTestNow + std::chrono::hours(1));
  EXPECT_TRUE(look_once()->newest_file_damaged);
}

TEST_F(Node, ANewestFileThatIsCompletedAfterAllIsGood) {
  put_range(1, 3);
  write_all(wal(4), wal_file(4).substr(0, 20));
  set_modified(wal(4), kTestNow - std::chrono::hours(1));
  const auto source = open();
  ASSERT_TRUE(look(*source)->newest_file_damaged);
  put(4);
  const auto sample = look(*source);
  EXPECT_TRUE(sample->invalid.empty());
  EXPECT_EQ(sample->max_data_time, Time(Duration(4'000'000'007)));
}

TEST_F(Node, ADamagedNewestFileMovedAsideIsForgottenAndItsNumberReadAgain) {
  put_range(1, 3);
  write_all(wal(4), "");
  set_modified(wal(4), kTestNow - std::chrono::hours(1));
  const auto source = open();
  ASSERT_TRUE(look(*source)->newest_file_damaged);
  std::filesystem::rename(wal(4), node_ / "aside");
  const auto between = look(*source);
  EXPECT_FALSE(between->newest_file_damaged);
  EXPECT_EQ(between->pending.files, 3U);
  put(4);
  const auto after = look(*source);
  EXPECT_EQ(after->pending.files, 4U);
  EXPECT_TRUE(after->invalid.empty());
}

TEST_F(Node, ADamagedFileBehindTheNewestIsReadAgainOnlyOnceItChanged) {
  put_range(1, 4);
  write_all(wal(2), "broken, and long enough to have a header");
  const auto source = open();
  ASSERT_EQ(look(*source)->invalid.size(), 1U);
  std::uint64_t opened = counter_->opened;
  ASSERT_EQ(look(*source)->invalid.size(), 1U);
  EXPECT_EQ(counter_->opened, opened);
  put(2);
  EXPECT_EQ(look(*source)->invalid.size(), 0U);
}

TEST_F(Node, FilesThatVanishAreForgotten) {
  put_range(1, 9);
  const auto source = open();
  ASSERT_EQ(look(*source)->pending.files, 9U);
  for (const std::uint64_t number : {1, 5, 6}) std::filesystem::remove(wal(number));
  const auto sample = look(*source);
  EXPECT_EQ(sample->pending.files, 6U);
  EXPECT_EQ(sample->sequence_gaps, 3U);
  EXPECT_EQ(sample->periods[1].number, 3U);
}

TEST_F(Node, AReplacedDirectoryIsReadAfresh) {
  put_range(1, 5);
  const auto source = open();
  ASSERT_EQ(look(*source)->max_data_time, Time(Duration(5'000'000'007)));
  std::filesystem::rename(node_ / "wal", node_ / "old");
  std::filesystem::create_directory(node_ / "wal");
  for (std::uint64_t number = 1; number <= 6; ++number) write_all(wal(number), wal_file(number, 90));
  const std::uint64_t opened = counter_->opened;
  const auto sample = look(*source);
  EXPECT_EQ(counter_->opened - opened, 6U);
  EXPECT_EQ(sample->pending, (Extent{6, 6 * wal_file(1, 90).size()}));
  EXPECT_EQ(sample->written, Extent{});
  ASSERT_EQ(sample->notes.size(), 1U);
  EXPECT_THAT(sample->notes[0], HasSubstr("replaced"));
  EXPECT_TRUE(look(*source)->notes.empty());
}

TEST_F(Node, NumbersThatStartOverAreReadAfresh) {
  put_range(1, 5);
  const auto source = open();
  ASSERT_EQ(look(*source)->pending.files, 5U);
  for (std::uint64_t number = 1; number <= 5; ++number) std::filesystem::remove(wal(number));
  write_all(wal(1), wal_file(1, 90));
  const auto sample = look(*source);
  EXPECT_EQ(sample->pending, (Extent{1, wal_file(1, 90).size()}));
}

TEST_F(Node, ANewestFileThatVanishesUncoveredIsSaidAndEverythingReadAfresh) {
  put_range(1, 5);
  write_all(snapshot(1), snapshot_json(1, 4));
  const auto source = open();
  ASSERT_EQ(look(*source)->pending.files, 1U);
  std::filesystem::remove(wal(5));
  const auto sample = look(*source);
  ASSERT_EQ(sample->notes.size(), 1U);
  EXPECT_THAT(sample->notes[0], HasSubstr("lost its newest file"));
}

// As a server that keeps no snapshotted files does (kept_files 0).
TEST_F(Node, ANewestFileThatASnapshotCoversMayGo) {
  put_range(1, 5);
  const auto source = open();
  ASSERT_EQ(look(*source)->pending.files, 5U);
  write_all(snapshot(1), snapshot_json(1, 5));
  for (std::uint64_t number = 1; number <= 5; ++number) std::filesystem::remove(wal(number));
  const auto sample = look(*source);
  EXPECT_TRUE(sample->notes.empty()) << sample->notes[0];
  EXPECT_EQ(sample->pending, Extent{});
  EXPECT_EQ(sample->retained, Extent{});
  EXPECT_EQ(sample->newest_file, std::nullopt);

  put(6);
  write_all(snapshot(2), snapshot_json(2, 6));
  put(7);
  std::filesystem::remove(wal(6));
  const auto after = look(*source);
  EXPECT_TRUE(after->notes.empty());
  EXPECT_EQ(after->pending.files, 1U);
  EXPECT_EQ(after->written, (Extent{1, wal_file(7).size()}));
}

TEST_F(Node, ANewestFileReplacedUnderItsNumberIsReadAgain) {
  put_range(1, 3);
  const auto source = open();
  ASSERT_EQ(look(*source)->pending.files, 3U);
  write_all(wal(99), wal_file(3, 200));
  std::filesystem::rename(wal(99), wal(3));
  EXPECT_EQ(look(*source)->periods.back().bytes, wal_file(3, 200).size());
}

TEST_F(Node, LooksFromSeveralThreadsTakeTurns) {
  put_range(1, 20);
  const auto source = open();
  std::vector<std::jthread> threads;
  std::atomic<int> right{0};
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      const auto sample = source->take_sample({});
      if (sample && (*sample)->pending.files == 20) ++right;
    });
  }
  threads.clear();
  EXPECT_EQ(right, 4);
  EXPECT_EQ(counter_->opened, 20U);
}

TEST_F(Node, EveryLookSeesARowOfChangesAsAFreshReaderDoes) {
  // A fixed sequence of additions, removals and snapshots; the index must agree
  // with a reader that has no memory.
  const auto source = open();
  std::uint64_t seed = 12345;
  const auto next = [&seed](std::uint64_t bound) {
    seed = seed * 6'364'136'223'846'793'005ULL + 1'442'695'040'888'963'407ULL;
    return (seed >> 33) % bound;
  };
  std::uint64_t newest = 0;
  std::uint64_t snapshotted = 0;
  std::uint64_t sequence = 0;
  for (int round = 0; round < 60; ++round) {
    for (std::uint64_t more = next(6); more > 0; --more) {
      ++newest;
      if (next(8) != 0) put(newest);
      if (next(12) == 0) write_all(wal(newest), wal_file(newest).substr(0, next(50)));
    }
    if (next(4) == 0 && newest > snapshotted) {
      snapshotted += 1 + next(newest - snapshotted);
      ++sequence;
      write_all(snapshot(sequence), snapshot_json(sequence, snapshotted));
    }
    if (next(3) == 0 && newest > 1) std::filesystem::remove(wal(1 + next(newest - 1)));
    const auto seen = look(*source);
    const auto fresh = look_once();
    ASSERT_EQ(seen->periods, fresh->periods) << round;
    ASSERT_EQ(seen->pending, fresh->pending) << round;
    ASSERT_EQ(seen->retained, fresh->retained) << round;
    ASSERT_EQ(seen->invalid, fresh->invalid) << round;
    ASSERT_EQ(seen->sequence_gaps, fresh->sequence_gaps) << round;
    ASSERT_EQ(seen->newest_file, fresh->newest_file) << round;
    ASSERT_EQ(seen->snapshot_times, fresh->snapshot_times) << round;
    ASSERT_EQ(seen->newest_file_damaged, fresh->newest_file_damaged) << round;
    ASSERT_EQ(seen->max_data_time, fresh->max_data_time) << round;
  }
}

}  // namespace
}  // namespace wal_exporter::wal
