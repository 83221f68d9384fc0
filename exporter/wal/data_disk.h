// Where InfluxDB 1.x and 2.x keep their data, and how much is free there: a checkpoint
// empties the WAL's disk and fills the data's, and these may be two. Reads; safe from any
// thread.
#pragma once

#include "wal/options.h"
#include "wal/sample.h"

namespace wal_exporter::wal {

// Fills sample.data_filesystem_avail_bytes, sample.has_own_filesystem, and has_data of its shards; `root` is the WAL's
// open directory, whose free bytes and shards are in the sample. Data that was set and can't
// be found gets a note; data that was not set and is not found is not known.
void find_data_disk(int root, const Options& options, Sample& sample);

// For a WAL without the folder of a shard: what else than the WAL of a server that has not written
// yet it can be, for people. Empty: nothing, because the data that was set, or that lies beside it
// as InfluxDB makes it, has no shard either. A start makes the folder of each shard in the WAL.
[[nodiscard]] std::string why_unwritten(const Options& options);

}  // namespace wal_exporter::wal
