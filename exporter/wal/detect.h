// Which layout a directory has, from its names alone. Reads; safe from any thread.
#pragma once

#include <filesystem>
#include <stop_token>
#include <string>

#include "base/result.h"

namespace wal_exporter::wal {

enum class DetectedLayout {
  none,      // nothing in it tells
  segments,  // <db>/<rp>/<shard>/_NNNNN.wal
  node,      // wal/NNNNNNNNNNN.wal or snapshots/NNNNNNNNNNNNNNNNNNNN.info.json, or a catalog alone
};

struct Detected {
  DetectedLayout layout = DetectedLayout::none;
  bool bucket_ids = false;  // segments: every database folder is 16 hex digits
};

// Without a slash at its end, `//`, `.` and `..`.
[[nodiscard]] std::filesystem::path made_plain(const std::filesystem::path& path);

// Whether InfluxDB 3 keeps its catalog there: Core in the node's folder, Enterprise in the cluster's.
[[nodiscard]] bool holds_catalog(const std::filesystem::path& directory);

// For the folder of InfluxDB 3 without wal/: " has no wal/, ..." and the remedy, where it is
// none of a node that will have one (of the folders beside it that do, at most five are
// named), or where that can't be told. Empty: it has one, or nothing was written there yet.
[[nodiscard]] std::string why_no_wal(const std::filesystem::path& directory);

// A directory without a layout that holds anything but folders, itself or below: an
// error that says what does not belong there, and where the WAL seems to be. Looked for
// only where there is no segment, and among a bounded number of entries.
[[nodiscard]] Result<Detected> detect(const std::filesystem::path& directory, const std::stop_token& stop);

}  // namespace wal_exporter::wal
