// The 1.x and 2.x layout: <db>/<rp>/<shard>/_NNNNN.wal, all shards of all
// databases.
//
// One pass of getdents and statx; nothing is opened but directories, and with
// integrity header or full each closed segment once. A segment is closed when a
// later one exists in its shard; the last one is open: with 0 bytes it is neither
// pending nor damaged (measured on 1.6.7 and 2.7).
//
// The age of pending data. InfluxDB makes a segment when it writes into it, but for
// the one that a checkpoint leaves empty: that may wait for days. So data in a segment
// is held to be no older than its birth and than the last look that saw it empty,
// which is right to the time between two looks. What the first look finds was never
// seen empty: its birth alone then makes it too old, at worst by all of that wait, and
// never too young. Where the filesystem keeps no births, it is the last write at the
// first look that saw the data. What was told of a segment never gets younger, and
// never is later than its last write, whichever way the clock is set.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string_view>

#include "base/clock.h"
#include "wal/source.h"

namespace wal_exporter::wal {

struct SegmentOptions {
  std::filesystem::path directory;  // 1.x: wal-dir; 2.x: engine/wal. May itself be a symbolic link.
  Integrity integrity = Integrity::header;
};

[[nodiscard]] std::shared_ptr<WalSource> make_segment_source(SegmentOptions options, std::shared_ptr<Clock> clock);

// "_00001.wal" -> 1; nullopt for any other name. Five digits or more.
[[nodiscard]] std::optional<std::uint64_t> parse_segment_name(std::string_view name);

}  // namespace wal_exporter::wal
