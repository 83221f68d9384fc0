#include "influxdb/debug_vars.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "paths.h"

namespace wal_exporter::influxdb {
namespace {

// Recorded on 1.6.7 after a restart and a backup of three of four shards; the folder of "lost" under
// data/ was removed before, "hot" was written to before and after, "_plain" was not asked for.
TEST(DebugVars, OfTheRecordedAnswerTellWhatIsInMemoryAlone) {
  const auto text = read_file(std::string(tests::kFixtures) + "/http/v1-debug-vars.json", 1 << 20, "fixture");
  const auto vars = parse_debug_vars(text.value());
  ASSERT_TRUE(vars.has_value());
  ASSERT_TRUE(vars->started.has_value());
  EXPECT_EQ(format_time(*vars->started), "2026-11-29T21:42:03.788Z");
  ASSERT_EQ(vars->shards.size(), 4U);
  const auto cold = vars->shards.at({"cold", "autogen", 1});
  EXPECT_EQ(cold.memory_bytes, 0U);
  EXPECT_EQ(cold.segment_bytes, 40U);
  const auto hot = vars->shards.at({"hot", "autogen", 2});
  EXPECT_GT(hot.memory_bytes, 0U);
  const auto lost = vars->shards.at({"lost", "autogen", 3});
  EXPECT_EQ(lost.memory_bytes, 26U);
  EXPECT_EQ(lost.segment_bytes, 40U);
  EXPECT_EQ(vars->shards.at({"_plain", "autogen", 4}).memory_bytes, 26U);
}

TEST(DebugVars, OfAnotherKindAreNoAnswer) {
  EXPECT_FALSE(parse_debug_vars("").has_value());
  EXPECT_FALSE(parse_debug_vars("[]").has_value());
  EXPECT_FALSE(parse_debug_vars(R"({"cmdline":["influxd"],"memstats":{}})").has_value());
}

TEST(DebugVars, WhatCantBeReadOfAShardIsLeftOut) {
  const auto vars = parse_debug_vars(R"({"system":{"started":"yesterday"},
    "a":{"name":"tsm1_cache","tags":{"database":"d","retentionPolicy":"r","id":"7"},"values":{"memBytes":"many"}},
    "b":{"name":"tsm1_wal","tags":{"database":"d","retentionPolicy":"r","id":"7"},"values":{"currentSegmentDiskBytes":-3}},
    "c":{"name":"tsm1_cache","tags":{"database":"d","retentionPolicy":"r","id":"x"},"values":{"memBytes":1}},
    "d":{"name":"tsm1_cache","values":{"memBytes":1}}, "e":{"name":"tsm1_cache","tags":{"id":"8"},"values":3}, "f":4})");
  ASSERT_TRUE(vars.has_value());
  EXPECT_FALSE(vars->started.has_value());
  ASSERT_EQ(vars->shards.size(), 1U);
  const auto& shard = vars->shards.begin()->second;
  EXPECT_FALSE(shard.memory_bytes.has_value());
  EXPECT_EQ(shard.segment_bytes, 0U);
}

}  // namespace
}  // namespace wal_exporter::influxdb
