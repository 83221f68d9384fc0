#include "policy/gaps.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace wal_exporter::policy {
namespace {

TEST(LeavesEveryManifest, SinceTheReleaseThatMendedIt) {
  for (const char* version : {"3.9.13", "3.9.14-nightly", "3.10.6", "3.11.4", "3.12.0", "4.0.0"}) {
    EXPECT_EQ(leaves_every_manifest(version), true) << version;
  }
  for (const char* version : {"3.0.1", "3.8.20", "3.9.12", "3.10.5", "3.11.3", "2.7.11"}) {
    EXPECT_EQ(leaves_every_manifest(version), false) << version;
  }
  for (const char* version : {"", "dev", "3", "3.10"})
    EXPECT_EQ(leaves_every_manifest(version), std::nullopt) << version;
}

TEST(EmptiedGaps, AreThoseBehindTheSnapshotOfAServerKnownToLeaveNoManifest) {
  wal::Sample sample;
  sample.sequence_gaps = 402;
  sample.front_gap = 400;
  EXPECT_EQ(emptied_gaps(sample, "3.10.5"), 400U);
  EXPECT_EQ(emptied_gaps(sample, "3.10.6"), 0U);
}

TEST(DescribeMissing, CountsAndSaysWhatStillHelps) {
  EXPECT_THAT(describe_missing(1), ::testing::StartsWith("1 number is missing among the pending WAL files: its file"));
  EXPECT_THAT(describe_missing(3), ::testing::EndsWith("while InfluxDB runs, a checkpoint still saves it"));
}

TEST(EmptiedGaps, OfAnUnknownVersionAreARowOfFilesBehindOlderOnesThatAreStillThere) {
  wal::Sample sample;
  sample.sequence_gaps = sample.front_gap = 400;
  EXPECT_EQ(emptied_gaps(sample, ""), 0U) << "the older ones are gone too";
  sample.retained = {300, 300};
  EXPECT_EQ(emptied_gaps(sample, ""), 400U);
  EXPECT_EQ(emptied_gaps(sample, "3.12.1"), 0U);
  sample.front_gap = 19;
  EXPECT_EQ(emptied_gaps(sample, ""), 0U);
  EXPECT_THAT(describe_emptied(400, ""), ::testing::HasSubstr("were removed by somebody"));
  EXPECT_THAT(describe_emptied(1, "3.10.5"), ::testing::EndsWith("nothing is lost"));
}

TEST(DescribeVanished, SaysWhatWhenAndWhatToDo) {
  wal::Vanished vanished{
      1, wal::Vanished::Cause::directory, {3, 8'388'608}, Time(std::chrono::seconds(1'795'398'060)), {}, false};
  const std::string said = describe(vanished, wal::Layout::segments, true);
  EXPECT_THAT(said, ::testing::HasSubstr("3 files, 8.0 MiB of the WAL vanished that no checkpoint removed"));
  EXPECT_THAT(said, ::testing::HasSubstr("last seen 2026-11-23T01:41:00.000Z"));
  EXPECT_THAT(said, ::testing::HasSubstr("still writes into the deleted files"));
  vanished.extent.files = 1;
  EXPECT_THAT(describe(vanished, wal::Layout::node, true), ::testing::HasSubstr("1 file, 8.0 MiB"));
  EXPECT_THAT(describe(vanished, wal::Layout::node, false),
              ::testing::HasSubstr("make a checkpoint before any restart"));
}

TEST(LeavesWhatIsKept, ByTheSettingOrByWhatIsKeptOfTheCovered) {
  wal::Sample sample;
  sample.snapshot = wal::Snapshot{1, 900, {}};
  sample.periods.resize(120);
  EXPECT_TRUE(leaves_what_is_kept(sample, 100));
  EXPECT_FALSE(leaves_what_is_kept(sample, 300));
  // Not known: as many as are kept of 900, but not more than usual.
  for (const auto& [retained, may] : {std::pair{0U, true}, {120U, true}, {121U, false}, {900U, false}}) {
    sample.retained.files = retained;
    EXPECT_EQ(leaves_what_is_kept(sample, std::nullopt), may) << retained;
  }
  sample.snapshot->wal_file_sequence = 5;
  sample.retained.files = 5;
  EXPECT_FALSE(leaves_what_is_kept(sample, std::nullopt)) << "it may keep more than the 5 there ever were";
}

}  // namespace
}  // namespace wal_exporter::policy
