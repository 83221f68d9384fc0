#include "wal/detect.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "unit/wal/without_rights.h"

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

// Or a cluster's folder, or a query node's: what it is shows by its server alone.
TEST_F(Detect, ACatalogIsOfInfluxDB3) {
  file("data/node0/catalog/v2/logs/1.catalog");
  EXPECT_EQ(detect(root() / "data/node0", {})->layout, DetectedLayout::node);
}

// It was healthy with 0 files until the neighbour's first write.
TEST_F(Detect, ANodeBesideWithAnEmptyWalIsNamed) {
  file("data/plant-cluster/catalog/v2/logs/3.catalog");
  fs::create_directories(root() / "data/writer-2/wal");
  EXPECT_THAT(refusal("data/plant-cluster"),
              HasSubstr("has no wal/, but beside it there is one: " + (root() / "data/writer-2").string()));
  // The folder of a 1.x that has written nothing.
  fs::remove_all(root() / "data/writer-2");
  for (const char* folder : {"data", "meta", "wal"}) fs::create_directories(root() / "data/influxdb" / folder);
  EXPECT_EQ(refusal("data/plant-cluster"), "taken");
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

TEST_F(Detect, AClustersOrACompactorsFolderIsToldByItsContent) {
  file("a/catalog/v2/logs/1.catalog");
  file("a/commercial_license");
  EXPECT_THAT(refusal("a"), HasSubstr("has no wal/ and seems to be a cluster's"));
  file("c/catalog/v2/logs/1.catalog");
  file("c/enterprise");
  EXPECT_THAT(refusal("c"), HasSubstr("has no wal/ and seems to be a cluster's"));
  fs::create_directories(root() / "b/catalog");
  fs::create_directories(root() / "b/cs");
  EXPECT_THAT(refusal("b"), HasSubstr("has no wal/ and seems to be a compactor's"));
  file("a/wal/00000000001.wal");
  EXPECT_EQ(refusal("a"), "taken");
}

TEST_F(Detect, ANodeBesideMayHaveAnEmptyWal) {
  file("cluster/catalog/v2/logs/1.catalog");
  fs::create_directories(root() / "writer/wal");
  fs::create_directories(root() / "writer/snapshots");
  EXPECT_THAT(refusal("cluster"), HasSubstr("beside it there is one: " + (root() / "writer").string()));
}

// A node that has not written anything that a snapshot covers: it was healthy with 0 files.
TEST_F(Detect, ANodeBesideMayHaveNothingButAnEmptyWal) {
  file("cluster/catalog/v2/logs/00000000000000000004.catalog");
  fs::create_directories(root() / "ingest-b/wal");
  EXPECT_THAT(refusal("cluster"), HasSubstr("beside it there is one: " + (root() / "ingest-b").string()));
  // Not those of 1.x and 2.x, which keep folders in their WAL and data beside it.
  fs::rename(root() / "ingest-b", root() / "engine");
  EXPECT_EQ(refusal("cluster"), "taken");
  fs::create_directories(root() / "old/wal/plant");
  fs::create_directories(root() / "older/wal");
  fs::create_directories(root() / "older/data");
  EXPECT_EQ(refusal("cluster"), "taken");
}

TEST_F(Detect, ACatalogIsANodesWhateverElseIsThere) {
  file("n1/catalog/v2/logs/00000000000000000001.catalog");
  EXPECT_EQ(detect(root() / "n1", {})->layout, DetectedLayout::node);
  EXPECT_TRUE(holds_catalog(root() / "n1"));
  fs::create_directories(root() / "x/catalog/autogen");  // a database of that name, without a shard
  EXPECT_EQ(detect(root() / "x", {})->layout, DetectedLayout::none);
  file("x/_catalog_checkpoint");
  EXPECT_TRUE(holds_catalog(root() / "x"));
}

TEST_F(Detect, ANodeBesideThatMayNotBeReadIsSaid) {
  file("cluster/catalog/v2/logs/1.catalog");
  file("writer/wal/00000000001.wal");
  fs::create_directories(root() / "lost+found");
  for (const char* folder : {"writer", "lost+found"}) {
    fs::permissions(root() / folder, fs::perms(::geteuid() == 0 ? 0700 : 0));
  }
  const auto looked = [cluster = root() / "cluster"]() -> std::string {  // root() goes by the process
    const auto found = detect(cluster, {});
    return found ? "taken" : found.error().message;
  };
  const std::string said = without_rights(looked);
  EXPECT_THAT(said, HasSubstr("may not look into " + (root() / "writer").string() + ": let it read that"));
  fs::permissions(root() / "writer", fs::perms(0700));  // or only root could remove it
  fs::remove_all(root() / "writer");
  EXPECT_EQ(without_rights(looked), "taken");
  fs::permissions(root() / "lost+found", fs::perms(0700));
}

TEST_F(Detect, APipeInPlaceOfANodesWalIsSaid) {
  fs::create_directories(root() / "snapshots");
  ASSERT_EQ(::mkfifo((root() / "wal").c_str(), 0600), 0);
  EXPECT_THAT(refusal(), HasSubstr((root() / "wal").string() + " is not a directory"));
}

// They hold folders alone, as a WAL of 1.x does whose shards are gone.
TEST_F(Detect, AFolderAboveAnEmptyWalIsNoWal) {
  fs::create_directories(root() / "three/n1/wal");
  fs::create_directories(root() / "three/n1/snapshots");
  fs::create_directories(root() / "three/n2/wal");
  EXPECT_THAT(refusal("three"), EndsWith("nodes of InfluxDB 3 seem to be, each a target of its own, " +
                                         (root() / "three/n1").string() + ", " + (root() / "three/n2").string()));
  fs::remove_all(root() / "three/n1");  // all of the other is an empty wal/
  EXPECT_THAT(refusal("three"), EndsWith("seems to be " + (root() / "three/n2").string()));
  fs::create_directories(root() / "two/engine/wal");
  EXPECT_THAT(refusal("two"), EndsWith("perhaps it is " + (root() / "two/engine/wal").string()));
  fs::create_directories(root() / "two/engine/data");
  EXPECT_THAT(refusal("two/engine"), EndsWith("perhaps it is " + (root() / "two/engine/wal").string()));
  EXPECT_THAT(refusal(), HasSubstr("does not belong into one"));
  fs::remove_all(root() / "three");
  file("two/engine/wal/0123456789abcdef/autogen/8/_00001.wal");
  EXPECT_THAT(refusal("two"), EndsWith("perhaps it is " + (root() / "two/engine/wal").string()));
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
