#include "app/wal_reader.h"

#include <gmock/gmock.h>

#include <fstream>

#include "unit/http/fake_server.h"

namespace wal_exporter::app {
namespace {

using ::testing::HasSubstr;
using wal_exporter::tests::TempDir;

class WalRead : public testing::Test {
 protected:
  void write(const std::string& path, const std::string& content) const {
    std::filesystem::create_directories((root() / path).parent_path());
    std::ofstream(root() / path) << content;
  }
  [[nodiscard]] const std::filesystem::path& root() const { return folder_.path(); }
  [[nodiscard]] WalReader reader(wal::Generation version = wal::Generation::unknown) const {
    settings::Target target;
    target.wal.directory = root();
    target.influxdb.version = version;
    return {target, /*reads_once=*/false, std::make_shared<SystemClock>(), null_log()};
  }

 private:
  TempDir folder_;
};

TEST_F(WalRead, AnEmptyWalBecomesOneWithSegments) {
  WalReader reader = this->reader();
  const auto empty = reader.read({1, "1.8.10"}, {});
  ASSERT_TRUE(empty.sample.has_value());
  EXPECT_EQ(empty.number, 1U);
  EXPECT_EQ(empty.version, wal::Generation::v1);
  write("plant/autogen/1/_00001.wal", std::string("\1\0\0\0\1x", 6));
  const auto filled = reader.read({2, "1.8.10"}, {});
  ASSERT_TRUE(filled.sample.has_value());
  EXPECT_EQ(filled.number, 2U);
  EXPECT_EQ((*filled.sample)->pending.files, 1U);
  EXPECT_EQ(filled.source, empty.source);
}

// As where InfluxDB is started for the first time together with the exporter.
TEST_F(WalRead, AWrongFolderThatWasEmptyIsToldOnceItIsNot) {
  WalReader reader = this->reader();
  ASSERT_TRUE(reader.read({1, "2.7.12"}, {}).sample.has_value());
  write("data/0123456789abcdef/autogen/1/000000001-000000001.tsm", "x");
  std::filesystem::create_directories(root() / "wal/0123456789abcdef");
  const auto taken = reader.read({2, "2.7.12"}, {});
  ASSERT_FALSE(taken.sample.has_value());
  EXPECT_THAT(taken.sample.error().message, HasSubstr("perhaps it is " + (root() / "wal").string()));
}

TEST_F(WalRead, AnEmptyDirectoryHasNoVersionUntilTheServerSaysOne) {
  WalReader reader = this->reader();
  const auto unknown = reader.read({1, ""}, {});
  ASSERT_TRUE(unknown.sample.has_value());
  EXPECT_EQ(unknown.version, wal::Generation::unknown);
  EXPECT_EQ(unknown.source, 1U);
  const auto known = reader.read({2, "3.10.0"}, {});
  EXPECT_EQ(known.version, wal::Generation::v3);
  EXPECT_EQ(known.source, 2U) << "a reader for another layout";
}

TEST_F(WalRead, ANodesFolderIsNotTakenForAWalOf1x) {
  write("wal/00000000001.wal", "x");
  std::filesystem::create_directories(root() / "snapshots");
  WalReader reader = this->reader(wal::Generation::v1);
  const auto taken = reader.read({1, ""}, {});
  ASSERT_FALSE(taken.sample.has_value());
  EXPECT_THAT(taken.sample.error().message, HasSubstr("is a node's folder of InfluxDB 3, but influxdb.version is 1"));
  EXPECT_EQ(taken.source, 0U) << "there is no reader yet";
  EXPECT_EQ(taken.version, wal::Generation::v1);
  EXPECT_EQ(reader.source(), nullptr);
}

TEST_F(WalRead, ADirectoryThatCanNotBeReadHasNoSample) {
  WalReader reader = this->reader();
  std::filesystem::remove_all(root());
  const auto taken = reader.read({1, "1.8.10"}, {});
  ASSERT_FALSE(taken.sample.has_value());
  EXPECT_THAT(taken.sample.error().message, HasSubstr(root().string()));
}

}  // namespace
}  // namespace wal_exporter::app
