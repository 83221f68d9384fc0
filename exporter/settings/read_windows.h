// Windows of time in the settings file: `maintenance` and `checkpoint.windows`.
// Not thread-safe, as reader.h.
#pragma once

#include <string_view>
#include <vector>

#include "base/window.h"
#include "settings/reader.h"

namespace wal_exporter::settings {

// The list at `key` of `section`: entries of
//   {from: "22:00", to: "06:00", days: [sat, sun], timezone: Europe/Berlin},
//   {cron: "0 2 * * *", duration: 2h, timezone: ...} or
//   {from: 2026-12-01T22:00, to: 2026-12-02T04:00, timezone: ...}.
// What is wrong becomes a problem of the reader.
void read_windows(const Section& section, std::string_view key, std::vector<Window>& out);

}  // namespace wal_exporter::settings
