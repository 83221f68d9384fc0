#include "base/window.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <functional>
#include <sstream>

#include "base/text.h"

namespace wal_exporter {
namespace {

using std::chrono::minutes;
using LocalDays = date::local_days;

constexpr std::array<std::string_view, 7> kWeekDays = {"sunday",   "monday", "tuesday", "wednesday",
                                                       "thursday", "friday", "saturday"};
constexpr std::array<std::string_view, 12> kMonths = {"jan", "feb", "mar", "apr", "may", "jun",
                                                      "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr int kDaysAhead = 366 * 8;  // two 29ths of February can be eight years apart
// At most so many windows that touch or overlap are joined to find the end.
constexpr int kMostJoined = 50;

struct Interval {
  Time begin;
  Time end;
};

std::optional<unsigned> number(std::string_view text, unsigned least, unsigned most) {
  unsigned value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return std::nullopt;
  if (value < least || value > most) return std::nullopt;
  return value;
}

unsigned week_day(LocalDays day) {
  return date::weekday(day).c_encoding();
}

bool day_fits(const CronWindow& cron, LocalDays day) {
  const date::year_month_day calendar(day);
  if (!cron.months[static_cast<unsigned>(calendar.month())]) return false;
  const bool by_month = cron.month_days[static_cast<unsigned>(calendar.day())];
  const bool by_week = cron.week_days[week_day(day)];
  return cron.either_day ? by_month || by_week : by_month && by_week;
}

using Take = std::function<void(const Interval&)>;

void add(const DailyWindow& daily, const Zone& zone, LocalDays day, const Take& take) {
  if (!daily.days[week_day(day)]) return;
  const LocalDays end_day = daily.to <= daily.from ? day + date::days(1) : day;
  const Interval interval{zone.to_time(LocalTime(day) + daily.from, Zone::Choose::first),
                          zone.to_time(LocalTime(end_day) + daily.to, Zone::Choose::last)};
  if (interval.begin < interval.end) take(interval);
}

void add(const CronWindow& cron, const Zone& zone, LocalDays day, const Take& take) {
  if (!day_fits(cron, day)) return;
  for (unsigned hour = 0; hour < 24; ++hour) {
    if (!cron.hours[hour]) continue;
    for (unsigned minute = 0; minute < 60; ++minute) {
      if (!cron.minutes[minute]) continue;
      // When clocks are put back, a local time occurs twice, and so does the window.
      const LocalTime local = LocalTime(day) + std::chrono::hours(hour) + minutes(minute);
      const Time first = zone.to_time(local, Zone::Choose::first);
      const Time last = zone.to_time(local, Zone::Choose::last);
      take({first, first + cron.length});
      if (last != first) take({last, last + cron.length});
    }
  }
}

void add(const OnceWindow& once, const Zone& zone, LocalDays day, const Take& take) {
  if (date::floor<date::days>(once.from) != day) return;
  take({zone.to_time(once.from, Zone::Choose::first), zone.to_time(once.to, Zone::Choose::last)});
}

void each_interval(const Window& window, LocalDays day, const Take& take) {
  std::visit([&](const auto& when) { add(when, window.zone, day, take); }, window.when);
}

// The latest begin of the cron window at or before `now`. All its intervals have the same
// length, so the one that began last also ends last. Where a local time occurs twice only
// the one that `choose` names counts, so that local times are in the order of the instants.
// nullopt: no interval that could still last has begun.
std::optional<Time> last_begin(const CronWindow& cron, const Zone& zone, Zone::Choose choose, Time now) {
  const LocalDays today = date::floor<date::days>(zone.to_local(now));
  const LocalDays first = today - date::days(1 + cron.length / std::chrono::hours(24));
  for (LocalDays day = today + date::days(1); day >= first; day -= date::days(1)) {
    if (!day_fits(cron, day)) continue;
    for (int hour = 23; hour >= 0; --hour) {
      if (!cron.hours[static_cast<std::size_t>(hour)]) continue;
      for (int minute = 59; minute >= 0; --minute) {
        if (!cron.minutes[static_cast<std::size_t>(minute)]) continue;
        const Time begin = zone.to_time(LocalTime(day) + std::chrono::hours(hour) + minutes(minute), choose);
        if (begin <= now) return begin;
      }
    }
  }
  return std::nullopt;
}

// The latest end of the intervals of `window` that hold `now`; nullopt: none does.
std::optional<Time> end_of(const Window& window, Time now) {
  std::optional<Time> end;
  const Take take = [&](const Interval& interval) {
    if (interval.begin <= now && now < interval.end) end = std::max(end.value_or(interval.end), interval.end);
  };
  if (const auto* once = std::get_if<OnceWindow>(&window.when)) {
    each_interval(window, date::floor<date::days>(once->from), take);
    return end;
  }
  if (const auto* cron = std::get_if<CronWindow>(&window.when)) {
    for (const Zone::Choose choose : {Zone::Choose::first, Zone::Choose::last}) {
      const auto begin = last_begin(*cron, window.zone, choose, now);
      if (begin) take({*begin, *begin + cron->length});
    }
    return end;
  }
  const LocalDays today = date::floor<date::days>(window.zone.to_local(now));
  // One day more: the clock may have been put forward or back across midnight.
  for (LocalDays day = today - date::days(1); day <= today + date::days(1); day += date::days(1)) {
    each_interval(window, day, take);
  }
  return end;
}

std::optional<Time> next_begin(const Window& window, Time now) {
  std::optional<Time> next;
  const Take take = [&](const Interval& interval) {
    if (interval.begin > now) next = std::min(next.value_or(interval.begin), interval.begin);
  };
  if (const auto* once = std::get_if<OnceWindow>(&window.when)) {
    each_interval(window, date::floor<date::days>(once->from), take);
    return next;
  }
  const LocalDays today = date::floor<date::days>(window.zone.to_local(now));
  for (int ahead = -1; ahead <= kDaysAhead; ++ahead) {
    each_interval(window, today + date::days(ahead), take);
    // Windows of a later day begin later, except where clocks shift around midnight. So one
    // more day is examined after a begin was found.
    if (next && *next < window.zone.to_time(LocalTime(today + date::days(ahead)), Zone::Choose::first)) break;
  }
  return next;
}

struct Field {
  std::string_view name;
  unsigned least;
  unsigned most;
};

tl::unexpected<Error> bad_cron(std::string_view text, const std::string& why) {
  return failure(ErrorKind::invalid, "'" + escape_control(text) + "' is not a cron expression: " + why +
                                         "; write five fields: minute hour day-of-month month day-of-week, such as "
                                         "'0 2 * * sun'");
}

std::optional<unsigned> cron_value(std::string_view text, const Field& field) {
  if (field.name == "month") {
    for (unsigned i = 0; i < kMonths.size(); ++i) {
      if (lower_case(text) == kMonths[i]) return i + 1;
    }
  }
  if (field.name == "day-of-week") {
    if (const auto day = parse_week_day(text)) return day;
  }
  return number(text, field.least, field.most);
}

// One field: the values it names, and whether it begins with a star.
template <std::size_t N>
Result<bool> cron_field(std::string_view whole, std::string_view text, const Field& field, std::bitset<N>& out) {
  const auto bad = [&](const std::string& part) {
    return bad_cron(whole, std::string(field.name) + " '" + escape_control(part) + "' is not from " +
                               std::to_string(field.least) + " to " + std::to_string(field.most));
  };
  std::size_t begin = 0;
  while (begin <= text.size()) {
    const std::size_t comma = std::min(text.find(',', begin), text.size());
    const std::string_view part = text.substr(begin, comma - begin);
    begin = comma + 1;
    const std::size_t slash = part.find('/');
    unsigned step = 1;
    if (slash != std::string_view::npos) {
      const auto given = number(part.substr(slash + 1), 1, field.most);
      if (!given) return bad(std::string(part));
      step = *given;
    }
    const std::string_view range = part.substr(0, slash);
    unsigned first = field.least;
    unsigned last = field.most;
    if (range != "*") {
      const std::size_t dash = range.find('-');
      const auto low = cron_value(range.substr(0, dash), field);
      const auto high = dash == std::string_view::npos ? low : cron_value(range.substr(dash + 1), field);
      if (!low || !high || *low > *high) return bad(std::string(part));
      first = *low;
      last = dash == std::string_view::npos && step > 1 ? field.most : *high;
    }
    // Both 0 and 7 are Sunday.
    for (unsigned value = first; value <= last; value += step) {
      out.set(field.name == "day-of-week" ? value % 7 : value);
    }
  }
  return text.starts_with('*');
}

// Whether any date fits: "31 2" (31 February) never does.
bool comes(const CronWindow& cron) {
  constexpr std::array<unsigned, 13> kDays = {0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  for (std::size_t month = 1; month < kDays.size(); ++month) {
    for (unsigned day = 1; cron.months[month] && day <= kDays[month]; ++day) {
      if (cron.month_days[day]) return true;
    }
  }
  return false;
}

}  // namespace

Result<minutes> parse_time_of_day(std::string_view text) {
  const std::size_t colon = text.find(':');
  const auto hour = number(text.substr(0, colon), 0, 24);
  const auto minute = colon == std::string_view::npos ? std::nullopt : number(text.substr(colon + 1), 0, 59);
  const bool digits = colon != std::string_view::npos && colon <= 2 && text.size() - colon == 3;
  if (!hour || !minute || !digits || (*hour == 24 && *minute != 0)) {
    return failure(ErrorKind::invalid,
                   "'" + escape_control(text) + "' is not a time of the day; write it like 22:00, up to 24:00");
  }
  return std::chrono::hours(*hour) + minutes(*minute);
}

// g++ 12 does not see that date::parse sets what it reads.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
Result<LocalTime> parse_local_time(std::string_view text) {
  const std::string whole =
      std::count(text.begin(), text.end(), ':') == 1 ? std::string(text) + ":00" : std::string(text);
  // The library does not check for overflow, so other years are refused here.
  std::istringstream in(is_year_in_range(text) ? whole : std::string());
  in.imbue(std::locale::classic());
  LocalTime time{};
  in >> date::parse("%FT%T", time);
  if (in.fail() || in.peek() != std::char_traits<char>::eof()) {
    return failure(
        ErrorKind::invalid,
        "'" + escape_control(text) + "' is not a date and time from 1970 to 2261; write it like 2026-12-01T22:00");
  }
  return time;
}
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

std::optional<unsigned> parse_week_day(std::string_view text) {
  const std::string word = lower_case(text);
  for (unsigned i = 0; i < kWeekDays.size(); ++i) {
    if (word == kWeekDays[i] || word == kWeekDays[i].substr(0, 3)) return i;
  }
  return std::nullopt;
}

Result<CronWindow> parse_cron(std::string_view text) {
  std::istringstream in{std::string(text)};
  std::vector<std::string> fields;
  for (std::string field; in >> field;) fields.push_back(field);
  if (fields.size() != 5) return bad_cron(text, "it has " + std::to_string(fields.size()) + " fields");
  CronWindow out;
  const auto minute = cron_field(text, fields[0], {"minute", 0, 59}, out.minutes);
  if (!minute) return tl::unexpected(minute.error());
  const auto hour = cron_field(text, fields[1], {"hour", 0, 23}, out.hours);
  if (!hour) return tl::unexpected(hour.error());
  const auto month_day = cron_field(text, fields[2], {"day-of-month", 1, 31}, out.month_days);
  if (!month_day) return tl::unexpected(month_day.error());
  const auto month = cron_field(text, fields[3], {"month", 1, 12}, out.months);
  if (!month) return tl::unexpected(month.error());
  const auto day = cron_field(text, fields[4], {"day-of-week", 0, 7}, out.week_days);
  if (!day) return tl::unexpected(day.error());
  out.either_day = !*month_day && !*day;
  if (!out.either_day && !comes(out)) return bad_cron(text, "no month that it names has such a day");
  return out;
}

bool is_inside(const std::vector<Window>& windows, Time now) {
  return std::any_of(windows.begin(), windows.end(),
                     [&](const Window& window) { return end_of(window, now).has_value(); });
}

WindowState state_of(const std::vector<Window>& windows, Time now) {
  WindowState state;
  state.inside = is_inside(windows, now);
  if (!state.inside) {
    for (const Window& window : windows) {
      if (const auto begin = next_begin(window, now)) state.until = std::min(state.until.value_or(*begin), *begin);
    }
    return state;
  }
  Time end = now;
  for (int joined = 0; joined < kMostJoined; ++joined) {
    std::optional<Time> later;
    for (const Window& window : windows) {
      if (const auto ends = end_of(window, end)) later = std::max(later.value_or(*ends), *ends);
    }
    if (!later) {
      state.until = end;
      return state;
    }
    end = *later;
  }
  return state;
}

}  // namespace wal_exporter
