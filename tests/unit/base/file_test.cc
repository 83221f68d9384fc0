#include "base/file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

namespace wal_exporter {
namespace {

class File : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "wal_exporter-file-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    directory_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  std::filesystem::path write(const std::string& name, const std::string& content) {
    std::ofstream(directory_ / name) << content;
    return directory_ / name;
  }
  std::filesystem::path directory_;
};

TEST_F(File, ReadsTheWholeAndRefusesMoreThanTheLimit) {
  EXPECT_EQ(read_file(write("a", "hello"), 5, "test file"), "hello");
  const auto more = read_file(write("a", "hello!"), 5, "test file");
  ASSERT_FALSE(more.has_value());
  EXPECT_NE(more.error().message.find("larger than 5 bytes"), std::string::npos);
}

TEST_F(File, AMissingOneIsNamed) {
  const auto result = read_file(directory_ / "no", 5, "token file");
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().kind, ErrorKind::not_found);
  EXPECT_NE(result.error().message.find("token file " + (directory_ / "no").string()), std::string::npos);
}

TEST_F(File, APipeIsRefusedAndNotWaitedFor) {
  ASSERT_EQ(mkfifo((directory_ / "pipe").c_str(), 0600), 0);
  EXPECT_FALSE(read_file(directory_ / "pipe", 5, "test file").has_value());
}

TEST_F(File, ASecretLosesItsLineEndAndMustBeOneLine) {
  EXPECT_EQ(read_secret(write("s", " abc \n"), "token file"), "abc");
  EXPECT_FALSE(read_secret(write("s", "a\nb"), "token file").has_value());
  EXPECT_FALSE(read_secret(write("s", " \n"), "token file").has_value());
}

TEST_F(File, AWriteReplacesTheWholeWithItsMode) {
  const auto path = write("a", "old");
  ASSERT_TRUE(write_file_atomically(path, "new", 0600).has_value());
  EXPECT_EQ(read_file(path, 10, "test file"), "new");
  struct stat status {};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory_), {}), 1);
}

}  // namespace
}  // namespace wal_exporter
