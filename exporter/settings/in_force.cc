#include <algorithm>
#include <map>
#include <utility>

#include "base/text.h"
#include "settings/reader.h"
#include "settings/substitute.h"

namespace wal_exporter::settings {
namespace {

// One value of a settings file: read again, variables filled in, it is `text`.
std::string yaml_scalar(std::string_view text) {
  const auto plain = [](char c) {
    return is_letter_or_digit(c) || std::string_view("/._-+").find(c) != std::string_view::npos;
  };
  if (!text.empty() && std::all_of(text.begin(), text.end(), plain) &&
      (is_letter_or_digit(text.front()) || text.front() == '/')) {
    return std::string(text);
  }
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      out.append("\\x") += kHex[byte >> 4];
      out += kHex[byte & 0xf];
    } else {
      if (c == '"' || c == '\\') out += '\\';
      if (c == '$') out += '$';
      out += c;
    }
  }
  return out + '"';
}

}  // namespace

bool Section::may_be_secret(std::string_view key, std::string_view text) {
  return key == "body" || key == "template" || (key == "path" && text.find('?') != std::string_view::npos);
}

void Section::hold(std::string_view key, std::string yaml, Reader::Readers readers) const {
  auto found =
      std::find_if(group_.held.begin(), group_.held.end(), [&](const Reader::Held& held) { return held.key == key; });
  if (found == group_.held.end()) found = group_.held.insert(found, Reader::Held{std::string(key), {}, {}});
  found->yaml = std::move(yaml);
  found->readers = readers;
}

void Section::hold_open(std::string_view key, const std::string& text) const {
  if (text != "not set") hold(key, yaml_scalar(text), Reader::Readers::all);
}

void Section::hold(std::string_view key, std::string_view text) const {
  if (text.empty()) return;
  hold(key, yaml_scalar(text),
       may_be_secret(key, text) ? Reader::Readers::none
       : key == "name"          ? Reader::Readers::all
                                : Reader::Readers::users);
}

std::string Reader::yaml(const YamlNode& node) const {
  std::vector<std::string> parts;
  switch (node.kind) {
    case YamlNode::Kind::null:
      return "null";
    case YamlNode::Kind::scalar:
      return yaml_scalar(substitute(node.text, environment_).value_or(node.text));
    case YamlNode::Kind::list:
      for (const YamlNode* item : node.items) parts.push_back(yaml(*item));
      return "[" + join(parts, ", ") + "]";
    case YamlNode::Kind::map:
      for (const YamlEntry& entry : node.entries) parts.push_back(yaml_scalar(entry.key) + ": " + yaml(*entry.value));
      return "{" + join(parts, ", ") + "}";
  }
  return {};
}

RedactedText Reader::in_force() const {
  std::map<const Group*, std::vector<const Group*>> inside;
  for (const Group& group : groups_) inside[group.parent].push_back(&group);

  RedactedText out;
  // A group may be asked for in several places: its parts are written as one.
  const auto write = [&](const auto& self, const std::vector<const Group*>& parts, const std::string& indent) -> void {
    std::vector<std::pair<std::string, std::vector<const Group*>>> sections;
    for (const Group* part : parts) {
      for (const Held& held : part->held) {
        out.append(indent + held.key + ": ", true);
        out.append(held.readers == Readers::none ? "<secret>" : held.yaml, held.readers == Readers::all);
        out.append("\n", true);
      }
      for (const Group* child : inside[part]) {
        const auto same = [&](const auto& section) { return section.first == child->section; };
        auto found = std::find_if(sections.begin(), sections.end(), same);
        if (found == sections.end()) found = sections.insert(found, {child->section, {}});
        found->second.push_back(child);
      }
    }
    for (const auto& [path, section] : sections) {
      const std::size_t begin = out.text.size();
      out.append(indent + path.substr(path.rfind('.') + 1) + ":\n", true);
      const std::size_t empty = out.text.size();
      self(self, section, indent + "  ");
      if (out.text.size() == empty) out.text.resize(begin);
    }
  };
  const auto write_list = [&](const std::string& name, const std::string& section) {
    bool begun = false;
    for (const Group* group : inside[nullptr]) {
      if (group->section != section) continue;
      if (!std::exchange(begun, true)) out.append(name + ":\n", true);
      const std::size_t begin = out.text.size();
      write(write, {group}, "    ");
      if (out.text.size() > begin) out.text.replace(begin, 4, "  - ");
    }
  };
  for (const Group* group : inside[nullptr]) {
    if (group->section.empty()) write(write, {group}, "");
  }
  write_list("targets", "target");
  write_list("hooks", "hooks");
  return out;
}

}  // namespace wal_exporter::settings
