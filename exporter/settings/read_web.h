// The `web` group: who may act from this machine without a login, and the exporter's own names.
//
// Looks users up on this machine. Problems go to the reader; safe from any thread.
#pragma once

#include <string>

#include "base/result.h"
#include "settings/reader.h"
#include "settings/settings.h"

namespace wal_exporter::settings {

[[nodiscard]] Web read_web(const Section& section);

// From the command line: names with commas. Empty: nothing. The error says what is wrong with which.
[[nodiscard]] Result<std::vector<LocalUser>> parse_local_users(const std::string& text);
[[nodiscard]] Result<std::vector<std::string>> parse_own_names(const std::string& text);

}  // namespace wal_exporter::settings
