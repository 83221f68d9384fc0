#include "wal/detect.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace wal_exporter::wal {
namespace {

namespace fs = std::filesystem;
using ::testing::EndsWith;
using ::testing::HasSubstr;

class Detect : public ::testing::Test {
 protected:
  Detect() { fs::create_directories(root()); }
  ~Detect() override { fs::remove_all(root()); }
  static fs::path root() {
    return fs::temp_directory_path() /
           ("wal_exporter-detect-" + std::string(::testing::UnitTest::GetInstance()->current_test_info()->name()) +
            "-" + std::to_string(::getpid()));
  }
  static void file(const std::string& path, const std::string& content = "x") {
    fs::create_directories((root() / path).parent_path());
    std::ofstream(root() / path) << content;
  }
  static std::string refusal(const std::string& folder = "") {
    const auto found = detect(folder.empty() ? root() : root() / folder, {});
    return found ? "taken" : found.error().message;
  }
};

TEST_F(Detect, AnEmptyDirectoryTellsNothing) {
  ASSERT_TRUE(detect(root(), {}));
  EXPECT_EQ(detect(root(), {})->layout, DetectedLayout::none);
}

TEST_F(Detect, FoldersOfDatabasesWhoseShardsAreGoneTellNothing) {
  fs::create_directories(root() / "plant" / "autogen");
  fs::create_directories(root() / "lost+found");
  EXPECT_EQ(refusal(), "taken");
}

TEST_F(Detect, ANodeThatHasNotWrittenYetTellsNothing) {
  file("data/node0/catalog/v2/logs/1.catalog");
  EXPECT_EQ(refusal("data/node0"), "taken");
}

// It was healthy with 0 files.
TEST_F(Detect, AClustersFolderBesideTheNodesIsToldWithThem) {
  file("data/cluster-a/catalog/v2/logs/1.catalog");
  file("data/ingest-1/wal/00000000007.wal");
  file("data/ingest-2/wal/00000000009.wal");
  for (const char* folder : {"data/cluster-a", "data/cluster-a/", "data/./ingest-1/../cluster-a"}) {
    EXPECT_THAT(refusal(folder),
                HasSubstr("has no wal/, but beside it there is one: " + (root() / "data/ingest-1").string() + ", " +
                          (root() / "data/ingest-2").string()))
        << folder;
  }
  EXPECT_EQ(detect(root() / "data/ingest-1/", {})->layout, DetectedLayout::node);
}

TEST_F(Detect, AnyOtherFolderIsNoWal) {
  file("notes.txt");
  EXPECT_THAT(refusal(), HasSubstr("is not the WAL of an InfluxDB"));
  EXPECT_THAT(refusal(), HasSubstr("notes.txt does not belong into one"));
}

TEST_F(Detect, TheFolderAboveANodeIsToldWithTheNode) {
  file("n1/wal/00000000001.wal");
  EXPECT_THAT(refusal(), HasSubstr("the node's folder of InfluxDB 3 seems to be " + (root() / "n1").string()));
}

TEST_F(Detect, TheFolderAroundTheWalOf1IsToldWithTheWal) {
  file("wal/plant/autogen/1/_00001.wal");
  file("meta/meta.db");
  EXPECT_THAT(refusal(), HasSubstr("perhaps it is " + (root() / "wal").string()));
}

TEST_F(Detect, TheDataOf1IsToldWithTheWalBesideIt) {
  fs::create_directories(root() / "wal");
  file("data/plant/autogen/1/000000001-000000001.tsm");
  const std::string said = refusal("data/");
  EXPECT_THAT(said, HasSubstr("000000001-000000001.tsm does not belong into one"));
  EXPECT_THAT(said, EndsWith("perhaps it is " + (root() / "wal").string()));
}

TEST_F(Detect, TheDataOfADatabaseWithoutAShardIsNoWal) {
  file("plant/_series/00/0000");
  EXPECT_THAT(refusal(), HasSubstr("does not belong into one"));
}

TEST_F(Detect, TheEngineOf2IsToldWithItsWal) {
  fs::create_directories(root() / "engine/wal");
  file("engine/data/0123456789abcdef/autogen/1/000000001-000000001.tsm");
  EXPECT_THAT(refusal("engine"), EndsWith("perhaps it is " + (root() / "engine/wal").string()));
  EXPECT_THAT(refusal("engine/data"), EndsWith("perhaps it is " + (root() / "engine/wal").string()));
}

TEST_F(Detect, AFolderAboveOrBelowTheWalIsToldWithIt) {
  file("elsewhere/0123456789abcdef/autogen/1/_00001.wal", "");
  const std::string right = "perhaps it is " + (root() / "elsewhere").string();
  for (const char* folder : {"", "elsewhere/0123456789abcdef", "elsewhere/0123456789abcdef/autogen",
                             "elsewhere/0123456789abcdef/autogen/1"}) {
    EXPECT_THAT(refusal(folder), EndsWith(right)) << folder;
  }
  EXPECT_EQ(refusal("elsewhere"), "taken");
}

TEST_F(Detect, ANewWalMayHoldFoldersAlone) {
  fs::create_directories(root() / "plant");
  fs::create_directories(root() / "office/autogen/2");
  EXPECT_EQ(refusal(), "taken");
  file("office/autogen/3/_00001.wal", "");
  ASSERT_EQ(refusal(), "taken");
  EXPECT_EQ(detect(root(), {})->layout, DetectedLayout::segments);
}

TEST_F(Detect, HiddenFoldersAreNotLookedInto) {
  fs::create_directories(root() / "plant/autogen");
  file(".snapshot/list");
  file(".snapshot/hourly/data/1");
  EXPECT_EQ(refusal(), "taken");
}

TEST_F(Detect, LinksAreFollowed) {
  file("ssd/plant/autogen/1/_00001.wal");
  fs::create_directories(root() / "wal");
  fs::create_directory_symlink("../ssd/plant", root() / "wal/plant");
  EXPECT_EQ(detect(root() / "wal", {})->layout, DetectedLayout::segments);
  file("disk/wal/00000000001.wal");
  fs::create_directories(root() / "node0");
  fs::create_directory_symlink("../disk/wal", root() / "node0/wal");
  EXPECT_EQ(detect(root() / "node0", {})->layout, DetectedLayout::node);
}

TEST_F(Detect, StrayFoldersAreNotLookedInto) {
  fs::create_directories(root() / "plant/autogen");
  file("@eaDir/SYNO@.fileindexdb");
  file("#recycle/a/b/c.txt");
  EXPECT_EQ(refusal(), "taken");
}

}  // namespace
}  // namespace wal_exporter::wal
