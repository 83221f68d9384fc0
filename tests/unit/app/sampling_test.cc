#include "app/sampling.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace wal_exporter::app {
namespace {

using ::testing::HasSubstr;

class Looking : public testing::Test {
 protected:
  Looking() { std::filesystem::create_directories(root_); }
  ~Looking() override { std::filesystem::remove_all(root_); }

  void write(const std::string& path, const std::string& content) const {
    std::filesystem::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << content;
  }
  [[nodiscard]] Looker looker() const {
    settings::Target target;
    target.wal.directory = root_;
    return {target, /*only_look=*/false, std::make_shared<SystemClock>(), null_log()};
  }

  const std::filesystem::path root_ =
      std::filesystem::temp_directory_path() /
      ("wal_exporter-looking-" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()) + "-" +
       std::to_string(::getpid()));
};

TEST_F(Looking, AnEmptyWalBecomesOneWithSegments) {
  Looker looker = this->looker();
  const Look empty = looker.look("1.8.10", {});
  ASSERT_TRUE(empty.sample.has_value());
  EXPECT_EQ(empty.version, "1");
  write("plant/autogen/1/_00001.wal", std::string("\1\0\0\0\1x", 6));
  const Look filled = looker.look("1.8.10", {});
  ASSERT_TRUE(filled.sample.has_value());
  EXPECT_EQ((*filled.sample)->pending.files, 1U);
  EXPECT_EQ(filled.source, empty.source);
}

// As where InfluxDB is started for the first time together with the exporter.
TEST_F(Looking, AWrongFolderThatWasEmptyIsToldOnceItIsNot) {
  Looker looker = this->looker();
  ASSERT_TRUE(looker.look("2.7.12", {}).sample.has_value());
  write("data/0123456789abcdef/autogen/1/000000001-000000001.tsm", "x");
  std::filesystem::create_directories(root_ / "wal/0123456789abcdef");
  const Look look = looker.look("2.7.12", {});
  ASSERT_FALSE(look.sample.has_value());
  EXPECT_THAT(look.sample.error().message, HasSubstr("perhaps it is " + (root_ / "wal").string()));
}

}  // namespace
}  // namespace wal_exporter::app
