// The 3.x layout: <node>/wal/NNNNNNNNNNN.wal, one file per flush, and
// <node>/snapshots.
//
// Pending is every file numbered above the newest snapshot's last; the rest is
// retained on purpose and its content no sample yet. A look lists names and
// then asks only about files it has not met: InfluxDB moves WAL files into place
// complete and never changes them. Damaged files are asked about again at each
// look. A replaced directory, or numbers that start over, start the index over.
//
// - Damaged files stay in the pending count: a restart walks over them.
// - newest_file_damaged: the pending file with the highest number is invalid for a
//   reason that makes InfluxDB end itself at its next write (empty, short, magic,
//   checksum). That we may not read it is no such reason.
// - sequence_gaps: how many numbers are missing between the newest snapshot's last
//   file (0 without a snapshot) and the newest file.
// - A file whose header is not understood has no times, and is in `unknown`.
// - What else a start reads in wal/ is judged too (node_foreign.h), and never pending.
#pragma once

#include <memory>

#include "base/clock.h"
#include "base/log.h"
#include "wal/node_options.h"
#include "wal/source.h"

namespace wal_exporter::wal {

[[nodiscard]] std::shared_ptr<WalSource> make_node_source(NodeOptions options, std::shared_ptr<Clock> clock, Log log,
                                                          std::shared_ptr<const Sample> before = nullptr);

}  // namespace wal_exporter::wal
