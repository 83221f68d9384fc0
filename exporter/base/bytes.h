// Sizes in bytes and their text forms. Pure; safe from any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace wal_exporter {

inline constexpr std::uint64_t kKiB = 1024;
inline constexpr std::uint64_t kMiB = 1024 * kKiB;
inline constexpr std::uint64_t kGiB = 1024 * kMiB;

// "1GiB", "512MiB", "1.5 GiB", "100B", "4096". Units B, KiB, MiB, GiB, TiB (1024)
// and KB, MB, GB, TB (1000). Negative or more than 2^63-1 bytes is refused.
[[nodiscard]] Result<std::uint64_t> parse_bytes(std::string_view text);

// "1.2 GiB", "512 B": for people, one decimal.
[[nodiscard]] std::string format_bytes(std::uint64_t bytes);

// GiB as the seed service logged it, two decimals: "0.50GB".
[[nodiscard]] std::string format_seed_gigabytes(std::uint64_t bytes);

}  // namespace wal_exporter
