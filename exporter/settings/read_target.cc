#include "settings/read_target.h"

#include <limits>

#include "settings/forms.h"
#include "settings/read_restart.h"
#include "settings/read_tls.h"
#include "settings/read_windows.h"

namespace wal_exporter::settings {
namespace {

using influxdb::Method;
using wal::Generation;

constexpr Range<double> kFactorRange{1, 1000};
constexpr Range<std::uint64_t> kRateRange{1, std::uint64_t{1} << 50U};  // bytes per second

void read_influxdb(const Section& section, influxdb::ServerOptions& out, const Overrides& overrides,
                   const std::filesystem::path& folder) {
  section.choice<Generation>(
      "version", out.version,
      {{"auto", Generation::unknown}, {"1", Generation::v1}, {"2", Generation::v2}, {"3", Generation::v3}});
  std::string url;
  section.text("url", url);
  if (!url.empty()) {
    auto checked = check_url(url);
    if (checked) {
      out.url = *std::move(checked);
    } else {
      complain(section, "url", checked.error().message);
    }
  }
  if (!overrides.influxdb_url.empty()) out.url = overrides.influxdb_url;
  section.hold("url", out.url);
  read_path(section, "token_file", folder, out.token_file);
  read_tls(section, folder, out.tls);
  section.text("node_id", out.node_id);
  section.text("backup_address", out.backup_address);
  if (!out.backup_address.empty()) {
    if (const auto checked = check_address(out.backup_address); !checked) {
      complain(section, "backup_address", checked.error().message);
    }
  }
  section.count_or("auto", "snapshot_size", out.snapshot_size, {1, 1'000'000'000});
  section.duration_or("auto", "flush_interval", out.flush_interval);
  section.duration_or("auto", "gen1_duration", out.gen1_duration);
  section.count_or("auto", "kept_files", out.kept_files, {0, 1'000'000'000});
  section.duration("timeout", out.timeout);
}

// It stands beside the server's address, and whoever reads the WAL needs it.
void read_data_directory(const Section& influxdb, Generation version, wal::Options& out) {
  std::string directory;
  if (!influxdb.text("data_directory", directory)) return;
  if (!directory.starts_with('/') || directory.find('\0') != std::string::npos) {
    complain(influxdb, "data_directory",
             shown(directory) +
                 " is not an absolute path; write dir of InfluxDB 1.x, such as /var/lib/influxdb/data, or "
                 "engine/data of 2.x");
  } else if (version == Generation::v3) {
    complain(influxdb, "data_directory", "InfluxDB 3 keeps its WAL and its data in one place; leave it out");
  }
  out.data_directory = directory;
}

void read_wal(const Section& section, wal::Options& out, const Overrides& overrides) {
  constexpr std::string_view kRemedy =
      "write the node's folder (InfluxDB 3), wal-dir (1.x) or engine/wal (2.x), such as /var/lib/influxdb/wal";
  std::string directory;
  const bool read = section.text("directory", directory);
  if (read && directory.find('\0') != std::string::npos) {
    complain(section, "directory", "it holds a zero byte; " + std::string(kRemedy));
  } else if (read && !directory.starts_with('/')) {
    const std::string what = directory.empty() ? "it is empty" : shown(directory) + " is not an absolute path";
    complain(section, "directory", what + "; " + std::string(kRemedy));
  } else if (section.find("directory") == nullptr && overrides.wal_directory.empty()) {
    section.reader().missing(section.line("directory"), "wal.directory: it is missing; " + std::string(kRemedy));
  }
  out.directory = overrides.wal_directory.empty() ? directory : overrides.wal_directory;
  section.hold("directory", out.directory.string());
  section.choice<wal::Integrity>(
      "integrity", out.integrity,
      {{"off", wal::Integrity::off}, {"header", wal::Integrity::header}, {"full", wal::Integrity::full}},
      {{"false", wal::Integrity::off}});
  section.bytes("checksum_bytes_per_second", out.checksum_bytes_per_second, kRateRange);
}

void read_nudge(const Section& section, influxdb::NudgeSettings& out) {
  section.boolean("enabled", out.enabled);
  section.text("database", out.database);
  if (const auto checked = check_database(out.database); !checked) {
    complain(section, "database", checked.error().message);
  }
  section.text("table", out.table);
  if (const auto checked = check_table(out.table); !checked) complain(section, "table", checked.error().message);
  section.count("max_points", out.max_points, {1, 1'000'000});
  section.duration("max_duration", out.max_duration);
}

// One number or a list of them.
void read_expected_status(const Section& http, std::vector<int>& out) {
  constexpr std::string_view kForm = "HTTP statuses from 100 to 599, such as [200, 204]";
  const auto words = http.words("expected_status", {.most = 100, .form = kForm});
  if (!words.empty()) out.clear();
  for (const Word& word : words) {
    const auto number = whole_number(word.text);
    if (number && *number >= 100 && *number <= 599) {
      out.push_back(static_cast<int>(*number));
    } else {
      http.reader().problem(word.line, http.path("expected_status") + ": " + shown(word.text) +
                                           " is not a status; write " + std::string(kForm));
    }
  }
}

influxdb::HttpRequest read_http(const Section& section) {
  influxdb::HttpRequest out;
  section.text("method", out.method);
  if (const auto checked = check_http_method(out.method); !checked) {
    complain(section, "method", checked.error().message);
  }
  section.text("path", out.path);
  if (section.find("path") == nullptr) {
    section.reader().missing(section.line("path"),
                             "checkpoint.http.path: it is missing; write the part after the host, such as "
                             "/api/checkpoint");
  } else if (const auto checked = check_http_path(out.path); !checked) {
    complain(section, "path", checked.error().message);
  }
  out.headers =
      section.pairs("headers", {.what = "headers", .name = "Name", .value = "the header's value"},
                    [](std::string_view name, std::string_view value) {
                      return check_http_header(name, value, "put the token into influxdb.token_file, it is sent along");
                    });
  section.text("body", out.body);
  read_expected_status(section, out.expected_status);
  return out;
}

void read_checkpoint(const Section& section, Checkpoint& out, policy::Rules& rules) {
  section.choice<Method>("method", out.method,
                         {{"auto", Method::automatic},
                          {"backup", Method::backup},
                          {"nudge", Method::nudge},
                          {"http", Method::http},
                          {"none", Method::none}});
  section.duration("cooldown", rules.cooldown, {Duration::zero(), kLongestDuration});
  section.duration_or("off", "schedule", rules.schedule, {"false"});
  section.duration("timeout", out.timeout);
  section.bytes("min_free_size", rules.min_free_bytes, {0, kSizeRange.most});
  section.boolean("rewrite_kept_open", out.rewrite_kept_open);
  read_nudge(section.section("nudge"), out.nudge);
  if (const YamlNode* http = section.find("http"); http != nullptr) out.http = read_http(section.section("http"));
  read_windows(section, "windows", out.windows);
}

// Methods that could never work as the file stands. One that only lacks an
// address or is not enabled is blocked at run time instead, and says so.
void check_method(const Section& checkpoint, const Target& target) {
  const Generation version = target.influxdb.version;
  if (target.checkpoint.rewrite_kept_open && target.influxdb.url.empty()) {
    complain(checkpoint, "rewrite_kept_open", "it reads and writes a point of InfluxDB 1.x; set influxdb.url");
  }
  switch (target.checkpoint.method) {
    case Method::http:
      if (!target.checkpoint.http) {
        complain(checkpoint, "method", "http needs the request; add checkpoint.http with at least its path");
      } else if (target.influxdb.url.empty()) {
        complain(checkpoint, "method", "http needs a server; set influxdb.url");
      }
      break;
    case Method::backup:
      if (version == Generation::v3) {
        complain(checkpoint, "method",
                 "InfluxDB 3 has no backup that empties its WAL; write auto, nudge, http or none");
      }
      break;
    case Method::nudge:
      if (version == Generation::v1 || version == Generation::v2) {
        complain(checkpoint, "method", "nudge is for InfluxDB 3 only; write auto, backup, http or none");
      }
      break;
    case Method::automatic:
    case Method::none:
      break;
  }
}

}  // namespace

void read_path(const Section& section, std::string_view key, const std::filesystem::path& folder, std::string& out) {
  section.text(key, out);
  if (out.find('\0') != std::string::npos) {
    complain(section, key, "it holds a zero byte; write the path of a file");
  } else if (!out.empty()) {
    out = (folder / out).lexically_normal().string();
    section.hold(key, out);
  }
}

Target default_target(const Defaults& defaults) {
  Target out;
  if (defaults.max_files) out.rules.thresholds.max_files = defaults.max_files;
  if (defaults.max_size) out.rules.thresholds.max_bytes = *defaults.max_size;
  if (defaults.cooldown) out.rules.cooldown = *defaults.cooldown;
  out.influxdb.tls = defaults.tls;
  return out;
}

Target read_target(const Section& section, const Defaults& defaults, const Overrides& overrides,
                   const std::filesystem::path& folder) {
  Target out = default_target(defaults);
  read_influxdb(section.section("influxdb"), out.influxdb, overrides, folder);
  read_wal(section.section("wal"), out.wal, overrides);
  read_data_directory(section.section("influxdb"), out.influxdb.version, out.wal);

  const Section sampling = section.section("sampling");
  // Any faster, and looking would be all the exporter does.
  sampling.duration("interval", out.rules.sample_interval, {std::chrono::milliseconds(10), kLongestDuration});
  sampling.boolean("watch", out.watch);

  const Section thresholds = section.section("thresholds");
  thresholds.count_or("auto", "max_files", out.rules.thresholds.max_files, kFilesRange);
  thresholds.bytes("max_size", out.rules.thresholds.max_bytes, kSizeRange);
  thresholds.factor("critical_files_factor", out.rules.thresholds.critical_files_factor, kFactorRange);
  thresholds.factor("critical_size_factor", out.rules.thresholds.critical_bytes_factor, kFactorRange);

  const Section checkpoint = section.section("checkpoint");
  read_checkpoint(checkpoint, out.checkpoint, out.rules);
  check_method(checkpoint, out);

  section.section("replay").bytes("bytes_per_second", out.forecast.replay_bytes_per_second, kRateRange);

  const Section forecast = section.section("forecast");
  forecast.duration("short_window", out.forecast.short_window);
  forecast.duration("long_window", out.forecast.long_window);
  if (out.forecast.long_window <= out.forecast.short_window) {
    complain(forecast, forecast.find("long_window") != nullptr ? "long_window" : "short_window",
             "the long window (" + format_duration(out.forecast.long_window) + ") is not longer than the short one (" +
                 format_duration(out.forecast.short_window) + "); make it longer");
  }

  read_restart(section.section("restart"), out);
  section.boolean("dry_run", out.dry_run);
  read_windows(section, "maintenance", out.maintenance);
  return out;
}

}  // namespace wal_exporter::settings
