// What a reader of a WAL is told, as it is set. Plain values; safe from any thread.
#pragma once

#include <cstdint>
#include <filesystem>

#include "base/bytes.h"

namespace wal_exporter::wal {

// How closely files are looked at: not at all, their first bytes, or all of them
// (each file once, in the background, at a bounded rate).
enum class Integrity { off, header, full };

struct Options {
  // 1.x: wal-dir; 2.x: engine/wal; 3.x: the node's folder, which holds wal/ and
  // snapshots/. May itself be a symbolic link.
  std::filesystem::path directory;
  Integrity integrity = Integrity::header;
  // 3.x: Integrity::full reads at most this much per second between two samples, and one
  // second's worth at the first. 0: no bound, every sample checks all that is left.
  std::uint64_t checksum_bytes_per_second = 8 * kMiB;
  // 1.x and 2.x: where the data lies, which a checkpoint writes; empty: `data` beside the WAL
  // where it holds the same databases, else not known.
  std::filesystem::path data_directory{};

  friend bool operator==(const Options&, const Options&) = default;
};

}  // namespace wal_exporter::wal
