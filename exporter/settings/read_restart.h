// The `restart` group of a target. Not thread-safe (it writes to a Reader).
#pragma once

#include "settings/reader.h"
#include "settings/settings.h"

namespace wal_exporter::settings {

// Reads and checks the group of `target`, whose other keys have been read.
void read_restart(const Section& section, Target& out);

}  // namespace wal_exporter::settings
