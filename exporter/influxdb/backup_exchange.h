// One question to the backup port of 1.x: send shard N, newer than the year 2100.
//
// Measured on 1.6.7:
// - The shard's cache is snapshotted first, and the closed segments are deleted
//   before the first byte of the answer: 1,024 zero bytes, an empty archive.
// - Silence lasts as long as the snapshot does: 51 MB took 0.85 s.
// - An empty answer is a refusal: the shard is unknown, another snapshot of it is
//   running, or it could not be written (disk full). For the last two the server
//   has closed the open segment first, unless it was empty; for the first nothing
//   in the WAL moves.
// - The shard's id alone counts; names of database and retention policy are not
//   looked at. `_internal` is a shard like any other.
// - Without the two bytes in front the connection is reset.
#pragma once

#include <stop_token>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "influxdb/tcp.h"
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

// Blocks; ends within 100 ms of a request to stop (cancelled). The message of an
// error tells cause and remedy, without naming shard and address.
[[nodiscard]] Result<BackupReply> ask_for_backup(const Address& address, const wal::Shard& shard,
                                                 const BackupLimits& limits, const Clock& clock,
                                                 const std::stop_token& stop);

}  // namespace wal_exporter::influxdb
