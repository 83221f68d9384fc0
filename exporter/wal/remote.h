// Which filesystems give no inotify events for what other machines change. Free functions;
// safe from any thread.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace wal_exporter::wal {

// The filesystem of that magic (statfs), if another machine's changes make no events here;
// empty: they do, or it is not known.
[[nodiscard]] std::string_view kind_without_events(std::int64_t magic);

// The folders that the overlay of that device joins, by the text of /proc/self/mountinfo.
[[nodiscard]] std::vector<std::filesystem::path> layers_of_overlay(std::string_view mountinfo, dev_t device);

// The same of the filesystem that an open directory lies on, "an overlay over Ceph" too. The
// layers of a container's own overlay are out of its sight: nothing is known of those.
[[nodiscard]] std::string kind_without_events_at(int directory);

}  // namespace wal_exporter::wal
