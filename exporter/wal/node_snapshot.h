// One snapshot file of a 3.x node, snapshots/<20 digits>.info.json.
//
// The digits are 2^64-1 minus the snapshot's number, so the newest sorts first.
// Its list of Parquet files can be gigabytes long, and what is used stands in front of
// it: of a large file the head is read, and its last bytes, which show whether it is
// whole. A file that is not whole or contradicts its name is an error, never half
// believed. Free functions; safe from any thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "wal/sample.h"

namespace wal_exporter::wal {

// Files up to this size are read whole, of larger ones the head alone.
inline constexpr std::uint64_t kWholeBytes = 64 * kKiB;
// One that has not said by then what it covers is refused: no server writes its fields in
// such an order.
inline constexpr std::uint64_t kMostHeadBytes = 16 * kMiB;

// "18446744073709551614.info.json" -> 1; nullopt for any other name.
[[nodiscard]] std::optional<std::uint64_t> parse_snapshot_name(std::string_view name);
[[nodiscard]] std::string snapshot_name(std::uint64_t sequence);

// The content of a snapshot file whose name says `sequence`; `written` is left at
// its default. Kind corrupt: not complete (it may be being written: read it again
// later), not what we know, or of another number than its name.
[[nodiscard]] Result<Snapshot> decode_snapshot(std::string_view content, std::uint64_t sequence);

// The same of a file whose head alone is read: up to the first list or object behind both
// numbers. What comes after it is not looked at.
[[nodiscard]] Result<Snapshot> decode_snapshot_head(std::string_view content, std::uint64_t sequence);

// Reads the file of snapshot `sequence` in the open directory `directory`;
// `written` is its last change. `path` (of the directory) is for messages. Kind
// corrupt as above; not_found: gone, or no regular file.
[[nodiscard]] Result<Snapshot> read_snapshot(int directory, const std::filesystem::path& path, std::uint64_t sequence,
                                             const std::stop_token& stop);

}  // namespace wal_exporter::wal
