// What a reload says that it changes.
#include "settings/said.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support.h"

namespace wal_exporter::settings {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

Said said(const std::string& yaml, const Environment& variables = no_environment()) {
  auto settings = parse(yaml, "a.yml", variables);
  if (!settings) throw std::runtime_error("refused: " + settings.error().message);
  return settings->said;
}

std::vector<std::string> from_to(const std::string& before, const std::string& after) {
  return changes(said(before), said(after));
}

std::vector<std::string> of_target(const std::string& before, const std::string& after) {
  return from_to(target_with(before), target_with(after));
}

TEST(Changes, OfAValueAreToldWithTheOldAndTheNewOne) {
  EXPECT_THAT(of_target("  checkpoint: {cooldown: 90s}\n", "  checkpoint: {cooldown: 3m}\n"),
              ElementsAre("target influxdb: checkpoint.cooldown: 90s -> 3m"));
  EXPECT_THAT(of_target("  dry_run: false\n", "  dry_run: true\n"),
              ElementsAre("target influxdb: dry_run: false (default) -> true"));
}

TEST(Changes, ToAndFromTheDefaultNameIt) {
  EXPECT_THAT(of_target("", "  checkpoint: {cooldown: 90s}\n"),
              ElementsAre("target influxdb: checkpoint.cooldown: 5m (default) -> 90s"));
  EXPECT_THAT(of_target("  thresholds: {max_size: 2GiB, max_files: 7}\n", ""),
              ElementsAre("target influxdb: thresholds.max_files: 7 -> auto (default)",
                          "target influxdb: thresholds.max_size: 2GiB -> 1.0 GiB (default)"));
  EXPECT_THAT(of_target("", "  influxdb: {url: \"http://h:8086\"}\n"),
              ElementsAre("target influxdb: influxdb.url: not set -> http://h:8086"));
  EXPECT_THAT(of_target("", "  checkpoint: {method: none, schedule: off}\n"),
              ElementsAre("target influxdb: checkpoint.method: auto (default) -> none",
                          "target influxdb: checkpoint.schedule: 10m (default) -> off"));
}

TEST(Changes, AreNoneWhereAnotherSpellingMeansTheSame) {
  EXPECT_THAT(of_target("  checkpoint: {cooldown: 90s}\n", "  # said otherwise\n  checkpoint:\n    cooldown: 1m30s\n"),
              IsEmpty());
  EXPECT_THAT(of_target("", "  dry_run: False\n  checkpoint: {cooldown: 300s, min_free_size: 65536KiB}\n"), IsEmpty());
}

TEST(Changes, OfTargetsAndHooksThatComeAndGoAreTold) {
  const std::string one = "targets:\n- {name: a, wal: {directory: /a}}\n";
  const std::string two =
      "targets:\n- {name: b, wal: {directory: /b}}\nhooks:\n- {name: ops, type: slack, url: http://h/x}\n";
  EXPECT_THAT(from_to(one, two), ElementsAre("target a: removed", "target b: added", "hook ops: added"));
}

TEST(Changes, NeverShowASecret) {
  const std::string before =
      target_with(
          "  influxdb: {token_file: /s3cret1}\n  checkpoint: {method: http, http: {path: /x, headers: {A: "
          "s3cret2}}}\n") +
      "hooks:\n- {name: ops, type: webhook, url: http://h/s3cret3, hmac_secret_file: /s3cret4}\n";
  const std::string after = target_with(
                                "  influxdb: {url: http://h, token_file: /s3cret5}\n"
                                "  checkpoint: {method: http, http: {path: /x, headers: {A: s3cret6}}}\n") +
                            "hooks:\n- {name: ops, type: webhook, url: http://h/s3cret7}\n";
  // The method needs a server.
  const std::string with_url = std::string(before).replace(before.find("token_file"), 0, "url: http://h, ");
  const auto told = from_to(with_url, after);
  EXPECT_THAT(told, ElementsAre("target influxdb: influxdb.token_file: changed",
                                "target influxdb: checkpoint.http.headers: changed", "hook ops: url: changed",
                                "hook ops: hmac_secret_file: removed"));
  for (const std::string& line : told) EXPECT_THAT(line, Not(HasSubstr("s3cret")));
}

TEST(Changes, OfListsAreToldWhole) {
  EXPECT_THAT(of_target("", "  maintenance: [{from: \"22:00\", to: \"23:00\", days: [mon, tue]}]\n"),
              ElementsAre("target influxdb: maintenance: not set -> [{from: 22:00, to: 23:00, days: [mon, tue]}]"));
  EXPECT_THAT(from_to(target_with("") + "hooks: [{name: h, type: webhook, url: http://h, events: wal.health}]\n",
                      target_with("") + "hooks: [{name: h, type: webhook, url: http://h, events: [wal.restart]}]\n"),
              ElementsAre("hook h: events: wal.health -> [wal.restart]"));
}

TEST(Changes, ThatTakeEffectAtTheNextStartSaySo) {
  EXPECT_THAT(from_to(target_with(""), "history_limit: 5\n" + target_with("")),
              ElementsAre("history_limit: 10000 (default) -> 5 (takes effect at the next start)"));
}

TEST(Changes, StayOnOneLineAndShort) {
  const auto told = of_target("", "  influxdb: {node_id: \"a\\nb" + std::string(5000, 'x') + "\"}\n");
  ASSERT_EQ(told.size(), 1U);
  EXPECT_THAT(told[0], HasSubstr("a\\nbxxx"));
  EXPECT_LT(told[0].size(), 300U);
}

// Whatever the settings' types are, a key that is read is told: one of each kind.
TEST(Changes, AreToldOfEveryKindOfKey) {
  const auto told = of_target("",
                              "  influxdb: {version: 3, snapshot_size: 7, flush_interval: 3s}\n"
                              "  thresholds: {critical_files_factor: 1.5}\n"
                              "  restart: {max_per_day: 3}\n");
  EXPECT_THAT(told, ElementsAre("target influxdb: influxdb.version: auto (default) -> 3",
                                "target influxdb: influxdb.snapshot_size: auto (default) -> 7",
                                "target influxdb: influxdb.flush_interval: auto (default) -> 3s",
                                "target influxdb: thresholds.critical_files_factor: 2 (default) -> 1.5",
                                "target influxdb: restart.max_per_day: 1 (default) -> 3"));
}

TEST(OlderVariables, SayWhatTheySetAndOfWhom) {
  const auto variables =
      environment({{"WAL_MAX_SIZE_GB", "0.5"}, {"WAL_MAX_FILES", "9"}, {"WAL_CHECKPOINT_COOLDOWN_MS", "90000"}});
  const std::string yaml =
      "targets:\n- {name: a, wal: {directory: /a}, thresholds: {max_size: 1GiB}, checkpoint: {cooldown: 5m}}\n"
      "- {name: b, wal: {directory: /b}, checkpoint: {cooldown: 5m}}\n";
  EXPECT_THAT(parse(yaml, "a.yml", variables)->from_environment,
              ElementsAre("environment variable WAL_MAX_FILES: thresholds.max_files is 9 for targets a, b",
                          "environment variable WAL_MAX_SIZE_GB: thresholds.max_size is 512.0 MiB for target b",
                          "environment variable WAL_CHECKPOINT_COOLDOWN_MS: no effect; every target has "
                          "checkpoint.cooldown of its own"));
  EXPECT_THAT(load({.config_file = "", .wal_directory = "/w", .influxdb_url = ""}, variables)->from_environment,
              Contains("environment variable WAL_MAX_FILES: thresholds.max_files is 9 for target influxdb"));
  EXPECT_THAT(parse(yaml, "a.yml", no_environment())->from_environment, IsEmpty());
}

}  // namespace
}  // namespace wal_exporter::settings
