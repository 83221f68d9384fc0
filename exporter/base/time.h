// Time points and durations, and their text forms.
//
// Time is the wall clock (UTC, nanoseconds since 1970), for what is shown and
// remembered; SteadyTime never goes backwards, for deadlines inside a process.
// Pure functions; safe from any thread.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace wal_exporter {

using Duration = std::chrono::nanoseconds;
using Time = std::chrono::time_point<std::chrono::system_clock, Duration>;
using SteadyTime = std::chrono::time_point<std::chrono::steady_clock, Duration>;

inline constexpr Duration kDay = std::chrono::hours(24);

// "2m", "1h30m", "250ms", "1.5h"; units ns, us, ms, s, m, h, d, w. A plain 0 is
// allowed, any other number needs a unit. Negative durations are refused.
[[nodiscard]] Result<Duration> parse_duration(std::string_view text);

// The shortest exact form of the same: "1h30m", "250ms", "0s".
[[nodiscard]] std::string format_duration(Duration duration);

// For people: at most two units, rounded: "2h 5m", "43s", "850ms".
[[nodiscard]] std::string format_duration_rough(Duration duration);

// RFC 3339 in UTC with milliseconds, as the seed API sends it:
// "2025-01-30T10:30:00.000Z".
[[nodiscard]] std::string format_time(Time time);

// As HTTP writes it: "Mon, 23 Nov 2026 01:47:40 GMT".
[[nodiscard]] std::string format_http_date(Time time);

// Nanoseconds since 1970 reach from there into the year 2262.
[[nodiscard]] bool is_year_in_range(std::string_view text_that_begins_with_it);

// A time from 1970 to 2261.
[[nodiscard]] Result<Time> parse_time(std::string_view rfc3339);

[[nodiscard]] inline double to_seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}
[[nodiscard]] double to_unix_seconds(Time time);

}  // namespace wal_exporter
