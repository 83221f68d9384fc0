#include "control/node.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace wal_exporter::control {
namespace {

using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Time at(const char* text) {
  return parse_time(text).value();
}

settings::Target nudging() {
  settings::Target target;
  target.influxdb.url = "http://127.0.0.1:8181";
  target.checkpoint.nudge.enabled = true;
  return target;
}

wal::Sample periods(std::uint64_t n, Time first, Duration apart) {
  wal::Sample sample;
  sample.layout = wal::Layout::node;
  for (std::uint64_t i = 0; i < n; ++i) {
    const Time time = first + i * apart;
    sample.periods.push_back({i + 1, 100, time, time, time});
  }
  sample.pending = {n, n * 100};
  return sample;
}

TEST(NodeKnowledge, SettingsComeBeforeTheServerAndThatBeforeDefaults) {
  settings::Target target = nudging();
  target.influxdb.snapshot_size = 20;
  influxdb::NodeFacts facts;
  facts.snapshot_size = 40;
  facts.flush_interval = 100ms;
  const auto node = node_knowledge(target, facts);
  EXPECT_EQ(node.rules.snapshot_size, 20U);
  EXPECT_EQ(node.snapshot_size_from, "settings");
  EXPECT_EQ(node.rules.flush_interval, Duration(100ms));
  EXPECT_EQ(node.flush_interval_from, "server");
  EXPECT_EQ(node.rules.gen1_duration, Duration(10min));
  EXPECT_EQ(node.gen1_duration_from, "default");
}

TEST(NodeKnowledge, ADefaultThatNobodyConfirmedIsWarnedAbout) {
  const auto node = node_knowledge(settings::Target{}, std::nullopt);
  EXPECT_THAT(node.warnings, Contains(HasSubstr("influxdb.snapshot_size is not known and taken to be 600")));
}

// The token may read what the server was given; it is of no use.
TEST(NodeKnowledge, AValueThatCannotBeUsedIsNotBlamedOnTheToken) {
  settings::Target target;
  target.influxdb.url = "http://127.0.0.1:8181";
  influxdb::NodeFacts facts;
  facts.flush_interval = 1s;
  facts.gen1_duration = 10min;
  facts.kept_files = 300;
  facts.problems = {"the server's --wal-snapshot-size is \"0\", ..."};
  EXPECT_THAT(node_knowledge(target, facts).warnings,
              testing::ElementsAre(HasSubstr("wal-snapshot-size is \"0\""),
                                   "influxdb.snapshot_size is not known and taken to be 600; set it"));
}

TEST(NodeKnowledge, SnapshotsMoreOftenThanTheGenerationAreWarnedAbout) {
  settings::Target target;
  target.influxdb.snapshot_size = 20;
  target.influxdb.flush_interval = 1s;
  target.influxdb.gen1_duration = 10min;
  EXPECT_THAT(node_knowledge(target, std::nullopt).warnings, Contains(HasSubstr("less than gen1_duration")));
}

TEST(NudgeOutlook, AnUnaskedOneWaitsWhileMostOfTheRowIsOfThisGeneration) {
  const wal::NodeRules rules{20, 1s, 10min, 300, 730h};
  // Three files before 01:40, seven after.
  const auto sample = periods(10, at("2026-11-23T01:39:30Z"), 10s);
  const Time now = at("2026-11-23T01:41:30Z");
  const auto patient = influxdb::NudgeMode::patient;
  const auto unasked = nudge_outlook(nudging(), sample, rules, patient, false, now);
  ASSERT_EQ(unasked.blockers.size(), 1U);
  EXPECT_EQ(unasked.blockers[0].blocker, policy::Blocker::gen1_boundary);
  const auto asked = nudge_outlook(nudging(), sample, rules, patient, true, now);
  EXPECT_THAT(asked.blockers, IsEmpty());
  EXPECT_EQ(asked.plan->boundary, at("2026-11-23T01:50:00Z"));
  EXPECT_EQ(asked.plan->points, 20U);
}

TEST(NudgeOutlook, AnUnaskedOneWaitsWhereItsOwnPointsWouldStayBehindOthers) {
  const wal::NodeRules rules{20, 1s, 10min, 300, 730h};
  const auto patient = influxdb::NudgeMode::patient;
  // Nine files before 01:40, one after: 20 points of ours would come behind that one.
  const auto late = periods(10, at("2026-11-23T01:38:30Z"), 10s);
  const auto unasked = nudge_outlook(nudging(), late, rules, patient, false, at("2026-11-23T01:41:30Z"));
  ASSERT_EQ(unasked.blockers.size(), 1U);
  EXPECT_EQ(unasked.blockers[0].blocker, policy::Blocker::gen1_boundary);
  EXPECT_THAT(unasked.blockers[0].why, HasSubstr("only 9 of 10 pending files"));
  EXPECT_THAT(unasked.blockers[0].why, HasSubstr("its own points behind them"));
  // Right after the boundary all go.
  const auto early = periods(10, at("2026-11-23T01:38:00Z"), 10s);
  EXPECT_THAT(nudge_outlook(nudging(), early, rules, patient, false, at("2026-11-23T01:40:00Z")).blockers, IsEmpty());
}

TEST(NudgeOutlook, APlanBeyondItsBoundsIsTooLong) {
  settings::Target target = nudging();
  target.checkpoint.nudge.max_points = 19;
  const wal::NodeRules rules{20, 1s, 10min, 300, 730h};
  const auto sample = periods(10, at("2026-11-23T01:39:30Z"), 1s);
  const auto outlook =
      nudge_outlook(target, sample, rules, influxdb::NudgeMode::at_once, true, at("2026-11-23T01:41:30Z"));
  ASSERT_EQ(outlook.blockers.size(), 1U);
  EXPECT_EQ(outlook.blockers[0].blocker, policy::Blocker::too_long);
  EXPECT_THAT(outlook.blockers[0].why, HasSubstr("20 points"));
}

TEST(NudgeOutlook, ADamagedNewestFileForbidsEveryPoint) {
  auto sample = periods(10, at("2026-11-23T01:39:30Z"), 1s);
  sample.newest_file_damaged = true;
  const auto outlook =
      nudge_outlook(nudging(), sample, {}, influxdb::NudgeMode::patient, true, at("2026-11-23T02:00:00Z"));
  ASSERT_EQ(outlook.blockers.size(), 1U);
  EXPECT_EQ(outlook.blockers[0].blocker, policy::Blocker::method_disabled);
  EXPECT_THAT(outlook.blockers[0].why, HasSubstr("damaged"));
}

// As `periods`, of a node that has made a snapshot each `every`.
wal::Sample with_snapshots(std::size_t count, Duration every, Time now) {
  auto sample = periods(40, now - 40s, 1s);
  sample.taken_at = now;
  sample.snapshot_files = count;
  for (std::size_t i = 0; i < count; ++i) {
    sample.snapshot_times.push_back(now - static_cast<std::int64_t>(i) * every);
  }
  return sample;
}

TEST(SnapshotBudget, AServerAtOneSnapshotPerGenerationIsNeitherBlockedNorAdvised) {
  const Time now = at("2026-11-23T02:05:00Z");
  const auto sample = with_snapshots(4354, 604s, now);
  for (const auto mode : {influxdb::NudgeMode::patient, influxdb::NudgeMode::at_once}) {
    EXPECT_THAT(nudge_outlook(nudging(), sample, {}, mode, true, now).blockers, IsEmpty());
  }
  influxdb::NodeFacts facts;
  facts.snapshot_size = 600;
  facts.flush_interval = 1s;
  facts.gen1_duration = 10min;
  const auto node = node_knowledge(nudging(), facts);
  EXPECT_THAT(node_recommendations(nudging(), node_view(node, &sample), "3.10.0", {}, now), IsEmpty());
}

TEST(SnapshotBudget, ASnapshotEachMinuteIsAdvisedAgainstAndBlocksBelowTheFloor) {
  const Time now = at("2026-11-23T02:05:00Z");
  const wal::NodeRules rules{20, 1s, 10min, 300, std::chrono::seconds(2'630'016)};
  const auto blockers = [&](const wal::Sample& sample) {
    return nudge_outlook(nudging(), sample, rules, influxdb::NudgeMode::patient, true, now).blockers;
  };
  const auto near = with_snapshots(4164, 1min, now);
  EXPECT_THAT(blockers(near), IsEmpty());
  view::NodeView node{rules, "", "", "", "", {}, policy::snapshot_budget(near, rules), {}};
  EXPECT_THAT(node_recommendations(nudging(), node, "3.10.0", {}, now),
              ElementsAre("Only 219 of 4383 snapshots are left until old data goes unseen after a restart, 3h 39m at "
                          "this rate; snapshot less often (larger --wal-snapshot-size)"));
  const auto below = blockers(with_snapshots(4165, 1min, now));
  ASSERT_EQ(below.size(), 1U);
  EXPECT_EQ(below[0].blocker, policy::Blocker::snapshot_budget);
  EXPECT_EQ(below[0].why,
            "218 of 4383 snapshots are left until old data goes unseen after a restart, and a checkpoint leaves the "
            "last 219 to the server");
}

TEST(NodeFactsText, KeepsWhatTheServerSaid) {
  influxdb::NodeFacts facts;
  facts.snapshot_size = 20;
  facts.flush_interval = std::chrono::milliseconds(100);
  facts.gen1_duration = std::chrono::minutes(1);
  facts.kept_files = 0;
  facts.fails_on_error = true;
  facts.takes_writes = false;
  const std::string text = to_text(facts, {"3.10.0", "Core", true});
  const auto again = node_facts_from(text);
  EXPECT_EQ(heard_from(text).version, "3.10.0");
  EXPECT_EQ(heard_from(text).build, "Core");
  EXPECT_TRUE(heard_from(text).writes_seen);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->snapshot_size, 20U);
  EXPECT_EQ(again->flush_interval, facts.flush_interval);
  EXPECT_EQ(again->gen1_duration, facts.gen1_duration);
  EXPECT_EQ(again->kept_files, 0U);
  EXPECT_EQ(again->lookback, std::nullopt);
  EXPECT_EQ(again->fails_on_error, true);
  EXPECT_EQ(again->takes_writes, false);
}

TEST(NodeFactsText, RubbishSaysNothing) {
  for (const char* text :
       {"", "[", "{}", "[1]", R"({"snapshot_size":0})", R"({"snapshot_size":-1})", R"({"snapshot_size":"20"})"}) {
    EXPECT_FALSE(node_facts_from(text)) << text;
    EXPECT_EQ(heard_from(text).version, "") << text;
  }
}

}  // namespace
}  // namespace wal_exporter::control
