#include "wal/generation.h"

#include <gtest/gtest.h>

namespace wal_exporter::wal {
namespace {

TEST(GenerationOf, WhatServersSay) {
  EXPECT_EQ(generation_of("1.6.7"), Generation::v1);
  EXPECT_EQ(generation_of("v2.7.4"), Generation::v2);
  EXPECT_EQ(generation_of("3.10.0-nightly"), Generation::v3);
  for (const auto* other : {"dev", "10.1", "4.0", "v", "1", ""}) {
    EXPECT_EQ(generation_of(other), Generation::unknown) << other;
  }
}

TEST(GenerationOf, SegmentsIsTheServersWordElseTheNamesOfTheFolders) {
  EXPECT_EQ(generation_of_segments("1.8.10", true), Generation::v1);
  EXPECT_EQ(generation_of_segments("2.7.1", false), Generation::v2);
  EXPECT_EQ(generation_of_segments("dev", true), Generation::v2);
  EXPECT_EQ(generation_of_segments("", false), Generation::v1);
}

}  // namespace
}  // namespace wal_exporter::wal
