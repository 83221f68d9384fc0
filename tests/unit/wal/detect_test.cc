#include "wal/detect.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace walx::wal {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class Detect : public ::testing::Test {
 protected:
  Detect() { fs::create_directories(root()); }
  ~Detect() override { fs::remove_all(root()); }
  static fs::path root() {
    return fs::temp_directory_path() /
           ("walx-detect-" + std::string(::testing::UnitTest::GetInstance()->current_test_info()->name()) + "-" +
            std::to_string(::getpid()));
  }
  static void file(const std::string& path, const std::string& content = "x") {
    fs::create_directories((root() / path).parent_path());
    std::ofstream(root() / path) << content;
  }
  static std::string refusal() {
    const auto found = detect(root(), {});
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
  file("catalog/v2/logs/1.catalog");
  EXPECT_EQ(refusal(), "taken");
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

TEST_F(Detect, ALinkIsNotFollowedAndSaidSo) {
  fs::create_directory_symlink("/tmp", root() / "plant");
  EXPECT_THAT(refusal(), HasSubstr("plant is a symbolic link, and none is followed"));
}

}  // namespace
}  // namespace walx::wal
