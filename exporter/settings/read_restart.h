// The `restart` group of a target. Not thread-safe (it writes to a Reader).
#pragma once

#include "settings/reader.h"
#include "settings/settings.h"

namespace wal_exporter::settings {

// Reads and checks the group of `target`, whose other keys have been read.
[[nodiscard]] Restart read_restart(const Section& section, const Target& target);

}  // namespace wal_exporter::settings
