// One target, from its entry in the file. Not thread-safe (it writes to a Reader).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "http/tls.h"
#include "settings/reader.h"
#include "settings/settings.h"

namespace wal_exporter::settings {

// What stands in where the file has no such key, from the environment.
struct Defaults {
  std::optional<std::uint64_t> max_files;
  std::optional<std::uint64_t> max_size;  // bytes
  std::optional<Duration> cooldown;
  http::Tls tls{"influxdb."};
};

// What the command line says of the only target; empty: nothing.
struct Overrides {
  std::string wal_directory;
  std::string influxdb_url;
};

// The bounds that the file and the environment share.
inline constexpr Range<std::uint64_t> kFilesRange{1, 1'000'000'000};
inline constexpr Range<std::uint64_t> kSizeRange{1, std::uint64_t{1} << 50U};  // 1 PiB, in bytes

// The path of a file; a relative one begins at `folder`. Empty stays empty.
void read_path(const Section& section, std::string_view key, const std::filesystem::path& folder, std::string& out);

// A target with nothing but defaults.
[[nodiscard]] Target default_target(const Defaults& defaults);

// Reads and checks everything but the name, which needs to be seen beside the
// others. `folder`: where a relative token_file begins.
[[nodiscard]] Target read_target(const Section& section, const Defaults& defaults, const Overrides& overrides,
                                 const std::filesystem::path& folder);

}  // namespace wal_exporter::settings
