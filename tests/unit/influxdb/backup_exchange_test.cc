#include "influxdb/backup_exchange.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "influxdb/shard_backup.h"

namespace wal_exporter::influxdb {
namespace {

wal::Shard shard(const std::string& database) {
  wal::Shard out;
  out.database = database;
  out.retention_policy = "autogen";
  out.id = 18446744073709551615U;
  return out;
}

TEST(BackupRequest, IsTwoBytesAndOneLineWithAStartFarAhead) {
  wal::Shard plant = shard("plant");
  plant.id = 7;
  EXPECT_EQ(backup_request(plant),
            std::string("\x03\x00", 2) +
                R"({"Type":0,"BackupDatabase":"plant","BackupRetentionPolicy":"autogen","ShardID":7,)"
                R"("Since":"2100-01-01T00:00:00Z","UploadSize":0})"
                "\n");
}

TEST(BackupRequest, KeepsNamesWithQuotesLineBreaksAndUtf8InOneLine) {
  const std::string name = "a \"q\"\n\\ü\t";
  const std::string request = backup_request(shard(name));
  EXPECT_EQ(request.find('\n'), request.size() - 1);
  const auto line = nlohmann::json::parse(request.substr(2));
  EXPECT_EQ(line["BackupDatabase"], name);
  EXPECT_EQ(line["ShardID"], 18446744073709551615U);
}

TEST(BackupRequest, ANameThatIsNotUtf8IsStillARequest) {
  const auto line = nlohmann::json::parse(backup_request(shard("a\xff")).substr(2));
  EXPECT_EQ(line["BackupDatabase"], "a\xEF\xBF\xBD");
}

TEST(ShardName, IsOneLine) {
  EXPECT_EQ(shard_name(shard("a\nb").key()), "a\\nb/autogen/18446744073709551615");
}

}  // namespace
}  // namespace wal_exporter::influxdb
