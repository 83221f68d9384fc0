#include "wal/node_source.h"

#include <gmock/gmock.h>

#include "unit/wal/node_tree.h"
#include "wal/finding.h"
#include "wal/listing.h"

namespace wal_exporter::wal {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Time ns(std::int64_t since_1970) {
  return Time(Duration(since_1970));
}

// A time of day of the recording's date, for files put there long ago.
constexpr Time kLongAgo = kTestNow - std::chrono::minutes(5);

TEST_F(Node, TwelvePendingHasTwelvePendingAndNoSnapshot) {
  use_fixture("twelve-pending");
  const auto sample = look_once();
  EXPECT_EQ(sample->layout, Layout::node);
  EXPECT_EQ(sample->taken_at, kTestNow);
  EXPECT_EQ(sample->pending, (Extent{12, 12 * 140}));
  EXPECT_EQ(sample->retained, Extent{});
  EXPECT_EQ(sample->snapshot, std::nullopt);
  EXPECT_EQ(sample->snapshot_files, 0U);
  EXPECT_EQ(sample->max_data_time, ns(1'795'398'026'191'728'846));
  EXPECT_EQ(sample->oldest_pending, ns(1'795'398'025'190'000'000));
  EXPECT_EQ(sample->sequence_gaps, 0U);
  EXPECT_TRUE(sample->invalid.empty());
  EXPECT_TRUE(sample->notes.empty());
  EXPECT_FALSE(sample->newest_file_damaged);
  EXPECT_GT(sample->filesystem_avail_bytes, 0U);
  EXPECT_EQ(sample->written, Extent{});
}

TEST_F(Node, AfterSnapshotHasFivePendingBehindItsSnapshot) {
  use_fixture("after-snapshot");
  set_modified(snapshot(1), kLongAgo);
  set_modified(wal(34), kLongAgo);
  const auto sample = look_once();
  EXPECT_EQ(sample->pending.files, 5U);
  EXPECT_EQ(sample->retained.files, 29U);
  EXPECT_EQ(sample->snapshot, (Snapshot{1, 29, kLongAgo}));
  EXPECT_EQ(sample->snapshot_files, 1U);
  ASSERT_EQ(sample->periods.size(), 5U);
  EXPECT_EQ(sample->periods.front().number, 30U);
  EXPECT_EQ(sample->periods.back().number, 34U);
  EXPECT_EQ(sample->periods.back().persisted, Time(std::chrono::milliseconds(1'795'398'030'489)));
  EXPECT_EQ(sample->periods.back().min_time, ns(1'795'398'030'391'549'195));
  EXPECT_EQ(sample->max_data_time, ns(1'795'398'600'000'000'000));
  EXPECT_EQ(sample->newest_file, kLongAgo);
  EXPECT_EQ(sample->sequence_gaps, 0U);
}

TEST_F(Node, BlockedByAFutureWriteHasItInFileFour) {
  use_fixture("blocked-by-future-write");
  const auto sample = look_once();
  EXPECT_EQ(sample->pending.files, 44U);
  EXPECT_EQ(sample->snapshot, std::nullopt);
  ASSERT_EQ(sample->periods.size(), 44U);
  EXPECT_EQ(sample->periods[3].number, 4U);
  EXPECT_EQ(sample->periods[3].max_time, ns(1'795'484'432'726'102'537));
  EXPECT_EQ(sample->max_data_time, sample->periods[3].max_time);
}

TEST_F(Node, TheFixturesAreSoundInFull) {
  for (const char* name : {"twelve-pending", "after-snapshot", "blocked-by-future-write"}) {
    use_fixture(name);
    options_.checksum_bytes_per_second = 0;
    EXPECT_TRUE(look_once(Integrity::full)->invalid.empty()) << name;
  }
}

class Damaged : public Node {
 protected:
  void SetUp() override {
    Node::SetUp();
    use_fixture("after-snapshot");
  }
  // What a sample says of file `number` once it holds `content`.
  std::optional<InvalidFile> verdict(std::uint64_t number, std::string_view content,
                                     Integrity integrity = Integrity::header) {
    write_all(wal(number), content);
    set_modified(wal(number), kLongAgo);
    const auto sample = look_once(integrity);
    EXPECT_EQ(sample->pending.files, 5U);
    EXPECT_EQ(sample->periods.size(), 5U);
    EXPECT_LE(sample->invalid.size() + sample->unknown.size(), 1U);
    if (!sample->unknown.empty()) return sample->unknown.front();
    const bool newest = !sample->invalid.empty() && sample->invalid.front().newest;
    EXPECT_EQ(sample->newest_file_damaged, newest);
    if (sample->invalid.empty()) return std::nullopt;
    EXPECT_EQ(sample->invalid.front().file, node_file_name(number));
    EXPECT_EQ(sample->periods[number - 30].max_time, std::nullopt);
    return sample->invalid.front();
  }
};

TEST_F(Damaged, CutAtEveryLengthGivesTheReason) {
  for (const std::uint64_t number : {31, 34}) {
    const std::string whole = read_all(wal(number));
    for (std::size_t size = 0; size < whole.size(); ++size) {
      const auto invalid = verdict(number, std::string_view(whole).substr(0, size));
      ASSERT_TRUE(invalid.has_value()) << size;
      // Magic, checksum, three times of 9 bytes and a number of 2.
      const auto expected = size == 0            ? InvalidReason::empty
                            : size < 12 + 27 + 2 ? InvalidReason::too_short
                                                 : InvalidReason::checksum;
      EXPECT_EQ(invalid->reason, expected) << size;
      EXPECT_EQ(invalid->newest, number == 34) << size;
    }
    EXPECT_EQ(verdict(number, whole), std::nullopt);
  }
}

TEST_F(Damaged, AnyFlippedBitGivesTheReason) {
  const std::string whole = read_all(wal(32));
  std::string file = whole;
  for (std::size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    file[bit / 8] = static_cast<char>(file[bit / 8] ^ (1 << bit % 8));
    const auto invalid = verdict(32, file, Integrity::full);
    ASSERT_TRUE(invalid.has_value()) << bit;
    if (bit < 64) {
      const bool other_digits = bit >= 40 && file.find_first_not_of("0123456789", 5) >= 8;
      EXPECT_EQ(invalid->reason, other_digits ? InvalidReason::newer : InvalidReason::magic) << bit;
    } else if (bit / 8 < 12 || bit / 8 > 40) {
      EXPECT_EQ(invalid->reason, InvalidReason::checksum) << bit;
    }
    file[bit / 8] = static_cast<char>(file[bit / 8] ^ (1 << bit % 8));
  }
}

TEST_F(Damaged, ALargeFileWithAFlippedBitIsFoundByFullAlone) {
  std::string file = wal_file(34, 20'000);
  file.back() = static_cast<char>(file.back() ^ 1);
  EXPECT_EQ(verdict(34, file, Integrity::header), std::nullopt);
  const auto invalid = verdict(34, file, Integrity::full);
  ASSERT_TRUE(invalid.has_value());
  EXPECT_EQ(invalid->reason, InvalidReason::checksum);
  EXPECT_TRUE(invalid->newest);
}

TEST_F(Damaged, ARetainedFileIsNeverOpenedOrJudged) {
  write_all(wal(12), "");
  const auto sample = look_once(Integrity::full);
  EXPECT_TRUE(sample->invalid.empty());
  EXPECT_EQ(sample->retained, (Extent{29, 28 * 140}));
}

TEST_F(Damaged, OffJudgesBySizeAloneAndOpensNothing) {
  std::string file = read_all(wal(33));
  file[0] = 'x';
  EXPECT_EQ(verdict(33, file, Integrity::off), std::nullopt);
  const std::uint64_t snapshots_opened = counter_->opened;
  EXPECT_EQ(snapshots_opened, 1U);
  EXPECT_EQ(verdict(33, "idb3", Integrity::off)->reason, InvalidReason::too_short);
  const auto sample = look_once(Integrity::off);
  EXPECT_EQ(sample->max_data_time, std::nullopt);
  EXPECT_EQ(sample->oldest_pending, kLongAgo);
}

TEST_F(Damaged, ALayoutNotUnderstoodHasNoTimesAndIsNotDamage) {
  write_all(wal(32), sealed(std::string(60, '\x01')));
  const auto sample = look_once(Integrity::full);
  EXPECT_TRUE(sample->invalid.empty());
  EXPECT_EQ(sample->periods[2].number, 32U);
  EXPECT_EQ(sample->periods[2].max_time, std::nullopt);
  ASSERT_EQ(sample->unknown.size(), 1U);
  EXPECT_EQ(sample->unknown[0].file, "00000000032.wal");
  EXPECT_EQ(sample->unknown[0].reason, InvalidReason::newer);
}

TEST_F(Damaged, AMissingNumberIsAGapWhereverItIs) {
  std::filesystem::remove(wal(30));
  EXPECT_EQ(look_once()->sequence_gaps, 1U);
  std::filesystem::remove(wal(32));
  std::filesystem::remove(wal(33));
  const auto sample = look_once();
  EXPECT_EQ(sample->sequence_gaps, 3U);
  EXPECT_EQ(sample->pending.files, 2U);
  std::filesystem::remove(wal(7));
  EXPECT_EQ(look_once()->sequence_gaps, 3U) << "retained files may go";
}

TEST_F(Node, AHoleRightBehindTheSnapshotIsToldFromTheOthers) {
  put_range(60, 90);
  put_range(131, 160);
  std::filesystem::remove(wal(140));
  write_all(snapshot(1), snapshot_json(1, 90));
  const auto sample = look_once();
  EXPECT_EQ(sample->pending.files, 29U);
  EXPECT_EQ(sample->sequence_gaps, 41U);
  EXPECT_EQ(sample->front_gap, 40U);
}

TEST_F(Node, WithoutASnapshotTheFirstNumberIsExpectedToo) {
  use_fixture("twelve-pending");
  std::filesystem::remove(wal(1));
  std::filesystem::remove(wal(6));
  EXPECT_EQ(look_once()->sequence_gaps, 2U);
}

TEST_F(Damaged, OtherThingsOfAWalFilesNameAreNotPending) {
  std::filesystem::create_directory(wal(35));
  ASSERT_EQ(::mkfifo(wal(36).c_str(), 0600), 0);
  std::filesystem::create_symlink(wal(34), wal(37));
  for (const char* name : {"00000000038.wal#1", "0000000038.wal", "000000000038.wal", "00000000038.WAL",
                           "0000000003x.wal", "new\nline.wal", "-0000000038.wal", ".wal"}) {
    write_all(node_ / "wal" / name, "x");
  }
  const auto sample = look_once();
  EXPECT_EQ(sample->pending.files, 5U);
  EXPECT_EQ(sample->sequence_gaps, 0U);
  EXPECT_TRUE(sample->invalid.empty());
  // What sorts before the last snapshotted file, and what is still being put there, no
  // start reads.
  std::vector<std::string> strays;
  for (const InvalidFile& file : sample->unknown) strays.push_back(file.file);
  EXPECT_THAT(strays, ElementsAre("00000000038.WAL", "0000000003x.wal", "0000000038.wal", "new\nline.wal"));
  EXPECT_EQ(sample->notes.size(), 3U) << "the pipe, the link and the folder";
  EXPECT_EQ(sample->uncounted.folders, 1U) << "InfluxDB follows the link";
  EXPECT_THAT(sample->uncounted.first, HasSubstr("00000000037.wal is a symbolic link"));
}

// A number that hides all there is would make any WAL look empty.
TEST_F(Node, ASnapshotFarBeyondTheNewestFileIsSaidAndTheOneBeforeItCounts) {
  put_range(1, 12);
  write_all(snapshot(1), snapshot_json(1, 4));
  for (const std::uint64_t beyond :
       {std::uint64_t{10'013}, std::uint64_t{7'000'000'000}, std::numeric_limits<std::uint64_t>::max()}) {
    write_all(snapshot(2), snapshot_json(2, beyond));
    const auto sample = look_once();
    EXPECT_EQ(sample->pending.files, 8U) << beyond;
    EXPECT_EQ(sample->snapshot->sequence, 1U);
    EXPECT_EQ(sample->sequence_gaps, 0U);
    ASSERT_EQ(sample->invalid.size(), 1U);
    EXPECT_EQ(sample->invalid[0].file, "snapshots/18446744073709551613.info.json");
    EXPECT_EQ(sample->invalid[0].reason, InvalidReason::snapshot);
    EXPECT_THAT(sample->invalid[0].detail,
                HasSubstr("up to number " + std::to_string(beyond) + ", far beyond the newest"));
  }
}

TEST_F(Node, WithoutAnotherSnapshotOneBeyondBeliefLeavesEverythingPending) {
  use_fixture("twelve-pending");
  constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
  write_all(snapshot(most), snapshot_json(most, most));
  const auto sample = look_once();
  EXPECT_EQ(sample->pending.files, 12U);
  EXPECT_EQ(sample->sequence_gaps, 0U);
  EXPECT_EQ(sample->invalid.size(), 1U);
}

// As of an idle server that keeps no snapshotted files.
TEST_F(Node, WhereNoFileIsLeftTheSnapshotBeforeItSaysWhatIsLikely) {
  write_all(snapshot(1), snapshot_json(1, 5'000'000));
  const auto alone = look_once();
  EXPECT_TRUE(alone->invalid.empty());
  EXPECT_EQ(alone->snapshot->wal_file_sequence, 5'000'000U);
  write_all(snapshot(2), snapshot_json(2, 5'001'800));
  EXPECT_EQ(look_once()->snapshot->sequence, 2U);
  write_all(snapshot(3), snapshot_json(3, 6'000'000));
  const auto sample = look_once();
  EXPECT_EQ(sample->snapshot->sequence, 2U);
  ASSERT_EQ(sample->invalid.size(), 1U);
  EXPECT_THAT(sample->invalid[0].detail, HasSubstr("far beyond those of the snapshot before it, 5001800"));
}

// A start reads each whole, and ends where it can't.
TEST_F(Node, ASnapshotThatCannotBeParsedIsAFinding) {
  put_range(31, 40);
  write_all(snapshot(4), snapshot_json(4, 33));
  const std::string good = snapshot_json(5, 36);
  const auto covering = [&good](const std::string& number) {
    std::string out = good;
    return out.replace(out.find("36"), 2, number);
  };
  for (const std::string& content :
       {good.substr(0, good.size() / 2), std::string(), covering("-1"), covering("1.5"), covering("\"7\"")}) {
    write_all(snapshot(5), content);
    const auto sample = look_once();
    EXPECT_EQ(sample->pending.files, 7U) << content;
    ASSERT_EQ(sample->invalid.size(), 1U) << content;
    EXPECT_EQ(sample->invalid[0].reason, InvalidReason::torn);
    EXPECT_EQ(effect_of(sample->invalid[0].reason, false, {}), Effect::stops_start);
  }
}

TEST_F(Node, ASnapshotThatWasWrittenJustNowIsJudgedAtTheNextLook) {
  put_range(1, 4);
  write_all(snapshot(1), "{");
  struct stat status {};
  ASSERT_EQ(::stat(snapshot(1).c_str(), &status), 0);
  clock_->set_wall(to_time(status.st_ctim) + std::chrono::seconds(1));
  const auto source = open();
  EXPECT_THAT(look(*source)->notes, ElementsAre(HasSubstr("judged at the next sample")));
  clock_->set_wall(to_time(status.st_ctim) + std::chrono::seconds(3));
  EXPECT_EQ(look(*source)->invalid.size(), 1U);
}

// They cover some of what is missing in front; only what is missing between files is known.
TEST_F(Node, GapsBehindSnapshotsThatCannotBeReadAreThoseBetweenTheFiles) {
  put_range(1'900'001, 1'900'301);
  std::filesystem::remove(wal(1'900'100));
  for (std::uint64_t sequence = 1; sequence <= 9; ++sequence) write_all(snapshot(sequence), "{");
  const auto sample = look_once();
  EXPECT_EQ(sample->pending.files, 300U);
  EXPECT_EQ(sample->sequence_gaps, 1U);
}

TEST_F(Node, WhatHasASnapshotsNameAndIsNoFileIsPassedOverWithANote) {
  put_range(1, 3);
  ASSERT_EQ(::mkfifo(snapshot(1).c_str(), 0600), 0);
  std::filesystem::create_directory(snapshot(2));
  const auto sample = look_once();
  EXPECT_EQ(sample->snapshot_files, 0U);
  EXPECT_EQ(sample->pending.files, 3U);
  ASSERT_EQ(sample->notes.size(), 2U);
  EXPECT_THAT(sample->notes[0], HasSubstr("not a regular file: passed over"));
}

TEST_F(Node, TimesThatNoClockHoldsAreThoseOfAFarYear) {
  use_fixture("after-snapshot");
  constexpr time_t year_2300 = 10'413'792'000;
  const timespec stamps[] = {{year_2300, 0}, {year_2300, 0}};
  for (const auto& path : {wal(34), snapshot(1)}) ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), stamps, 0), 0);
  struct stat status {};
  ASSERT_EQ(::stat(wal(34).c_str(), &status), 0);
  if (status.st_mtime < year_2300) GTEST_SKIP() << "this filesystem keeps no times after " << status.st_mtime;
  const auto sample = look_once();
  EXPECT_EQ(format_time(*sample->newest_file), "2200-01-01T00:00:00.000Z");
  EXPECT_EQ(format_time(sample->snapshot->written), "2200-01-01T00:00:00.000Z");
}

TEST_F(Node, TheSnapshotThatSortsFirstCounts) {
  put_range(1, 40);
  for (const std::uint64_t sequence : {1, 2, 10, 3})
    write_all(snapshot(sequence), snapshot_json(sequence, 3 * sequence));
  const auto sample = look_once();
  EXPECT_EQ(sample->snapshot_files, 4U);
  EXPECT_EQ(sample->snapshot->sequence, 10U);
  EXPECT_EQ(sample->pending.files, 10U);
}

TEST_F(Node, FullChecksAtTheBoundedRateNewestFirst) {
  for (std::uint64_t number = 1; number <= 4; ++number) {
    std::string file = wal_file(number, 10'000);
    file.back() = 'y';
    write_all(wal(number), file);
    set_modified(wal(number), kLongAgo);
  }
  const std::uint64_t size = wal_file(1, 10'000).size();
  options_.checksum_bytes_per_second = size + 100;  // and the end of a file has to be seen
  const auto source = open(Integrity::full);
  const auto first = look(*source);
  ASSERT_EQ(first->invalid.size(), 1U);
  EXPECT_EQ(first->invalid[0].file, "00000000004.wal");
  EXPECT_TRUE(first->newest_file_damaged);
  EXPECT_EQ(look(*source)->invalid.size(), 1U) << "no time has passed";
  clock_->advance(std::chrono::seconds(1));
  EXPECT_EQ(look(*source)->invalid.size(), 2U);
  clock_->advance(std::chrono::seconds(3));
  EXPECT_EQ(look(*source)->invalid.size(), 4U);
  const std::uint64_t opened = counter_->opened;
  clock_->advance(std::chrono::hours(1));
  EXPECT_EQ(look(*source)->invalid.size(), 4U);
  EXPECT_EQ(counter_->opened, opened) << "each file once";
}

TEST_F(Node, FullGetsThroughAFileLargerThanItsBudget) {
  std::string file = wal_file(1, 100'000);
  file.back() = 'y';
  write_all(wal(1), file);
  set_modified(wal(1), kLongAgo);
  options_.checksum_bytes_per_second = 30'000;
  const auto source = open(Integrity::full);
  int looks = 1;
  while (look(*source)->invalid.empty() && looks < 10) {
    clock_->advance(std::chrono::seconds(1));
    ++looks;
  }
  EXPECT_EQ(looks, 4);
}

}  // namespace
}  // namespace wal_exporter::wal
