// What reading the web configuration file needs: values of its keys, and every mistake with its line.
//
// Not thread-safe: one reader reads one file.
#pragma once

#include <algorithm>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/text.h"
#include "base/yaml.h"

namespace wal_exporter::web {

class WebReader {
 public:
  // `file` stands before the line in messages, and its folder before relative paths.
  explicit WebReader(std::string file) : file_(std::move(file)) {}

  void mistake(int line, const std::string& text) { mistakes_.push_back(place(line) + text); }
  // What is taken and not done.
  void note(int line, const std::string& text) { notes_.push_back(place(line) + text); }
  // A file whose change asks for another reading.
  void watch(std::string file) { files_.push_back(std::move(file)); }

  // The map of a section; nullptr where it is empty, or none.
  [[nodiscard]] const YamlNode* section(const YamlEntry& entry);
  // A text; of a key without a value the empty one. `path` names the key in messages.
  [[nodiscard]] std::optional<std::string> text(const YamlEntry& entry, const std::string& path);
  [[nodiscard]] std::optional<bool> boolean(const YamlEntry& entry, const std::string& path);
  // Texts that are not empty, with their lines.
  [[nodiscard]] std::vector<std::pair<std::string, int>> list(const YamlEntry& entry, const std::string& path);
  [[nodiscard]] std::string path_in_folder(const std::string& path) const;

  [[nodiscard]] const std::vector<std::string>& mistakes() const { return mistakes_; }
  [[nodiscard]] std::vector<std::string> take_notes() { return std::move(notes_); }
  [[nodiscard]] std::vector<std::string> take_files() { return std::move(files_); }

 private:
  [[nodiscard]] std::string place(int line) const { return file_ + ":" + std::to_string(line) + ": "; }

  const std::string file_;
  std::vector<std::string> mistakes_;
  std::vector<std::string> notes_;
  std::vector<std::string> files_;
};

[[nodiscard]] std::string in_quotes(std::string_view text);

// A table is a list of pairs, the first of them a name.
template <class Table>
[[nodiscard]] auto find_in(const Table& table, std::string_view name) {
  return std::find_if(std::begin(table), std::end(table), [&](const auto& row) { return row.first == name; });
}
template <class Table>
[[nodiscard]] std::string names_of(const Table& table) {
  std::vector<std::string> names;
  for (const auto& row : table) names.emplace_back(row.first);
  return join(names, ", ");
}
template <class List>
[[nodiscard]] bool holds(const List& list, std::string_view name) {
  return std::find(std::begin(list), std::end(list), name) != std::end(list);
}

}  // namespace wal_exporter::web
