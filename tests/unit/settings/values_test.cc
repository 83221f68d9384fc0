// What each key gives when it is written right.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support.h"

namespace wal_exporter::settings {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::Pair;

TEST(Defaults, ADirectoryAloneIsACompleteFile) {
  const Target t = read("targets: [{wal: {directory: /w}}]");
  EXPECT_EQ(t.name, "influxdb");
  EXPECT_EQ(t.wal.directory, "/w");
}

TEST(Defaults, AreThoseOfTheOlderService) {
  const Target t = read(target_with(""));
  EXPECT_EQ(t.rules.sample_interval, 2min);
  EXPECT_EQ(t.rules.thresholds.max_files, std::nullopt);
  EXPECT_EQ(t.rules.thresholds.max_bytes, kGiB);
  EXPECT_EQ(t.rules.thresholds.critical_files_factor, 2);
  EXPECT_EQ(t.rules.thresholds.critical_bytes_factor, 3);
  EXPECT_EQ(t.rules.cooldown, 5min);
  EXPECT_EQ(t.rules.schedule, std::optional<Duration>(10min));
}

TEST(Defaults, NothingIsAskedNorWrittenUnlessToldTo) {
  const Target t = read(target_with(""));
  EXPECT_EQ(t.influxdb.url, "");
  EXPECT_EQ(t.influxdb.backup_address, "");
  EXPECT_FALSE(t.checkpoint.nudge.enabled);
  EXPECT_FALSE(t.checkpoint.rewrite_kept_open);
  EXPECT_FALSE(t.dry_run);
}

TEST(Values, EveryKeyOfInfluxdb) {
  const Target t = read(target_with(R"(
  influxdb:
    version: 3
    url: http://127.0.0.1:8181
    token_file: /etc/token
    backup_address: 127.0.0.1:8088
    snapshot_size: 20
    flush_interval: 500ms
    gen1_duration: 1m
    kept_files: 0
    timeout: 7s
)"));
  EXPECT_EQ(t.influxdb.version, wal::Generation::v3);
  EXPECT_EQ(t.influxdb.url, "http://127.0.0.1:8181");
  EXPECT_EQ(t.influxdb.token_file, "/etc/token");
  EXPECT_EQ(t.influxdb.backup_address, "127.0.0.1:8088");
  EXPECT_EQ(t.influxdb.snapshot_size, 20U);
  EXPECT_EQ(t.influxdb.flush_interval, Duration(500ms));
  EXPECT_EQ(t.influxdb.gen1_duration, Duration(1min));
  EXPECT_EQ(t.influxdb.kept_files, 0U);
  EXPECT_EQ(t.influxdb.timeout, 7s);
}

TEST(Values, AutoLeavesTheServersOwnSettings) {
  const Target t = read(target_with(
      "  influxdb: {version: auto, snapshot_size: auto, flush_interval: auto, gen1_duration: auto, kept_files: auto}"));
  EXPECT_EQ(t.influxdb.version, wal::Generation::unknown);
  EXPECT_EQ(t.influxdb.snapshot_size, std::nullopt);
  EXPECT_EQ(t.influxdb.flush_interval, std::nullopt);
  EXPECT_EQ(t.influxdb.gen1_duration, std::nullopt);
  EXPECT_EQ(t.influxdb.kept_files, std::nullopt);
}

TEST(Values, EveryKeyOfWalAndSampling) {
  const Target t = read(
      "targets:\n- wal: {directory: /data/node0, integrity: full, checksum_bytes_per_second: 1MiB}\n"
      "  sampling: {interval: 30s, watch: false}\n");
  EXPECT_EQ(t.wal.directory, "/data/node0");
  EXPECT_EQ(t.wal.integrity, wal::Integrity::full);
  EXPECT_EQ(t.wal.checksum_bytes_per_second, kMiB);
  EXPECT_EQ(t.rules.sample_interval, 30s);
  EXPECT_FALSE(t.watch);
}

TEST(Values, EveryKeyOfThresholds) {
  const Target t = read(target_with(
      "  thresholds: {max_files: 50, max_size: 1.5GiB, critical_files_factor: 1, critical_size_factor: 2.5}\n"));
  EXPECT_EQ(t.rules.thresholds.max_files, 50U);
  EXPECT_EQ(t.rules.thresholds.max_bytes, kGiB + kGiB / 2);
  EXPECT_EQ(t.rules.thresholds.critical_files_factor, 1);
  EXPECT_EQ(t.rules.thresholds.critical_bytes_factor, 2.5);
}

TEST(Values, EveryKeyOfCheckpoint) {
  const Target t = read(
      target_with("  checkpoint: {method: backup, cooldown: 0, schedule: 1h, timeout: 30s, min_free_size: 1GiB}\n"));
  EXPECT_EQ(t.checkpoint.method, influxdb::Method::backup);
  EXPECT_EQ(t.rules.cooldown, 0s);
  EXPECT_EQ(t.rules.schedule, std::optional<Duration>(1h));
  EXPECT_EQ(t.checkpoint.timeout, 30s);
  EXPECT_EQ(t.rules.min_free_bytes, kGiB);
}

TEST(Values, EveryKeyOfNudge) {
  const Target t = read(target_with(
      "  checkpoint: {nudge: {enabled: true, database: 9lives, table: t, max_points: 5, max_duration: 1h}}\n"));
  EXPECT_TRUE(t.checkpoint.nudge.enabled);
  EXPECT_EQ(t.checkpoint.nudge.database, "9lives");
  EXPECT_EQ(t.checkpoint.nudge.table, "t");
  EXPECT_EQ(t.checkpoint.nudge.max_points, 5U);
  EXPECT_EQ(t.checkpoint.nudge.max_duration, 1h);
}

TEST(Values, EveryKeyOfHttp) {
  const Target t = read(target_with(R"(
  influxdb: {url: 'http://h:1'}
  checkpoint:
    method: http
    http:
      method: PUT
      path: /a/b?c=d
      headers: {X-One: "1", x-two: two words}
      body: '{"a": 1}'
      expected_status: [200, 599]
)"));
  ASSERT_TRUE(t.checkpoint.http.has_value());
  EXPECT_EQ(t.checkpoint.http->method, "PUT");
  EXPECT_EQ(t.checkpoint.http->path, "/a/b?c=d");
  EXPECT_THAT(t.checkpoint.http->headers, ElementsAre(Pair("X-One", "1"), Pair("x-two", "two words")));
  EXPECT_EQ(t.checkpoint.http->body, R"({"a": 1})");
  EXPECT_THAT(t.checkpoint.http->expected_status, ElementsAre(200, 599));
}

TEST(Values, OneExpectedStatusNeedsNoList) {
  const Target t = read(target_with("  checkpoint: {http: {path: /p, expected_status: 202}}"));
  EXPECT_THAT(t.checkpoint.http->expected_status, ElementsAre(202));
}

TEST(Values, HttpHasDefaultsForAllButThePath) {
  const Target t = read(target_with("  checkpoint: {http: {path: /p}}"));
  EXPECT_EQ(t.checkpoint.http->method, "POST");
  EXPECT_THAT(t.checkpoint.http->expected_status, ElementsAre(200, 204));
}

TEST(Values, EveryKeyOfReplayAndForecastAndDryRun) {
  const Target t = read(target_with(
      "  replay: {bytes_per_second: 20MB}\n  forecast: {short_window: 1m, long_window: 2m}\n  dry_run: true\n"));
  EXPECT_EQ(t.forecast.replay_bytes_per_second, 20'000'000U);
  EXPECT_EQ(t.forecast.short_window, 1min);
  EXPECT_EQ(t.forecast.long_window, 2min);
  EXPECT_TRUE(t.dry_run);
}

TEST(Values, HistoryLimitIsOfTheWholeFile) {
  const auto settings = parse("history_limit: 7\n" + target_with(""), "a.yml", no_environment());
  ASSERT_TRUE(settings.has_value());
  EXPECT_EQ(settings->history_limit, 7U);
}

TEST(Values, OffIsOffHoweverYamlWritersPutIt) {
  for (const std::string off : {"off", "\"off\"", "'off'", "false"}) {
    const Target t =
        read("targets:\n- wal: {directory: /w, integrity: " + off + "}\n  checkpoint: {schedule: " + off + "}");
    EXPECT_EQ(t.wal.integrity, wal::Integrity::off) << off;
    EXPECT_EQ(t.rules.schedule, std::nullopt) << off;
  }
}

TEST(Values, EveryMethodHasItsName) {
  const auto method = [](const std::string& name) {
    return read(target_with("  influxdb: {url: 'http://h'}\n  checkpoint: {method: " + name + ", http: {path: /p}}"))
        .checkpoint.method;
  };
  EXPECT_EQ(method("auto"), influxdb::Method::automatic);
  EXPECT_EQ(method("backup"), influxdb::Method::backup);
  EXPECT_EQ(method("nudge"), influxdb::Method::nudge);
  EXPECT_EQ(method("http"), influxdb::Method::http);
  EXPECT_EQ(method("none"), influxdb::Method::none);
}

TEST(Values, AGroupWhoseKeysAreAllCommentedOutIsNoError) {
  const Target t = read(target_with("  thresholds:\n  #  max_files: 3\n  checkpoint:\n    nudge:\n"));
  EXPECT_EQ(t.rules.thresholds.max_files, std::nullopt);
}

TEST(Values, AnAliasGivesTheSameValuesAgain) {
  const auto settings = parse(
      "targets:\n- {name: a, wal: {directory: /a}, thresholds: &t {max_files: 7}}\n"
      "- {name: b, wal: {directory: /b}, thresholds: *t}\n",
      "a.yml", no_environment());
  ASSERT_TRUE(settings.has_value());
  EXPECT_EQ(settings->targets[1].rules.thresholds.max_files, 7U);
}

TEST(Values, WindowsLineEndsAndAByteOrderMarkAreTaken) {
  EXPECT_EQ(read("\xEF\xBB\xBFtargets:\r\n- wal:\r\n    directory: /w\r\n").wal.directory, "/w");
}

TEST(Values, UrlsLoseTheSlashesAtTheirEnd) {
  EXPECT_EQ(read(target_with("  influxdb: {url: 'HTTP://h:1/p//'}")).influxdb.url, "http://h:1/p");
}

TEST(Values, AnEmptyUrlTokenFileAndAddressAreNone) {
  const Target t = read(target_with("  influxdb: {url: '${U:-}', token_file: '', backup_address: ''}"));
  EXPECT_EQ(t.influxdb.url, "");
  EXPECT_EQ(t.influxdb.token_file, "");
  EXPECT_EQ(t.influxdb.backup_address, "");
}

TEST(Names, MayHoldAnythingThatIsText) {
  EXPECT_EQ(read("targets: [{name: \"a\\nb<script>\\\"'\\\\é\", wal: {directory: /w}}]").name,
            "a\nb<script>\"'\\\xC3\xA9");
  EXPECT_EQ(read("targets: [{name: " + std::string(200, 'n') + ", wal: {directory: /w}}]").name.size(), 200U);
  EXPECT_EQ(read("targets: [{name: 5, wal: {directory: /w}}]").name, "5");
}

TEST(Names, KeepTheOrderOfTheFile) {
  const auto settings =
      parse("targets: [{name: z, wal: {directory: /z}}, {name: a, wal: {directory: /a}}]", "a.yml", no_environment());
  ASSERT_TRUE(settings.has_value());
  EXPECT_EQ(settings->targets[0].name, "z");
  EXPECT_EQ(settings->targets[1].name, "a");
}

}  // namespace
}  // namespace wal_exporter::settings
