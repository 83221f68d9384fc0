#include "control/wal_match.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace wal_exporter::control {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::HasSubstr;

// A 3.10 Core whose flush interval is 1 s unless told otherwise; each step is 10 s.
class Match : public ::testing::Test {
 protected:
  Match() {
    sample_.layout = wal::Layout::node;
    sample_.newest_file = wall() - hours(30);
  }
  [[nodiscard]] Time wall() const { return Time{} + hours(24 * 365 * 50) + elapsed_; }
  [[nodiscard]] SteadyTime steady() const { return SteadyTime{} + elapsed_; }
  void sample() { match_.sampled(sample_, wall(), steady()); }
  void step(std::optional<std::uint64_t> lines) {
    elapsed_ += seconds(10);
    match_.answered(lines, process_, steady());
    sample();
  }
  [[nodiscard]] std::string why(const std::string& version = "3.10.4", const std::string& build = "Core") const {
    return match_.why_not(facts_, version, build, rules_);
  }

  Duration elapsed_{};
  wal::NodeRules rules_;
  std::string process_ = "a";
  wal::Sample sample_;
  std::optional<influxdb::NodeFacts> facts_ = influxdb::NodeFacts{};
  WalMatch match_;
};

TEST_F(Match, WrittenLinesThatShowInNoFileSayThatThisIsNotItsWal) {
  sample();
  for (std::uint64_t lines = 40; lines < 68; lines += 7) {
    EXPECT_EQ(why(), "") << lines;
    step(lines);
  }
  EXPECT_THAT(why(), HasSubstr("InfluxDB took 21 lines meanwhile, and no file of this WAL has changed"));
  // Its first file ends that.
  sample_.newest_file = wall();
  sample();
  EXPECT_EQ(why(), "");
}

TEST_F(Match, AWriteWhoseFileWasThereBeforeTheAnswerIsNone) {
  sample();
  for (std::uint64_t lines = 1; lines < 40; ++lines) {
    sample_.newest_file = wall();
    sample();
    step(lines);
    EXPECT_EQ(why(), "") << lines;
  }
  for (int quiet = 0; quiet < 40; ++quiet) step(39);
  EXPECT_EQ(why(), "");
}

TEST_F(Match, SlowFlushesHaveTheirTime) {
  rules_.flush_interval = minutes(5);
  sample();
  std::uint64_t lines = 0;
  for (int i = 0; i < 150; ++i) step(++lines);
  EXPECT_EQ(why(), "");
  for (int i = 0; i < 10; ++i) step(++lines);
  EXPECT_THAT(why(), HasSubstr("no file of this WAL has changed"));
}

TEST_F(Match, FilesThatSnapshotsTakeAwayAtOnceShowInTheSnapshot) {
  sample_.newest_file.reset();
  rules_.kept_files = 0;
  wal::Snapshot snapshot;
  sample();
  for (std::uint64_t lines = 1; lines < 40; ++lines) {
    snapshot.wal_file_sequence = lines;
    sample_.snapshot = snapshot;
    step(lines);
    EXPECT_EQ(why(), "") << lines;
  }
}

// The server keeps the newest 300 files that snapshots cover.
TEST_F(Match, AnEmptyWalBesideASnapshotWasEmptiedBySomebodyElse) {
  sample_.newest_file.reset();
  sample_.snapshot.emplace().wal_file_sequence = 71;
  sample();
  EXPECT_THAT(why(), HasSubstr("no WAL file is there, though InfluxDB keeps up to 300"));
  rules_.kept_files = 0;
  EXPECT_EQ(why(), "");
  rules_.kept_files = 300;
  sample_.retained.files = 1;
  sample();
  EXPECT_EQ(why(), "");
}

TEST_F(Match, AnotherProcessCountsFromItsStart) {
  sample();
  for (int i = 0; i < 40; ++i) {
    process_ += "b";
    step(1000 + i);
    EXPECT_EQ(why(), "") << i;
  }
  for (int i = 0; i < 40; ++i) step(std::nullopt);
  EXPECT_EQ(why(), "");
}

TEST_F(Match, EnterpriseWithTwoEnginesIsNotMeasuredBeforeAFileIsSeenToAppear) {
  sample();
  EXPECT_EQ(why("3.10.9", "Enterprise"), "");
  EXPECT_EQ(why("3.12.0", "Core"), "");
  EXPECT_THAT(why("3.12.0", "Enterprise"), HasSubstr("whether this node has that engine is not known"));
  EXPECT_FALSE(match_.writes_seen());
  sample_.newest_file = wall();
  sample();
  EXPECT_TRUE(match_.writes_seen());
  EXPECT_EQ(why("3.12.0", "Enterprise"), "");
  EXPECT_EQ(WalMatch(true).why_not(facts_, "3.11.0", "Enterprise", rules_), "");
  // As long as the server does not say which one it is.
  facts_->engine_known = true;
  EXPECT_EQ(WalMatch().why_not(facts_, "3.11.0", "Enterprise", rules_), "");
  // The flag, or a table, says it whatever was seen.
  facts_->other_engine = true;
  EXPECT_THAT(why("3.12.0", "Enterprise"), HasSubstr("--upgrade-pacha-tree"));
}

TEST_F(Match, AFileOfTheLastHourWasWrittenByThisEngine) {
  sample_.newest_file = wall() - minutes(50);
  sample();
  EXPECT_EQ(why("3.11.2", "Enterprise"), "");
}

TEST_F(Match, AFolderWithoutAWalIsANodesOnlyByTheServersWord) {
  sample_.has_wal_folder = false;
  sample_.newest_file.reset();
  sample();
  EXPECT_THAT(why(), HasSubstr("there is no wal/ yet"));
  facts_->takes_writes = true;
  EXPECT_EQ(why(), "");
  facts_->takes_writes = false;
  EXPECT_THAT(why(), HasSubstr("this node takes no writes"));
  facts_.reset();
  EXPECT_THAT(why(), HasSubstr("or influxdb.url, so that the server tells"));
  sample_.has_wal_folder = true;
  sample();
  EXPECT_EQ(why(), "");
}

}  // namespace
}  // namespace wal_exporter::control
