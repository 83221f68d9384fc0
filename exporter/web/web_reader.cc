#include "web/web_reader.h"

#include <filesystem>

namespace wal_exporter::web {

std::string in_quotes(std::string_view text) {
  return "\"" + escape_control(text.substr(0, 100)) + "\"";
}

const YamlNode* WebReader::section(const YamlEntry& entry) {
  if (entry.value->kind == YamlNode::Kind::map) return entry.value;
  if (entry.value->kind != YamlNode::Kind::null) mistake(entry.line, entry.key + " must be a map of keys and values");
  return nullptr;
}

std::optional<std::string> WebReader::text(const YamlEntry& entry, const std::string& path) {
  if (entry.value->kind == YamlNode::Kind::null) return std::string();
  if (entry.value->kind == YamlNode::Kind::scalar) return entry.value->text;
  mistake(entry.line, path + " must be a text");
  return std::nullopt;
}

std::optional<bool> WebReader::boolean(const YamlEntry& entry, const std::string& path) {
  const auto word = lower_case(entry.value->text);
  if (entry.value->kind == YamlNode::Kind::scalar) {
    for (const auto* yes : {"true", "yes", "on", "y"}) {
      if (word == yes) return true;
    }
    for (const auto* no : {"false", "no", "off", "n"}) {
      if (word == no) return false;
    }
  }
  mistake(entry.line, path + " must be true or false");
  return std::nullopt;
}

std::vector<std::pair<std::string, int>> WebReader::list(const YamlEntry& entry, const std::string& path) {
  std::vector<std::pair<std::string, int>> out;
  if (entry.value->kind == YamlNode::Kind::null) return out;
  if (entry.value->kind != YamlNode::Kind::list) mistake(entry.line, path + " must be a list of names");
  for (const auto* item : entry.value->items) {
    if (item->kind == YamlNode::Kind::scalar && !item->text.empty()) {
      out.emplace_back(item->text, item->line);
    } else {
      mistake(item->line, path + " must be a list of names");
    }
  }
  return out;
}

std::string WebReader::path_in_folder(const std::string& path) const {
  if (path.empty() || path.front() == '/') return path;
  return (std::filesystem::path(file_).parent_path() / path).lexically_normal().string();
}

}  // namespace wal_exporter::web
