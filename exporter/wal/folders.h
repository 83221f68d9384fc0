// The folders of a 1.x or 2.x WAL, <db>/<rp>/<shard>: which of them belong to it. One
// rule for the sample, the watch and the detection.
//
// A link to a folder is followed as the server follows it: it opens <wal>/<db>/<rp>/<shard>
// by name. Three levels are all there are, so no link leads round and round, and a
// directory that has two names is counted once. What may not be read, or can't be, is
// said; known names of other programs' folders are passed over.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/file.h"
#include "wal/sample.h"

namespace wal_exporter::wal {

// Levels below the WAL's directory: 1 for databases, 2 for retention policies, 3 for shards.
inline constexpr int kShardLevel = 3;

// A name that file servers, waste bins, snapshots and fsck give: @eaDir, #recycle,
// .snapshot, .Trash-1000, lost+found. A database may have such a name too, so the folder is
// passed over only where it can't be read or holds no shard.
[[nodiscard]] bool is_stray_name(std::string_view name);

// Whether a folder of that name in `parent` may be one of `level` in the WAL at `top`: shards
// are numbers, and what lies in lost+found under "#" and a number is fsck's.
[[nodiscard]] bool may_be_folder(int level, std::string_view name, const std::filesystem::path& top,
                                 const std::filesystem::path& parent);

// "12" -> 12, "0012" -> 12; nullopt: no number of 64 bits.
[[nodiscard]] std::optional<std::uint64_t> parse_number(std::string_view digits);
// The same without leading zeros: InfluxDB opens the folder that it has named itself.
[[nodiscard]] std::optional<std::uint64_t> parse_shard_name(std::string_view name);

struct ShardFolder {
  std::string database;
  std::string retention_policy;
  std::uint64_t id = 0;
  std::filesystem::path path;
};

// Calls `visit` for every shard's folder below `root`, which is open at `path`. Fills
// sample.uncounted, sample.bucket_ids, and the notes. What vanished meanwhile is passed over.
// Errors: of `visit`, but for a shard that may not be read; where nothing could be counted at
// all, the first that may not be read.
[[nodiscard]] Result<void> for_each_shard(int root, const std::filesystem::path& path, Sample& sample,
                                          const std::stop_token& stop,
                                          const std::function<Result<void>(int, const ShardFolder&)>& visit);

}  // namespace wal_exporter::wal
