#include "policy/health.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "hand_driven.h"
#include "policy/decision.h"

namespace wal_exporter::policy {
namespace {

constexpr Health kH = Health::healthy;
constexpr Health kW = Health::warning;
constexpr Health kC = Health::critical;

struct JudgeCase {
  const char* name;
  wal::Extent pending;
  Levels levels;
};

// The default limits: 30 and 60 files, 1 and 3 GiB.
class Judge : public testing::TestWithParam<JudgeCase> {};

TEST_P(Judge, AtTheDefaultLimits) {
  const Levels levels = judge(GetParam().pending, Thresholds{});
  EXPECT_EQ(levels.files, GetParam().levels.files);
  EXPECT_EQ(levels.bytes, GetParam().levels.bytes);
}

INSTANTIATE_TEST_SUITE_P(
    Table, Judge,
    testing::Values(JudgeCase{"NothingPendingIsHealthy", {0, 0}, {kH, kH}},
                    JudgeCase{"OneFileBelowTheLimitIsHealthy", {29, 0}, {kH, kH}},
                    JudgeCase{"ExactlyAtTheFileLimitIsHealthy", {30, 0}, {kH, kH}},
                    JudgeCase{"OneFileAboveTheLimitIsWarning", {31, 0}, {kW, kH}},
                    JudgeCase{"OneFileBelowTheCriticalLimitIsWarning", {59, 0}, {kW, kH}},
                    JudgeCase{"ExactlyAtTheCriticalFileLimitIsWarning", {60, 0}, {kW, kH}},
                    JudgeCase{"OneFileAboveTheCriticalLimitIsCritical", {61, 0}, {kC, kH}},
                    JudgeCase{"OneByteBelowTheLimitIsHealthy", {1, kGiB - 1}, {kH, kH}},
                    JudgeCase{"ExactlyAtTheSizeLimitIsHealthy", {1, kGiB}, {kH, kH}},
                    JudgeCase{"OneByteAboveTheLimitIsWarning", {1, kGiB + 1}, {kH, kW}},
                    JudgeCase{"OneByteBelowTheCriticalLimitIsWarning", {1, 3 * kGiB - 1}, {kH, kW}},
                    JudgeCase{"ExactlyAtTheCriticalSizeLimitIsWarning", {1, 3 * kGiB}, {kH, kW}},
                    JudgeCase{"OneByteAboveTheCriticalLimitIsCritical", {1, 3 * kGiB + 1}, {kH, kC}},
                    JudgeCase{"BothAreJudgedApart", {31, 3 * kGiB + 1}, {kW, kC}}),
    [](const auto& instance) { return std::string(instance.param.name); });

TEST(Levels, TheWorseOneWins) {
  EXPECT_EQ((Levels{kH, kH}.worse()), kH);
  EXPECT_EQ((Levels{kW, kH}.worse()), kW);
  EXPECT_EQ((Levels{kH, kW}.worse()), kW);
  EXPECT_EQ((Levels{kC, kW}.worse()), kC);
  EXPECT_EQ((Levels{kW, kC}.worse()), kC);
}

TEST(Judge, WithALimitOfNoFilesTheFirstFileIsCritical) {
  const Thresholds none{0, 0, kGiB, 3 * kGiB};
  EXPECT_EQ(judge({0, 0}, none).files, kH);
  EXPECT_EQ(judge({1, 0}, none).files, kC);
}

struct HysteresisCase {
  const char* name;
  Levels before;
  wal::Extent pending;
  Levels after;
};

// 90 % of the default limits: 27 and 54 files, 966,367,641.6 and 2,899,102,924.8 bytes.
class Hysteresis : public testing::TestWithParam<HysteresisCase> {};

TEST_P(Hysteresis, AtTheDefaultLimits) {
  const Levels levels = judge_after(GetParam().before, GetParam().pending, Thresholds{});
  EXPECT_EQ(levels.files, GetParam().after.files);
  EXPECT_EQ(levels.bytes, GetParam().after.bytes);
}

INSTANTIATE_TEST_SUITE_P(
    Table, Hysteresis,
    testing::Values(HysteresisCase{"RisingToWarningIsAtOnce", {kH, kH}, {31, 0}, {kW, kH}},
                    HysteresisCase{"RisingToCriticalIsAtOnce", {kH, kH}, {61, 0}, {kC, kH}},
                    HysteresisCase{"RisingFromWarningToCriticalIsAtOnce", {kW, kW}, {61, 3 * kGiB + 1}, {kC, kC}},
                    HysteresisCase{"HealthyAtTheLimitStaysHealthy", {kH, kH}, {30, kGiB}, {kH, kH}},
                    HysteresisCase{"WarningAtTheLimitStaysWarning", {kW, kH}, {30, 0}, {kW, kH}},
                    HysteresisCase{"WarningAtExactly90PercentStaysWarning", {kW, kH}, {27, 0}, {kW, kH}},
                    HysteresisCase{"WarningBelow90PercentBecomesHealthy", {kW, kH}, {26, 0}, {kH, kH}},
                    HysteresisCase{"CriticalAtTheLimitStaysCritical", {kC, kH}, {60, 0}, {kC, kH}},
                    HysteresisCase{"CriticalAtExactly90PercentStaysCritical", {kC, kH}, {54, 0}, {kC, kH}},
                    HysteresisCase{"CriticalBelow90PercentBecomesWarning", {kC, kH}, {53, 0}, {kW, kH}},
                    HysteresisCase{"CriticalAt90PercentOfTheWarningLimitBecomesWarning", {kC, kH}, {27, 0}, {kW, kH}},
                    HysteresisCase{"CriticalBelow90PercentOfBothBecomesHealthy", {kC, kH}, {26, 0}, {kH, kH}},
                    HysteresisCase{"CriticalThatIsEmptiedBecomesHealthy", {kC, kC}, {0, 0}, {kH, kH}},
                    HysteresisCase{"SizeJustAbove90PercentStaysWarning", {kH, kW}, {1, 966'367'642}, {kH, kW}},
                    HysteresisCase{"SizeJustBelow90PercentBecomesHealthy", {kH, kW}, {1, 966'367'641}, {kH, kH}},
                    HysteresisCase{"SizeJustAbove90PercentStaysCritical", {kH, kC}, {1, 2'899'102'925}, {kH, kC}},
                    HysteresisCase{"SizeJustBelow90PercentBecomesWarning", {kH, kC}, {1, 2'899'102'924}, {kH, kW}},
                    HysteresisCase{"TheCountIsNotHeldUpByTheSize", {kH, kC}, {28, 3 * kGiB}, {kH, kC}},
                    HysteresisCase{"TheSizeIsNotHeldUpByTheCount", {kC, kH}, {60, kGiB}, {kC, kH}},
                    HysteresisCase{"OneFallsWhileTheOtherRises", {kC, kH}, {26, 2 * kGiB}, {kH, kW}}),
    [](const auto& instance) { return std::string(instance.param.name); });

TEST(Hysteresis, ALimitOfNoFilesIsLeftWhenNothingIsPending) {
  const Thresholds none{0, 0, kGiB, 3 * kGiB};
  EXPECT_EQ(judge_after({kC, kH}, {0, 0}, none).files, kH);
}

TEST(Hysteresis, CloseLimitsDoNotLetALevelBeSkipped) {
  const Thresholds close{100, 105, kGiB, 3 * kGiB};
  EXPECT_EQ(judge_after({kC, kH}, {95, 0}, close).files, kC);
  EXPECT_EQ(judge_after({kC, kH}, {94, 0}, close).files, kW);
  EXPECT_EQ(judge_after({kC, kH}, {89, 0}, close).files, kH);
}

wal::Sample segments_with(std::uint64_t hot_shards) {
  wal::Sample sample;
  sample.hot_shards = hot_shards;
  return sample;
}

wal::Sample node() {
  wal::Sample sample;
  sample.layout = wal::Layout::node;
  sample.hot_shards = 500;  // means nothing there
  return sample;
}

TEST(Resolve, DefaultsAreTheOlderServices) {
  EXPECT_EQ(resolve({}, segments_with(0)), (Thresholds{30, 60, kGiB, 3 * kGiB}));
}

TEST(Resolve, AutoStaysAt30UpTo15HotShards) {
  EXPECT_EQ(resolve({}, segments_with(14)).warning_files, 30U);
  EXPECT_EQ(resolve({}, segments_with(15)).warning_files, 30U);
}

TEST(Resolve, AutoIsTwicePerHotShardAbove15) {
  EXPECT_EQ(resolve({}, segments_with(16)), (Thresholds{32, 64, kGiB, 3 * kGiB}));
  EXPECT_EQ(resolve({}, segments_with(200)).warning_files, 400U);
}

TEST(Resolve, AutoFollowsTheSnapshotSizeOn3x) {
  EXPECT_EQ(resolve({}, node()), (Thresholds{900, 1800, kGiB, 3 * kGiB}));
  EXPECT_EQ(resolve({.max_files = {}, .snapshot_size = 20}, node()).warning_files, 30U);
  EXPECT_EQ(resolve({.max_files = {}, .snapshot_size = 20}, node()).critical_files, 60U);
}

TEST(Resolve, HalfOfAnOddSnapshotSizeIsRoundedDown) {
  EXPECT_EQ(resolve({.max_files = {}, .snapshot_size = 21}, node()).warning_files, 31U);
}

TEST(Resolve, ATinySnapshotSizeLeavesThirty) {
  EXPECT_EQ(resolve({.max_files = {}, .snapshot_size = 1}, node()).warning_files, 30U);
  EXPECT_EQ(resolve({.max_files = {}, .snapshot_size = 1}, node()).critical_files, 60U);
  EXPECT_EQ(resolve({.max_files = {}, .snapshot_size = 3}, node()).warning_files, 30U);
}

TEST(Resolve, ASmallSnapshotSizeStillSetsTheLimit) {
  EXPECT_EQ(resolve({.max_files = {}, .snapshot_size = 7}, node()).warning_files, 10U);
  EXPECT_EQ(resolve({.max_files = {}, .snapshot_size = 7}, node()).critical_files, 20U);
}

TEST(Resolve, AGivenLimitWinsOverAuto) {
  EXPECT_EQ(resolve({.max_files = 7}, node()).warning_files, 7U);
  EXPECT_EQ(resolve({.max_files = 7}, segments_with(100)).warning_files, 7U);
  EXPECT_EQ(resolve({.max_files = 7}, segments_with(100)).critical_files, 14U);
}

TEST(Resolve, FactorsScaleTheCriticalLimits) {
  const ThresholdRules rules{.max_files = 10, .max_bytes = 100, .critical_files_factor = 5, .critical_bytes_factor = 7};
  EXPECT_EQ(resolve(rules, node()), (Thresholds{10, 50, 100, 700}));
}

TEST(Resolve, AFactorOfOneMakesTheWarningLimitCritical) {
  const ThresholdRules rules{.max_files = 10, .max_bytes = 100, .critical_files_factor = 1, .critical_bytes_factor = 1};
  const Thresholds thresholds = resolve(rules, node());
  EXPECT_EQ(judge({10, 100}, thresholds), (Levels{kH, kH}));
  EXPECT_EQ(judge({11, 101}, thresholds), (Levels{kC, kC}));
}

TEST(Resolve, HalfAFileAboveALimitDoesNotCount) {
  // 25 x 1.5 = 37.5: 37 files do not exceed it, 38 do.
  const Thresholds thresholds = resolve({.max_files = 25, .critical_files_factor = 1.5}, node());
  EXPECT_EQ(judge({37, 0}, thresholds).files, kW);
  EXPECT_EQ(judge({38, 0}, thresholds).files, kC);
}

struct FractionCase {
  std::uint64_t max_files;
  double factor;
  std::uint64_t critical;
};

// Products that binary fractions put a hair below the whole number.
TEST(Resolve, FractionalFactorsGiveWhatADecimalProductGives) {
  for (const FractionCase& fraction :
       {FractionCase{30, 4.1, 123}, FractionCase{45, 1.4, 63}, FractionCase{50, 2.3, 115}, FractionCase{100, 1.1, 110},
        FractionCase{900, 1.1, 990}}) {
    const Thresholds thresholds =
        resolve({.max_files = fraction.max_files, .critical_files_factor = fraction.factor}, node());
    EXPECT_EQ(thresholds.critical_files, fraction.critical) << fraction.max_files << " x " << fraction.factor;
    EXPECT_EQ(judge({fraction.critical, 0}, thresholds).files, kW);
    EXPECT_EQ(judge({fraction.critical + 1, 0}, thresholds).files, kC);
  }
}

TEST(Resolve, FractionalSizesAndFactors) {
  const Thresholds thresholds = resolve({.max_files = {}, .max_bytes = kGiB / 2, .critical_bytes_factor = 2.5}, node());
  EXPECT_EQ(thresholds.warning_bytes, 536'870'912U);
  EXPECT_EQ(thresholds.critical_bytes, 1'342'177'280U);
}

TEST(Resolve, AHugeLimitDoesNotWrapAround) {
  const std::uint64_t huge = 9'100'000'000'000'000'000U;
  const Thresholds thresholds = resolve({.max_files = huge, .max_bytes = huge}, node());
  EXPECT_GE(thresholds.critical_files, huge);
  EXPECT_GE(thresholds.critical_bytes, huge);
}

TEST(Names, AreTheLabelsThatMetricsAndTheApiUse) {
  EXPECT_EQ(to_string(kH), "healthy");
  EXPECT_EQ(to_string(kW), "warning");
  EXPECT_EQ(to_string(kC), "critical");
  EXPECT_EQ(to_string(std::optional<Health>{}), "unknown");
  EXPECT_EQ(to_string(std::optional<Health>{kW}), "warning");
  std::vector<std::string> blockers;
  for (const BlockerRow& row : kBlockers) blockers.emplace_back(row.name);
  EXPECT_THAT(blockers, testing::ElementsAre("in_flight", "cooldown", "min_interval", "backoff", "breaker_open",
                                             "outside_window", "maintenance", "paused", "server_unreachable",
                                             "sample_stale", "disk_headroom", "snapshot_budget", "clocks_differ",
                                             "gen1_boundary", "too_long", "method_disabled", "dry_run"));
  std::vector<std::string> reasons;
  for (const ReasonRow& row : kReasons) reasons.emplace_back(row.name);
  EXPECT_THAT(reasons, testing::ElementsAre("warning", "critical", "scheduled", "manual", "alert", "pre_restart"));
  EXPECT_EQ(to_string(Action::none), "none");
  EXPECT_EQ(to_string(Action::checkpoint), "checkpoint");
}

TEST(Names, AReasonIsReadBackFromItsName) {
  for (const auto& [reason, name] : kReasons) EXPECT_EQ(parse_reason(to_string(reason)), reason);
  EXPECT_EQ(parse_reason("Manual"), std::nullopt);
  EXPECT_EQ(parse_reason(""), std::nullopt);
}

}  // namespace
}  // namespace wal_exporter::policy
