#include "settings/read_windows.h"

#include <string>

namespace wal_exporter::settings {
namespace {

constexpr std::size_t kMostWindows = 100;
constexpr std::string_view kForms =
    "{from: \"22:00\", to: \"06:00\", days: [sat, sun], timezone: Europe/Berlin}, {cron: \"0 2 * * *\", duration: 2h} "
    "or {from: 2026-12-01T22:00, to: 2026-12-02T04:00}";

// "mon", "mon-fri": the days of the week it names.
std::optional<std::bitset<7>> parse_days(std::string_view text) {
  const std::size_t dash = text.find('-');
  const auto first = parse_week_day(text.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : parse_week_day(text.substr(dash + 1));
  if (!first || !last) return std::nullopt;
  std::bitset<7> days;
  for (unsigned day = *first;; day = (day + 1) % 7) {
    days.set(day);
    if (day == *last) return days;
  }
}

// One name or range, or a list of them; not given: every day.
std::bitset<7> read_days(const Section& section) {
  const YamlNode* node = section.find("days");
  if (node == nullptr || node->kind == YamlNode::Kind::null) return std::bitset<7>().set();
  std::bitset<7> days;
  const auto words =
      section.words("days", {.most = 1000,
                             .form = "days such as [mon, tue] or mon-fri",
                             .wrong = "it is empty; name days such as [mon, tue], or leave it out for all"});
  for (const Word& word : words) {
    const auto named = parse_days(word.text);
    if (named) days |= *named;
    if (!named) complain(section, "days", shown(word.text) + " is not a day; write them like [mon, tue] or mon-fri");
  }
  return days;
}

// Reads the text at `key` with `parse`.
template <class T>
std::optional<T> read(const Section& section, std::string_view key, Result<T> (*parse)(std::string_view)) {
  std::string text;
  if (!section.text(key, text)) return std::nullopt;
  auto parsed = parse(text);
  if (parsed) return *std::move(parsed);
  complain(section, key, parsed.error().message);
  return std::nullopt;
}

std::optional<CronWindow> read_cron(const Section& section) {
  for (const std::string_view other : {"from", "to", "days"}) {
    if (section.find(other) != nullptr) {
      complain(section, other, "a window has either cron and duration, or from and to; leave one out");
      return std::nullopt;
    }
  }
  auto cron = read<CronWindow>(section, "cron", parse_cron);
  if (!cron) return std::nullopt;
  if (section.find("duration") == nullptr) {
    section.reader().missing(section.line("cron"),
                             section.path("duration") + ": it is missing; say how long the window lasts, such as 2h");
  }
  section.duration("duration", cron->length, {std::chrono::minutes(1), kLongestCronWindow});
  return cron;
}

std::optional<std::variant<DailyWindow, CronWindow, OnceWindow>> read_when(const Section& section, const Zone& zone) {
  if (section.find("cron") != nullptr) {
    auto cron = read_cron(section);
    if (!cron) return std::nullopt;
    return *std::move(cron);
  }
  if (section.find("duration") != nullptr) {
    complain(section, "duration", "only valid together with `cron`; a window from one time to another has no duration");
  }
  std::string from;
  std::string to;
  section.text("from", from);
  section.text("to", to);
  for (const std::string_view key : {"from", "to"}) {
    if (section.find(key) == nullptr) {
      section.reader().missing(section.line(key),
                               section.path(key) + ": it is missing; write a window like " + std::string(kForms));
    }
  }
  if (from.empty() || to.empty()) return std::nullopt;
  if (from.find('T') != std::string::npos || to.find('T') != std::string::npos) {
    const auto begin = read<LocalTime>(section, "from", parse_local_time);
    const auto end = read<LocalTime>(section, "to", parse_local_time);
    if (!begin || !end) return std::nullopt;
    if (section.find("days") != nullptr) {
      complain(section, "days", "a window with dates comes once; leave the days out");
      return std::nullopt;
    }
    // By the clock of the zone: an hour that it leaves out is empty.
    if (*end > *begin && zone.to_time(*begin, Zone::Choose::first) < zone.to_time(*end, Zone::Choose::last)) {
      return OnceWindow{*begin, *end};
    }
    complain(section, "to", *end > *begin ? "the clock leaves that time out" : "it is not after from");
    return std::nullopt;
  }
  DailyWindow daily;
  daily.days = read_days(section);
  const auto begin = read<std::chrono::minutes>(section, "from", parse_time_of_day);
  const auto end = read<std::chrono::minutes>(section, "to", parse_time_of_day);
  if (!begin || !end) return std::nullopt;
  daily.from = *begin;
  daily.to = *end;
  if (daily.from != daily.to && daily.from < std::chrono::hours(24)) return daily;
  complain(section, "to", "the window is empty; for the whole day write from: \"00:00\", to: \"24:00\"");
  return std::nullopt;
}

}  // namespace

void read_windows(const Section& section, std::string_view key, std::vector<Window>& out) {
  const YamlNode* list = section.find(key);
  if (list == nullptr || list->kind == YamlNode::Kind::null) return;
  if (list->kind != YamlNode::Kind::list || list->items.size() > kMostWindows) {
    return complain(section, key, "it is not a list of at most 100 windows; write each like - " + std::string(kForms));
  }
  section.say_whole(key);
  for (const YamlNode* item : list->items) {
    const Section entry(section.reader(), item, "window", item->line);
    Window window;
    std::string zone;
    if (entry.text("timezone", zone)) {
      auto found = Zone::locate(zone);
      if (found) window.zone = *std::move(found);
      if (!found) complain(entry, "timezone", found.error().message);
    }
    auto when = read_when(entry, window.zone);
    if (!when) continue;
    window.when = *std::move(when);
    out.push_back(std::move(window));
  }
}

}  // namespace wal_exporter::settings
