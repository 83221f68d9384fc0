#include "app/control_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

namespace wal_exporter::app {
namespace {

TEST(ControlFile, ReadsBackWhatWasWrittenForTheOwnerAlone) {
  std::string name = (std::filesystem::temp_directory_path() / "wal_exporter-control-XXXXXX").string();
  ASSERT_NE(mkdtemp(name.data()), nullptr);
  const auto token = random_token().value();
  EXPECT_EQ(token.size(), 64U);
  EXPECT_NE(token, random_token().value());
  ASSERT_TRUE(write_control(name, {"127.0.0.1:3002", token}).has_value());
  struct stat status {};
  ASSERT_EQ(::stat((name + "/control").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
  const auto control = read_control(name);
  ASSERT_TRUE(control.has_value());
  EXPECT_EQ(control->address, "127.0.0.1:3002");
  EXPECT_EQ(control->token, token);
  remove_control(name);
  EXPECT_FALSE(read_control(name).has_value());
  std::filesystem::remove_all(name);
}

}  // namespace
}  // namespace wal_exporter::app
