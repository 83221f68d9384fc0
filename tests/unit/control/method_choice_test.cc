#include "control/method_choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "control/convert.h"

namespace wal_exporter::control {
namespace {

using ::testing::HasSubstr;

TEST(Version, MajorOfWhatServersSay) {
  EXPECT_EQ(major_version("1.6.7"), "1");
  EXPECT_EQ(major_version("v2.7.4"), "2");
  EXPECT_EQ(major_version("3.10.0-nightly"), "3");
  EXPECT_EQ(major_version("dev"), "");
  EXPECT_EQ(major_version("10.1"), "");
}

TEST(Version, OfSegmentsIsTheServersWordElseTheNamesOfTheFolders) {
  EXPECT_EQ(version_of_segments("1.8.10", true), "1");
  EXPECT_EQ(version_of_segments("2.7.1", false), "2");
  EXPECT_EQ(version_of_segments("dev", true), "2");
  EXPECT_EQ(version_of_segments("", false), "1");
}

TEST(Method, AutomaticFollowsTheVersionAndSaysWhatIsMissing) {
  settings::Target target;
  EXPECT_THAT(choose_method(target, "").disabled, HasSubstr("influxdb.version"));
  EXPECT_THAT(choose_method(target, "1").disabled, HasSubstr("influxdb.backup_address"));
  EXPECT_THAT(choose_method(target, "2").disabled, HasSubstr("influxdb.url"));
  EXPECT_EQ(choose_method(target, "3").name, "nudge");
  EXPECT_THAT(choose_method(target, "3").disabled, HasSubstr("checkpoint.nudge.enabled"));
  target.influxdb.backup_address = "127.0.0.1:8088";
  EXPECT_EQ(choose_method(target, "1").disabled, "");
  target.checkpoint.nudge.enabled = true;
  target.influxdb.url = "http://127.0.0.1:8181";
  EXPECT_EQ(choose_method(target, "3").disabled, "");
  EXPECT_THAT(choose_method(target, "2").disabled, HasSubstr("influxdb.token_file"));
  target.checkpoint.method = settings::Method::none;
  EXPECT_THAT(choose_method(target, "3").disabled, HasSubstr("only watched"));
}

}  // namespace
}  // namespace wal_exporter::control
