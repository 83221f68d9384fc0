// Files that are gone though nothing that InfluxDB does accounts for it, and all that
// looks like it and is not.
#include "wal/vanished.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>

#include "temporary_tree.h"
#include "unit/wal/node_tree.h"
#include "unit/wal/without_rights.h"
#include "wal/last_look.h"
#include "wal/segments.h"

namespace wal_exporter::wal {
namespace {

using Cause = Vanished::Cause;
namespace fs = std::filesystem;

class VanishedSegments : public testing::Test {
 protected:
  VanishedSegments() {
    write("plant/autogen/3/_00001.wal", 100);
    write("plant/autogen/3/_00002.wal", 40);
    write("office/weekly/12/_00007.wal", 200);
    for (const char* shard : {"plant/autogen/3", "office/weekly/12"}) fs::create_directories(data() / shard);
  }
  void write(const std::string& path, std::size_t bytes) { tree_.write("wal/" + path, std::string(bytes, 'x')); }
  [[nodiscard]] fs::path wal() const { return tree_.root() / "wal"; }
  [[nodiscard]] fs::path data() const { return tree_.root() / "data"; }
  std::optional<Vanished> look() {
    const auto sample = source_->take_sample({});
    EXPECT_TRUE(sample.has_value());
    return sample ? (*sample)->vanished : std::nullopt;
  }
  // As a checkpoint leaves a shard.
  void checkpoint() {
    fs::remove(wal() / "plant/autogen/3/_00001.wal");
    fs::remove(wal() / "plant/autogen/3/_00002.wal");
    write("plant/autogen/3/_00003.wal", 0);
  }

  TemporaryTree tree_;
  std::shared_ptr<WalSource> source_ =
      make_segment_source({tree_.root() / "wal", Integrity::off}, std::make_shared<SystemClock>());
};

TEST_F(VanishedSegments, ADirectoryReplacedUnderTheServerTakesAllWithItUntilANewFileOfItsOwn) {
  ASSERT_EQ(look(), std::nullopt);
  fs::remove_all(wal());
  fs::create_directory(wal());
  for (int i = 0; i < 3; ++i) {
    const auto vanished = look();
    ASSERT_TRUE(vanished.has_value());
    EXPECT_EQ(vanished->number, 1U);
    EXPECT_EQ(vanished->cause, Cause::directory);
    EXPECT_EQ(vanished->extent, (Extent{3, 340}));
    EXPECT_LT(vanished->last_seen, vanished->missed);
    EXPECT_FALSE(vanished->over);
  }
  // A copy that somebody puts there is none of the server's own.
  write("plant/autogen/3/_00001.wal", 100);
  write("plant/autogen/3/_00002.wal", 30);
  EXPECT_FALSE(look()->over);
  EXPECT_FALSE(look()->over);
  write("plant/autogen/3/_00003.wal", 0);
  EXPECT_FALSE(look()->over) << "the other shard's data is still missing";
  write("meter/autogen/20/_00001.wal", 10);
  EXPECT_FALSE(look()->over) << "a shard that is new says nothing";
  write("office/weekly/12/_00008.wal", 0);
  EXPECT_TRUE(look()->over);
  EXPECT_EQ(look()->number, 1U);
}

// As by a process of ours that begins now and knows what the last one saw.
TEST_F(VanishedSegments, ADirectoryReplacedWhileNobodyLookedIsMissedByTheNext) {
  ASSERT_EQ(look(), std::nullopt);
  const std::string kept = last_look_text(*source_->take_sample({}).value());
  const auto begin = [&] {
    source_ = make_segment_source({wal(), Integrity::off}, std::make_shared<SystemClock>(), last_look_from(kept));
  };
  begin();
  EXPECT_EQ(look(), std::nullopt) << "nothing changed";
  checkpoint();
  begin();
  EXPECT_EQ(look(), std::nullopt) << "a checkpoint was made";
  fs::remove_all(wal());
  fs::create_directory(wal());
  begin();
  const auto vanished = look();
  ASSERT_TRUE(vanished.has_value());
  EXPECT_EQ(vanished->cause, Cause::directory);
  EXPECT_EQ(vanished->extent, (Extent{3, 340}));
  EXPECT_EQ(vanished->last_seen, last_look_from(kept)->taken_at);
  write("plant/autogen/3/_00003.wal", 0);
  write("office/weekly/12/_00008.wal", 0);
  EXPECT_TRUE(look()->over);
}

TEST_F(VanishedSegments, AFolderTakenAwayWhileNobodyLookedIsMissedByTheNext) {
  const std::string kept = last_look_text(*source_->take_sample({}).value());
  fs::remove_all(wal() / "office");
  source_ = make_segment_source({wal(), Integrity::off}, std::make_shared<SystemClock>(), last_look_from(kept));
  const auto vanished = look();
  ASSERT_TRUE(vanished.has_value());
  EXPECT_EQ(vanished->cause, Cause::folders);
  EXPECT_EQ(vanished->extent, (Extent{1, 200}));
}

TEST_F(VanishedSegments, ASegmentThatIsGoneThoughAnOlderOneStaysWentBySomebodyElse) {
  write("plant/autogen/3/_00003.wal", 30);
  write("plant/autogen/3/_00004.wal", 20);
  ASSERT_EQ(look(), std::nullopt);
  fs::remove(wal() / "plant/autogen/3/_00002.wal");
  EXPECT_EQ(look(), std::nullopt) << "one sample may have begun before a checkpoint and ended after it";
  const auto vanished = look();
  ASSERT_TRUE(vanished.has_value());
  EXPECT_EQ(vanished->cause, Cause::segments);
  EXPECT_EQ(vanished->extent, (Extent{1, 40}));
  write("plant/autogen/3/_00004.wal", 50);
  write("plant/autogen/3/_00005.wal", 10);
  EXPECT_FALSE(look()->over) << "that the server goes on persists nothing";
  for (int number = 1; number <= 5; ++number) {
    fs::remove(wal() / ("plant/autogen/3/_0000" + std::to_string(number) + ".wal"));
  }
  write("plant/autogen/3/_00006.wal", 0);
  EXPECT_TRUE(look()->over) << "a checkpoint has passed it";
}

TEST_F(VanishedSegments, TheOpenSegmentGoesNoOtherWay) {
  ASSERT_EQ(look(), std::nullopt);
  fs::remove(wal() / "plant/autogen/3/_00002.wal");
  EXPECT_EQ(look(), std::nullopt);
  ASSERT_TRUE(look().has_value());
  EXPECT_EQ(look()->extent, (Extent{1, 40}));
}

TEST_F(VanishedSegments, AnyStepOfACheckpointOrAStartIsNone) {
  write("plant/autogen/3/_00003.wal", 30);
  write("plant/autogen/3/_00004.wal", 0);
  const auto seen_twice = [&] {
    EXPECT_EQ(look(), std::nullopt);
    EXPECT_EQ(look(), std::nullopt);
  };
  seen_twice();
  fs::remove(wal() / "plant/autogen/3/_00004.wal");  // the empty one, as a start does
  seen_twice();
  for (const char* file : {"_00001.wal", "_00002.wal", "_00003.wal"}) {
    fs::remove(wal() / "plant/autogen/3" / file);
    seen_twice();
  }
  // A sample that saw the first file just before it went, and not the second.
  write("plant/autogen/3/_00005.wal", 10);
  write("plant/autogen/3/_00006.wal", 10);
  seen_twice();
  fs::remove(wal() / "plant/autogen/3/_00006.wal");
  EXPECT_EQ(look(), std::nullopt);
  fs::remove(wal() / "plant/autogen/3/_00005.wal");
  seen_twice();
}

TEST_F(VanishedSegments, WhatACheckpointDoesToAnotherShardDoesNotBringThemBack) {
  ASSERT_EQ(look(), std::nullopt);
  fs::remove_all(wal() / "office");
  ASSERT_FALSE(look()->over);
  checkpoint();
  EXPECT_FALSE(look()->over);
  write("plant/autogen/3/_00003.wal", 50);
  EXPECT_FALSE(look()->over);
  EXPECT_EQ(look()->extent, (Extent{1, 200}));
  write("office/weekly/12/_00008.wal", 0);
  EXPECT_TRUE(look()->over);
}

TEST_F(VanishedSegments, AServerThatStartedOverWritesAFileThatGrows) {
  ASSERT_EQ(look(), std::nullopt);
  fs::remove_all(wal());
  fs::create_directory(wal());
  ASSERT_FALSE(look()->over);
  write("office/weekly/12/_00001.wal", 10);
  EXPECT_FALSE(look()->over);
  write("office/weekly/12/_00001.wal", 20);
  EXPECT_TRUE(look()->over);
}

TEST_F(VanishedSegments, ADirectoryThatComesBackBringsThemBack) {
  ASSERT_EQ(look(), std::nullopt);
  fs::rename(wal(), tree_.root() / "aside");
  fs::create_directory(wal());
  ASSERT_FALSE(look()->over);
  fs::remove(wal());
  fs::rename(tree_.root() / "aside", wal());
  EXPECT_TRUE(look()->over);
}

TEST_F(VanishedSegments, AnUnmountedDiskTakesThemUntilItIsMountedAgain) {
  const std::string said = in_namespace([this]() -> std::string {
    const fs::path disk = tree_.root() / "disk";
    fs::create_directory(disk);
    if (::mount("tmpfs", disk.c_str(), "tmpfs", 0, "") != 0) return "no namespace";
    const auto mount = [&] { return ::mount(disk.c_str(), wal().c_str(), "", MS_BIND, nullptr) == 0; };
    fs::remove_all(wal());
    fs::create_directory(wal());
    if (!mount()) return "no bind mount";
    write("plant/autogen/3/_00001.wal", 100);
    if (look()) return "nothing vanished yet";
    if (::umount(wal().c_str()) != 0) return "no umount";
    const auto gone = look();
    if (!gone || gone->cause != Cause::directory || gone->extent != Extent{1, 100}) return "not told";
    if (!mount()) return "no second bind mount";
    return look()->over ? "" : "not over";
  });
  if (said == "no namespace") GTEST_SKIP() << "no user namespace in which a test may mount";
  EXPECT_EQ(said, "");
}

TEST_F(VanishedSegments, FilesMovedToAnotherDirectoryOfThatNameHaveNotVanished) {
  ASSERT_EQ(look(), std::nullopt);
  fs::rename(wal(), tree_.root() / "aside");
  fs::create_directory(wal());
  for (const char* database : {"plant", "office"}) fs::rename(tree_.root() / "aside" / database, wal() / database);
  EXPECT_EQ(look(), std::nullopt);
}

TEST_F(VanishedSegments, AShardsFolderMayGoWithItsDataButNotAlone) {
  ASSERT_EQ(look(), std::nullopt);
  fs::remove_all(data() / "plant");  // DROP DATABASE
  fs::remove_all(wal() / "plant");
  EXPECT_EQ(look(), std::nullopt);
  fs::remove_all(wal() / "office");
  const auto vanished = look();
  ASSERT_TRUE(vanished.has_value());
  EXPECT_EQ(vanished->cause, Cause::folders);
  EXPECT_EQ(vanished->extent, (Extent{1, 200}));
  write("office/weekly/12/_00008.wal", 0);
  EXPECT_TRUE(look()->over);
}

TEST_F(VanishedSegments, AllFoldersOfTheOnlyDatabaseGoneWhoseDataIsThere) {
  fs::remove_all(wal() / "office");
  write("plant/autogen/4/_00001.wal", 10);
  fs::create_directories(data() / "plant/autogen/4");
  ASSERT_EQ(look(), std::nullopt);
  for (const char* shard : {"3", "4"}) fs::remove_all(wal() / "plant/autogen" / shard);
  const auto vanished = look();
  ASSERT_TRUE(vanished.has_value());
  EXPECT_EQ(vanished->extent, (Extent{3, 150}));
}

TEST_F(VanishedSegments, WhatACheckpointOrAStartRemovesHasNotVanished) {
  ASSERT_EQ(look(), std::nullopt);
  checkpoint();
  EXPECT_EQ(look(), std::nullopt);
  fs::remove(wal() / "plant/autogen/3/_00003.wal");  // a start removes the empty one
  EXPECT_EQ(look(), std::nullopt);
  write("plant/autogen/3/_00001.wal", 5);
  EXPECT_EQ(look(), std::nullopt);
}

TEST_F(VanishedSegments, WithoutADataDirectoryBesideItFoldersAreNotJudged) {
  fs::remove_all(data());
  ASSERT_EQ(look(), std::nullopt);
  fs::remove_all(wal() / "plant");
  EXPECT_EQ(look(), std::nullopt);
}

TEST_F(VanishedSegments, TheDataDirectoryThatIsSetShowsWhetherAShardIsStillThere) {
  const fs::path elsewhere = tree_.root() / "elsewhere";
  fs::rename(data(), elsewhere);
  Options options{wal(), Integrity::off};
  options.data_directory = elsewhere;
  source_ = make_segment_source(options, std::make_shared<SystemClock>());
  ASSERT_EQ(look(), std::nullopt);
  fs::remove_all(elsewhere / "plant");
  fs::remove_all(wal() / "plant");
  EXPECT_EQ(look(), std::nullopt);
  fs::remove_all(wal() / "office");
  EXPECT_TRUE(look().has_value());
}

TEST_F(VanishedSegments, ASecondTimeCountsOnWhatIsMissingAlready) {
  ASSERT_EQ(look(), std::nullopt);
  fs::remove_all(wal() / "office");
  ASSERT_EQ(look()->extent, (Extent{1, 200}));
  fs::remove_all(wal() / "plant");
  const auto vanished = look();
  EXPECT_EQ(vanished->number, 2U);
  EXPECT_EQ(vanished->extent, (Extent{3, 340}));
}

using VanishedPeriods = Node;

TEST_F(VanishedPeriods, FilesThatNoSnapshotCoversVanishUntilOneDoes) {
  put_range(1, 9);
  write_all(snapshot(1), snapshot_json(1, 3));
  const auto source = open();
  ASSERT_EQ(look(*source)->vanished, std::nullopt);
  fs::remove(wal(2));  // covered
  ASSERT_EQ(look(*source)->vanished, std::nullopt);
  for (const std::uint64_t number : {5, 9}) fs::remove(wal(number));
  const auto vanished = look(*source)->vanished;
  ASSERT_TRUE(vanished.has_value());
  EXPECT_EQ(vanished->cause, Cause::files);
  EXPECT_EQ(vanished->extent, (Extent{2, 2 * wal_file(1).size()}));
  put_range(10, 12);
  EXPECT_FALSE(look(*source)->vanished->over);
  write_all(snapshot(2), snapshot_json(2, 9));
  EXPECT_TRUE(look(*source)->vanished->over);
}

TEST_F(VanishedPeriods, ThoseRightBehindTheSnapshotMayHaveGoneWithAnEmptyOne) {
  put_range(1, 9);
  write_all(snapshot(1), snapshot_json(1, 3));
  const auto source = open();
  ASSERT_EQ(look(*source)->vanished, std::nullopt);
  for (const std::uint64_t number : {4, 5, 6}) fs::remove(wal(number));
  EXPECT_EQ(look(*source)->vanished->cause, Cause::front);
}

// It removes them while we look.
TEST_F(VanishedPeriods, ThoseBehindTheSnapshotMayGoInSeveralSteps) {
  put_range(1, 12);
  write_all(snapshot(1), snapshot_json(1, 3));
  const auto source = open();
  ASSERT_EQ(look(*source)->vanished, std::nullopt);
  std::uint64_t step = 0;
  for (const std::uint64_t first : {4, 6, 8}) {
    for (const std::uint64_t number : {first, first + 1}) fs::remove(wal(number));
    const auto vanished = look(*source)->vanished;
    EXPECT_EQ(vanished->number, ++step);
    EXPECT_EQ(vanished->cause, Cause::front);
    EXPECT_EQ(vanished->extent.files, 2 * step);
  }
  fs::remove(wal(11));
  EXPECT_EQ(look(*source)->vanished->cause, Cause::files);
}

TEST_F(VanishedPeriods, AllOfThemAreNotToldTwiceNorForgottenWhenTheServerGoesOn) {
  put_range(1, 19);
  write_all(snapshot(1), snapshot_json(1, 5));
  const auto source = open();
  ASSERT_EQ(look(*source)->vanished, std::nullopt);
  for (std::uint64_t number = 6; number <= 19; ++number) fs::remove(wal(number));
  ASSERT_EQ(look(*source)->vanished->extent.files, 14U);
  put_range(20, 22);
  const auto vanished = look(*source)->vanished;
  EXPECT_EQ(vanished->number, 1U);
  EXPECT_FALSE(vanished->over);
}

TEST_F(VanishedPeriods, WhatASnapshotBetweenTwoLooksCoversHasNotVanished) {
  put_range(1, 19);
  write_all(snapshot(1), snapshot_json(1, 5));
  const auto source = open();
  ASSERT_EQ(look(*source)->vanished, std::nullopt);
  for (std::uint64_t number = 6; number <= 12; ++number) fs::remove(wal(number));
  write_all(snapshot(2), snapshot_json(2, 12));
  EXPECT_EQ(look(*source)->vanished, std::nullopt);
}

TEST_F(VanishedPeriods, ADirectoryReplacedTakesWhatNoSnapshotCovers) {
  put_range(1, 9);
  write_all(snapshot(1), snapshot_json(1, 3));
  const auto source = open();
  ASSERT_EQ(look(*source)->vanished, std::nullopt);
  fs::remove_all(node_ / "wal");
  EXPECT_FALSE(source->take_sample({}).has_value());
  fs::create_directory(node_ / "wal");
  put_range(10, 11);
  const auto vanished = look(*source)->vanished;
  ASSERT_TRUE(vanished.has_value());
  EXPECT_EQ(vanished->cause, Cause::directory);
  EXPECT_EQ(vanished->extent.files, 6U);
}

TEST_F(VanishedPeriods, WhereTheNewestSnapshotCannotBeReadNothingIsJudged) {
  put_range(1, 9);
  const auto source = open();
  ASSERT_EQ(look(*source)->vanished, std::nullopt);
  write_all(snapshot(1), "{");
  for (std::uint64_t number = 1; number <= 6; ++number) fs::remove(wal(number));
  EXPECT_EQ(look(*source)->vanished, std::nullopt);
  write_all(snapshot(1), snapshot_json(1, 6));
  EXPECT_EQ(look(*source)->vanished, std::nullopt);
}

}  // namespace
}  // namespace wal_exporter::wal
