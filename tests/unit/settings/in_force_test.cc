#include <gmock/gmock.h>

#include "base/yaml.h"
#include "support.h"

namespace wal_exporter::settings {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr const char* kFile = R"(
history_limit: 77
alerts: {token_file: alerts.token}
targets:
- name: plant
  influxdb: {url: "http://db.example:8086/", token_file: /etc/token, version: 1, data_directory: /var/data}
  wal: {directory: "/w/${NAME}"}
  checkpoint:
    method: http
    schedule: off
    min_free_size: 1.5GiB
    http: {path: "/a?key=Geheim1", headers: {X-Key: Geheim2}, body: Geheim3, expected_status: [200, 204]}
    windows: [{from: "22:00", to: "06:00", days: [sat, sun]}]
  thresholds: {max_files: auto, critical_size_factor: 2.5}
  restart: {method: command, command: {arguments: [/bin/r, Geheim4], environment: {TOKEN: Geheim5}}}
- name: "a \"b\" $$c: d"
  wal: {directory: /w2}
hooks:
- {name: ops, type: slack, url: "https://hooks.example/Geheim6"}
- {name: web, type: webhook, url_file: url, headers: {X: Geheim7}, template: '{"a": "Geheim8"}'}
- {name: am, type: alertmanager, urls: ["http://am.example:9093"], labels: {site: Werk}}
)";

Settings settings_of(const std::string& yaml) {
  const auto settings = parse(yaml, "/etc/x/a.yml", environment({{"NAME", "ä #1"}}));
  EXPECT_TRUE(settings.has_value()) << settings.error().message;
  return settings.value_or(Settings());
}

TEST(InForce, IsYamlWithEverySettingAndNoSecret) {
  const std::string text = settings_of(kFile).in_force.text;
  ASSERT_TRUE(parse_yaml(text, "shown").has_value()) << parse_yaml(text, "shown").error().message << text;
  EXPECT_THAT(text, StartsWith("history_limit: 77\n"));
  EXPECT_THAT(text, HasSubstr("\nalerts:\n  token_file: /etc/x/alerts.token\n"));
  EXPECT_THAT(text, HasSubstr("\ntargets:\n  - name: plant\n    dry_run: false\n    influxdb:\n      version: 1\n"));
  EXPECT_THAT(text, HasSubstr("\n      url: \"http://db.example:8086\"\n"));
  EXPECT_THAT(text, HasSubstr("\n      directory: \"/w/ä #1\"\n"));
  EXPECT_THAT(text, HasSubstr("\n      min_free_size: 1536MiB\n"));
  EXPECT_THAT(text, HasSubstr("\n      schedule: off\n"));
  EXPECT_THAT(text, HasSubstr("\n      cooldown: 5m\n"));
  EXPECT_THAT(text, HasSubstr("\n      critical_files_factor: 2\n      critical_size_factor: 2.5\n"));
  EXPECT_THAT(text, HasSubstr("\n      windows: [{from: \"22:00\", to: \"06:00\", days: [sat, sun]}]\n"));
  EXPECT_THAT(text, HasSubstr("\n  - name: \"a \\\"b\\\" $$c: d\"\n"));
  EXPECT_THAT(text,
              HasSubstr("\n      http:\n        method: POST\n        path: <secret>\n        headers: <secret>\n"));
  EXPECT_THAT(text, HasSubstr("\n        arguments: <secret>\n        environment: <secret>\n"));
  EXPECT_THAT(text, HasSubstr("\nhooks:\n  - name: ops\n    type: slack\n    url: <secret>\n"));
  EXPECT_THAT(text, HasSubstr("\n    url_file: /etc/x/url\n"));
  EXPECT_THAT(text, Not(HasSubstr("Geheim")));
}

TEST(InForce, ReadAgainItMeansTheSame) {
  const std::string file = R"(
targets:
- name: plant $$x
  influxdb: {url: "http://db:8086", version: 1, data_directory: /var/data, timeout: 1500ms}
  wal: {directory: /w, checksum_bytes_per_second: 1000B}
  sampling: {interval: 1m30s, watch: false}
  checkpoint: {method: backup, schedule: off, cooldown: 0s, windows: [{cron: "0 2 * * *", duration: 2h}]}
  maintenance: [{from: 2026-12-01T22:00, to: 2026-12-02T04:00}]
  thresholds: {max_files: 1234567, max_size: 0.3GiB, critical_files_factor: 1.125}
- {name: office, wal: {directory: "/w\t2"}}
hooks: [{name: am, type: alertmanager, urls: ["http://am:9093"], events: [wal.health], min_severity: warning}]
)";
  const Settings before = settings_of(file);
  const Settings after = settings_of(before.in_force.text);
  EXPECT_EQ(after.targets, before.targets);
  ASSERT_EQ(after.hooks.size(), 1U);
  EXPECT_EQ(after.hooks[0].config, before.hooks[0].config);
  EXPECT_EQ(after.in_force.text, before.in_force.text);
}

TEST(InForce, WithoutALoginNothingButNumbersTimesChoicesAndNames) {
  const std::string text = settings_of(kFile).in_force.with("<hidden>");
  ASSERT_TRUE(parse_yaml(text, "shown").has_value());
  for (const auto* shown : {"name: plant\n", "interval: 2m\n", "version: 1\n", "max_files: auto\n", "name: ops\n",
                            "windows: [{from", "url: <hidden>\n", "directory: <hidden>\n", "token_file: <hidden>\n"}) {
    EXPECT_THAT(text, HasSubstr(shown));
  }
  for (const auto* hidden : {"/w", "/etc", "example", "Werk", "Geheim", "<secret>"}) {
    EXPECT_THAT(text, Not(HasSubstr(hidden)));
  }
}

TEST(InForce, WithoutAFileItIsOfTheOnlyTarget) {
  const auto settings = load({.config_file = {}, .wal_directory = "/w", .influxdb_url = "http://db:8086"},
                             environment({{"WAL_MAX_FILES", "17"}}));
  ASSERT_TRUE(settings.has_value()) << settings.error().message;
  EXPECT_THAT(settings->in_force.text, HasSubstr("\n  - name: influxdb\n"));
  EXPECT_THAT(settings->in_force.text, HasSubstr("\n      url: \"http://db:8086\"\n"));
  EXPECT_THAT(settings->in_force.text, HasSubstr("\n      directory: /w\n"));
  EXPECT_THAT(settings->in_force.text, HasSubstr("\n      max_files: 17\n"));
}

// What is read and never said would be missed by whoever looks for it.
TEST(InForce, HasEveryKeyThatIsSetOrHasADefault) {
  const std::string text = settings_of(kFile).in_force.text;
  for (const SectionKeys& section : known_keys()) {
    if (section.section == "window" || section.section.starts_with("hooks")) continue;
    for (const std::string& key : section.keys) {
      const bool may_lack = key.ends_with("_file") || key == "node_id" || key == "backup_address" ||
                            key == "maintenance" || key == "container" || key == "unit" || key == "bus" ||
                            key == "local_users" || key == "own_names" || key == "web";
      EXPECT_TRUE(may_lack || text.find(key + ":") != std::string::npos) << section.section << "." << key;
    }
  }
}

}  // namespace
}  // namespace wal_exporter::settings
