// The state directory. Free functions; safe from any thread.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"

namespace wal_exporter::state {

// Creates what is missing of `directory` with mode 0700. Not a directory, or not
// writable by this process: an error that names it and the remedy.
[[nodiscard]] Result<void> ensure_directory(const std::filesystem::path& directory);

// A file that root just made in a directory of another user becomes that user's, as whoever the service runs as must
// be able to use what a command of root's has left there. Nothing else is touched.
void give_to_owner(const std::filesystem::path& directory, int file);

// How a path is shown in messages.
[[nodiscard]] std::string shown(const std::filesystem::path& path);

// "uid 998": who this process is, for messages about permissions.
[[nodiscard]] std::string own_user();

// "; free ..., or name another directory with --state.directory".
[[nodiscard]] std::string remedy(std::string_view what_to_do);

}  // namespace wal_exporter::state
