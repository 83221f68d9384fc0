#include "control/method_choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace wal_exporter::control {
namespace {

using ::testing::HasSubstr;

TEST(Method, AutomaticFollowsTheVersionAndSaysWhatIsMissing) {
  settings::Target target;
  EXPECT_THAT(choose_method(target, wal::Generation::unknown).disabled, HasSubstr("influxdb.version"));
  EXPECT_THAT(choose_method(target, wal::Generation::v1).disabled, HasSubstr("influxdb.backup_address"));
  EXPECT_THAT(choose_method(target, wal::Generation::v2).disabled, HasSubstr("influxdb.url"));
  EXPECT_EQ(choose_method(target, wal::Generation::v3).name, "nudge");
  EXPECT_THAT(choose_method(target, wal::Generation::v3).disabled, HasSubstr("checkpoint.nudge.enabled"));
  target.influxdb.backup_address = "127.0.0.1:8088";
  EXPECT_EQ(choose_method(target, wal::Generation::v1).disabled, "");
  target.checkpoint.nudge.enabled = true;
  target.influxdb.url = "http://127.0.0.1:8181";
  EXPECT_EQ(choose_method(target, wal::Generation::v3).disabled, "");
  EXPECT_THAT(choose_method(target, wal::Generation::v2).disabled, HasSubstr("influxdb.token_file"));
  target.checkpoint.method = influxdb::Method::none;
  EXPECT_THAT(choose_method(target, wal::Generation::v3).disabled, HasSubstr("only watched"));
}

}  // namespace
}  // namespace wal_exporter::control
