// The 1.x and 2.x layout: <db>/<rp>/<shard>/_NNNNN.wal, all shards of all
// databases.
//
// One pass of getdents and statx; nothing is opened but directories, and with
// integrity header or full each closed segment once. A segment is closed when a
// later one exists in its shard; the last one is open: with 0 bytes it is neither
// pending nor damaged (measured on 1.6.7 and 2.7).
//
// The age of pending data. InfluxDB creates a segment when it first writes to it, except
// for the empty one that a checkpoint leaves, which may stay empty for days. So the data in
// a segment is taken to be as old as the later of two times: the birth of the file, and the
// last sample that saw it empty. That is exact to one sampling interval. A segment that has
// data in the first sample was never seen empty, so its birth alone counts; that may be
// too old by as long as it stayed empty, but never too young. Where the filesystem records
// no births, the last write as of the first sample with data counts. Once reported, the age
// never gets younger, and it is never later than the last write, whichever way the clock is
// set.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "base/clock.h"
#include "wal/options.h"
#include "wal/source.h"

namespace wal_exporter::wal {

// `before`: the last look of an earlier process of ours (last_look.h); nullptr: none is known.
[[nodiscard]] std::shared_ptr<WalSource> make_segment_source(Options options, std::shared_ptr<Clock> clock,
                                                             std::shared_ptr<const Sample> before = nullptr);

// "_00001.wal" -> 1; nullopt for any other name. Five digits or more.
[[nodiscard]] std::optional<std::uint64_t> parse_segment_name(std::string_view name);

}  // namespace wal_exporter::wal
