// What a reader of the 3.x layout says where it can't read.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include "unit/wal/node_tree.h"
#include "unit/wal/without_rights.h"

namespace wal_exporter::wal {
namespace {

using ::testing::HasSubstr;

class Access : public Node {
 protected:
  Error error_at(const std::filesystem::path& directory) {
    options_.directory = directory;
    const auto sample = make_node_source(options_, clock_, null_log())->take_sample({});
    if (sample) {
      ADD_FAILURE() << "a sample of " << directory;
      return {};
    }
    return sample.error();
  }
};

TEST_F(Access, AMissingDirectoryIsNamedWithTheRemedy) {
  const Error error = error_at(top_ / "node7");
  EXPECT_EQ(error.kind, ErrorKind::not_found);
  EXPECT_THAT(error.message, HasSubstr((top_ / "node7").string()));
  EXPECT_THAT(error.message, HasSubstr("wal.directory"));
}

TEST_F(Access, AFileInsteadOfADirectoryIsAnError) {
  write_all(top_ / "file", "x");
  EXPECT_THAT(error_at(top_ / "file").message, HasSubstr("wal.directory"));
}

TEST_F(Access, TheDataDirectoryIsAnsweredWithTheNodesFolder) {
  put(1);
  const Error error = error_at(top_);
  EXPECT_EQ(error.kind, ErrorKind::not_found);
  EXPECT_THAT(error.message, HasSubstr("here " + node_.string()));
}

TEST_F(Access, TheWalFolderItselfIsAnsweredWithTheFolderAbove) {
  put(1);
  for (const std::filesystem::path& directory : {node_ / "wal", node_ / "wal/", node_ / "wal/."}) {
    const Error error = error_at(directory);
    EXPECT_EQ(error.kind, ErrorKind::invalid);
    EXPECT_THAT(error.message, testing::EndsWith("snapshots/: " + node_.string()));
  }
}

TEST_F(Access, ANodeThatWasNeverWrittenToHasNothingPending) {
  std::filesystem::remove_all(node_ / "wal");
  const auto empty = look_once();
  EXPECT_EQ(empty->pending.files, 0U);
  EXPECT_EQ(empty->newest_file, std::nullopt);
  EXPECT_EQ(empty->notes.size(), 1U);
  // The node's folder may be a filesystem of its own.
  std::filesystem::create_directories(node_ / "lost+found");
  EXPECT_EQ(look_once()->notes, empty->notes);
  std::filesystem::create_directories(node_ / "catalog" / "v2");
  EXPECT_EQ(look_once()->pending.files, 0U);
}

TEST_F(Access, AnEmptyWalFolderHasNothingPending) {
  const auto sample = look_once();
  EXPECT_EQ(sample->pending, Extent{});
  EXPECT_EQ(sample->newest_file, std::nullopt);
  EXPECT_EQ(sample->oldest_pending, std::nullopt);
  EXPECT_EQ(sample->max_data_time, std::nullopt);
  EXPECT_TRUE(sample->notes.empty());
}

TEST_F(Access, AWalFolderThatGoesAwayIsAnErrorAndNotAnEmptyWal) {
  put_range(1, 3);
  const auto source = open();
  ASSERT_EQ(look(*source)->pending.files, 3U);
  std::filesystem::rename(node_, top_ / "unmounted");
  std::filesystem::create_directory(node_);
  const auto gone = source->take_sample({});
  ASSERT_FALSE(gone.has_value());
  EXPECT_THAT(gone.error().message, HasSubstr("mounted"));
  std::filesystem::remove(node_);
  std::filesystem::rename(top_ / "unmounted", node_);
  EXPECT_EQ(look(*source)->pending.files, 3U);
}

TEST_F(Access, SnapshotsWithoutAWalFolderAreAnError) {
  use_fixture("after-snapshot");
  std::filesystem::remove_all(node_ / "wal");
  EXPECT_EQ(error_at(node_).kind, ErrorKind::not_found);
}

// The server opens both by their path.
TEST_F(Access, LinksToItsFoldersAreFollowedAndOneThatLeadsNowhereIsAnError) {
  put(1);
  for (const char* name : {"wal", "snapshots"}) {
    std::filesystem::create_directories(node_ / name);
    std::filesystem::rename(node_ / name, top_ / name);
    std::filesystem::create_symlink(top_ / name, node_ / name);
    EXPECT_EQ(look_once()->pending.files, 1U) << name;
    std::filesystem::rename(top_ / name, top_ / "unmounted");
    const Error error = error_at(node_);
    EXPECT_EQ(error.kind, ErrorKind::not_found);
    EXPECT_THAT(error.message, HasSubstr((node_ / name).string()));
    EXPECT_THAT(error.message, HasSubstr("a symbolic link: is the disk that it leads to mounted?"));
    options_.directory = node_;
    std::filesystem::remove(node_ / name);
    std::filesystem::rename(top_ / "unmounted", node_ / name);
  }
}

TEST_F(Access, ALinkOrAPipeInPlaceOfAFileIsNotReadAndSaid) {
  put_range(1, 2);
  std::filesystem::rename(wal(2), top_ / "2");
  std::filesystem::create_symlink(top_ / "2", wal(2));
  ASSERT_EQ(::mkfifo(wal(3).c_str(), 0600), 0);
  std::filesystem::create_directories(node_ / "snapshots");
  ASSERT_EQ(::mkfifo(snapshot(1).c_str(), 0600), 0);
  const auto sample = look_once();
  EXPECT_EQ(sample->pending.files, 1U);
  EXPECT_EQ(sample->uncounted.folders, 1U);
  EXPECT_THAT(sample->notes, ::testing::Contains(HasSubstr("00000000003.wal is no file")));
  EXPECT_THAT(sample->notes, ::testing::Contains(HasSubstr(snapshot(1).string() + " is not a regular file")));
}

TEST_F(Access, TheNodesFolderItselfMayBeALink) {
  put_range(1, 2);
  std::filesystem::create_directory_symlink(node_, top_ / "link");
  options_.directory = top_ / "link";
  EXPECT_EQ(look(*make_node_source(options_, clock_, null_log()))->pending.files, 2U);
}

TEST_F(Access, AStopEndsALook) {
  put_range(1, 3);
  std::stop_source stop;
  stop.request_stop();
  const auto sample = open()->take_sample(stop.get_token());
  ASSERT_FALSE(sample.has_value());
  EXPECT_EQ(sample.error().kind, ErrorKind::cancelled);
}

TEST_F(Access, AFolderThatMayNotBeReadIsAnErrorWithTheRemedy) {
  use_fixture("after-snapshot");
  std::filesystem::permissions(top_, std::filesystem::perms(0755));
  for (const char* name : {"wal", "snapshots"}) {
    std::filesystem::permissions(node_ / name, std::filesystem::perms(::geteuid() == 0 ? 0700 : 0));
    const std::string said = without_rights([&] {
      const auto sample = open()->take_sample({});
      return sample ? "a sample" : std::string(to_string(sample.error().kind)) + ": " + sample.error().message;
    });
    std::filesystem::permissions(node_ / name, std::filesystem::perms(0755));
    EXPECT_THAT(said, HasSubstr("permission: "));
    EXPECT_THAT(said, HasSubstr((node_ / name).string() + ": Permission denied"));
    EXPECT_THAT(said, HasSubstr(::geteuid() == 0 ? "CAP_DAC_READ_SEARCH" : "check its mode"));
  }
}

TEST_F(Access, ASnapshotThatMayNotBeReadIsAnError) {
  use_fixture("after-snapshot");
  std::filesystem::permissions(top_, std::filesystem::perms(0755));
  std::filesystem::permissions(snapshot(1), std::filesystem::perms(::geteuid() == 0 ? 0600 : 0));
  const std::string said = without_rights([&] {
    const auto sample = open()->take_sample({});
    return sample ? "a sample" : sample.error().message;
  });
  EXPECT_THAT(said, HasSubstr(snapshot(1).string() + ": Permission denied"));
}

TEST_F(Access, AReaderOfTheDirectoryAloneIsEnoughForEverythingButTheHeaders) {
  use_fixture("after-snapshot");
  std::filesystem::permissions(top_, std::filesystem::perms(0755));
  for (const std::uint64_t number : {33, 34}) {
    std::filesystem::permissions(wal(number), std::filesystem::perms(::geteuid() == 0 ? 0600 : 0));
  }
  const std::string said = without_rights([&]() -> std::string {
    const auto sample = open()->take_sample({});
    if (!sample) return sample.error().message;
    const Sample& seen = **sample;
    if (seen.pending.files != 5 || seen.invalid.size() != 2) return "not what was expected";
    if (seen.invalid[1].reason != InvalidReason::unreadable) return "another reason";
    if (seen.newest_file_damaged || seen.invalid[1].newest) return "that we may not read it is no damage";
    return seen.invalid[1].detail;
  });
  EXPECT_THAT(said, HasSubstr("00000000034.wal: Permission denied"));
  EXPECT_THAT(said, HasSubstr(::geteuid() == 0 ? "CAP_DAC_READ_SEARCH" : "check its mode"));
}

TEST_F(Access, AFileThatMayBeReadLaterIsReadThen) {
  put_range(1, 3);
  if (::geteuid() != 0) {
    std::filesystem::permissions(wal(2), std::filesystem::perms(0));
    const auto source = open();
    EXPECT_EQ(look(*source)->invalid.size(), 1U);
    std::filesystem::permissions(wal(2), std::filesystem::perms(0600));
    EXPECT_EQ(look(*source)->invalid.size(), 0U);
    return;
  }
  // Root reads everything: the process that gave up root asks this one by a pipe
  // to open the file up between its two samples.
  std::filesystem::permissions(top_, std::filesystem::perms(0755));
  std::filesystem::permissions(node_, std::filesystem::perms(0777));
  ASSERT_EQ(::chown(wal(2).c_str(), 65534, 65534), 0);
  std::filesystem::permissions(wal(2), std::filesystem::perms(0));
  const std::string said = without_rights([&]() -> std::string {
    const auto source = open();
    const auto before = source->take_sample({});
    if (!before || (*before)->invalid.size() != 1) return "the first look read it";
    std::filesystem::permissions(wal(2), std::filesystem::perms(0600));
    const auto after = source->take_sample({});
    if (!after || !(*after)->invalid.empty()) return "the second look did not read it";
    return "";
  });
  EXPECT_EQ(said, "");
}

}  // namespace
}  // namespace wal_exporter::wal
