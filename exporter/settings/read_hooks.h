// The list of hooks. Not thread-safe (it writes to a Reader).
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "settings/reader.h"
#include "settings/settings.h"

namespace wal_exporter::settings {

// Reads and checks all but what needs other files: those and the template are looked
// at when the hooks are to be used. `targets`: the names there are. `folder`: where
// relative files begin.
[[nodiscard]] std::vector<Hook> read_hooks(const Section& top, const std::vector<std::string>& targets,
                                           const std::filesystem::path& folder);

}  // namespace wal_exporter::settings
