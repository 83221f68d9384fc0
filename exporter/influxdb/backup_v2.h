// The 2.x checkpoint: GET /api/v2/backup/shards/{id}?since=2100-01-01T00:00:00Z
// per shard with pending data, with an operator token. A 200 is also sent while
// another snapshot runs, so only the disk proves it; `since` is never left out,
// because without it the whole shard would be sent.
//
// Source: exporter/influxdb/FACTS.md, "2.x: shard backup over HTTP".
#pragma once

#include <memory>
#include <string>

#include "base/clock.h"
#include "base/log.h"
#include "http/tls.h"
#include "influxdb/checkpoint_method.h"
#include "influxdb/method_kind.h"

namespace wal_exporter::influxdb {

struct BackupV2Options {
  std::string url;
  std::string token_file;                      // read anew at each run
  Duration timeout = std::chrono::minutes(2);  // of the whole run
  http::Tls tls{"influxdb."};
};

[[nodiscard]] std::unique_ptr<CheckpointMethod> make_backup_v2(BackupV2Options options,
                                                               std::shared_ptr<wal::WalSource> source,
                                                               std::shared_ptr<Clock> clock, Log log);

// Its row in the table of methods.
extern const MethodKind kBackupV2Kind;

}  // namespace wal_exporter::influxdb
