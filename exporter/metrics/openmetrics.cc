#include "metrics/openmetrics.h"

#include <algorithm>
#include <array>

namespace wal_exporter::metrics {
namespace {

constexpr std::array<std::string_view, 2> kUnits{"seconds", "bytes"};
constexpr std::string_view kHelp = "# HELP ";
constexpr std::string_view kType = "# TYPE ";

// What stands before `end`, which is taken away with it.
std::string_view take_until(std::string_view& text, char end) {
  const std::size_t at = std::min(text.find(end), text.size());
  const std::string_view found = text.substr(0, at);
  text.remove_prefix(std::min(at + 1, text.size()));
  return found;
}

std::string_view without(std::string_view name, std::string_view ending) {
  if (name.ends_with(ending)) name.remove_suffix(ending.size());
  return name;
}

// In the text format a help text holds no escapes but \\ and \n.
void append_help(std::string& out, std::string_view help) {
  for (const char c : help) {
    if (c == '"') out += '\\';
    out += c;
  }
}

void append_header(std::string& out, std::string_view name, std::string_view help, std::string_view type) {
  std::string_view unit;
  if (type == "gauge" && name.ends_with("_info")) {
    type = "info";
    name = without(name, "_info");
  } else {
    if (type == "counter") name = without(name, "_total");
    for (const std::string_view known : kUnits) {
      if (name.ends_with(known) && without(name, known).ends_with('_')) unit = known;
    }
  }
  out.append(kHelp).append(name) += ' ';
  append_help(out, help);
  out.append("\n").append(kType).append(name).append(" ").append(type) += '\n';
  if (!unit.empty()) out.append("# UNIT ").append(name).append(" ").append(unit) += '\n';
}

}  // namespace

std::string_view content_type(Format format) {
  return format == Format::openmetrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                       : "text/plain; version=0.0.4; charset=utf-8";
}

std::string to_openmetrics(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 8);
  while (!text.empty()) {
    if (text.starts_with(kHelp)) {
      text.remove_prefix(kHelp.size());
      const std::string_view name = take_until(text, ' ');
      const std::string_view help = take_until(text, '\n');
      text.remove_prefix(std::min(text.size(), kType.size() + name.size() + 1));
      append_header(out, name, help, take_until(text, '\n'));
      continue;
    }
    // No value holds a line break.
    const std::size_t next = std::min(text.find("\n# "), text.size() - 1) + 1;
    out += text.substr(0, next);
    text.remove_prefix(next);
  }
  return out;
}

}  // namespace wal_exporter::metrics
