#include "influxdb/method_kind.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace wal_exporter::influxdb {
namespace {

using ::testing::HasSubstr;
using wal::Generation;

class Methods : public ::testing::Test {
 protected:
  [[nodiscard]] MethodChoice choose(Generation generation) const {
    return choose_method({server, checkpoint, wal::Integrity::header}, generation);
  }

  ServerOptions server;
  CheckpointOptions checkpoint;
};

TEST_F(Methods, AutomaticFollowsTheGenerationAndSaysWhatIsMissing) {
  EXPECT_THAT(choose(Generation::unknown).disabled, HasSubstr("influxdb.version"));
  EXPECT_EQ(choose(Generation::unknown).name, "");
  EXPECT_THAT(choose(Generation::v1).disabled, HasSubstr("influxdb.backup_address"));
  EXPECT_THAT(choose(Generation::v2).disabled, HasSubstr("influxdb.url"));
  EXPECT_EQ(choose(Generation::v3).name, "nudge");
  EXPECT_THAT(choose(Generation::v3).disabled, HasSubstr("checkpoint.nudge.enabled"));
  server.backup_address = "127.0.0.1:8088";
  EXPECT_EQ(choose(Generation::v1).disabled, "");
  checkpoint.nudge.enabled = true;
  server.url = "http://127.0.0.1:8181";
  EXPECT_EQ(choose(Generation::v3).disabled, "");
  EXPECT_TRUE(choose(Generation::v3).writes_points());
  EXPECT_THAT(choose(Generation::v2).disabled, HasSubstr("influxdb.token_file"));
}

TEST_F(Methods, ThatAreSetSayWhomTheyDoNotServe) {
  checkpoint.method = Method::none;
  EXPECT_THAT(choose(Generation::v3).disabled, HasSubstr("only watched"));
  checkpoint.method = Method::backup;
  EXPECT_THAT(choose(Generation::v3).disabled, HasSubstr("InfluxDB 3.x has no shard backup"));
  EXPECT_THAT(choose(Generation::unknown).disabled, HasSubstr("influxdb.version"));
  EXPECT_EQ(choose(Generation::unknown).name, "backup");
  checkpoint.method = Method::nudge;
  EXPECT_THAT(choose(Generation::v1).disabled, HasSubstr("serves InfluxDB 3.x only"));
  EXPECT_EQ(choose(Generation::v1).name, "nudge");
  EXPECT_FALSE(choose(Generation::v1).writes_points());
  EXPECT_THAT(choose(Generation::unknown).disabled, HasSubstr("checkpoint.nudge.enabled"));
  checkpoint.method = Method::http;
  EXPECT_THAT(choose(Generation::v2).disabled, HasSubstr("checkpoint.http"));
}

TEST_F(Methods, ANudgeNeedsTheHeadersOfTheWal) {
  checkpoint.nudge.enabled = true;
  server.url = "http://127.0.0.1:8181";
  EXPECT_THAT(choose_method({server, checkpoint, wal::Integrity::off}, Generation::v3).disabled,
              HasSubstr("wal.integrity"));
}

}  // namespace
}  // namespace wal_exporter::influxdb
