#include "influxdb/wal_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "paths.h"

namespace wal_exporter::influxdb {
namespace {

using ::testing::HasSubstr;

TEST(WalMetrics, OfTheRecordedAnswerAreOneShard) {
  const auto text = read_file(std::string(tests::kFixtures) + "/http/v2-metrics-excerpt.txt", 1 << 20, "fixture");
  const auto metrics = parse_wal_metrics(text.value());
  ASSERT_TRUE(metrics.has_value());
  EXPECT_EQ(metrics->shards, 1U);
  EXPECT_EQ(metrics->bytes, 0U);
  EXPECT_EQ(metrics->wal_path, "/var/lib/influxdb2/engine/wal/b171b2f71fd7029d/autogen/1");
}

TEST(WalMetrics, SumAllShardsAndPassOverWhatIsNoNumber) {
  const auto metrics = parse_wal_metrics(
      "storage_wal_size{id=\"1\",walPath=\"/a\"} 1.5e+06\nstorage_wal_size{id=\"2\"} 500000\n"
      "storage_wal_size{id=\"3\"} NaN\nstorage_wal_size{id=\"4\"} -1\nstorage_wal_writes{id=\"1\"} "
      "3\nstorage_wal_size{");
  ASSERT_TRUE(metrics.has_value());
  EXPECT_EQ(metrics->shards, 2U);
  EXPECT_EQ(metrics->bytes, 2'000'000U);
}

TEST(WalMetrics, WithoutTheSeriesThereIsNoOpinion) {
  EXPECT_FALSE(parse_wal_metrics("").has_value());
  EXPECT_FALSE(parse_wal_metrics("go_goroutines 3\n").has_value());
}

TEST(DifferingOpinion, OnlyAGrossDifferenceCounts) {
  const std::uint64_t mib = 1 << 20;
  EXPECT_EQ(differing_opinion({3, 15 * mib, "/a"}, 0), "");
  EXPECT_EQ(differing_opinion({3, 40 * mib, "/a"}, 20 * mib), "");
  const std::string told = differing_opinion({3, 40 * mib, "/data/engine/wal/b/autogen/1"}, 0);
  EXPECT_THAT(told, HasSubstr("40.0 MiB"));
  EXPECT_THAT(told, HasSubstr("wal.directory"));
  EXPECT_THAT(told, HasSubstr("/data/engine/wal/b/autogen/1"));
}

}  // namespace
}  // namespace wal_exporter::influxdb
