// Whom to trust over https, and who we are: the same keys for InfluxDB and for hooks. Not
// thread-safe (it writes to a Reader).
#pragma once

#include <filesystem>

#include "http/tls.h"
#include "settings/reader.h"

namespace wal_exporter::settings {

// What `out` holds stays where the section has no such key. `folder`: where a relative path begins.
// The files are looked at by whoever uses them.
void read_tls(const Section& section, const std::filesystem::path& folder, http::Tls& out);

}  // namespace wal_exporter::settings
