#include "wal/segments.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <thread>

#include "paths.h"
#include "temporary_tree.h"
#include "unit/wal/without_rights.h"
#include "wal/detect.h"

namespace wal_exporter::wal {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

// An entry of `bytes` bytes in all: type 1, length, then anything.
std::string entry(std::size_t bytes, char type = 1) {
  const auto length = static_cast<std::uint32_t>(bytes - 5);
  std::string out{type, static_cast<char>(length >> 24U), static_cast<char>(length >> 16U),
                  static_cast<char>(length >> 8U), static_cast<char>(length)};
  return out + std::string(length, 'x');
}

class Segments : public testing::Test {
 protected:
  std::shared_ptr<WalSource> source(Integrity integrity = Integrity::header) {
    return make_segment_source({tree_.root(), integrity}, std::make_shared<SystemClock>());
  }
  std::shared_ptr<const Sample> look(Integrity integrity = Integrity::header) {
    auto sample = source(integrity)->take_sample({});
    EXPECT_TRUE(sample.has_value()) << sample.error().message;
    return sample ? *sample : std::make_shared<const Sample>();
  }
  // What was found, or the error.
  std::string look_without_rights() {
    return without_rights([this] {
      const auto sample = source()->take_sample({});
      if (!sample) return sample.error().message;
      const Extent pending = (*sample)->pending;
      return std::to_string(pending.files) + " files, " + std::to_string(pending.bytes) + " bytes, " +
             std::to_string((*sample)->notes.size()) + " notes, " + std::to_string((*sample)->uncounted.folders) +
             " uncounted";
    });
  }
  TemporaryTree tree_;
};

TEST_F(Segments, CountsAllShardsOfAllDatabases) {
  tree_.write("plant/autogen/1/_00001.wal", entry(100));
  tree_.write("plant/autogen/1/_00002.wal", entry(50));
  tree_.write("plant/week/12/_00007.wal", entry(30));
  tree_.write("_internal/monitor/3/_00001.wal", entry(20));
  const auto sample = look();
  EXPECT_EQ(sample->pending, (Extent{4, 200}));
  EXPECT_EQ(sample->retained, Extent{});
  EXPECT_EQ(sample->hot_shards, 3U);
  ASSERT_THAT(sample->shards, SizeIs(3));
  EXPECT_EQ(sample->shards[1].database, "plant");
  EXPECT_EQ(sample->shards[1].retention_policy, "autogen");
  EXPECT_EQ(sample->shards[1].id, 1U);
  EXPECT_EQ(sample->shards[1].pending, (Extent{2, 150}));
  EXPECT_FALSE(sample->bucket_ids);
  EXPECT_THAT(sample->invalid, SizeIs(0));
  EXPECT_GT(sample->filesystem_avail_bytes.value_or(0), 0U);
}

// Of a client whose fields have the wrong type: no snapshot ever takes them, and each
// asked for would only close one more segment.
TEST_F(Segments, OfRefusedWritesAloneAreNeitherPendingNorDamaged) {
  const std::string refused("\1\0\0\0\1\0", 6);
  tree_.write("plant/autogen/1/_00002.wal", refused + refused);
  tree_.write("plant/autogen/1/_00003.wal", refused);
  for (const Integrity integrity : {Integrity::off, Integrity::header, Integrity::full}) {
    const auto sample = look(integrity);
    EXPECT_EQ(sample->pending, Extent{});
    EXPECT_FALSE(sample->oldest_pending.has_value());
    EXPECT_THAT(sample->invalid, SizeIs(0));
    EXPECT_TRUE(sample->shards.at(0).segments.at(0).refused_alone);
  }
  // One value among them, and they are pending as ever.
  const auto kept = source();
  ASSERT_EQ((*kept->take_sample({}))->pending, Extent{});
  tree_.write("plant/autogen/1/_00003.wal", refused + entry(30));
  EXPECT_EQ((*kept->take_sample({}))->pending, (Extent{1, 36}));
  tree_.write("plant/autogen/1/_00003.wal", refused + std::string("\2\0\0\0\1\0", 6));
  EXPECT_EQ((*kept->take_sample({}))->pending, (Extent{1, 12})) << "a deletion is something to apply";
  // What would take long to look through is left alone.
  std::string many;
  for (int i = 0; i < 11'000; ++i) many += refused;
  tree_.write("plant/autogen/1/_00003.wal", many);
  EXPECT_EQ((*kept->take_sample({}))->pending, (Extent{1, 66'000}));
}

// As many shards of old weeks have, after their last snapshot.
TEST_F(Segments, OnlyAShardWhoseOpenSegmentHoldsDataIsHot) {
  for (int id = 1; id <= 40; ++id) tree_.write("old/week/" + std::to_string(id) + "/_00002.wal", "");
  tree_.write("old/week/41/_00001.wal", entry(70));
  tree_.write("old/week/41/_00002.wal", "");
  tree_.write("plant/autogen/90/_00003.wal", entry(70));
  const auto sample = look();
  EXPECT_THAT(sample->shards, SizeIs(42));
  EXPECT_EQ(sample->hot_shards, 1U);
}

TEST_F(Segments, AnEmptyNewestSegmentIsOpenAndNeitherPendingNorDamaged) {
  tree_.write("plant/autogen/1/_00004.wal", "");
  const auto sample = look();
  EXPECT_EQ(sample->pending, Extent{});
  EXPECT_THAT(sample->invalid, SizeIs(0));
  EXPECT_EQ(sample->hot_shards, 0U);
  EXPECT_FALSE(sample->oldest_pending.has_value());
  EXPECT_TRUE(sample->newest_file.has_value());
}

// influxd 1.6.7: "Failed to open shard", its queries are empty and its writes get 500.
TEST_F(Segments, WhatSortsLastAndIsNoSegmentKeepsItsShardFromBeingOpened) {
  tree_.write("plant/autogen/1/_00002.wal", entry(100));
  tree_.write("plant/autogen/1/_00002_old.wal", entry(100));
  tree_.write("fine/autogen/2/_00001.bak.wal", entry(100));
  tree_.write("fine/autogen/2/_00003.wal", entry(100));
  tree_.write("many/autogen/3/_100000.wal", entry(100));
  tree_.write("many/autogen/3/_99999.wal", entry(100));
  tree_.write("short/autogen/4/_7.wal", entry(100));
  tree_.write("folder/autogen/5/_00009.wal/x", "");
  const auto sample = look();
  std::vector<std::string> found;
  for (const InvalidFile& one : sample->invalid) {
    EXPECT_EQ(one.reason, InvalidReason::unopened);
    found.push_back(one.file);
  }
  EXPECT_THAT(found, ::testing::UnorderedElementsAre("plant/autogen/1/_00002_old.wal", "folder/autogen/5/_00009.wal"));
}

TEST_F(Segments, AnEmptySegmentBeforeTheNewestIsDamaged) {
  tree_.write("plant/autogen/1/_00001.wal", "");
  tree_.write("plant/autogen/1/_00002.wal", entry(10));
  const auto sample = look(Integrity::off);
  EXPECT_EQ(sample->pending, (Extent{1, 10}));
  ASSERT_THAT(sample->invalid, SizeIs(1));
  EXPECT_EQ(sample->invalid[0].file, "plant/autogen/1/_00001.wal");
  EXPECT_EQ(sample->invalid[0].reason, InvalidReason::empty);
  EXPECT_FALSE(sample->newest_file_damaged);
}

TEST_F(Segments, TheFixturesOfBothGenerationsHaveOneSegmentOf147Bytes) {
  for (const auto& [folder, buckets] : {std::pair{"influxdb1/wal", false}, {"influxdb2/wal", true}}) {
    const auto directory = std::filesystem::path(tests::kFixtures) / folder;
    const auto sample =
        make_segment_source({directory, Integrity::full}, std::make_shared<SystemClock>())->take_sample({});
    ASSERT_TRUE(sample.has_value());
    EXPECT_EQ((*sample)->pending, (Extent{1, 147}));
    EXPECT_EQ((*sample)->bucket_ids, buckets);
    EXPECT_THAT((*sample)->invalid, SizeIs(0));
  }
}

TEST_F(Segments, FilesOfTheCloudEditionAreAFindingAndNotAForeignFolder) {
  for (const char* name : {"_00001.wrr", "_00002.wrr"})
    tree_.write(std::string("0123456789abcdef/autogen/5/") + name, "x");
  const auto found = detect(tree_.root(), {});
  ASSERT_TRUE(found.has_value()) << found.error().message;
  EXPECT_EQ(found->layout, DetectedLayout::segments);
  tree_.write("0123456789abcdef/autogen/6/_00001.wal", entry(10));
  const auto sample = look();
  EXPECT_EQ(sample->pending, (Extent{1, 10}));
  ASSERT_THAT(sample->invalid, SizeIs(2));
  EXPECT_EQ(sample->invalid[0].reason, InvalidReason::other_edition);
}

// The data's filesystem, as far as one can tell without a mount.
TEST_F(Segments, TheDataBesideTheWalOrTheOneSetIsWhereACheckpointWrites) {
  tree_.write("wal/plant/autogen/1/_00001.wal", entry(10));
  const auto look_at = [&](const std::filesystem::path& data) {
    Options options{tree_.root() / "wal", Integrity::off};
    options.data_directory = data;
    return make_segment_source(options, std::make_shared<SystemClock>())->take_sample({}).value();
  };
  EXPECT_EQ(look_at("")->data_filesystem_avail_bytes, std::nullopt);
  std::filesystem::create_directories(tree_.root() / "data/other");
  EXPECT_EQ(look_at("")->data_filesystem_avail_bytes, std::nullopt) << "it has none of the databases";
  std::filesystem::create_directories(tree_.root() / "data/plant");
  const auto found = look_at("");
  EXPECT_EQ(found->data_filesystem_avail_bytes, found->filesystem_avail_bytes);
  EXPECT_FALSE(found->has_own_filesystem);
  EXPECT_TRUE(look_at("/proc")->has_own_filesystem);
  EXPECT_THAT(look_at("/nonexistent")->notes, ::testing::Contains(HasSubstr("set influxdb.data_directory")));
}

// A wrong directory that is empty, or holds folders, was a healthy WAL with 0 files.
TEST_F(Segments, WithoutAShardItIsAWalOnlyWhereTheDataBesideItHasNoneEither) {
  const auto unwritten = [&](const std::string& wal, const std::string& data = "") {
    Options options{tree_.root() / wal, Integrity::header};
    if (!data.empty()) options.data_directory = tree_.root() / data;
    return make_segment_source(options, std::make_shared<SystemClock>())->take_sample({}).value()->uncounted.first;
  };
  const auto make = [&](const std::string& folder) { std::filesystem::create_directories(tree_.root() / folder); };
  make("one/wal/plant/autogen");
  EXPECT_THAT(unwritten("one/wal"), HasSubstr("no data of InfluxDB lies beside it"));
  make("one/data/plant/autogen");
  EXPECT_EQ(unwritten("one/wal"), "");
  make("one/other");
  EXPECT_THAT(unwritten("one/other"), HasSubstr("no data of InfluxDB lies beside it"));
  EXPECT_EQ(unwritten("one/other", "one/data"), "") << "as it was set";
  make("one/data/plant/_series/00");
  EXPECT_EQ(unwritten("one/wal"), "");
  make("one/data/plant/autogen/0815");  // no number that InfluxDB gives
  EXPECT_EQ(unwritten("one/wal"), "");
  make("one/data/plant/autogen/19");
  EXPECT_THAT(unwritten("one/wal"),
              HasSubstr("there is " + (tree_.root() / "one/data/plant/autogen/19").string() + ", whose WAL"));
  EXPECT_THAT(unwritten("one/other", "one/data"), HasSubstr("autogen/19, whose WAL"));
  make("one/wal/plant/autogen/19");  // made by a start, and empty after a checkpoint
  EXPECT_EQ(unwritten("one/wal"), "");
}

TEST_F(Segments, OnceItHadAShardItIsAWal) {
  tree_.write("plant/autogen/1/_00001.wal", entry(100));
  const auto reader = source();
  EXPECT_EQ(reader->take_sample({}).value()->uncounted.first, "");
  std::filesystem::remove_all(tree_.root() / "plant");
  EXPECT_EQ(reader->take_sample({}).value()->uncounted.first, "");
  EXPECT_NE(look()->uncounted.first, "");
}

TEST_F(Segments, OtherNamesAreNotSegments) {
  for (const char* name : {"_1.wal", "_00001.wal.tmp", "00001.wal", "_0000a.wal", "_.wal", "_00001.WAL", "x_00001.wal",
                           "_99999999999999999999999.wal"}) {
    tree_.write(std::string("plant/autogen/1/") + name, entry(10));
  }
  tree_.write("plant/autogen/notes/_00001.wal", entry(10));
  tree_.write("plant/_00001.wal", entry(10));
  std::filesystem::create_directories(tree_.root() / "plant/autogen/1/_00009.wal");
  ASSERT_EQ(mkfifo((tree_.root() / "plant/autogen/1/_00008.wal").c_str(), 0600), 0);
  EXPECT_EQ(look()->pending, Extent{});
  EXPECT_EQ(parse_segment_name("_100000.wal"), 100000U);
}

// A server opens <wal>/<db>/<rp>/<shard> by name, so it writes through links of all levels.
TEST_F(Segments, LinkedFoldersAreCountedAsTheServerFollowsThem) {
  const TemporaryTree elsewhere;
  elsewhere.write("database/autogen/1/_00001.wal", entry(10));
  elsewhere.write("policy/2/_00001.wal", entry(20));
  elsewhere.write("shard/_00001.wal", entry(30));
  tree_.write("plant/autogen/4/_00001.wal", entry(40));
  std::filesystem::create_directories(tree_.root() / "office/autogen");
  std::filesystem::create_directory_symlink(elsewhere.root() / "database", tree_.root() / "linked");
  std::filesystem::create_directory_symlink(elsewhere.root() / "policy", tree_.root() / "office/week");
  std::filesystem::create_directory_symlink("../../shard", tree_.root() / "office/autogen/3");
  std::filesystem::create_directory_symlink(elsewhere.root() / "shard", tree_.root() / "shard");
  const auto sample = look();
  EXPECT_EQ(sample->pending, (Extent{4, 100}));
  EXPECT_EQ(sample->uncounted, Uncounted{});
  ASSERT_THAT(sample->shards, SizeIs(4));
  EXPECT_EQ(sample->shards[0].database, "linked");
  EXPECT_EQ(sample->shards[2].retention_policy, "week");
}

TEST_F(Segments, AFolderOfTwoNamesIsCountedOnceAndNoLinkLeadsRoundAndRound) {
  tree_.write("plant/autogen/1/_00001.wal", entry(10));
  std::filesystem::create_directory_symlink("plant", tree_.root() / "again");
  std::filesystem::create_directory_symlink(".", tree_.root() / "itself");
  std::filesystem::create_directory_symlink("../..", tree_.root() / "plant/up");
  std::filesystem::create_directory_symlink("..", tree_.root() / "plant/autogen/2");
  const auto sample = look();
  EXPECT_EQ(sample->pending, (Extent{1, 10}));
  EXPECT_EQ(sample->uncounted, Uncounted{});
  EXPECT_THAT(sample->notes, ::testing::Contains(HasSubstr("again leads to a folder that is counted already")));
}

TEST_F(Segments, ALinkThatLeadsNowhereIsUncountedAndAloneAnError) {
  std::filesystem::create_directory_symlink("/nonexistent/ssd", tree_.root() / "energy");
  const auto alone = source()->take_sample({});
  ASSERT_FALSE(alone.has_value());
  EXPECT_THAT(alone.error().message, HasSubstr("energy: the symbolic link leads nowhere"));
  tree_.write("plant/autogen/1/_00001.wal", entry(10));
  std::filesystem::create_symlink("a", tree_.root() / "plant/a");
  const auto sample = look();
  EXPECT_EQ(sample->pending, (Extent{1, 10}));
  EXPECT_EQ(sample->uncounted.folders, 2U);
  EXPECT_THAT(sample->uncounted.first, HasSubstr("plant/a: the symbolic link leads nowhere"));
  ASSERT_THAT(sample->notes, SizeIs(2));
  EXPECT_THAT(sample->notes[1], HasSubstr("not counted: " + (tree_.root() / "energy").string()));
}

TEST_F(Segments, ALinkOrAPipeInPlaceOfASegmentIsNotReadAndSaid) {
  const TemporaryTree elsewhere;
  elsewhere.write("_00001.wal", entry(10));
  tree_.write("plant/autogen/1/_00002.wal", entry(20));
  std::filesystem::create_symlink(elsewhere.root() / "_00001.wal", tree_.root() / "plant/autogen/1/_00001.wal");
  ASSERT_EQ(::mkfifo((tree_.root() / "plant/autogen/1/_00003.wal").c_str(), 0600), 0);
  const auto sample = look();
  EXPECT_EQ(sample->pending, (Extent{1, 20}));
  EXPECT_EQ(sample->uncounted.folders, 1U);
  EXPECT_THAT(sample->uncounted.first, HasSubstr("_00001.wal is a symbolic link in place of a segment"));
  EXPECT_THAT(sample->notes, ::testing::Contains(HasSubstr("not counted: " + sample->uncounted.first)))
      << "else nothing says why the health is a warning";
  EXPECT_THAT(sample->notes, ::testing::Contains(HasSubstr("_00003.wal is no file")));
}

TEST_F(Segments, ATimeBeyondWhatATimeHoldsIsThatOfTheYear2200) {
  const auto path = tree_.write("plant/autogen/1/_00001.wal", entry(10));
  for (const std::int64_t seconds : {std::int64_t{10'413'792'000}, std::int64_t{1} << 33U}) {  // 2300, 2242
    const timespec times[2] = {{seconds, 0}, {seconds, 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
    EXPECT_EQ(look()->newest_file, Time(std::chrono::seconds(7'258'118'400)));
  }
}

TEST_F(Segments, TheRootMayBeASymbolicLink) {
  tree_.write("plant/autogen/1/_00001.wal", entry(10));
  TemporaryTree other;
  std::filesystem::create_directory_symlink(tree_.root(), other.root() / "wal");
  const auto sample =
      make_segment_source({other.root() / "wal", Integrity::off}, std::make_shared<SystemClock>())->take_sample({});
  ASSERT_TRUE(sample.has_value());
  EXPECT_EQ((*sample)->pending, (Extent{1, 10}));
}

TEST_F(Segments, ANameWithANewlineAndQuotesIsADatabase) {
  tree_.write("a\n\"b\xFF/autogen/1/_00001.wal", entry(10));
  const auto sample = look();
  ASSERT_THAT(sample->shards, SizeIs(1));
  EXPECT_EQ(sample->shards[0].database, "a\n\"b\xFF");
}

TEST_F(Segments, AnUnknownEntryTypeIsDamage) {
  tree_.write("plant/autogen/1/_00001.wal", entry(10, 9));
  tree_.write("plant/autogen/1/_00002.wal", entry(10));
  const auto sample = look();
  ASSERT_THAT(sample->invalid, SizeIs(1));
  EXPECT_EQ(sample->invalid[0].reason, InvalidReason::magic);
  EXPECT_EQ(sample->pending.files, 2U);
}

TEST_F(Segments, AClosedSegmentThatEndsInsideAnEntryIsShort) {
  tree_.write("plant/autogen/1/_00001.wal", entry(20) + entry(20).substr(0, 12));
  tree_.write("plant/autogen/1/_00002.wal", "");
  EXPECT_THAT(look(Integrity::header)->invalid, SizeIs(0));
  const auto sample = look(Integrity::full);
  ASSERT_THAT(sample->invalid, SizeIs(1));
  EXPECT_EQ(sample->invalid[0].reason, InvalidReason::too_short);
  EXPECT_THAT(sample->invalid[0].detail, HasSubstr("byte 20"));
}

TEST_F(Segments, TheOpenSegmentMayEndInsideAnEntry) {
  tree_.write("plant/autogen/1/_00001.wal", entry(20).substr(0, 12));
  EXPECT_THAT(look(Integrity::full)->invalid, SizeIs(0));
}

// What is told of the age of pending data. The clock of the samples is an hour ahead of
// the files' births, so that these can be told from times of samples.
class Oldest : public Segments {
 protected:
  void write(std::size_t bytes, Time modified, const char* path = "plant/autogen/1/_00001.wal") const {
    const auto file = tree_.write(path, bytes == 0 ? "" : entry(bytes));
    const auto seconds = std::chrono::floor<std::chrono::seconds>(modified.time_since_epoch());
    const timespec stamp{seconds.count(), (modified.time_since_epoch() - seconds).count()};
    const timespec stamps[] = {stamp, stamp};
    ASSERT_EQ(::utimensat(AT_FDCWD, file.c_str(), stamps, 0), 0);
  }
  [[nodiscard]] bool has_birth(const char* path) const {
    struct statx status {};
    const std::string file = (tree_.root() / path).string();
    return ::statx(AT_FDCWD, file.c_str(), 0, STATX_BTIME, &status) == 0 && (status.stx_mask & STATX_BTIME) != 0;
  }
  std::optional<Time> look() { return watched_->take_sample({}).value()->oldest_pending; }

  const Time now_ = SystemClock().now() + 1h;
  const std::shared_ptr<ManualClock> clock_ = std::make_shared<ManualClock>(now_);
  const std::shared_ptr<WalSource> watched_ = make_segment_source({tree_.root(), Integrity::off}, clock_);
};

// As a checkpoint leaves it, and a quiet night after.
TEST_F(Oldest, DataInASegmentLeftEmptyIsAsOldAsTheLastLookThatSawItEmpty) {
  write(0, now_ - 1h);
  EXPECT_EQ(look(), std::nullopt);
  clock_->advance(8h);
  EXPECT_EQ(look(), std::nullopt);
  clock_->advance(2min);
  write(100, now_ + 8h + 1min);
  EXPECT_EQ(look(), now_ + 8h);
  clock_->advance(2min);
  write(200, now_ + 8h + 3min);
  EXPECT_EQ(look(), now_ + 8h) << "more data makes the first no younger";
}

TEST_F(Oldest, ItIsNeverLaterThanTheLastWrite) {
  write(0, now_ - 1h);
  ASSERT_EQ(look(), std::nullopt);
  clock_->set_wall(now_ - 10min);
  write(100, now_ - 9min);
  EXPECT_EQ(look(), now_ - 9min) << "the clock was set back";
  write(200, now_ - 8min);
  EXPECT_EQ(look(), now_ - 9min);
}

TEST_F(Oldest, AFailedLookForgetsNothing) {
  write(0, now_ - 1h);
  ASSERT_EQ(look(), std::nullopt);
  std::filesystem::rename(tree_.root(), tree_.root().string() + "-away");
  EXPECT_FALSE(watched_->take_sample({}).has_value());
  std::filesystem::rename(tree_.root().string() + "-away", tree_.root());
  write(100, now_ + 1min);
  EXPECT_EQ(look(), now_);
}

// What was never seen empty may be as old as the file.
TEST_F(Oldest, AtTheFirstLookTheBirthStandsForIt) {
  write(100, now_);
  if (!has_birth("plant/autogen/1/_00001.wal")) GTEST_SKIP() << "this filesystem keeps no births";
  EXPECT_LT(look(), now_ - 50min);
}

TEST_F(Oldest, AnotherFileUnderTheNameIsNotTheOneThatWasEmpty) {
  write(0, now_ - 1h);
  ASSERT_EQ(look(), std::nullopt);
  write(100, now_ + 1min, "plant/autogen/1/new");
  if (!has_birth("plant/autogen/1/new")) GTEST_SKIP() << "this filesystem keeps no births";
  std::filesystem::rename(tree_.root() / "plant/autogen/1/new", tree_.root() / "plant/autogen/1/_00001.wal");
  EXPECT_LT(look(), now_ - 50min);
}

TEST_F(Oldest, IsThatOfTheOldestSegmentOfAllShards) {
  for (const char* shard : {"plant/autogen/1/_00003.wal", "plant/autogen/2/_00001.wal"}) write(0, now_ - 1h, shard);
  ASSERT_EQ(look(), std::nullopt);
  write(100, now_ + 1min, "plant/autogen/2/_00001.wal");
  clock_->advance(2min);
  ASSERT_EQ(look(), now_);
  write(0, now_ + 3min, "plant/autogen/2/_00002.wal");
  std::filesystem::remove(tree_.root() / "plant/autogen/2/_00001.wal");
  write(100, now_ + 3min, "plant/autogen/1/_00003.wal");
  clock_->advance(2min);
  EXPECT_EQ(look(), now_ + 2min);
}

TEST_F(Oldest, AFileThatSaysItWasWrittenBeforeItsBirthIsAsOldAsItSays) {
  write(100, Time(1000s + 500ns));
  EXPECT_EQ(look(), Time(1000s + 500ns));
  EXPECT_EQ(watched_->take_sample({}).value()->newest_file, Time(1000s + 500ns));
}

TEST_F(Segments, WrittenCountsWhatAppearsAfterTheFirstLook) {
  tree_.write("plant/autogen/1/_00001.wal", entry(100));
  const auto watched = source();
  EXPECT_EQ(watched->take_sample({}).value()->written, Extent{});
  tree_.write("plant/autogen/1/_00001.wal", entry(150));
  tree_.write("plant/autogen/1/_00002.wal", "");
  EXPECT_EQ(watched->take_sample({}).value()->written, (Extent{0, 50}));
  tree_.write("plant/autogen/1/_00002.wal", entry(30));
  EXPECT_EQ(watched->take_sample({}).value()->written, (Extent{1, 80}));
  std::filesystem::remove(tree_.root() / "plant/autogen/1/_00001.wal");
  EXPECT_EQ(watched->take_sample({}).value()->written, (Extent{1, 80}));
}

TEST_F(Segments, AMissingDirectoryIsNamedWithTheRemedy) {
  const auto sample =
      make_segment_source({tree_.root() / "no", Integrity::off}, std::make_shared<SystemClock>())->take_sample({});
  ASSERT_FALSE(sample.has_value());
  EXPECT_EQ(sample.error().kind, ErrorKind::not_found);
  EXPECT_THAT(sample.error().message, HasSubstr((tree_.root() / "no").string()));
  EXPECT_THAT(sample.error().message, HasSubstr("set wal.directory"));
}

TEST_F(Segments, WhereNothingMayBeReadTheLookFailsWithARemedyThatLasts) {
  tree_.write("plant/autogen/1/_00001.wal", entry(10));
  tree_.forbid("plant/autogen/1");
  const std::string said = look_without_rights();
  EXPECT_THAT(said, HasSubstr("plant/autogen/1: Permission denied"));
  if (::geteuid() != 0) GTEST_SKIP() << "another user's folder takes root to make";
  ASSERT_EQ(::chown((tree_.root() / "plant/autogen/1").c_str(), 4711, 4711), 0);
  EXPECT_THAT(look_without_rights(), HasSubstr("InfluxDB runs as, uid 4711 (in a container user: \"4711\"), or give it "
                                               "the capability CAP_DAC_READ_SEARCH"));
  EXPECT_THAT(look_without_rights(), Not(HasSubstr("setfacl")));
}

TEST_F(Segments, AFolderThatMayNotBeReadBesideOthersIsUncounted) {
  tree_.write("plant/autogen/1/_00001.wal", entry(10));
  tree_.write("plant/autogen/2/_00001.wal", entry(20));
  tree_.forbid("plant/autogen/2");
  EXPECT_EQ(look_without_rights(), "1 files, 10 bytes, 1 notes, 1 uncounted");
}

// Of other programs; a filesystem of its own has lost+found at its top, for root alone.
TEST_F(Segments, StrayFoldersArePassedOverWithANote) {
  tree_.write("plant/autogen/1/_00001.wal", entry(10));
  for (const char* stray : {"lost+found", "@eaDir", ".snapshot/files/plant", "#recycle", ".Trash-1000/files",
                            "plant/.zfs", "plant/autogen/@tmp"}) {
    std::filesystem::create_directories(tree_.root() / stray);
  }
  std::filesystem::permissions(tree_.root(), std::filesystem::perms(0755));
  EXPECT_EQ(look_without_rights(), "1 files, 10 bytes, 1 notes, 0 uncounted");
  for (const char* stray : {"lost+found", "@eaDir", ".snapshot/files", ".Trash-1000", "plant/.zfs"}) {
    tree_.forbid(stray);
    EXPECT_EQ(look_without_rights(), "1 files, 10 bytes, 1 notes, 0 uncounted") << stray;
    EXPECT_EQ(without_rights([&] {
                const auto found = detect(tree_.root(), {});
                return found ? "" : found.error().message;
              }),
              "");
    std::filesystem::permissions(tree_.root() / stray, std::filesystem::perms(0700));
  }
  EXPECT_THAT(look()->notes[0], HasSubstr("passed over, no shard of InfluxDB in it: "));
  EXPECT_THAT(look()->notes[0], HasSubstr("@eaDir"));
}

// A server names the folder itself, without zeros in front, and opens it by that name.
TEST_F(Segments, ANumberWithZerosInFrontIsNoShard) {
  tree_.write("meter/autogen/5/_00001.wal", entry(10));
  tree_.write("meter/autogen/05/_00001.wal", entry(20));
  tree_.write("meter/autogen/006/_00001.wal", entry(20));
  tree_.write("meter/autogen/07", "a file");
  const auto sample = look();
  EXPECT_EQ(sample->pending, (Extent{1, 10}));
  ASSERT_THAT(sample->shards, SizeIs(1));
  ASSERT_THAT(sample->notes, SizeIs(1));
  EXPECT_THAT(sample->notes[0], HasSubstr("passed over, no shard of InfluxDB in it: "));
  EXPECT_THAT(sample->notes[0], HasSubstr("meter/autogen/05"));
  EXPECT_THAT(sample->notes[0], HasSubstr("meter/autogen/006"));
  EXPECT_EQ(sample->notes[0].find("meter/autogen/07"), std::string::npos);
}

// By what they have in the data directory, the one that is set or data/ beside the WAL.
TEST_F(Segments, FoldersWithOneNumberAreToldApartByTheDataDirectory) {
  for (const char* database : {"wal/aaa", "wal/grid", "wal/.snapshot"}) {
    tree_.write(std::string(database) + "/autogen/17/_00001.wal", entry(10));
  }
  tree_.write("wal/grid/autogen/18/_00001.wal", entry(10));
  const auto has_data = [&](const std::filesystem::path& data) {
    Options options{tree_.root() / "wal", Integrity::off};
    options.data_directory = data;
    const auto sample = make_segment_source(options, std::make_shared<SystemClock>())->take_sample({}).value();
    std::string out;
    for (const Shard& shard : sample->shards) {
      out += shard.database + (shard.stray_name ? " stray" : "") +
             (!shard.has_data   ? " ?"
              : *shard.has_data ? " yes"
                                : " no") +
             "; ";
    }
    return out;
  };
  EXPECT_EQ(has_data(""), ".snapshot stray ?; aaa ?; grid ?; grid ?; ");
  std::filesystem::create_directories(tree_.root() / "data/grid/autogen/17");
  EXPECT_EQ(has_data(""), ".snapshot stray no; aaa no; grid yes; grid ?; ");
  std::filesystem::create_directories(tree_.root() / "elsewhere/aaa/autogen/17");
  EXPECT_EQ(has_data(tree_.root() / "elsewhere"), ".snapshot stray no; aaa yes; grid no; grid ?; ");
}

TEST_F(Segments, AFolderOfOtherThingsIsPassedOverWithANote) {
  tree_.write("0123456789abcdef/autogen/7/_00001.wal", entry(10));
  tree_.write("backup/list.txt", "x");
  const auto sample = look();
  EXPECT_TRUE(sample->bucket_ids);
  ASSERT_THAT(sample->notes, SizeIs(1));
  EXPECT_THAT(sample->notes[0], HasSubstr("backup"));
  // A database without a shard yet is nothing to speak of.
  std::filesystem::create_directories(tree_.root() / "fedcba9876543210/autogen");
  EXPECT_THAT(look()->notes, SizeIs(1));
}

// Of a 2.x whose server is down: an @eaDir made it a 1.x.
TEST_F(Segments, OnlyFoldersWithShardsTellWhetherTheyAreBuckets) {
  std::filesystem::create_directories(tree_.root() / "0123456789abcdef/autogen");
  std::filesystem::create_directories(tree_.root() / "@eaDir");
  EXPECT_TRUE(look()->bucket_ids);
  std::filesystem::create_directories(tree_.root() / "0123456789abcdef/autogen/3");
  std::filesystem::create_directories(tree_.root() / "old/autogen");
  EXPECT_TRUE(look()->bucket_ids);
  tree_.write("old/autogen/4/_00001.wal", "");
  EXPECT_FALSE(look()->bucket_ids);
}

TEST_F(Segments, LostAndFoundAmongBucketsIsNoDatabase) {
  tree_.write("0123456789abcdef/autogen/1/_00001.wal", entry(10));
  std::filesystem::create_directory(tree_.root() / "lost+found");
  EXPECT_TRUE(look()->bucket_ids);
  tree_.write("lost+found/#1234/1/_00001.wal", entry(10));  // a policy's folder that fsck found
  EXPECT_TRUE(look()->bucket_ids);
  EXPECT_EQ(look()->pending, (Extent{1, 10}));
}

TEST_F(Segments, ADatabaseMayBeCalledLostAndFound) {
  tree_.write("0123456789abcdef/autogen/1/_00001.wal", entry(10));
  tree_.write("lost+found/autogen/2/_00001.wal", entry(20));
  const auto sample = look();
  EXPECT_EQ(sample->pending, (Extent{2, 30}));
  EXPECT_FALSE(sample->bucket_ids);
}

TEST_F(Segments, AStopEndsTheLook) {
  tree_.write("plant/autogen/1/_00001.wal", entry(10));
  std::stop_source stop;
  stop.request_stop();
  const auto sample = source()->take_sample(stop.get_token());
  ASSERT_FALSE(sample.has_value());
  EXPECT_EQ(sample.error().kind, ErrorKind::cancelled);
}

TEST_F(Segments, ShardsThatComeAndGoMeanwhileNeverFailALook) {
  std::atomic<bool> stop = false;
  std::thread changer([&] {
    while (!stop) {
      tree_.write("plant/autogen/5/_00001.wal", entry(10));
      std::filesystem::remove_all(tree_.root() / "plant");
    }
  });
  const auto watched = source();
  for (int i = 0; i < 300; ++i) {
    const auto sample = watched->take_sample({});
    EXPECT_TRUE(sample.has_value()) << sample.error().message;
  }
  stop = true;
  changer.join();
}

TEST_F(Segments, DetectionTellsTheLayoutsApart) {
  EXPECT_EQ(detect(tree_.root(), {})->layout, DetectedLayout::none);
  tree_.write("wal/autogen/1/_00001.wal", entry(10));  // a database called wal
  EXPECT_EQ(detect(tree_.root(), {})->layout, DetectedLayout::segments);
  const std::filesystem::path fixtures(tests::kFixtures);
  EXPECT_EQ(detect(fixtures / "influxdb3/twelve-pending", {})->layout, DetectedLayout::node);
  EXPECT_EQ(detect(fixtures / "influxdb2/wal", {})->bucket_ids, true);
  const auto misplaced = detect(fixtures / "influxdb3/twelve-pending/wal", {});
  ASSERT_FALSE(misplaced.has_value());
  EXPECT_THAT(misplaced.error().message, HasSubstr("one level up"));
}

}  // namespace
}  // namespace wal_exporter::wal
