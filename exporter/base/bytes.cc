#include "base/bytes.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>

namespace wal_exporter {
namespace {

struct SizeUnit {
  std::string_view name;
  double bytes;
};

constexpr std::array<SizeUnit, 10> kSizeUnits{{{"", 1},
                                               {"B", 1},
                                               {"KiB", 1024.0},
                                               {"MiB", 1024.0 * 1024},
                                               {"GiB", 1024.0 * 1024 * 1024},
                                               {"TiB", 1024.0 * 1024 * 1024 * 1024},
                                               {"KB", 1e3},
                                               {"MB", 1e6},
                                               {"GB", 1e9},
                                               {"TB", 1e12}}};

}  // namespace

Result<std::uint64_t> parse_bytes(std::string_view text) {
  const auto bad = [&](std::string_view why) {
    return failure(ErrorKind::invalid, "'" + std::string(text) + "' is not a size: " + std::string(why) +
                                           "; write a number with a unit, such as 512MiB or 1.5GiB");
  };
  if (text.empty()) return bad("it is empty");
  if (text.front() == '-') return bad("it is negative");
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (error != std::errc{} || !std::isfinite(number)) return bad("it does not begin with a number");
  std::string_view name = text.substr(static_cast<std::size_t>(end - text.data()));
  while (!name.empty() && name.front() == ' ') name.remove_prefix(1);
  for (const SizeUnit& unit : kSizeUnits) {
    if (unit.name != name) continue;
    const double bytes = number * unit.bytes;
    if (bytes >= 9.2e18) return bad("it is too large");
    return static_cast<std::uint64_t>(std::llround(bytes));
  }
  return bad("its units are B, KiB, MiB, GiB, TiB and KB, MB, GB, TB");
}

std::string format_bytes(std::uint64_t bytes) {
  constexpr std::array<std::string_view, 5> names{"B", "KiB", "MiB", "GiB", "TiB"};
  if (bytes < kKiB) return fmt::format("{} B", bytes);
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1024 && unit + 1 < names.size()) {
    value /= 1024;
    ++unit;
  }
  return fmt::format("{:.1f} {}", value, names[unit]);
}

std::string format_seed_gigabytes(std::uint64_t bytes) {
  return fmt::format("{:.2f}GB", static_cast<double>(bytes) / static_cast<double>(kGiB));
}

}  // namespace wal_exporter
