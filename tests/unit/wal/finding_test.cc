#include "wal/finding.h"

#include <gtest/gtest.h>

#include "base/text.h"

namespace wal_exporter::wal {
namespace {

const ServerTraits kUnknownServer;
const ServerTraits kOld{"3.10.0-nightly", false};
const ServerTraits kStrict{"3.10.0", true};

TEST(Finding, DamageIsSkippedAndAsTheNewestFileEndsTheServerAtAWrite) {
  for (const InvalidReason reason : {InvalidReason::empty, InvalidReason::too_short, InvalidReason::magic,
                                     InvalidReason::checksum, InvalidReason::older}) {
    EXPECT_EQ(effect_of(reason, false, kUnknownServer), Effect::skipped) << to_string(reason);
    EXPECT_EQ(effect_of(reason, true, kUnknownServer), Effect::ends_at_write) << to_string(reason);
    EXPECT_EQ(effect_of(reason, false, kStrict), Effect::stops_start) << to_string(reason);
    EXPECT_EQ(effect_of(reason, true, kStrict), Effect::stops_start) << to_string(reason);
  }
}

TEST(Finding, ImpossibleTimesAndADoubledNumberStopAnyStart) {
  for (const InvalidReason reason : {InvalidReason::times, InvalidReason::doubled}) {
    EXPECT_EQ(effect_of(reason, false, kUnknownServer), Effect::stops_start);
    EXPECT_EQ(effect_of(reason, false, kOld), Effect::stops_start);
  }
}

TEST(Finding, ANewerFormatIsWhatTheServersVersionMakesOfIt) {
  EXPECT_EQ(effect_of(InvalidReason::newer, true, kUnknownServer), Effect::harmless);
  EXPECT_EQ(effect_of(InvalidReason::newer, true, {"3.11.0", true}), Effect::harmless);
  EXPECT_EQ(effect_of(InvalidReason::newer, true, {"dev", false}), Effect::harmless);
  EXPECT_EQ(effect_of(InvalidReason::newer, false, kOld), Effect::skipped);
  EXPECT_EQ(effect_of(InvalidReason::newer, false, {"3.9.14", false}), Effect::skipped);
  EXPECT_EQ(effect_of(InvalidReason::newer, true, kOld), Effect::ends_at_write);
  EXPECT_EQ(effect_of(InvalidReason::newer, false, kStrict), Effect::stops_start);
}

TEST(Finding, AStrayFileIsHarmlessUntilTheServerFailsOnErrors) {
  EXPECT_EQ(effect_of(InvalidReason::stray, false, kOld), Effect::harmless);
  EXPECT_EQ(effect_of(InvalidReason::stray, false, kStrict), Effect::stops_start);
}

TEST(Finding, OtherEditionsStop2711AndLaterAndWhatIsNotKnown) {
  EXPECT_EQ(effect_of(InvalidReason::other_edition, false, {"2.7.11", false}), Effect::stops_start);
  EXPECT_EQ(effect_of(InvalidReason::other_edition, false, {"v2.7.12", false}), Effect::stops_start);
  EXPECT_EQ(effect_of(InvalidReason::other_edition, false, kUnknownServer), Effect::stops_start);
  EXPECT_EQ(effect_of(InvalidReason::other_edition, false, {"2.7.10", false}), Effect::harmless);
  EXPECT_EQ(effect_of(InvalidReason::other_edition, false, {"1.8.10", false}), Effect::harmless);
}

TEST(Finding, ASnapshotThatHidesFilesLosesThemAtTheNextStart) {
  const ServerTraits server{"3.10.0", false};
  EXPECT_EQ(effect_of(InvalidReason::snapshot, false, server), Effect::skipped);
  const std::string text = describe(
      {InvalidReason::snapshot, Effect::skipped, 1, {"snapshots/1", InvalidReason::snapshot, false, "why"}}, server);
  EXPECT_THAT(text, HasSubstr("it skips every WAL file up to that number, and those writes are lost"));
  EXPECT_THAT(text, HasSubstr("stop InfluxDB, move the file out of snapshots/ and keep it"));
}

TEST(Finding, FilesOfOneKindAndEffectAreOneFindingTheWorstFirst) {
  Sample sample;
  sample.invalid = {{"00000000007.wal", InvalidReason::empty, false, ""},
                    {"00000000009.wal", InvalidReason::empty, false, ""},
                    {"00000000003.wal.bak", InvalidReason::doubled, false, "it holds number 3"}};
  sample.unknown = {{"00000000010.wal", InvalidReason::newer, true, "it begins with idb3.002"}};
  const auto findings = findings_of(sample, kUnknownServer);
  ASSERT_EQ(findings.size(), 3U);
  EXPECT_EQ(findings[0].effect, Effect::stops_start);
  EXPECT_EQ(findings[0].first.file, "00000000003.wal.bak");
  EXPECT_EQ(findings[1].files, 2U);
  EXPECT_EQ(findings[1].first.file, "00000000007.wal");
  EXPECT_EQ(findings[2].effect, Effect::harmless);
}

// A copy that no snapshot covers: points would be written for ever.
TEST(Finding, ACheckpointCuresPendingFilesAlone) {
  Sample sample;
  sample.invalid = {{"00000000007.wal", InvalidReason::times, false, ""},
                    {"00000000007.wal.bak", InvalidReason::times, false, ""}};
  const auto findings = findings_of(sample, kOld);
  ASSERT_EQ(findings.size(), 2U);
  EXPECT_TRUE(findings[0].is_cured_by_checkpoint);
  EXPECT_FALSE(findings[1].is_cured_by_checkpoint);
  EXPECT_EQ(describe(findings[1], kOld).find("is the cure"), std::string::npos);
}

TEST(Finding, ANameCannotBreakALine) {
  Sample sample;
  sample.invalid = {{"copy\n[critical] all is well\xff", InvalidReason::doubled, false, ""}};
  const std::string text = describe(findings_of(sample, kOld)[0], kOld);
  EXPECT_EQ(text.find('\n'), std::string::npos) << text;
  EXPECT_EQ(text, to_valid_utf8(text));
}

TEST(Finding, AFileIsOnlyEverMovedOutOfTheFolderWithTheServerStopped) {
  const InvalidFile file{"00000000003.wal", {}, true, "detail"};
  for (std::size_t i = 0; i < static_cast<std::size_t>(InvalidReason::count); ++i) {
    for (const ServerTraits& server : {kUnknownServer, kOld, kStrict}) {
      const auto reason = static_cast<InvalidReason>(i);
      const std::string text =
          describe({reason, effect_of(reason, true, server), 1, file, reason == InvalidReason::times}, server);
      if (text.find("move") != std::string::npos) {
        const std::string folder = to_string(reason) == "snapshot" ? "snapshots/" : "wal/";
        EXPECT_NE(text.find("stop InfluxDB, move the file out of " + folder + " and keep it"), std::string::npos)
            << text;
        EXPECT_NE(text.find("--once"), std::string::npos) << text;
        EXPECT_NE(reason, InvalidReason::newer) << text;
      }
      EXPECT_EQ(text.rfind("1 file ", 0), 0U) << text;
    }
  }
}

}  // namespace
}  // namespace wal_exporter::wal
