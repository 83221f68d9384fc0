// Proof on disk for 1.x and 2.x. Pure; safe from any thread.
#pragma once

#include <vector>

#include "wal/sample.h"

namespace wal_exporter::influxdb {

struct SegmentProof {
  wal::Extent asked;      // segments with data of the asked shards at the start
  wal::Extent reclaimed;  // those of them that are gone
  [[nodiscard]] bool complete() const { return reclaimed.files == asked.files; }
};

// A segment counts as gone when no file with its shard, name and inode is left in
// `after`. What was written meanwhile is neither asked for nor counted.
[[nodiscard]] SegmentProof prove(const std::vector<wal::Shard>& asked, const std::vector<wal::Shard>& after);

}  // namespace wal_exporter::influxdb
