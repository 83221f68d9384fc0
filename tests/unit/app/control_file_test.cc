#include "app/control_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "app/way_in.h"

namespace wal_exporter::app {
namespace {

TEST(ControlFile, ReadsBackWhatWasWrittenForTheOwnerAlone) {
  std::string name = (std::filesystem::temp_directory_path() / "wal_exporter-control-XXXXXX").string();
  ASSERT_NE(mkdtemp(name.data()), nullptr);
  const auto token = random_token().value();
  EXPECT_EQ(token.size(), 64U);
  EXPECT_NE(token, random_token().value());
  ASSERT_TRUE(write_control(name, {"https://[::1]:3002", token, "sha256//key"}).has_value());
  struct stat status {};
  ASSERT_EQ(::stat((name + "/control").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
  const auto control = read_control(name);
  ASSERT_TRUE(control.has_value());
  EXPECT_EQ(control->url, "https://[::1]:3002");
  EXPECT_EQ(control->token, token);
  EXPECT_EQ(control->pinned_key, "sha256//key");
  remove_control(name);
  EXPECT_FALSE(read_control(name).has_value());
  std::filesystem::remove_all(name);
}

TEST(ControlFile, FindsItsSocketWhereItsDirectoryIsMounted) {
  std::string name = (std::filesystem::temp_directory_path() / "wal_exporter-control-XXXXXX").string();
  ASSERT_NE(mkdtemp(name.data()), nullptr);
  EXPECT_EQ(control_socket(name).value(), name + "/control.sock");
  ASSERT_TRUE(write_control(name, {"unix://" + name + "/control.sock", "token", {}}).has_value());
  std::filesystem::rename(name, name + "-elsewhere");
  EXPECT_EQ(read_control(name + "-elsewhere").value().url, "unix://" + name + "-elsewhere/control.sock");
  std::filesystem::remove_all(name + "-elsewhere");
}

TEST(ControlFile, HasNoSocketWhereItsPathWouldBeTooLong) {
  const std::string longest(107 - std::string_view("/control.sock").size(), 'd');
  EXPECT_EQ(control_socket("/" + longest.substr(1)).value().size(), 107U);
  EXPECT_EQ(control_socket("/" + longest).error().message,
            "state directory /" + longest +
                " is too long for a control socket in it: 108 bytes with its name, and 107 "
                "are the most that Linux takes");
}

TEST(WayIn, GoesWhereTheAddressListens) {
  EXPECT_EQ(url_of(":3002", false), "http://127.0.0.1:3002");
  EXPECT_EQ(url_of("0.0.0.0:1", true), "https://127.0.0.1:1");
  EXPECT_EQ(url_of("[::]:1", false), "http://127.0.0.1:1");
  EXPECT_EQ(url_of("[::1]:1", true), "https://[::1]:1");
  EXPECT_EQ(url_of("unix:/run/x.sock", true), "unix:///run/x.sock");
}

}  // namespace
}  // namespace wal_exporter::app
