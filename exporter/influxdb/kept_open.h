// Whether InfluxDB persisted a shard and only keeps its segment open, as 1.x up to 1.7 does over a
// restart (FACTS.md, "1.x: the segment that was open before a restart"). Pure; safe from any thread.
#pragma once

#include <string>

#include "influxdb/debug_vars.h"
#include "wal/sample.h"

namespace wal_exporter::influxdb {

enum class Kept {
  open,           // persisted: the file goes with the next snapshot after a write to the shard
  in_memory,      // the server still holds the data in memory alone
  written_since,  // written to since the server's start, so its snapshot would have taken the file
  elsewhere,      // the server that was asked does not have this segment
  unknown         // nothing tells
};

struct BackupAnswers {
  bool archive = false;             // the backup was answered with one
  bool server_proven = false;       // that address is known to persist shards of this WAL
  bool has_twin = false;            // another folder of the WAL has this shard's number
  const DebugVars* vars = nullptr;  // asked after the backup; nullptr: could not be
};

// `before`: the shard when its backup was asked for; `after`: as it lies there now. With the server's
// figures it is proven by them; without, an archive from the right server proves it where the last
// segment is as it was and no new one appeared.
[[nodiscard]] Kept judge_kept(const wal::Shard& before, const wal::Shard& after, const BackupAnswers& answers);

// Why a shard that stayed is not taken as persisted, and the remedy. `address_setting`: of the server
// that was asked for the backup.
[[nodiscard]] std::string why_unverified(Kept kept, const std::string& address_setting);

}  // namespace wal_exporter::influxdb
