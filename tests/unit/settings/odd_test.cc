// Settings that are taken and do nothing, or not what they seem to.
#include "settings/odd.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support.h"

namespace wal_exporter::settings {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const Time kNow = parse_time("2026-11-30T10:00:00Z").value();

std::vector<std::string> odd(const std::string& yaml) {
  auto settings = parse(yaml, "a.yml", no_environment());
  if (!settings) throw std::runtime_error("refused: " + settings.error().message);
  return oddities(*settings, kNow);
}

struct Odd {
  std::string lines;   // of a target
  std::string begins;  // the line, the key and the first words; empty: nothing is odd
};

class OddTarget : public ::testing::TestWithParam<Odd> {};

TEST_P(OddTarget, IsToldWithItsLine) {
  const auto told = odd(target_with(GetParam().lines));
  if (GetParam().begins.empty()) {
    EXPECT_THAT(told, IsEmpty());
  } else {
    ASSERT_EQ(told.size(), 1U) << ::testing::PrintToString(told);
    EXPECT_THAT(told[0], ::testing::StartsWith(GetParam().begins));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Files, OddTarget,
    ::testing::Values(
        Odd{"", ""}, Odd{"  checkpoint: {cooldown: 1m, schedule: 1m}\n", ""},
        Odd{"  checkpoint:\n    cooldown: 15s\n", "a.yml:5: checkpoint.cooldown: no effect below 1m"},
        Odd{"  checkpoint: {cooldown: 0}\n", "a.yml:4: checkpoint.cooldown: no effect below 1m"},
        Odd{"  checkpoint: {schedule: 30s}\n", "a.yml:4: checkpoint.schedule: no effect below 1m"},
        Odd{"  influxdb: {version: 3, gen1_duration: 10m}\n  checkpoint: {cooldown: 4m}\n",
            "a.yml:5: checkpoint.cooldown: no effect below 10m"},
        Odd{"  influxdb: {version: 1}\n  checkpoint: {nudge: {enabled: true}}\n",
            "a.yml:5: checkpoint.nudge.enabled: no effect on InfluxDB 1.x and 2.x"},
        Odd{"  checkpoint: {nudge: {max_points: 7}}\n",
            "a.yml:4: checkpoint.nudge.max_points: no effect while checkpoint.nudge.enabled is false"},
        Odd{"  checkpoint: {nudge: {enabled: true, max_points: 7}}\n", ""},
        Odd{"  influxdb: {url: https://h, ca_file: /ca}\n", ""},
        Odd{"  influxdb: {url: http://h, ca_file: /ca}\n",
            "a.yml:4: influxdb.ca_file: no effect, influxdb.url does not begin with https://"},
        Odd{"  influxdb: {insecure_skip_verify: true}\n",
            "a.yml:4: influxdb.insecure_skip_verify: no effect without influxdb.url"},
        Odd{"  influxdb: {url: https://h, ca_file: /ca, insecure_skip_verify: true}\n",
            "a.yml:4: influxdb.ca_file: no effect while influxdb.insecure_skip_verify is true"},
        Odd{"  checkpoint: {method: nudge}\n", "a.yml:4: checkpoint.method: no checkpoint ever starts"},
        Odd{"  influxdb: {version: 1, url: http://h}\n  checkpoint: {method: backup}\n",
            "a.yml:5: checkpoint.method: no checkpoint ever starts: the backup of InfluxDB 1.x needs"},
        Odd{"  checkpoint: {http: {path: /x}}\n", "a.yml:4: checkpoint.http.path: no effect without"},
        Odd{"  checkpoint: {method: none, cooldown: 10m, schedule: off}\n",
            "a.yml:4: checkpoint.cooldown: no effect with checkpoint.method: none"},
        Odd{"  influxdb: {version: 2, backup_address: \"h:8088\"}\n",
            "a.yml:4: influxdb.backup_address: no effect on InfluxDB 2.x"},
        Odd{"  influxdb: {version: 1, snapshot_size: 60}\n",
            "a.yml:4: influxdb.snapshot_size: no effect on InfluxDB 1.x"},
        Odd{"  influxdb: {version: 3, snapshot_size: 60}\n", ""},
        Odd{"  influxdb: {timeout: 3s}\n", "a.yml:4: influxdb.timeout: no effect without influxdb.url"},
        Odd{"  thresholds:\n    critical_files_factor: 1\n",
            "a.yml:5: thresholds.critical_files_factor: whatever is above thresholds.max_files is critical at once"},
        Odd{"  thresholds: {critical_size_factor: 1}\n", "a.yml:4: thresholds.critical_size_factor: whatever is above"},
        Odd{"  influxdb: {version: 3, snapshot_size: 60}\n  thresholds: {max_files: 60}\n",
            "a.yml:5: thresholds.max_files: InfluxDB 3 keeps up to influxdb.snapshot_size (60) files"},
        Odd{"  sampling: {watch: false, interval: 6m}\n", "a.yml:4: sampling.interval: without sampling.watch"},
        Odd{"  restart: {method: docker}\n", "a.yml:4: restart.method: no effect while restart.enabled is false"},
        Odd{"  restart: {after_failures: 9}\n", ""},
        Odd{"  influxdb: {url: http://h}\n  restart: {enabled: true, method: command, command: {arguments: [/x]}, "
            "max_per_day: 0}\n",
            "a.yml:5: restart.enabled: no restart is ever made: restart.max_per_day is 0"},
        Odd{"  influxdb: {url: http://h, version: 3}\n  restart: {enabled: true, method: command, command: {arguments: "
            "[/x]}}\n",
            "a.yml:5: restart.enabled: no restart is ever made: this is InfluxDB 3"},
        Odd{"  influxdb: {url: http://h}\n  dry_run: true\n  restart: {enabled: true, method: command, command: "
            "{arguments: [/x]}}\n",
            "a.yml:6: restart.enabled: no restart is ever made: dry_run is true"},
        Odd{"  influxdb: {url: http://h}\n  restart: {enabled: true, method: command, command: {arguments: [/x]}, "
            "docker: {container: i}}\n",
            "a.yml:5: restart.docker.container: no effect with this restart.method"},
        Odd{"  influxdb: {url: http://h}\n  restart: {enabled: true, method: command, command: {arguments: [/x]}, "
            "max_replay: 1m}\n",
            "a.yml:5: restart.max_replay: no effect while restart.unprepared is false"},
        Odd{"  influxdb: {url: http://h}\n  restart: {enabled: true, method: command, command: {arguments: [/x]}, "
            "unprepared: "
            "true, max_replay: 1m}\n",
            "a.yml:5: restart.max_replay: a WAL that is critical by size (3.0 GiB) replays for 403s"},
        Odd{"  maintenance: [{from: \"00:00\", to: \"24:00\"}]\n",
            "a.yml:4: maintenance: it never ends, so no checkpoint"},
        Odd{"  maintenance: [{from: 2026-11-01T22:00, to: 2026-11-02T04:00}]\n",
            "a.yml:4: maintenance: its window is over and does not come again"},
        Odd{"  maintenance: [{from: \"01:00\", to: \"05:00\"}]\n  checkpoint: {windows: [{from: \"02:00\", to: "
            "\"04:00\"}]}\n",
            "a.yml:5: checkpoint.windows: no window ever opens outside of maintenance"},
        Odd{"  maintenance: [{from: \"01:00\", to: \"03:00\"}]\n  checkpoint: {windows: [{from: \"02:00\", to: "
            "\"04:00\"}]}\n",
            ""},
        Odd{"  maintenance: [{from: \"00:00\", to: \"24:00\", days: [mon-sat]}]\n"
            "  checkpoint: {windows: [{cron: \"0 3 * * *\", duration: 1h}]}\n",
            ""}));

std::string two(const std::string& first, const std::string& second) {
  return "targets:\n- {name: a, wal: {directory: /a}, influxdb: {" + first +
         "}}\n- {name: b, wal: {directory: /b}, influxdb: {" + second + "}}\n";
}

TEST(OddTargets, OnOneServerAreToldByName) {
  EXPECT_THAT(odd(two("url: http://h:8086", "url: http://h:8086/")),
              ElementsAre(HasSubstr("a.yml:3: influxdb.url: the same as of target a")));
  EXPECT_THAT(odd(two("backup_address: \"h:8088\"", "backup_address: \"h:8088\"")),
              ElementsAre(HasSubstr("a.yml:3: influxdb.backup_address: the same as of target a")));
  EXPECT_THAT(odd(two("url: http://h:8086", "url: http://h:8087")), IsEmpty());
}

std::vector<std::string> odd_hooks(const std::string& hooks) {
  return odd(target_with("") + "hooks:\n" + hooks);
}

TEST(OddHooks, ThatAreToldNothingAreNamed) {
  EXPECT_THAT(odd_hooks("- {name: h, type: webhook, url: http://h, events: wal.checkpoint, min_severity: critical}\n"),
              ElementsAre(HasSubstr("a.yml:5: hook h: it is told nothing: no event has such a type and severity")));
  EXPECT_THAT(
      odd_hooks("- {name: h, type: webhook, url: http://h, events: wal.restart_consideration, severities: info}\n"),
      ElementsAre(HasSubstr("hook h: it is told nothing")));
  EXPECT_THAT(odd_hooks("- {name: h, type: webhook, url: http://h, events: wal.restart}\n"),
              ElementsAre(HasSubstr("hook h: it is told nothing: no target of it has restart.enabled")));
  EXPECT_THAT(odd_hooks("- {name: h, type: webhook, url: http://h, events: wal.checkpoint, severities: warning}\n"),
              IsEmpty());
}

TEST(OddHooks, WithoutHttpsHaveNoUseForACa) {
  const std::string hook = target_with("") + "hooks:\n- {name: a, type: alertmanager, ca_file: /ca, urls: [";
  EXPECT_THAT(odd(hook + "http://a, https://b]}\n"), IsEmpty());
  EXPECT_THAT(odd(hook + "http://a]}\n"),
              ElementsAre("a.yml:5: hook a: ca_file: no effect, no url begins with https://; remove it"));
}

TEST(OddHooks, WithOneReceiverAreNamed) {
  EXPECT_THAT(odd_hooks("- {name: a, type: webhook, url: http://h/x}\n- {name: b, type: webhook, url: http://h/x}\n"),
              ElementsAre(HasSubstr("a.yml:6: hook b: url: the same as of hook a")));
}

TEST(Odd, IsToldInTheOrderOfTheFile) {
  const auto told = odd(target_with(
      "  restart: {method: docker}\n  checkpoint: {cooldown: 1s}\n  thresholds: {critical_size_factor: 1}\n"));
  ASSERT_EQ(told.size(), 3U);
  EXPECT_THAT(told[0], HasSubstr("a.yml:4: "));
  EXPECT_THAT(told[1], HasSubstr("a.yml:5: "));
  EXPECT_THAT(told[2], HasSubstr("a.yml:6: "));
}

}  // namespace
}  // namespace wal_exporter::settings
