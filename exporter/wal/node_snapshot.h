// One snapshot file of a 3.x node, snapshots/<20 digits>.info.json.
//
// The digits are 2^64-1 minus the snapshot's number, so the newest sorts first.
// Only the few fields used are kept, and the file is read in pieces, because its
// list of Parquet files can be long. A file that is not whole or contradicts its
// name is an error, never half believed. Free functions; safe from any thread.
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

// Larger ones are refused.
inline constexpr std::uint64_t kMostSnapshotBytes = 256 * kMiB;

// "18446744073709551614.info.json" -> 1; nullopt for any other name.
[[nodiscard]] std::optional<std::uint64_t> parse_snapshot_name(std::string_view name);
[[nodiscard]] std::string snapshot_name(std::uint64_t sequence);

// The content of a snapshot file whose name says `sequence`; `written` is left at
// its default. Kind corrupt: not complete (it may be being written: read it again
// later), not what we know, or of another number than its name.
[[nodiscard]] Result<Snapshot> decode_snapshot(std::string_view content, std::uint64_t sequence);

// Reads the file of snapshot `sequence` in the open directory `directory`;
// `written` is its last change. `path` (of the directory) is for messages. Kind
// corrupt as above; not_found: gone, or no regular file.
[[nodiscard]] Result<Snapshot> read_snapshot(int directory, const std::filesystem::path& path, std::uint64_t sequence,
                                             const std::stop_token& stop);

}  // namespace wal_exporter::wal
