#include "influxdb/http_date.h"

#include <array>
#include <chrono>
#include <cstddef>

namespace wal_exporter::influxdb {

std::optional<Time> parse_http_date(std::string_view text) {
  constexpr std::string_view kForm = "Www, 00 Mmm 0000 00:00:00 GMT";
  if (text.size() != kForm.size()) return std::nullopt;
  for (std::size_t i = 0; i < kForm.size(); ++i) {
    const bool digit = text[i] >= '0' && text[i] <= '9';
    const bool letter = (text[i] >= 'a' && text[i] <= 'z') || (text[i] >= 'A' && text[i] <= 'Z');
    const bool fits = kForm[i] == '0' ? digit : i < 3 || (i > 7 && i < 11) ? letter : text[i] == kForm[i];
    if (!fits) return std::nullopt;
  }
  const auto number = [&](std::size_t at, std::size_t digits) {
    int value = 0;
    for (std::size_t i = 0; i < digits; ++i) value = value * 10 + (text[at + i] - '0');
    return value;
  };
  constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  unsigned month = 0;
  for (unsigned i = 0; i < kMonths.size(); ++i) {
    if (text.substr(8, 3) == kMonths[i]) month = i + 1;
  }
  const std::chrono::year_month_day day{std::chrono::year(number(12, 4)), std::chrono::month(month),
                                        std::chrono::day(static_cast<unsigned>(number(5, 2)))};
  const int hour = number(17, 2);
  const int minute = number(20, 2);
  const int second = number(23, 2);
  // Time holds nanoseconds, which end in 2262.
  const bool in_range = day.year() >= std::chrono::year(1970) && day.year() < std::chrono::year(2262);
  if (!day.ok() || !in_range || hour > 23 || minute > 59 || second > 60) return std::nullopt;
  return Time(std::chrono::sys_days(day)) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
         std::chrono::seconds(second);
}

}  // namespace wal_exporter::influxdb
