#include "settings/said.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace wal_exporter::settings {
namespace {

constexpr std::array<std::string_view, 1> kReadAtStart{"history_limit"};

const SaidGroup* named(const Said& said, const std::string& name) {
  const auto found =
      std::find_if(said.groups.begin(), said.groups.end(), [&](const SaidGroup& group) { return group.name == name; });
  return found == said.groups.end() ? nullptr : &*found;
}

// On one line, and whole where it is not very long.
std::string short_text(const std::string& text) {
  constexpr std::size_t kMost = 200;
  const std::string line = escape_control(text);
  return line.size() <= kMost ? line : to_valid_utf8(line.substr(0, kMost)) + "...";
}

std::string change(const std::string& key, const SaidValue* before, const SaidValue* after) {
  const SaidValue& any = before != nullptr ? *before : *after;
  std::string line = key + ": ";
  if (any.secret) {
    line += before == nullptr ? "added" : after == nullptr ? "removed" : "changed";
  } else {
    const auto shown = [&](const SaidValue* value) {
      return value != nullptr ? short_text(value->text) : any.usual + (any.usual == "not set" ? "" : " (default)");
    };
    line += shown(before) + " -> " + shown(after);
  }
  const bool later = std::find(kReadAtStart.begin(), kReadAtStart.end(), key) != kReadAtStart.end();
  return line + (later ? " (takes effect at the next start)" : "");
}

void compare(const SaidGroup& before, const SaidGroup& after, std::vector<std::string>& out) {
  const std::string prefix = after.name.empty() ? "" : after.name + ": ";
  for (const SaidValue& value : before.values) {
    const SaidValue* now = after.find(value.key);
    if (now == nullptr || now->meaning != value.meaning) out.push_back(prefix + change(value.key, &value, now));
  }
  for (const SaidValue& value : after.values) {
    if (before.find(value.key) == nullptr) out.push_back(prefix + change(value.key, nullptr, &value));
  }
}

}  // namespace

const SaidValue* SaidGroup::find(std::string_view key) const {
  const auto found =
      std::find_if(values.begin(), values.end(), [&](const SaidValue& value) { return value.key == key; });
  return found == values.end() ? nullptr : &*found;
}

std::vector<std::string> changes(const Said& before, const Said& after) {
  std::vector<std::string> out;
  for (const SaidGroup& group : before.groups) {
    if (named(after, group.name) == nullptr) out.push_back(group.name + ": removed");
  }
  for (const SaidGroup& group : after.groups) {
    const SaidGroup* old = named(before, group.name);
    if (old == nullptr) {
      out.push_back(group.name + ": added");
    } else {
      compare(*old, group, out);
    }
  }
  return out;
}

}  // namespace wal_exporter::settings
