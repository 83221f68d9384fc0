#include "policy/odd_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/bytes.h"

namespace wal_exporter::policy {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

wal::NodeRules with(std::uint64_t size, Duration flush) {
  wal::NodeRules rules;
  rules.snapshot_size = size;
  rules.flush_interval = flush;
  return rules;
}

TEST(OddRules, TheDefaultsAreNotOdd) {
  EXPECT_THAT(odd_rules({}), IsEmpty());
  EXPECT_THAT(odd_rules(with(20, 30s)), IsEmpty());
}

TEST(OddRules, SnapshotsTooOftenAreSaidWithWhatMakesThem) {
  EXPECT_THAT(odd_rules(with(1, 1s)),
              ElementsAre("wal-snapshot-size 1 and wal-flush-interval 1s: 3 x snapshot_size x flush_interval (3s) is "
                          "less than gen1_duration (10m): so many snapshots hide older data after a restart; raise "
                          "--wal-snapshot-size or --wal-flush-interval"));
  EXPECT_THAT(odd_rules(with(600, 20ms)),
              ElementsAre(HasSubstr("wal-flush-interval 20ms: up to 50 WAL files a second")));
}

TEST(OddRules, AFlushOnceAnHourLosesAnHourAndSnapshotsAfterWeeks) {
  EXPECT_THAT(odd_rules(with(600, 1h)),
              ElementsAre(HasSubstr("wal-flush-interval 1h: up to 1h of writes are in memory alone"),
                          HasSubstr("it takes 900 files, and so 37d 12h at least")));
}

TEST(OddRules, AHugeSnapshotSizeIsSaidAndOverflowsNothing) {
  EXPECT_THAT(
      odd_rules(with(50'000, 1s)),
      ElementsAre(HasSubstr("wal-snapshot-size 50000 and wal-flush-interval 1s: it takes 75000 files, and so 20h "
                            "50m at least")));
  EXPECT_EQ(odd_rules(with(1'000'000'000, 24h)).size(), 2U);
}

TEST(OddKeptFiles, NoneAndVeryManyAreSaidWithTheirEffect) {
  wal::Sample sample;
  sample.retained = {40, 40 * kMiB};
  wal::NodeRules rules;
  EXPECT_EQ(odd_kept_files(rules, sample), "");
  rules.kept_files = 0;
  EXPECT_EQ(odd_kept_files(rules, sample),
            "snapshotted-wal-files-to-keep 0: WAL files are deleted as soon as a snapshot covers them");
  rules.kept_files = 20'480;
  EXPECT_EQ(odd_kept_files(rules, sample),
            "snapshotted-wal-files-to-keep 20480: so many WAL files stay on disk after a snapshot covers them, about "
            "20.0 GiB in all (40.0 MiB so far); the default is 300");
  rules.kept_files = 1'000'000'000;
  EXPECT_THAT(odd_kept_files(rules, wal::Sample{}), HasSubstr("1000000000"));
}

}  // namespace
}  // namespace wal_exporter::policy
