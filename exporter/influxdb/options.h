// What is set of an InfluxDB and of the ways to make it empty its WAL. Plain values
// with their defaults; safe from any thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "http/tls.h"
#include "wal/generation.h"

namespace wal_exporter::influxdb {

struct Endpoint {
  std::string url;         // "http://host:port" or "unix:///path"; empty: the server is not asked
  std::string token_file;  // read anew at each run; empty: no token
  http::Tls tls{"influxdb."};

  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

struct ServerOptions : Endpoint {
  wal::Generation version = wal::Generation::unknown;  // unknown: auto
  std::string node_id;                                 // 3.x; empty: the name of the node's folder
  std::string backup_address;                          // 1.x, "host:port"; empty: the backup method is blocked
  // 3.x; each overrides what the server says.
  std::optional<std::uint64_t> snapshot_size;  // S, files
  std::optional<Duration> flush_interval;      // F
  std::optional<Duration> gen1_duration;       // G
  std::optional<std::uint64_t> kept_files;     // snapshotted files the server keeps
  Duration timeout = std::chrono::seconds(5);  // of one question to the server

  friend bool operator==(const ServerOptions&, const ServerOptions&) = default;
};

enum class Method { automatic, backup, nudge, http, none };

struct NudgeSettings {
  bool enabled = false;
  std::string database = "wal_checkpoint";
  std::string table = "checkpoint";
  std::uint64_t max_points = 2000;
  Duration max_duration = std::chrono::minutes(45);

  friend bool operator==(const NudgeSettings&, const NudgeSettings&) = default;
};

// The `http` method: a request the user describes.
struct HttpRequest {
  std::string method = "POST";
  std::string path;  // appended to the server's URL
  std::map<std::string, std::string> headers;
  std::string body;
  std::vector<int> expected_status = {200, 204};

  friend bool operator==(const HttpRequest&, const HttpRequest&) = default;
};

struct CheckpointOptions {
  Method method = Method::automatic;
  Duration timeout = std::chrono::minutes(2);  // of a whole run, but for a nudge
  bool rewrite_kept_open = false;              // 1.x: see rewrite.h
  NudgeSettings nudge;
  std::optional<HttpRequest> http;

  friend bool operator==(const CheckpointOptions&, const CheckpointOptions&) = default;
};

}  // namespace wal_exporter::influxdb
