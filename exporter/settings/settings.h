// Everything a person can set, as typed values.
//
// Plain values, complete after loading: defaults are filled in, secrets are
// still file names (read when used). Safe from any thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "base/window.h"
#include "settings/hooks.h"
#include "wal/generation.h"

namespace wal_exporter::settings {

enum class Integrity { off, header, full };
enum class Method { automatic, backup, nudge, http, none };

struct Influxdb {
  wal::Generation version = wal::Generation::unknown;  // unknown: auto
  std::string url;             // "http://host:port" or "unix:///path"; empty: the server is not asked
  std::string token_file;      // empty: no token
  std::string backup_address;  // 1.x, "host:port"; empty: the backup method is blocked
  // 3.x; each overrides what the server says.
  std::optional<std::uint64_t> snapshot_size;  // S, files
  std::optional<Duration> flush_interval;      // F
  std::optional<Duration> gen1_duration;       // G
  std::optional<std::uint64_t> kept_files;     // snapshotted files the server keeps
  Duration timeout = std::chrono::seconds(5);  // of one question to the server

  friend bool operator==(const Influxdb&, const Influxdb&) = default;
};

struct Wal {
  std::filesystem::path directory;
  Integrity integrity = Integrity::header;
  std::uint64_t checksum_bytes_per_second = 8 * kMiB;  // bound of `integrity: full` in the background

  friend bool operator==(const Wal&, const Wal&) = default;
};

struct Sampling {
  Duration interval = std::chrono::minutes(2);
  bool watch = true;  // inotify: sample at once when a file appears

  friend bool operator==(const Sampling&, const Sampling&) = default;
};

struct Thresholds {
  std::optional<std::uint64_t> max_files;  // nullopt: auto
  std::uint64_t max_size = kGiB;           // bytes
  double critical_files_factor = 2;
  double critical_size_factor = 3;

  friend bool operator==(const Thresholds&, const Thresholds&) = default;
};

struct Nudge {
  bool enabled = false;
  std::string database = "wal_checkpoint";
  std::string table = "checkpoint";
  std::uint64_t max_points = 2000;
  Duration max_duration = std::chrono::minutes(45);

  friend bool operator==(const Nudge&, const Nudge&) = default;
};

// The `http` method: a request the user describes.
struct HttpRequest {
  std::string method = "POST";
  std::string path;  // appended to influxdb.url
  std::map<std::string, std::string> headers;
  std::string body;
  std::vector<int> expected_status = {200, 204};

  friend bool operator==(const HttpRequest&, const HttpRequest&) = default;
};

struct Checkpoint {
  Method method = Method::automatic;
  Duration cooldown = std::chrono::minutes(5);
  std::optional<Duration> schedule = std::chrono::minutes(10);  // nullopt: off
  Duration timeout = std::chrono::minutes(2);
  std::uint64_t min_free_bytes = 64 * kMiB;  // disk_headroom: never start with less free where the WAL lies
  std::vector<Window> windows;               // checkpoints start inside these alone; empty: at any time
  Nudge nudge;
  std::optional<HttpRequest> http;

  friend bool operator==(const Checkpoint&, const Checkpoint&) = default;
};

enum class RestartMethod { docker, systemd, command };

struct DockerRestart {
  std::string socket = "/run/docker.sock";
  std::string container;
  Duration stop_timeout = std::chrono::seconds(60);

  friend bool operator==(const DockerRestart&, const DockerRestart&) = default;
};

struct SystemdRestart {
  std::string unit;
  std::string bus;  // a D-Bus address; empty: the system bus
  Duration timeout = std::chrono::minutes(5);

  friend bool operator==(const SystemdRestart&, const SystemdRestart&) = default;
};

struct CommandRestart {
  std::vector<std::string> arguments;  // the first is an absolute path
  std::map<std::string, std::string> environment;
  Duration timeout = std::chrono::minutes(2);

  friend bool operator==(const CommandRestart&, const CommandRestart&) = default;
};

// Restarting InfluxDB unasked, where checkpoints don't help.
struct Restart {
  bool enabled = false;
  std::optional<RestartMethod> method;  // set, with what it needs, where enabled
  DockerRestart docker;
  SystemdRestart systemd;
  CommandRestart command;
  // When one is considered; also where it is not enabled.
  std::uint64_t after_failures = 3;
  Duration failure_spacing = std::chrono::minutes(5);
  Duration after_blocked = std::chrono::minutes(15);

  bool allow_v3 = false;                              // on 3.x a restart empties nothing
  bool unprepared = false;                            // also where no checkpoint before it worked
  Duration max_replay = std::chrono::minutes(5);      // the longest estimate for an unprepared one
  std::uint64_t max_per_day = 1;                      // in any 24 h
  Duration prepare_wait = std::chrono::seconds(60);   // for the checkpoint before it
  Duration ready_timeout = std::chrono::minutes(30);  // for InfluxDB to be up again

  friend bool operator==(const Restart&, const Restart&) = default;
};

struct Replay {
  // What a restart replays in a second: measured 8 MB/s on 3.10 (80 MB in 10.4 s).
  std::uint64_t bytes_per_second = 8'000'000;

  friend bool operator==(const Replay&, const Replay&) = default;
};

struct Forecast {
  Duration short_window = std::chrono::minutes(10);
  Duration long_window = std::chrono::hours(1);

  friend bool operator==(const Forecast&, const Forecast&) = default;
};

struct Target {
  std::string name;
  Influxdb influxdb;
  Wal wal;
  Sampling sampling;
  Thresholds thresholds;
  Checkpoint checkpoint;
  Replay replay;
  Forecast forecast;
  bool dry_run = false;             // decide and say so, never act
  std::vector<Window> maintenance;  // nothing acts inside these
  Restart restart;

  friend bool operator==(const Target&, const Target&) = default;
};

struct Settings {
  std::string alerts_token_file;       // empty: alerts are not taken
  std::vector<Target> targets;         // at least one, names unique
  std::size_t history_limit = 10'000;  // audit rows kept per target
  std::vector<Hook> hooks;             // names unique
};

}  // namespace wal_exporter::settings
