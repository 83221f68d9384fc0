#include "base/time.h"

#include <date/date.h>
#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <locale>
#include <sstream>

namespace wal_exporter {
namespace {

struct DurationUnit {
  std::string_view name;
  std::int64_t nanoseconds;
};

// Longer names first: "ms" before "m" and "s".
constexpr std::array<DurationUnit, 8> kDurationUnits{{{"ns", 1},
                                                      {"us", 1'000},
                                                      {"ms", 1'000'000},
                                                      {"s", 1'000'000'000},
                                                      {"m", 60'000'000'000},
                                                      {"h", 3'600'000'000'000},
                                                      {"d", 86'400'000'000'000},
                                                      {"w", 604'800'000'000'000}}};

tl::unexpected<Error> bad_duration(std::string_view text, std::string_view why) {
  return failure(ErrorKind::invalid, "'" + std::string(text) + "' is not a duration: " + std::string(why) +
                                         "; write a number with a unit, such as 30s, 2m or 1h30m");
}

}  // namespace

Result<Duration> parse_duration(std::string_view text) {
  if (text == "0") return Duration::zero();
  if (text.empty()) return bad_duration(text, "it is empty");
  constexpr double kMost = 9.2e18;  // just below 2^63 ns, 292 years
  double total = 0;
  std::string_view rest = text;
  while (!rest.empty()) {
    double number = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number, std::chars_format::fixed);
    if (error != std::errc{} || rest.front() == '-' || !std::isfinite(number)) {
      return bad_duration(text, rest.front() == '-' ? "it is negative" : "a number is missing");
    }
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
    std::size_t letters = 0;
    while (letters < rest.size() && rest[letters] >= 'a' && rest[letters] <= 'z') ++letters;
    const std::string_view name = rest.substr(0, letters);
    const DurationUnit* unit = nullptr;
    for (const DurationUnit& candidate : kDurationUnits) {
      if (candidate.name == name) unit = &candidate;
    }
    if (unit == nullptr) {
      return bad_duration(text, name.empty() ? "a unit is missing" : "its units are ns, us, ms, s, m, h, d and w");
    }
    total += number * static_cast<double>(unit->nanoseconds);
    if (total > kMost) return bad_duration(text, "it is longer than 290 years");
    rest.remove_prefix(letters);
  }
  return Duration(std::llround(total));
}

std::string format_duration(Duration duration) {
  if (duration == Duration::zero()) return "0s";
  std::string out = duration < Duration::zero() ? "-" : "";
  auto left = static_cast<std::uint64_t>(std::abs(duration.count()));
  for (const std::size_t index : {5U, 4U, 3U, 2U, 1U, 0U}) {
    const DurationUnit& unit = kDurationUnits[index];
    const auto size = static_cast<std::uint64_t>(unit.nanoseconds);
    if (left >= size) {
      out += std::to_string(left / size);
      out += unit.name;
      left %= size;
    }
  }
  return out;
}

std::string format_duration_rough(Duration duration) {
  if (duration < Duration::zero()) return "-" + format_duration_rough(-duration);
  using std::chrono::milliseconds;
  using std::chrono::seconds;
  if (duration < seconds(1)) return std::to_string(std::chrono::round<milliseconds>(duration).count()) + "ms";
  const std::int64_t total = std::chrono::round<seconds>(duration).count();
  const auto two = [](std::int64_t big, const char* big_unit, std::int64_t small, const char* small_unit) {
    std::string out = std::to_string(big) + big_unit;
    if (small != 0) out += " " + std::to_string(small) + small_unit;
    return out;
  };
  if (total < 60) return std::to_string(total) + "s";
  if (total < 3600) return two(total / 60, "m", total % 60, "s");
  if (total < 86400) return two(total / 3600, "h", total % 3600 / 60, "m");
  return two(total / 86400, "d", total % 86400 / 3600, "h");
}

std::string format_time(Time time) {
  const auto day = std::chrono::floor<date::days>(time);
  const date::year_month_day ymd(day);
  const date::hh_mm_ss clock(std::chrono::floor<std::chrono::milliseconds>(time - day));
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(ymd.year()),
                     static_cast<unsigned>(ymd.month()), static_cast<unsigned>(ymd.day()), clock.hours().count(),
                     clock.minutes().count(), clock.seconds().count(), clock.subseconds().count());
}

std::string format_http_date(Time time) {
  return date::format(std::locale::classic(), "%a, %d %b %Y %T GMT", std::chrono::floor<std::chrono::seconds>(time));
}

bool is_year_in_range(std::string_view text_that_begins_with_it) {
  const std::string_view year = text_that_begins_with_it.substr(0, 4);
  const bool digits = year.size() == 4 && year.find_first_not_of("0123456789") == std::string_view::npos;
  return digits && year >= "1970" && year <= "2261";
}

// g++ 12 does not see that date::parse sets what it reads.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
Result<Time> parse_time(std::string_view rfc3339) {
  // The library does not check for overflow, so other years are refused here.
  std::istringstream in{is_year_in_range(rfc3339) ? std::string(rfc3339) : std::string()};
  in.imbue(std::locale::classic());
  Time time{};
  const bool utc = rfc3339.ends_with('Z') || rfc3339.ends_with('z');
  in >> date::parse(utc ? "%FT%TZ" : "%FT%T%Ez", time);
  if (in.fail() || in.peek() != std::char_traits<char>::eof()) {
    return failure(ErrorKind::invalid,
                   "'" + std::string(rfc3339) + "' is not an RFC 3339 time; write it like 2026-01-30T10:30:00Z");
  }
  return time;
}

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

double to_unix_seconds(Time time) {
  return to_seconds(time.time_since_epoch());
}

}  // namespace wal_exporter
