#include "influxdb/wal_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "paths.h"

namespace wal_exporter::influxdb {
namespace {

using ::testing::HasSubstr;

TEST(WalMetrics, SayForHowLongTheServerRuns) {
  const auto metrics = parse_wal_metrics("influxdb_uptime_seconds{id=\"0b56a13f\"} 73.58912\n");
  ASSERT_TRUE(metrics.has_value());
  EXPECT_EQ(metrics->uptime, std::chrono::seconds(73));
  EXPECT_EQ(parse_wal_metrics("influxdb_uptime_seconds{id=\"0b56a13f\"} 1e18\n"), std::nullopt);
}

TEST(WalMetrics, OfTheRecordedAnswerAreOneShard) {
  const auto text = read_file(std::string(tests::kFixtures) + "/http/v2-metrics-excerpt.txt", 1 << 20, "fixture");
  const auto metrics = parse_wal_metrics(text.value());
  ASSERT_TRUE(metrics.has_value());
  ASSERT_EQ(metrics->shards.size(), 1U);
  EXPECT_EQ(metrics->shards[0].bytes, 0U);
  EXPECT_EQ(metrics->shards[0].wal_path, "/var/lib/influxdb2/engine/wal/b171b2f71fd7029d/autogen/1");
}

TEST(WalMetrics, HaveAllShardsAndPassOverWhatIsNoNumber) {
  const auto metrics = parse_wal_metrics(
      "storage_wal_size{id=\"1\",walPath=\"/a\"} 1.5e+06\nstorage_wal_size{id=\"2\"} 500000\n"
      "storage_wal_size{id=\"3\"} NaN\nstorage_wal_size{id=\"4\"} -1\nstorage_wal_writes{id=\"1\"} "
      "3\nstorage_wal_size{");
  ASSERT_TRUE(metrics.has_value());
  ASSERT_EQ(metrics->shards.size(), 2U);
  EXPECT_EQ(metrics->shards[0].bytes, 1'500'000U);
  EXPECT_EQ(metrics->shards[1].bytes, 500'000U);
}

TEST(WrittenLines, AreThoseOfAllDatabases) {
  EXPECT_EQ(parse_written_lines("# HELP influxdb3_write_lines_total lines\n"
                                "influxdb3_write_lines_total{db=\"plant\"} 41\n"
                                "influxdb3_write_lines_rejected_total{db=\"plant\"} 7\n"
                                "influxdb3_write_lines_total{db=\"a} b\"} 1\n"),
            42U);
  EXPECT_EQ(parse_written_lines("jemalloc_memstats_bytes{stat=\"active\"} 5\n"), std::nullopt);
}

TEST(WalMetrics, WithoutTheSeriesThereIsNoOpinion) {
  EXPECT_FALSE(parse_wal_metrics("").has_value());
  EXPECT_FALSE(parse_wal_metrics("go_goroutines 3\n").has_value());
}

constexpr std::uint64_t kMiB = 1 << 20;

// Shard 1 of bucket `b` alone.
wal::Sample sample_of(std::uint64_t bytes) {
  wal::Sample sample;
  sample.pending = {1, bytes};
  sample.shards.push_back({"b", "autogen", 1, sample.pending, {}});
  return sample;
}

TEST(DifferingOpinion, OnlyAGrossDifferenceCounts) {
  const auto opinion = [](std::uint64_t told, std::uint64_t pending) {
    return differing_opinion({{{"/data/engine/wal/b/autogen/1", told}}}, sample_of(pending));
  };
  EXPECT_EQ(opinion(15 * kMiB, 0), "");
  EXPECT_EQ(opinion(40 * kMiB, 20 * kMiB), "");
  EXPECT_THAT(opinion(40 * kMiB, 0), HasSubstr("40.0 MiB of WAL in 1 shard, the directory only 0 B"));
  EXPECT_THAT(opinion(40 * kMiB, 0), HasSubstr("/data/engine/wal/b/autogen/1"));
}

TEST(DifferingOpinion, DroppedShardsThatTheServerStillShowsDoNotCount) {
  const WalMetrics metrics{{{"/data/engine/wal/b/autogen/7", 15 * kMiB},
                            {"/data/engine/wal/gone/autogen/1", 25 * kMiB},
                            {"/data/engine/wal/b/autogen/1/", 300}}};
  EXPECT_EQ(differing_opinion(metrics, sample_of(300)), "");
}

TEST(DifferingOpinion, ADirectoryThatHoldsNoneOfThemIsAnother) {
  const WalMetrics metrics{{{"/data/engine/wal/c/autogen/7", 15 * kMiB}, {"1", 15 * kMiB}}};
  EXPECT_THAT(differing_opinion(metrics, sample_of(300)), HasSubstr("30.0 MiB of WAL in 2 shards"));
  EXPECT_THAT(differing_opinion(metrics, {}), HasSubstr("/data/engine/wal/c/autogen/7"));
}

}  // namespace
}  // namespace wal_exporter::influxdb
