// config/: every example loads and means what it says; its README names every key
// with the default it has.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <sstream>

#include "base/file.h"
#include "base/yaml.h"
#include "paths.h"
#include "settings/odd.h"
#include "support.h"

namespace wal_exporter::settings {
namespace {

using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::Key;

const std::string kConfig = std::string(tests::kSource) + "/config/";

Settings example(const std::string& name, const Environment& variables = no_environment()) {
  auto settings = load({.config_file = kConfig + name, .wal_directory = "", .influxdb_url = ""}, variables);
  if (!settings) throw std::runtime_error(settings.error().message);
  return *std::move(settings);
}

TEST(Example, OfInfluxdb1HasABackupAddressAndTheUsualLimits) {
  const Settings settings = example("influxdb1.yml");
  ASSERT_EQ(settings.targets.size(), 1U);
  const Target& t = settings.targets[0];
  EXPECT_EQ(t.name, "influxdb1");
  EXPECT_EQ(t.influxdb.version, wal::Generation::v1);
  EXPECT_EQ(t.influxdb.backup_address, "127.0.0.1:8088");
  EXPECT_EQ(t.wal.directory, "/var/lib/influxdb/wal");
  EXPECT_EQ(t.rules.cooldown, 5min);
}

TEST(Example, OfInfluxdb2HasATokenFileAndTheEnginesWal) {
  const Target t = example("influxdb2.yml").targets.at(0);
  EXPECT_EQ(t.influxdb.version, wal::Generation::v2);
  EXPECT_EQ(t.influxdb.token_file, "/etc/influxdb-wal-exporter/token");
  EXPECT_EQ(t.wal.directory, "/var/lib/influxdb/engine/wal");
}

TEST(Example, OfInfluxdb3WatchesTheNodeAndDoesNotWrite) {
  const Target t = example("influxdb3.yml").targets.at(0);
  EXPECT_EQ(t.influxdb.version, wal::Generation::v3);
  EXPECT_EQ(t.wal.directory, "/var/lib/influxdb3/node0");
  EXPECT_FALSE(t.checkpoint.nudge.enabled);
  EXPECT_EQ(t.checkpoint.nudge.max_points, 2000U);
}

TEST(Example, OfSeveralTargetsUsesVariablesAndOwnRequests) {
  const Settings settings = example("several-targets.yml", environment({{"PLANT_WAL", "/plant"}}));
  ASSERT_EQ(settings.targets.size(), 4U);
  EXPECT_EQ(settings.targets[0].influxdb.url, "http://127.0.0.1:8086");
  EXPECT_EQ(settings.targets[0].wal.directory, "/plant");
  EXPECT_TRUE(settings.targets[1].dry_run);
  EXPECT_EQ(settings.targets[2].checkpoint.method, influxdb::Method::none);
  EXPECT_EQ(settings.targets[2].rules.schedule, std::nullopt);
  EXPECT_EQ(settings.targets[3].influxdb.token_file, kConfig + "custom-token");
  EXPECT_EQ(settings.targets[3].checkpoint.http.value_or(influxdb::HttpRequest{}).path, "/admin/checkpoint");
}

TEST(Example, HoldsNothingOdd) {
  for (const char* file : {"influxdb1.yml", "influxdb2.yml", "influxdb3.yml", "several-targets.yml"}) {
    EXPECT_THAT(oddities(example(file), Time{}), ::testing::IsEmpty()) << file;
  }
}

// The hooks stand as a comment, because the files they name are not there.
TEST(Example, OfHooksIsRightOnceItIsNoComment) {
  for (const auto& [file, count] : std::map<std::string, std::size_t>{
           {"several-targets.yml", 3}, {"influxdb1.yml", 1}, {"influxdb2.yml", 1}, {"influxdb3.yml", 1}}) {
    std::istringstream lines(read_file(kConfig + file, kMiB, "example").value());
    std::string text;
    bool found = false;
    for (std::string line; std::getline(lines, line);) {
      found = found || line == "# hooks:";
      text += (found ? line.substr(std::min<std::size_t>(line.size(), 2)) : line) + "\n";
    }
    const auto settings = parse(text, kConfig + file, no_environment());
    ASSERT_TRUE(settings.has_value()) << settings.error().message;
    EXPECT_EQ(settings->hooks.size(), count) << file;
  }
}

TEST(Example, OfLoginsHoldsABcryptHash) {
  const auto text = read_file(kConfig + "web.example.yml", kMiB, "example");
  ASSERT_TRUE(text.has_value());
  const auto tree = parse_yaml(*text, "web.example.yml");
  ASSERT_TRUE(tree.has_value());
  ASSERT_EQ(tree->root().entries.size(), 1U);
  EXPECT_EQ(tree->root().entries[0].key, "basic_auth_users");
  const std::string hash = tree->root().entries[0].value->entries.at(0).value->text;
  EXPECT_EQ(hash.substr(0, 7), "$2b$10$");
  EXPECT_EQ(hash.size(), 60U);
}

// Key to the default that the README gives it, of the rows `| key | type | default | ...`.
std::map<std::string, std::string> documented() {
  std::map<std::string, std::string> out;
  const auto text = read_file(kConfig + "README.md", kMiB, "README");
  std::istringstream lines(text.value());
  constexpr std::string_view begin = "| `";
  for (std::string line; std::getline(lines, line);) {
    const std::size_t end = line.find("` | ");
    if (!line.starts_with(begin) || end == std::string::npos) continue;
    const std::string key = line.substr(begin.size(), end - begin.size());
    if (key.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_.") != std::string::npos) continue;
    const std::size_t type_end = line.find(" | ", end + 4);
    if (type_end == std::string::npos) continue;
    const std::size_t cell = type_end + 3;
    const std::size_t cell_end = line.find(" | ", cell);
    if (cell_end == std::string::npos) continue;  // a table of another kind
    out[key] = line.substr(cell, cell_end - cell);
  }
  return out;
}

TEST(ConfigReadme, NamesEveryKey) {
  const auto rows = documented();
  const Keys sections = known_keys();
  std::size_t keys = 0;
  for (const SectionKeys& section : sections) {
    for (const std::string& key : section.keys) {
      const std::string path =
          section.section.empty() || section.section == "target" ? key : section.section + "." + key;
      const bool group = std::any_of(sections.begin(), sections.end(),
                                     [&](const SectionKeys& other) { return other.section == path; });
      if (group) continue;
      EXPECT_THAT(rows, Contains(Key(path)));
      ++keys;
    }
  }
  EXPECT_EQ(rows.size(), keys) << "a row for a key that does not exist";
}

// Every field of a target that has a default, as text.
std::string described(const Target& t) {
  std::ostringstream out;
  const auto maybe = [&](const auto& value) {
    if (!value) {
      out << "auto ";
    } else if constexpr (std::is_same_v<std::decay_t<decltype(*value)>, Duration>) {
      out << format_duration(*value) << ' ';
    } else {
      out << *value << ' ';
    }
  };
  out << static_cast<int>(t.influxdb.version) << ' ' << format_duration(t.influxdb.timeout) << ' '
      << static_cast<int>(t.wal.integrity) << ' ' << t.wal.checksum_bytes_per_second << ' '
      << format_duration(t.rules.sample_interval) << ' ' << t.watch << ' ' << t.rules.thresholds.max_bytes << ' '
      << t.rules.thresholds.critical_files_factor << ' ' << t.rules.thresholds.critical_bytes_factor << ' '
      << static_cast<int>(t.checkpoint.method) << ' ' << format_duration(t.rules.cooldown) << ' '
      << format_duration(t.checkpoint.timeout) << ' ' << t.rules.min_free_bytes << ' ' << t.checkpoint.rewrite_kept_open
      << ' ' << t.checkpoint.nudge.enabled << ' ' << t.checkpoint.nudge.database << ' ' << t.checkpoint.nudge.table
      << ' ' << t.checkpoint.nudge.max_points << ' ' << format_duration(t.checkpoint.nudge.max_duration) << ' '
      << t.forecast.replay_bytes_per_second << ' ' << format_duration(t.forecast.short_window) << ' '
      << format_duration(t.forecast.long_window) << ' ' << t.dry_run << ' ' << t.rules.restart.enabled << ' '
      << t.restart.method.has_value() << ' ' << t.restart.docker.socket << ' '
      << format_duration(t.restart.docker.stop_timeout) << ' ' << format_duration(t.restart.systemd.timeout) << ' '
      << format_duration(t.restart.command.timeout) << ' ' << t.rules.restart.after_failures << ' '
      << format_duration(t.rules.restart.failure_spacing) << ' ' << format_duration(t.rules.restart.after_blocked)
      << ' ' << t.rules.restart.allow_v3 << ' ' << t.rules.restart.unprepared << ' '
      << format_duration(t.rules.restart.max_replay) << ' ' << t.rules.restart.max_per_day << ' '
      << format_duration(t.rules.restart.prepare_wait) << ' ' << format_duration(t.rules.restart.ready_timeout) << ' ';
  maybe(t.influxdb.snapshot_size);
  maybe(t.influxdb.flush_interval);
  maybe(t.influxdb.gen1_duration);
  maybe(t.influxdb.kept_files);
  maybe(t.rules.thresholds.max_files);
  maybe(t.rules.schedule);
  out << t.checkpoint.http->method << ' ' << t.checkpoint.http->body << '|';
  for (const int status : t.checkpoint.http->expected_status) out << status << ' ';
  return out.str();
}

TEST(ConfigReadme, GivesTheDefaultsThatHold) {
  // Each documented default written out gives the same target as none does.
  std::map<std::string, std::string> groups;
  std::string own;
  for (const auto& [path, cell] : documented()) {
    if (path == "targets" || path == "history_limit" || path == "name" || !cell.starts_with('`')) continue;
    const std::string value = cell.substr(1, cell.find('`', 1) - 1);
    const std::size_t dot = path.rfind('.');
    if (dot == std::string::npos) {
      own += "  " + path + ": " + value + "\n";
    } else {
      groups[path.substr(0, dot)] += path.substr(dot + 1) + ": " + value + ", ";
    }
  }
  ASSERT_GT(groups.size(), 6U);
  const std::string nested =
      "nudge: {" + groups["checkpoint.nudge"] + "}, http: {path: /p, " + groups["checkpoint.http"] + "}";
  std::string text = "targets:\n- wal: {directory: /w, " + groups["wal"] + "}\n" + own + "  checkpoint: {" +
                     groups["checkpoint"] + nested + "}\n";
  text += "  restart: {" + groups["restart"] + "docker: {" + groups["restart.docker"] + "}, systemd: {" +
          groups["restart.systemd"] + "}, command: {" + groups["restart.command"] + "}}\n";
  for (const std::string group : {"influxdb", "sampling", "thresholds", "replay", "forecast"}) {
    text += "  " + group + ": {" + groups[group] + "}\n";
  }
  EXPECT_EQ(described(read(text)), described(read(target_with("  checkpoint: {http: {path: /p}}")))) << text;
}

TEST(ConfigReadme, GivesTheDefaultsOfHooksThatHold) {
  const auto rows = documented();
  const events::HookConfig hook;
  const std::map<std::string, std::string> expected = {{"timeout", format_duration(hook.timeout)},
                                                       {"min_severity", "info"},
                                                       {"max_queue", std::to_string(hook.max_queue)},
                                                       {"max_age", "24h"},
                                                       {"retry.first", format_duration(hook.retry_first)},
                                                       {"retry.longest", format_duration(hook.retry_longest)},
                                                       {"method", hook.method},
                                                       {"resend", format_duration(hook.resend)}};
  EXPECT_EQ(hook.max_age, 24h);
  for (const auto& [key, value] : expected) EXPECT_EQ(rows.at("hooks." + key), "`" + value + "`") << key;
}

TEST(ConfigReadme, GivesTheHistoryLimitThatHolds) {
  EXPECT_EQ(documented().at("history_limit"), "`" + std::to_string(Settings{}.history_limit) + "`");
}

}  // namespace
}  // namespace wal_exporter::settings
