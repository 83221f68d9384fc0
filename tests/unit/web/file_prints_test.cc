#include "web/file_prints.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

namespace wal_exporter::web {
namespace {

namespace fs = std::filesystem;

class Prints : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "wal-exporter-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }
  void write(const std::string& name, const std::string& text) const { std::ofstream(folder_ / name) << text; }
  std::string look() {
    // Long after the files were written, so that their stat counts.
    return prints_.look({folder_ / "a", folder_ / "b"}, std::chrono::system_clock::now() + std::chrono::hours(late_));
  }

  fs::path folder_;
  FilePrints prints_;
  int late_ = 1;
};

TEST_F(Prints, AreTheSameForTheSameContents) {
  write("a", "1");
  const auto first = look();
  EXPECT_EQ(look(), first);
  fs::last_write_time(folder_ / "a", fs::file_time_type::clock::now() - std::chrono::hours(5));
  EXPECT_EQ(look(), first) << "touched alone";
}

TEST_F(Prints, ChangeWithAnyOfTheContents) {
  write("a", "1");
  const auto first = look();
  write("b", "2");
  const auto second = look();
  EXPECT_NE(second, first);
  fs::rename(folder_ / "b", folder_ / "a");
  EXPECT_NE(look(), second);
}

TEST_F(Prints, ChangeWhereALinkLeadsElsewhere) {
  write("old", "1");
  write("new", "2");
  fs::create_symlink("old", folder_ / "a");
  const auto first = look();
  fs::create_symlink("new", folder_ / "link");
  fs::rename(folder_ / "link", folder_ / "a");
  EXPECT_NE(look(), first);
}

TEST_F(Prints, SeeASecondWriteOfTheSameSizeInTheSameMoment) {
  late_ = 0;
  write("a", "1");
  const auto first = look();
  write("a", "2");
  EXPECT_NE(look(), first);
}

}  // namespace
}  // namespace wal_exporter::web
