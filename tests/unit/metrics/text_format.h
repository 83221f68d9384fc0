// Reading the text format back, strictly enough for tests.
#pragma once

#include <map>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace wal_exporter::metrics {

inline std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

// Lines of values whose name (up to "{" or " ") is `name`, in their order.
inline std::vector<std::string> values_of(const std::string& text, std::string_view name) {
  std::vector<std::string> out;
  for (const std::string& line : lines(text)) {
    if (line.substr(0, line.find_first_of("{ ")) == name) out.push_back(line);
  }
  return out;
}

// The names that have a TYPE line, each with its type.
inline std::map<std::string, std::string> types(const std::string& text) {
  std::map<std::string, std::string> out;
  for (const std::string& line : lines(text)) {
    std::istringstream in(line);
    std::string hash;
    std::string word;
    std::string name;
    std::string type;
    in >> hash >> word >> name >> type;
    if (hash == "#" && word == "TYPE") out[name] = type;
  }
  return out;
}

}  // namespace wal_exporter::metrics
