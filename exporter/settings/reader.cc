#include "settings/reader.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>
#include <iterator>

#include "base/bytes.h"
#include "base/text.h"
#include "settings/substitute.h"

namespace wal_exporter::settings {
namespace {

constexpr std::string_view kDurationForm = "a duration such as 30s, 2m or 1h30m";
constexpr std::string_view kSizeForm = "a size such as 512MiB or 1.5GiB";

std::string_view kind_name(YamlNode::Kind kind) {
  switch (kind) {
    case YamlNode::Kind::null:
      return "no value";
    case YamlNode::Kind::scalar:
      return "a single value";
    case YamlNode::Kind::list:
      return "a list";
    case YamlNode::Kind::map:
      return "a group of settings";
  }
  return "something else";
}

std::string duration_text(Duration duration) {
  // 365 days as people say it, not 52w1d.
  return duration == kLongestDuration ? "365d" : format_duration(duration);
}

std::string number_text(double number) {
  std::string text = std::to_string(number);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.ends_with('.')) text.pop_back();
  return text;
}

// Exact, and read as the same size again.
std::string size_text(std::uint64_t bytes) {
  std::size_t unit = 0;
  constexpr std::string_view kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  for (; bytes > 0 && bytes % 1024 == 0 && unit + 1 < std::size(kUnits); bytes /= 1024) ++unit;
  return std::to_string(bytes) + std::string(kUnits[unit]);
}

std::string count_form(Range<std::uint64_t> range, std::string_view word) {
  return (word.empty() ? "" : std::string(word) + " or ") + "a whole number from " + std::to_string(range.least) +
         " to " + std::to_string(range.most);
}

// "a, b or c"
std::string alternatives(const std::vector<std::string_view>& words) {
  std::string out;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) out += i + 1 == words.size() ? " or " : ", ";
    out += words[i];
  }
  return out;
}

}  // namespace

std::string shown(std::string_view text) {
  constexpr std::size_t kMost = 60;
  std::size_t end = std::min(text.size(), kMost);
  while (end < text.size() && end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  return "'" + escape_control(text.substr(0, end)) + (end < text.size() ? "...'" : "'");
}

std::optional<std::uint64_t> whole_number(std::string_view text) {
  if (text.empty() || text.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc::result_out_of_range) return std::numeric_limits<std::uint64_t>::max();
  return number;
}

std::optional<double> decimal_number(std::string_view text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(number)) return std::nullopt;
  return number;
}

Reader::Reader(const std::string& file, const Environment& environment)
    : file_(escape_control(file)), environment_(environment) {
  said_.file = file_;
  begin("", 1);
}

void Reader::problem(int line, std::string text) {
  problems_.push_back(Problem{line, std::move(text)});
}

void Reader::missing(int line, std::string text) {
  missing_.push_back(Problem{line, std::move(text)});
}

std::string Reader::problems() const {
  constexpr std::size_t kShown = 100;
  std::vector<Problem> all = problems_;
  const auto missing = all.insert(all.end(), missing_.begin(), missing_.end());
  const auto by_line = [](const Problem& a, const Problem& b) { return a.line < b.line; };
  std::stable_sort(all.begin(), missing, by_line);
  std::stable_sort(missing, all.end(), by_line);
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < std::min(all.size(), kShown); ++i)
    lines.push_back(place(all[i].line) + ": " + all[i].text);
  if (all.size() > kShown) lines.push_back(file_ + ": and " + count_of(all.size() - kShown, "more mistake"));
  return join(lines, "\n");
}

std::optional<std::string> Reader::text(const YamlNode& node, std::string_view path, std::string_view expected) {
  const std::string name(path);
  if (node.kind == YamlNode::Kind::null) {
    problem(node.line, name + " has no value; write " + std::string(expected) + ", or leave the key out");
    return std::nullopt;
  }
  if (node.kind != YamlNode::Kind::scalar) {
    problem(node.line, name + " is " + std::string(kind_name(node.kind)) + "; write " + std::string(expected));
    return std::nullopt;
  }
  auto value = substitute(node.text, environment_);
  if (!value) {
    problem(node.line, name + ": " + value.error().message);
    return std::nullopt;
  }
  if (to_valid_utf8(*value) != *value) {
    problem(node.line, name + " holds bytes that are not UTF-8; check the environment variable it uses");
    return std::nullopt;
  }
  return *std::move(value);
}

std::string Reader::flow(const YamlNode& node) const {
  std::vector<std::string> parts;
  switch (node.kind) {
    case YamlNode::Kind::null:
      return "none";
    case YamlNode::Kind::scalar:
      return substitute(node.text, environment_).value_or(node.text);
    case YamlNode::Kind::list:
      for (const YamlNode* item : node.items) parts.push_back(flow(*item));
      return "[" + join(parts, ", ") + "]";
    case YamlNode::Kind::map:
      for (const YamlEntry& entry : node.entries) parts.push_back(entry.key + ": " + flow(*entry.value));
      return "{" + join(parts, ", ") + "}";
  }
  return {};
}

Keys Reader::asked() const {
  Keys out;
  for (const Group& group : groups_) {
    const auto same = [&](const SectionKeys& keys) { return keys.section == group.section; };
    auto found = std::find_if(out.begin(), out.end(), same);
    if (found == out.end()) found = out.insert(out.end(), SectionKeys{group.section, {}});
    for (const std::string& key : group.asked) {
      if (!is_key(out, group.section, key)) found->keys.push_back(key);
    }
  }
  return out;
}

void Reader::done(Keys (*known)()) {
  std::vector<Problem> unknown;
  std::optional<Keys> keys;
  for (const Group& group : groups_) {
    if (group.node == nullptr) continue;
    for (const YamlEntry& entry : group.node->entries) {
      if (std::find(group.asked.begin(), group.asked.end(), entry.key) != group.asked.end()) continue;
      if (!keys) keys = known();
      if (!is_key(*keys, group.section, entry.key)) {
        unknown.push_back({entry.line, explain_unknown_key(*keys, group.section, entry.key)});
      } else if (!group.kind.empty()) {
        unknown.push_back(
            {entry.line, group.section + "." + entry.key + ": " + group.kind + " has none; leave it out"});
      }
    }
  }
  // Before all else on their line: a misspelt key is why.
  problems_.insert(problems_.begin(), unknown.begin(), unknown.end());
}

Section::Section(Reader& reader, const YamlNode* node, std::string name, int line, const Reader::Group* parent)
    : reader_(reader), group_(reader.groups_.emplace_back(Reader::Group{node, std::move(name), line, {}, {}, parent})) {
  if (node == nullptr || node->kind == YamlNode::Kind::null || node->kind == YamlNode::Kind::map) return;
  const std::string& section = group_.section;
  const std::string what = section.empty() ? "the file" : section == "target" ? "a target" : section;
  reader_.problem(node->line, what + " is " + std::string(kind_name(node->kind)) +
                                  "; write a group of settings, one 'key: value' a line");
}

const YamlEntry* Section::entry(std::string_view key) const {
  if (group_.node == nullptr) return nullptr;
  const auto& entries = group_.node->entries;
  const auto found = std::find_if(entries.begin(), entries.end(), [&](const YamlEntry& e) { return e.key == key; });
  return found == entries.end() ? nullptr : &*found;
}

const YamlNode* Section::find(std::string_view key) const {
  if (std::find(group_.asked.begin(), group_.asked.end(), key) == group_.asked.end()) group_.asked.emplace_back(key);
  const YamlEntry* found = entry(key);
  return found == nullptr ? nullptr : found->value;
}

int Section::line(std::string_view key) const {
  const YamlEntry* found = entry(key);
  return found == nullptr ? group_.line : found->line;
}

std::string Section::path(std::string_view key) const {
  if (group_.section.empty() || group_.section == "target") return std::string(key);
  return group_.section + "." + std::string(key);
}

Section Section::section(std::string_view key) const {
  return Section(reader_, find(key), path(key), line(key), &group_);
}

void Section::say(std::string_view key, std::string text, std::string meaning, std::string usual, bool secret) const {
  // A window is said whole, by the list that holds it.
  if (entry(key) == nullptr || meaning == usual || group_.section == "window") return;
  const bool of_a_hook = group_.section.starts_with("hooks");
  std::string name = of_a_hook ? path(key).substr(std::string_view("hooks.").size()) : path(key);
  reader_.say({std::move(name), std::move(text), std::move(meaning), std::move(usual), line(key),
               secret || key.ends_with("_file")});
}

// A settings file is no place for secrets, and they are there all the same.
void Section::say_whole(std::string_view key, bool secret) const {
  const YamlNode* node = find(key);
  if (node == nullptr) return;
  const bool of_times = key == "windows" || key == "maintenance";
  hold(key, reader_.yaml(*node),
       secret     ? Reader::Readers::none
       : of_times ? Reader::Readers::all
                  : Reader::Readers::users);
  const std::string text = reader_.flow(*node);
  say(key, text, text, "not set", secret);
}

void Section::problem(std::string_view key, const std::string& text) const {
  const YamlEntry* found = entry(key);
  reader_.problem(found == nullptr ? group_.line : found->value->line, path(key) + ": " + text);
}

std::optional<std::string> Section::raw(std::string_view key, std::string_view expected) const {
  const YamlNode* node = find(key);
  if (node == nullptr) return std::nullopt;
  return reader_.text(*node, path(key), expected);
}

bool Section::text(std::string_view key, std::string& out) const {
  auto value = raw(key, "one text");
  if (!value) {
    hold(key, out);
    return false;
  }
  const std::string usual = out.empty() ? "not set" : out;
  out = *std::move(value);
  say(key, out, out.empty() ? "not set" : out, usual, may_be_secret(key, out));
  hold(key, out);
  return true;
}

class Section::Holding {
 public:
  Holding(const Section& section, std::string_view key, std::function<std::string()> text)
      : section_(section), key_(key), text_(std::move(text)) {}
  ~Holding() { section_.hold_open(key_, text_()); }
  Holding(const Holding&) = delete;
  Holding& operator=(const Holding&) = delete;

 private:
  const Section& section_;
  const std::string_view key_;
  const std::function<std::string()> text_;
};

void Section::boolean(std::string_view key, bool& out) const {
  choice<bool>(key, out, {{"true", true}, {"false", false}},
               {{"True", true}, {"TRUE", true}, {"False", false}, {"FALSE", false}});
}

void Section::set_duration(std::string_view key, const std::string& text, Duration& out, Range<Duration> range) const {
  const auto value = parse_duration(text);
  if (!value) return problem(key, escape_control(value.error().message));
  if (*value < range.least || *value > range.most) {
    return problem(key, shown(text) + " is out of range; write a duration from " + duration_text(range.least) + " to " +
                            duration_text(range.most));
  }
  out = *value;
}

void Section::duration(std::string_view key, Duration& out, Range<Duration> range) const {
  const Holding holding(*this, key, [&] { return duration_text(out); });
  const auto value = raw(key, kDurationForm);
  if (!value) return;
  const Duration usual = out;
  set_duration(key, *value, out, range);
  say(key, *value, duration_text(out), duration_text(usual));
}

void Section::duration_or(std::string_view word, std::string_view key, std::optional<Duration>& out,
                          std::initializer_list<std::string_view> also) const {
  const auto name_of = [&](const std::optional<Duration>& given) {
    return given ? duration_text(*given) : std::string(word);
  };
  const Holding holding(*this, key, [&] { return name_of(out); });
  const auto value = raw(key, std::string(word) + " or " + std::string(kDurationForm));
  if (!value) return;
  const std::string usual = name_of(out);
  if (*value == word || std::find(also.begin(), also.end(), *value) != also.end()) {
    out = std::nullopt;
    return say(key, *value, name_of(out), usual);
  }
  const auto parsed = parse_duration(*value);
  if (!parsed) return problem(key, escape_control(parsed.error().message) + "; or " + std::string(word));
  Duration duration{};
  set_duration(key, *value, duration, kAnyDuration);
  if (*parsed >= kAnyDuration.least && *parsed <= kAnyDuration.most) out = duration;
  say(key, *value, name_of(out), usual);
}

void Section::bytes(std::string_view key, std::uint64_t& out, Range<std::uint64_t> range) const {
  const Holding holding(*this, key, [&] { return size_text(out); });
  const auto text = raw(key, kSizeForm);
  if (!text) return;
  const auto value = parse_bytes(*text);
  if (!value) return problem(key, escape_control(value.error().message));
  if (*value < range.least || *value > range.most) {
    return problem(key, shown(*text) + " is out of range; write a size from " + format_bytes(range.least) + " to " +
                            format_bytes(range.most));
  }
  say(key, *text, std::to_string(*value), *value == out ? std::to_string(out) : format_bytes(out));
  out = *value;
}

void Section::set_count(std::string_view key, const std::string& text, std::uint64_t& out, Range<std::uint64_t> range,
                        std::string_view word) const {
  const auto value = whole_number(text);
  if (!value) return problem(key, shown(text) + " is not a whole number; write " + count_form(range, word));
  if (*value < range.least || *value > range.most) {
    return problem(key, shown(text) + " is out of range; write " + count_form(range, word));
  }
  out = *value;
}

void Section::count(std::string_view key, std::uint64_t& out, Range<std::uint64_t> range) const {
  const Holding holding(*this, key, [&] { return std::to_string(out); });
  const auto value = raw(key, count_form(range, ""));
  if (!value) return;
  const std::string usual = std::to_string(out);
  set_count(key, *value, out, range, "");
  say(key, *value, std::to_string(out), usual);
}

void Section::count_or(std::string_view word, std::string_view key, std::optional<std::uint64_t>& out,
                       Range<std::uint64_t> range) const {
  const auto name_of = [&] { return out ? std::to_string(*out) : std::string(word); };
  const Holding holding(*this, key, name_of);
  const auto value = raw(key, count_form(range, word));
  if (!value) return;
  const std::string usual = name_of();
  if (*value == word) {
    out = std::nullopt;
    return say(key, *value, *value, usual);
  }
  // An impossible number stays where set_count found a problem.
  std::uint64_t number = std::numeric_limits<std::uint64_t>::max();
  set_count(key, *value, number, range, word);
  if (number <= range.most) out = number;
  say(key, *value, std::to_string(number), usual);
}

void Section::factor(std::string_view key, double& out, Range<double> range) const {
  const Holding holding(*this, key, [&] { return number_text(out); });
  const std::string form = "a number from " + number_text(range.least) + " to " + number_text(range.most);
  const auto text = raw(key, form);
  if (!text) return;
  const auto value = decimal_number(*text);
  if (!value) return problem(key, shown(*text) + " is not a number; write " + form);
  if (*value < range.least || *value > range.most) {
    return problem(key, shown(*text) + " is out of range; write " + form);
  }
  say(key, *text, number_text(*value), number_text(out));
  out = *value;
}

std::vector<Word> Section::words(std::string_view key, const ListForm& form) const {
  std::vector<Word> out;
  const YamlNode* node = find(key);
  if (node == nullptr) return out;
  const bool list = node->kind == YamlNode::Kind::list;
  const auto items = list ? node->items : std::vector<const YamlNode*>{node};
  if (items.empty() || items.size() > form.most || (!list && !form.single)) {
    complain(*this, key,
             form.wrong.empty()
                 ? "it holds none or more than " + std::to_string(form.most) + "; write " + std::string(form.form)
                 : std::string(form.wrong));
    return out;
  }
  for (const YamlNode* item : items) {
    auto text = reader_.text(*item, path(key), form.item.empty() ? form.form : form.item);
    if (text) out.push_back({*std::move(text), item->line});
  }
  say_whole(key, /*secret=*/key == "arguments" || key == "url");
  return out;
}

std::map<std::string, std::string> Section::pairs(std::string_view key, const MapForm& form, CheckPair check) const {
  constexpr std::size_t kMost = 100;
  std::map<std::string, std::string> out;
  const YamlNode* node = find(key);
  if (node == nullptr || node->kind == YamlNode::Kind::null) return out;
  if (node->kind != YamlNode::Kind::map || node->entries.size() > kMost) {
    complain(*this, key,
             "it is not a group of at most 100 " + std::string(form.what) + "; write one '" + std::string(form.name) +
                 ": value' a line");
    return out;
  }
  for (const YamlEntry& pair : node->entries) {
    auto value = reader_.text(*pair.value, path(key) + "." + shown(pair.key), form.value);
    if (!value) continue;
    if (const auto checked = check(pair.key, *value); !checked) {
      reader_.problem(pair.line, path(key) + ": " + checked.error().message);
    } else {
      out.emplace(pair.key, *std::move(value));
    }
  }
  say_whole(key, /*secret=*/true);
  return out;
}

std::optional<std::string> Section::one_of(std::string_view key, const std::vector<std::string_view>& words,
                                           const std::vector<std::string_view>& hidden) const {
  auto value = raw(key, alternatives(words));
  if (!value) return std::nullopt;
  const auto in = [&](const std::vector<std::string_view>& set) {
    return std::find(set.begin(), set.end(), *value) != set.end();
  };
  if (in(words) || in(hidden)) return value;
  const std::string_view meant = closest(*value, words);
  problem(key, shown(*value) + " is not known; write " + alternatives(words) +
                   (meant.empty() ? "" : " (did you mean " + std::string(meant) + "?)"));
  return std::nullopt;
}

void complain(const Section& section, std::string_view key, const std::string& text) {
  section.reader().problem(section.line(key), section.path(key) + ": " + text);
}

}  // namespace wal_exporter::settings
