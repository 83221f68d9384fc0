// What an InfluxDB 3 server says of its own settings, over its system tables.
//
// Source: exporter/influxdb/FACTS.md, "3.x: the server's own settings"; the names
// from 3.11 on are in "3.x: what changed after 3.10". Blocks for at most three requests.
#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "http/client.h"
#include "influxdb/server_facts.h"
#include "wal/node_rules.h"

namespace wal_exporter::influxdb {

// Absent: the server did not say. A flag left at its default is not in the
// server's answer; then the default is filled in here, because it is known.
struct NodeFacts {
  std::optional<std::uint64_t> snapshot_size;
  std::optional<Duration> flush_interval;
  std::optional<Duration> gen1_duration;
  std::optional<std::uint64_t> kept_files;
  std::optional<Duration> lookback;
  std::optional<bool> fails_on_error;  // --wal-replay-fail-on-error
  std::optional<bool> takes_writes;    // by its mode; absent: not said, or of a node that may be another
  bool other_engine = false;           // the upgraded one of Enterprise: its WAL is not in <node-id>/wal
  bool engine_known = false;           // by a flag, or because the server says which tables it has
  std::vector<std::string> problems;   // what could not be asked, for people, with the remedy
};

// `node_id`: the name of the node's folder; picks the row where several nodes are
// listed; empty or not listed: the only running one. `server`: as it answered just now; Core is not
// asked for its engine.
[[nodiscard]] NodeFacts ask_node(http::Client& client, const std::string& url, const std::string& token,
                                 const std::string& node_id, Duration timeout, const std::stop_token& stop,
                                 const ServerFacts& server = {});

// A flag's text: "100ms", "1s", "10m", "1h", "1month", "30days" as the server
// takes them.
[[nodiscard]] std::optional<Duration> parse_server_duration(const std::string& text);

}  // namespace wal_exporter::influxdb
