// One question to the backup port of 1.x: send shard N, newer than the year 2100; or: which
// shards have you?
//
// What the server answers, and what an empty answer (a refusal) can mean:
// exporter/influxdb/FACTS.md, "1.x: the backup port".
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "wal/sample.h"

namespace wal_exporter::influxdb {

// The two bytes that name the service, and one line of JSON.
[[nodiscard]] std::string backup_request(const wal::Shard& shard);

enum class BackupReply {
  archive,  // a whole tar archive: the snapshot is done, says the server
  empty,    // refused
};

struct BackupLimits {
  Duration connect;
  Duration read;        // without a single byte
  SteadyTime deadline;  // of the whole exchange
};

struct BackupError : Error {
  bool connected = false;  // somebody listens there
};

// Blocks; ends within 100 ms of a request to stop (cancelled). The message of an
// error tells cause and remedy, without naming shard and address.
[[nodiscard]] tl::expected<BackupReply, BackupError> ask_for_backup(const std::string& host, std::uint16_t port,
                                                                    const wal::Shard& shard, const BackupLimits& limits,
                                                                    const Clock& clock, const std::stop_token& stop);

// The shards that the server has open, of all its databases. Changes nothing. An error: it does not say.
[[nodiscard]] tl::expected<std::vector<wal::ShardKey>, BackupError> ask_for_shards(const std::string& host,
                                                                                   std::uint16_t port,
                                                                                   const BackupLimits& limits,
                                                                                   const Clock& clock,
                                                                                   const std::stop_token& stop);

}  // namespace wal_exporter::influxdb
