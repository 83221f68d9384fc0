#include "policy/cause.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hand_driven.h"
#include "paths.h"
#include "wal/node_source.h"

namespace wal_exporter::policy {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

// As `auto` gives them for kRules.
constexpr Thresholds kLimits{30, 60};

Time at(const char* text) {
  return parse_time(text).value();
}

std::shared_ptr<const wal::Sample> fixture(const std::string& name) {
  wal::NodeOptions options;
  options.directory = std::filesystem::path(tests::kFixtures) / "influxdb3" / name;
  const auto clock = std::make_shared<ManualClock>(at("2026-11-23T01:41:00Z"));
  return wal::make_node_source(options, clock, null_log())->take_sample({}).value();
}

// n periods, one second apart, the first persisted at `first`, each dated when it was written.
wal::Sample periods(std::uint64_t n, Time first) {
  wal::Sample sample;
  sample.layout = wal::Layout::node;
  for (std::uint64_t i = 0; i < n; ++i) {
    const Time time = first + i * Duration(1s);
    sample.periods.push_back({i + 1, 100, time, time, time});
  }
  sample.pending = {n, n * 100};
  return sample;
}

TEST(NotShrinking, TwelvePendingAreTooFew) {
  const auto found = not_shrinking(*fixture("twelve-pending"), kRules, at("2026-11-23T01:41:00Z"), {}, {}, kLimits);
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->cause, Cause::too_few_files);
  EXPECT_THAT(found->detail, HasSubstr("12 files of the 30"));
  EXPECT_THAT(found->detail, HasSubstr("18 missing"));
}

TEST(NotShrinking, AFutureWriteIsNamedByItsFile) {
  const auto found =
      not_shrinking(*fixture("blocked-by-future-write"), kRules, at("2026-11-23T01:41:00Z"), {}, {}, kLimits);
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->cause, Cause::future_data);
  EXPECT_EQ(found->file, 4U);
  EXPECT_THAT(found->detail, HasSubstr("00000000004.wal"));
}

TEST(NotShrinking, AfterTheSnapshotTheRestIsTooFewFromTheBoundaryOn) {
  const auto sample = fixture("after-snapshot");
  EXPECT_EQ(not_shrinking(*sample, kRules, at("2026-11-23T01:49:59.999Z"), {}, {}, kLimits)->cause, Cause::future_data);
  EXPECT_EQ(not_shrinking(*sample, kRules, at("2026-11-23T01:50:00Z"), {}, {}, kLimits)->cause, Cause::too_few_files);
}

TEST(NotShrinking, OurOwnTriggerIsNotTheUsersData) {
  wal::Sample sample = periods(5, at("2026-11-23T01:41:00Z"));
  sample.periods[4].max_time = at("2026-11-23T01:50:00Z");
  const Time now = at("2026-11-23T01:42:00Z");
  EXPECT_EQ(not_shrinking(sample, kRules, now, {}, {}, kLimits)->cause, Cause::future_data);
  const Time date = *sample.periods[4].max_time;
  EXPECT_EQ(not_shrinking(sample, kRules, now, OwnTrigger{5, date}, {}, kLimits)->cause, Cause::too_few_files);
  EXPECT_EQ(not_shrinking(sample, kRules, now, OwnTrigger{4, date}, {}, kLimits)->cause, Cause::future_data);
  // Before a sample has shown its file it is known by its date, alone in its file.
  EXPECT_EQ(not_shrinking(sample, kRules, now, OwnTrigger{{}, date}, {}, kLimits)->cause, Cause::future_data);
  sample.periods[4].min_time = date;
  EXPECT_EQ(not_shrinking(sample, kRules, now, OwnTrigger{{}, date}, {}, kLimits)->cause, Cause::too_few_files);
}

TEST(NotShrinking, NothingPendingIsNothingWrong) {
  EXPECT_FALSE(not_shrinking(periods(0, Time{}), kRules, at("2026-11-23T01:41:00Z"), {}, {}, kLimits).has_value());
}

// n + 1 < S + S/2: with S = 20, 28 are too few and 29 are not.
TEST(NotShrinking, TheOneThatIsMissingCounts) {
  const Time first = at("2026-11-23T01:38:00Z");
  const Time now = at("2026-11-23T01:41:00Z");
  EXPECT_EQ(not_shrinking(periods(28, first), kRules, now, {}, {}, kLimits)->cause, Cause::too_few_files);
  EXPECT_EQ(not_shrinking(periods(29, first), kRules, now, {}, {}, kLimits)->cause, Cause::idle);
}

// The next 20 come within 40 s; a multiple of G has passed since the first.
TEST(NotShrinking, TooFewSaysWhenTheNextSnapshotIsDueAndIsNoComplaint) {
  const Time now = at("2026-11-23T01:41:00Z");
  const auto found = not_shrinking(periods(10, at("2026-11-23T01:39:30Z")), kRules, now, {}, Growth{0.5, 50}, kLimits);
  EXPECT_EQ(found->cause, Cause::too_few_files);
  EXPECT_TRUE(found->expected);
  EXPECT_EQ(found->detail, "next snapshot due in about 40s (30 files; 10 so far)");
  EXPECT_EQ(advice(*found), "Next snapshot due in about 40s (30 files; 10 so far)");
}

// The first file is of this multiple of G: until it has passed only 3 x S files help.
TEST(NotShrinking, TheNextSnapshotWaitsForTheBoundaryOrForThreeTimesTheSize) {
  const auto sample = periods(10, at("2026-11-23T01:40:30Z"));
  const auto detail = [&](Time now, double files_per_second) {
    return not_shrinking(sample, kRules, now, {}, Growth{files_per_second, 0}, kLimits)->detail;
  };
  EXPECT_EQ(detail(at("2026-11-23T01:41:00Z"), 0.5), "next snapshot due in about 1m 40s (60 files; 10 so far)");
  EXPECT_EQ(detail(at("2026-11-23T01:49:00Z"), 0.5), "next snapshot due in about 1m (30 files; 10 so far)");
  EXPECT_EQ(detail(at("2026-11-23T01:41:00Z"), 0.01), "next snapshot due in about 33m 20s (30 files; 10 so far)");
}

TEST(NotShrinking, ASnapshotThatComesAfterALimitIsAComplaint) {
  const auto sample = periods(10, at("2026-11-23T01:39:30Z"));
  const Time now = at("2026-11-23T01:41:00Z");
  const auto expected = [&](const Growth& growth, const Thresholds& limits) {
    return not_shrinking(sample, kRules, now, {}, growth, limits)->expected;
  };
  // 29 files are there before the 30th, which is the one that makes the snapshot.
  EXPECT_TRUE(expected({0.5, 0}, {29, 60}));
  EXPECT_FALSE(expected({0.5, 0}, {28, 60}));
  // 40 s from 1,000 bytes on.
  EXPECT_TRUE(expected({0.5, 10}, {30, 60, 1400, 4200}));
  EXPECT_FALSE(expected({0.5, 10}, {30, 60, 1399, 4200}));
  EXPECT_THAT(not_shrinking(sample, kRules, now, {}, Growth{0.5, 0}, {28, 60})->detail,
              HasSubstr("a limit for warning is reached before that"));
}

TEST(NotShrinking, WithoutWritesTooFewIsNotSaidToComeByItself) {
  const Time now = at("2026-11-23T01:41:00Z");
  const auto found = not_shrinking(periods(10, at("2026-11-23T01:39:30Z")), kRules, now, {}, Growth{0, 0}, kLimits);
  EXPECT_FALSE(found->expected);
  EXPECT_EQ(
      advice(*found),
      "The WAL waits for more files (too_few_files): 10 files of the 30 at which the server snapshots, 20 missing, "
      "the last write was 1m 21s ago");
}

TEST(NotShrinking, EnoughFilesAndAWriteSinceTheBoundaryIsNothingWrong) {
  const auto found =
      not_shrinking(periods(40, at("2026-11-23T01:40:05Z")), kRules, at("2026-11-23T01:41:00Z"), {}, {}, kLimits);
  EXPECT_FALSE(found.has_value());
}

TEST(NotShrinking, DueForMoreThanThirtySecondsIsStalled) {
  // 29 of the last window, then one of this: its flush had to take the front.
  wal::Sample sample = periods(29, at("2026-11-23T01:38:00Z"));
  const Time flush = at("2026-11-23T01:40:10Z");
  sample.periods.push_back({30, 100, flush, flush, flush});
  EXPECT_FALSE(not_shrinking(sample, kRules, flush + 30s, {}, {}, kLimits).has_value());
  const auto found = not_shrinking(sample, kRules, flush + 31s, {}, {}, kLimits);
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->cause, Cause::stalled);
  EXPECT_EQ(found->since, flush);
}

TEST(NotShrinking, ThreeTimesTheSizeIsDueWhateverTheTimes) {
  const auto sample = periods(61, at("2026-11-23T01:40:01Z"));
  const auto found = not_shrinking(sample, kRules, at("2026-11-23T01:41:45Z"), {}, {}, kLimits);
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->cause, Cause::stalled);
  EXPECT_EQ(found->since, sample.periods[59].persisted);
}

}  // namespace
}  // namespace wal_exporter::policy
