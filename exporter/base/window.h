// Windows of time that come again and again, or once, by the clock on the wall of
// a time zone.
//
// Pure values and functions; safe from any thread.
#pragma once

#include <bitset>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "base/zone.h"

namespace wal_exporter {

// From one time of the day to another, on some days of the week. An end that is
// not after the start is on the next day; the days are those of the start.
struct DailyWindow {
  std::bitset<7> days;  // 0 is Sunday
  std::chrono::minutes from{};
  std::chrono::minutes to{};  // up to 24 h

  friend bool operator==(const DailyWindow&, const DailyWindow&) = default;
};

// Begins whenever the expression fits, and lasts for `length` of real time.
struct CronWindow {
  std::bitset<60> minutes;
  std::bitset<24> hours;
  std::bitset<32> month_days;  // from 1
  std::bitset<13> months;      // from 1
  std::bitset<7> week_days;    // 0 is Sunday
  bool either_day = false;     // both kinds of day are named: one that fits is enough
  Duration length{};           // at most kLongestCronWindow

  friend bool operator==(const CronWindow&, const CronWindow&) = default;
};

struct OnceWindow {
  LocalTime from{};
  LocalTime to{};

  friend bool operator==(const OnceWindow&, const OnceWindow&) = default;
};

struct Window {
  std::variant<DailyWindow, CronWindow, OnceWindow> when;
  Zone zone;

  friend bool operator==(const Window&, const Window&) = default;
};

inline constexpr Duration kLongestCronWindow = std::chrono::hours(24 * 7);

// "22:00"; "24:00" is the end of the day.
[[nodiscard]] Result<std::chrono::minutes> parse_time_of_day(std::string_view text);
// "2026-12-01T22:00", with or without seconds and without an offset.
[[nodiscard]] Result<LocalTime> parse_local_time(std::string_view text);
// "mon" to "sun", also written out, in any case; 0 is Sunday.
[[nodiscard]] std::optional<unsigned> parse_week_day(std::string_view text);
// Five fields as in cron(5): minute hour day-of-month month day-of-week, with *,
// lists, ranges, steps and names; `length` is left at zero.
[[nodiscard]] Result<CronWindow> parse_cron(std::string_view text);

struct WindowState {
  bool inside = false;
  // Inside: when the last of the overlapping windows ends. Outside: when the next one
  // begins. nullopt: not within the time that is searched.
  std::optional<Time> until;
};

// Without windows the state is "outside", and nothing ends it.
[[nodiscard]] WindowState state_of(const std::vector<Window>& windows, Time now);
// As look(), without the cost of finding out how long.
[[nodiscard]] bool is_inside(const std::vector<Window>& windows, Time now);

}  // namespace wal_exporter
