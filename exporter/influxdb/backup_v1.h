// The 1.x checkpoint: a backup of each shard with a start time in the future,
// over the server's backup port. The server snapshots the shard's cache first,
// which empties its WAL, then sends a tar archive with nothing in it.
//
// Source: exporter/influxdb/FACTS.md, "1.x: the backup port". The port has no
// authentication.
#pragma once

#include <memory>
#include <string>

#include "base/clock.h"
#include "base/log.h"
#include "influxdb/checkpoint_method.h"
#include "influxdb/method_kind.h"

namespace wal_exporter::influxdb {

struct BackupV1Options {
  std::string address;     // "host:port" or "[v6]:port"
  ServerOptions server{};  // asked about its shards where a url is set
  Duration connect_timeout = std::chrono::seconds(5);
  Duration read_timeout = std::chrono::seconds(30);  // without a single byte
  Duration total_timeout = std::chrono::minutes(2);  // the whole run, all shards
};

// `source` is the target's WAL; the method looks at it before, between and after.
[[nodiscard]] std::unique_ptr<CheckpointMethod> make_backup_v1(BackupV1Options options,
                                                               std::shared_ptr<wal::WalSource> source,
                                                               std::shared_ptr<Clock> clock, Log log);

// Its row in the table of methods.
extern const MethodKind kBackupV1Kind;

}  // namespace wal_exporter::influxdb
