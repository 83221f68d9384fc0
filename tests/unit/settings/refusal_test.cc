// What is refused, on which line, and with which words.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "support.h"

namespace wal_exporter::settings {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

TEST(UnknownKey, IsToldWithItsLineAndWhatWasMeant) {
  EXPECT_EQ(refusal(target_with("  checkpoint:\n    colldown: 5m\n")),
            "a.yml:5: unknown key 'colldown' in checkpoint; did you mean 'cooldown'?");
  EXPECT_EQ(refusal(target_with("  thresholds:\n    maxFiles: 5\n")),
            "a.yml:5: unknown key 'maxFiles' in thresholds; did you mean 'max_files'?");
  EXPECT_EQ(refusal(target_with("  Checkpoint: {}\n")),
            "a.yml:4: unknown key 'Checkpoint' in a target; did you mean 'checkpoint'?");
  EXPECT_EQ(refusal("tragets: []\n" + target_with("")),
            "a.yml:1: unknown key 'tragets' at the top of the file; did you mean 'targets'?");
}

TEST(UnknownKey, ThatBelongsElsewhereIsToldWhere) {
  EXPECT_EQ(refusal(target_with("  directory: /w\n")),
            "a.yml:4: unknown key 'directory' in a target; it belongs under 'wal'");
  EXPECT_THAT(refusal(target_with("  timeout: 1s\n")), HasSubstr("it belongs under 'influxdb' or 'checkpoint'"));
  EXPECT_THAT(refusal("wal: {directory: /w}\n"), HasSubstr("it belongs under a target (an entry of the list targets)"));
}

TEST(UnknownKey, ThatBelongsIntoAGroupThatIsNotThereIsToldWhere) {
  EXPECT_EQ(refusal(target_with("  checkpoint:\n    expected_status: 200\n")),
            "a.yml:5: unknown key 'expected_status' in checkpoint; it belongs under 'checkpoint.http'");
  EXPECT_EQ(refusal(target_with("  sampling:\n    resend: 1m\n")),
            "a.yml:5: unknown key 'resend' in sampling; it belongs under 'hooks'");
}

TEST(UnknownKey, IsNoneThatWasNotAskedForBecauseOfAnotherProblem) {
  EXPECT_THAT(refusal(target_with("  maintenance: [{days: [mon], to: \"06:00\"}]\n")),
              StartsWith("a.yml:4: window.from: it is missing"));
  EXPECT_EQ(refusal("hooks: []\ntargets: []\n"),
            "a.yml:2: targets is empty; a minimal file is: targets: "
            "[{wal: {directory: /var/lib/influxdb/wal}}]");
}

TEST(UnknownKey, WithoutASpaceBesideItsMarkIsToldSo) {
  EXPECT_EQ(
      refusal("targets:\n- wal:{directory: /w}\n"),
      "a.yml:2: unknown key 'wal:{directory' in a target; put a space after the ':'\n"
      "a.yml:2: wal.directory: it is missing; write the node's folder (InfluxDB 3), wal-dir (1.x) or engine/wal (2.x), "
      "such as /var/lib/influxdb/wal");
  EXPECT_THAT(refusal("targets:\n-name: x\n"),
              StartsWith("a.yml:2: unknown key '-name' at the top of the file; put a space after the '-'"));
}

TEST(UnknownKey, IsToldBeforeWhatIsMissingBecauseOfIt) {
  EXPECT_THAT(
      refusal("targets:\n- name: x\n  wal:\n  directory: /w\n"),
      StartsWith("a.yml:4: unknown key 'directory' in a target; it belongs under 'wal'\na.yml:3: wal.directory: "));
}

TEST(UnknownKey, LikeNoOtherIsToldWithTheKeysThereAre) {
  EXPECT_EQ(refusal(target_with("  sampling:\n    frequency: 2m\n")),
            "a.yml:5: unknown key 'frequency' in sampling; the keys here are interval, watch");
}

TEST(UnknownKey, TokenPointsToTheTokenFileAndNeverRepeatsTheSecret) {
  const std::string message = refusal(target_with("  influxdb:\n    token: s3cret\n"));
  EXPECT_THAT(message, StartsWith("a.yml:5: unknown key 'token' in influxdb; secrets are never in this file"));
  EXPECT_THAT(message, AllOf(HasSubstr("influxdb.token_file"), Not(HasSubstr("s3cret"))));
}

TEST(UnknownKey, MergeKeysAreExplained) {
  EXPECT_THAT(refusal("targets:\n- &a {name: a, wal: {directory: /a}}\n- <<: *a\n  name: b\n"),
              StartsWith("a.yml:3: unknown key '<<' in a target; merge keys are not understood"));
}

TEST(UnknownKey, StaysOnOneLineAndShort) {
  const std::string message = refusal(target_with("  \"a\\nb" + std::string(500, 'x') + "\": 1\n"));
  EXPECT_THAT(message, HasSubstr("'a\\nbxxx"));
  EXPECT_LT(message.size(), 300U);
}

TEST(DoubledKey, IsToldWithBothLines) {
  EXPECT_EQ(refusal(target_with("  sampling:\n    interval: 1m\n    watch: true\n    interval: 2m\n")),
            "a.yml:7: the key 'interval' is there twice, first on line 5; keep one of them");
}

TEST(DoubledKey, IsFoundAtTheTopInTargetsAndInHeaders) {
  EXPECT_THAT(refusal(target_with("") + target_with("")), StartsWith("a.yml:4: the key 'targets' is there twice"));
  EXPECT_THAT(refusal(target_with("  wal: {directory: /x}\n")), StartsWith("a.yml:4: the key 'wal' is there twice"));
  EXPECT_THAT(refusal(target_with("  checkpoint: {http: {path: /, headers: {A: 1, A: 2}}}\n")),
              StartsWith("a.yml:4: the key 'A' is there twice"));
}

TEST(WrongType, IsToldWithWhatWouldBeRight) {
  EXPECT_EQ(refusal(target_with("  sampling:\n    interval: [1m]\n")),
            "a.yml:5: sampling.interval is a list; write a duration such as 30s, 2m or 1h30m");
  EXPECT_EQ(refusal(target_with("  influxdb:\n    url: {a: b}\n")),
            "a.yml:5: influxdb.url is a group of settings; write one text");
  EXPECT_EQ(refusal(target_with("  checkpoint: yes\n")),
            "a.yml:4: checkpoint is a single value; write a group of settings, one 'key: value' a line");
  EXPECT_EQ(refusal(target_with("  dry_run: yes\n")), "a.yml:4: dry_run: 'yes' is not known; write true or false");
  EXPECT_EQ(refusal(target_with("  thresholds:\n    max_files: many\n")),
            "a.yml:5: thresholds.max_files: 'many' is not a whole number; write auto or a whole number from 1 to "
            "1000000000");
  EXPECT_EQ(refusal(target_with("  thresholds:\n    critical_files_factor: two\n")),
            "a.yml:5: thresholds.critical_files_factor: 'two' is not a number; write a number from 1 to 1000");
}

TEST(WrongType, AKeyWithoutAValueIsTold) {
  EXPECT_EQ(refusal(target_with("  dry_run:\n")),
            "a.yml:4: dry_run has no value; write true or false, or leave the key out");
  EXPECT_EQ(refusal(target_with("  sampling: {interval: ~}\n")),
            "a.yml:4: sampling.interval has no value; write a duration such as 30s, 2m or 1h30m, or leave the key out");
}

TEST(WrongType, ATargetMustBeAGroupAndTargetsAList) {
  EXPECT_THAT(refusal("targets:\n- /var/lib/influxdb/wal\n"),
              StartsWith("a.yml:2: a target is a single value; write a group of settings, one 'key: value' a line\n"));
  EXPECT_THAT(refusal("targets:\n  wal: {directory: /w}\n"),
              StartsWith("a.yml:1: targets: it is not a list; put '- ' before the first key of each target"));
  EXPECT_THAT(refusal("targets: []\n"), StartsWith("a.yml:1: targets is empty; a minimal file is:"));
  EXPECT_THAT(refusal("targets:\n"), StartsWith("a.yml:1: targets is empty; a minimal file is:"));
  EXPECT_THAT(refusal("history_limit: 5\n"), StartsWith("a.yml:1: targets is missing; a minimal file is:"));
}

struct Case {
  std::string line;     // of a target
  std::string message;  // after "a.yml:4: "
};

class OutOfRange : public ::testing::TestWithParam<Case> {};

TEST_P(OutOfRange, IsToldWithTheRange) {
  EXPECT_EQ(refusal(target_with("  " + GetParam().line + "\n")), "a.yml:4: " + GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(
    Keys, OutOfRange,
    ::testing::Values(
        Case{"thresholds: {max_files: 0}",
             "thresholds.max_files: '0' is out of range; write auto or a whole number from 1 to 1000000000"},
        Case{"thresholds: {max_files: 99999999999999999999999}",
             "thresholds.max_files: '99999999999999999999999' is out of range; write auto or a whole number from 1 to "
             "1000000000"},
        Case{"thresholds: {max_size: 0}",
             "thresholds.max_size: '0' is out of range; write a size from 1 B to 1024.0 TiB"},
        Case{"thresholds: {max_size: 2000TiB}",
             "thresholds.max_size: '2000TiB' is out of range; write a size from 1 B to 1024.0 TiB"},
        Case{"thresholds: {critical_files_factor: 0.99}",
             "thresholds.critical_files_factor: '0.99' is out of range; write a number from 1 to 1000"},
        Case{"thresholds: {critical_size_factor: 1001}",
             "thresholds.critical_size_factor: '1001' is out of range; write a number from 1 to 1000"},
        Case{"sampling: {interval: 0}", "sampling.interval: '0' is out of range; write a duration from 10ms to 365d"},
        Case{"sampling: {interval: 366d}",
             "sampling.interval: '366d' is out of range; write a duration from 10ms to 365d"},
        Case{"checkpoint: {timeout: 0s}",
             "checkpoint.timeout: '0s' is out of range; write a duration from 1ms to 365d"},
        Case{"checkpoint: {cooldown: 366d}",
             "checkpoint.cooldown: '366d' is out of range; write a duration from 0s to 365d"},
        Case{"checkpoint: {schedule: 0}",
             "checkpoint.schedule: '0' is out of range; write a duration from 1ms to 365d"},
        Case{"checkpoint: {nudge: {max_points: 0}}",
             "checkpoint.nudge.max_points: '0' is out of range; write a whole number from 1 to 1000000"},
        Case{"checkpoint: {nudge: {max_duration: 0}}",
             "checkpoint.nudge.max_duration: '0' is out of range; write a duration from 1ms to 365d"},
        Case{"influxdb: {snapshot_size: 0}",
             "influxdb.snapshot_size: '0' is out of range; write auto or a whole number from 1 to 1000000000"},
        Case{"influxdb: {flush_interval: 0}",
             "influxdb.flush_interval: '0' is out of range; write a duration from 1ms to 365d"},
        Case{"influxdb: {timeout: 1us}", "influxdb.timeout: '1us' is out of range; write a duration from 1ms to 365d"},
        Case{"wal: {directory: /w}", "the key 'wal' is there twice, first on line 2; keep one of them"},
        Case{"replay: {bytes_per_second: 0}",
             "replay.bytes_per_second: '0' is out of range; write a size from 1 B to 1024.0 TiB"},
        Case{"checkpoint: {http: {path: /p, expected_status: [200, 99]}}",
             "checkpoint.http.expected_status: '99' is not a status; write HTTP statuses from 100 to 599, such as "
             "[200, 204]"},
        Case{"checkpoint: {http: {path: /p, expected_status: []}}",
             "checkpoint.http.expected_status: it holds none or more than 100; write HTTP statuses from 100 to 599, "
             "such as [200, 204]"}));

class BadForm : public ::testing::TestWithParam<Case> {};

TEST_P(BadForm, IsToldWithWhatWouldBeRight) {
  EXPECT_THAT(refusal(target_with("  " + GetParam().line + "\n")), StartsWith("a.yml:4: " + GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    Keys, BadForm,
    ::testing::Values(
        Case{"sampling: {interval: 5}",
             "sampling.interval: '5' is not a duration: a unit is missing; write a number "
             "with a unit, such as 30s"},
        Case{"sampling: {interval: -5s}", "sampling.interval: '-5s' is not a duration: it is negative"},
        Case{"sampling: {interval: 5 minutes}", "sampling.interval: '5 minutes' is not a duration"},
        Case{"checkpoint: {schedule: never}", "checkpoint.schedule: 'never' is not a duration"},
        Case{"thresholds: {max_size: 1 gig}", "thresholds.max_size: '1 gig' is not a size"},
        Case{"thresholds: {max_size: -1GiB}", "thresholds.max_size: '-1GiB' is not a size: it is negative"},
        Case{"thresholds: {max_files: 1.5}", "thresholds.max_files: '1.5' is not a whole number"},
        Case{"thresholds: {max_files: -1}", "thresholds.max_files: '-1' is not a whole number"},
        Case{"thresholds: {critical_files_factor: nan}", "thresholds.critical_files_factor: 'nan' is not a number"},
        Case{"thresholds: {critical_files_factor: 1e1}", "thresholds.critical_files_factor: '1e1' is not a number"},
        Case{"influxdb: {version: 4}", "influxdb.version: '4' is not known; write auto, 1, 2 or 3"},
        Case{"influxdb: {version: '1.8'}", "influxdb.version: '1.8' is not known; write auto, 1, 2 or 3"},
        Case{"checkpoint: {method: bakcup}",
             "checkpoint.method: 'bakcup' is not known; write auto, backup, nudge, "
             "http or none (did you mean backup?)"},
        Case{"name: ''", "name: it is empty; give the target a name"},
        Case{"checkpoint: {nudge: {database: _x}}",
             "checkpoint.nudge.database: '_x' does not begin with a letter or a digit"},
        Case{"checkpoint: {nudge: {database: ''}}",
             "checkpoint.nudge.database: '' does not begin with a letter or a digit"},
        Case{"checkpoint: {nudge: {table: ''}}", "checkpoint.nudge.table: '' is empty or begins with an underscore"},
        Case{"checkpoint: {http: {method: post, path: /p}}", "checkpoint.http.method: 'post' is not an HTTP method"},
        Case{"checkpoint: {rewrite_kept_open: true}",
             "checkpoint.rewrite_kept_open: it reads and writes a point of InfluxDB 1.x; set influxdb.url"},
        Case{"checkpoint: {http: {path: p}}", "checkpoint.http.path: it does not begin with '/'"},
        Case{"checkpoint: {http: {path: /a b}}", "checkpoint.http.path: it holds white space"},
        Case{"checkpoint: {http: {}}", "checkpoint.http.path: it is missing"},
        Case{"checkpoint: {http: {path: /p, headers: {'a b': c}}}", "checkpoint.http.headers: 'a b' is not the name"},
        Case{R"(checkpoint: {http: {path: /p, headers: {a: "b\r\nc: d"}}})",
             "checkpoint.http.headers: the value of 'a' holds a line break"},
        Case{"checkpoint: {http: {path: /p, headers: {Authorization: x}}}",
             "checkpoint.http.headers: 'authorization' carries a secret"},
        Case{"checkpoint: {http: {path: /p, headers: {Content-Length: 1}}}",
             "checkpoint.http.headers: 'content-length' follows from the request itself"},
        Case{"forecast: {short_window: 2h}", "forecast.short_window: the long window (1h) is not longer"},
        Case{"forecast: {long_window: 10m}", "forecast.long_window: the long window (10m) is not longer"}));

TEST(WalDirectory, MustBeThereAndAbsolute) {
  EXPECT_THAT(refusal("targets:\n- name: a\n"), StartsWith("a.yml:2: wal.directory: it is missing; write the node's"));
  EXPECT_THAT(refusal("targets:\n- name: a\n  wal:\n    integrity: full\n"),
              StartsWith("a.yml:3: wal.directory: it is missing"));
  EXPECT_THAT(refusal("targets:\n- wal:\n    directory: wal\n"),
              StartsWith("a.yml:3: wal.directory: 'wal' is not an absolute path; write"));
  EXPECT_THAT(refusal("targets:\n- wal:\n    directory: ~/wal\n"), HasSubstr("'~/wal' is not an absolute path"));
  EXPECT_THAT(refusal("targets:\n- wal:\n    directory: ''\n"), HasSubstr("wal.directory: it is empty"));
  EXPECT_THAT(refusal("targets:\n- wal:\n    directory: \"/a\\0b\"\n"), HasSubstr("it holds a zero byte"));
}

TEST(Names, MustDifferAndBeThereWithSeveralTargets) {
  EXPECT_EQ(refusal("targets:\n- name: a\n  wal: {directory: /a}\n- name: a\n  wal: {directory: /b}\n"),
            "a.yml:4: name: 'a' is the name of another target too, on line 2; give each its own");
  EXPECT_EQ(refusal("targets:\n- name: a\n  wal: {directory: /a}\n- wal: {directory: /b}\n"),
            "a.yml:4: name: it is missing; with several targets each needs one of its own");
}

TEST(Names, OfMoreThan200BytesAreRefused) {
  EXPECT_EQ(refusal("targets: [{name: " + std::string(201, 'n') + ", wal: {directory: /w}}]"),
            "a.yml:1: name: it is 201 bytes long; write at most 200");
}

TEST(Methods, ThatCanNeverWorkAreRefused) {
  EXPECT_EQ(refusal(target_with("  checkpoint:\n    method: http\n")),
            "a.yml:5: checkpoint.method: http needs the request; add checkpoint.http with at least its path");
  EXPECT_EQ(refusal(target_with("  checkpoint:\n    method: http\n    http: {path: /p}\n")),
            "a.yml:5: checkpoint.method: http needs a server; set influxdb.url");
  EXPECT_THAT(refusal(target_with("  influxdb: {version: 3}\n  checkpoint: {method: backup}\n")),
              StartsWith("a.yml:5: checkpoint.method: InfluxDB 3 has no backup"));
  EXPECT_THAT(refusal(target_with("  influxdb: {version: 2}\n  checkpoint: {method: nudge}\n")),
              StartsWith("a.yml:5: checkpoint.method: nudge is for InfluxDB 3 only"));
}

TEST(Methods, ThatAreOnlyBlockedAreTaken) {
  EXPECT_EQ(refusal(target_with("  checkpoint: {method: nudge}\n")), "accepted");
  EXPECT_EQ(refusal(target_with("  influxdb: {version: 1}\n  checkpoint: {method: backup}\n")), "accepted");
}

TEST(SeveralProblems, AreAllToldEachWithItsLine) {
  EXPECT_EQ(refusal("targets:\n- sampling:\n    interval: x1\n    watch: 5\n  dry_run: maybe\n"),
            "a.yml:3: sampling.interval: 'x1' is not a duration: a number is missing; write a number with a unit, such "
            "as 30s, 2m or 1h30m\n"
            "a.yml:4: sampling.watch: '5' is not known; write true or false\n"
            "a.yml:5: dry_run: 'maybe' is not known; write true or false\n"
            "a.yml:2: wal.directory: it is missing; write the node's folder (InfluxDB 3), wal-dir (1.x) or engine/wal "
            "(2.x), such as /var/lib/influxdb/wal");
}

TEST(SeveralProblems, OfTheEnvironmentAndTheFileAreToldTogether) {
  EXPECT_THAT(
      refusal(target_with("  dry_run: maybe\n"), environment({{"WAL_MAX_FILES", "x"}, {"WAL_MAX_SIZE_GB", "y"}})),
      AllOf(StartsWith("environment variable WAL_MAX_FILES: 'x'"),
            HasSubstr("\nenvironment variable WAL_MAX_SIZE_GB: 'y'"), HasSubstr("\na.yml:4: dry_run: 'maybe'")));
}

TEST(SeveralProblems, ByTheThousandAreCounted) {
  std::string many;
  for (int i = 0; i < 1000; ++i) many += "  k" + std::to_string(i) + ": 1\n";
  const std::string message = refusal(target_with(many));
  EXPECT_EQ(std::count(message.begin(), message.end(), '\n'), 100);
  EXPECT_THAT(message, ::testing::EndsWith("\na.yml: and 900 more mistakes"));
}

TEST(Messages, ShortenLongValuesAndKeepOneLine) {
  const std::string message = refusal(target_with("  dry_run: \"" + std::string(9000, 'x') + "\\n\"\n"));
  EXPECT_LT(message.size(), 200U);
  EXPECT_THAT(refusal(target_with("  sampling: {interval: \"1\\n2\"}\n")), Not(HasSubstr("\n")));
}

}  // namespace
}  // namespace wal_exporter::settings
