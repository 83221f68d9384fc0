// YAML text as a tree that knows its lines, and refuses what a settings file has
// no use for: two documents, doubled keys, keys that are not words, tags,
// binary, and anything so deep or large that it can only be an attack.
//
// Read from yaml-cpp's events: its nodes have lost the lines of aliases and of
// further documents. Pure; safe from any thread.
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace wal_exporter {

struct YamlNode;

struct YamlEntry {
  std::string key;
  int line = 0;
  const YamlNode* value = nullptr;
};

struct YamlNode {
  enum class Kind { null, scalar, list, map };
  Kind kind = Kind::null;
  int line = 1;                        // counted from 1
  std::string text;                    // scalar
  std::vector<const YamlNode*> items;  // list
  std::vector<YamlEntry> entries;      // map, in the order of the file; keys are unique
};

// Owns its nodes. An alias (`*x`) is the same node again, never a copy, so that
// a few lines can't grow into millions of nodes.
class YamlTree {
 public:
  YamlTree() = default;
  YamlTree(YamlTree&&) = default;
  YamlTree& operator=(YamlTree&&) = default;
  YamlTree(const YamlTree&) = delete;
  YamlTree& operator=(const YamlTree&) = delete;

  // Null where there is nothing but white space and comments.
  [[nodiscard]] const YamlNode& root() const { return *root_; }

 private:
  friend class YamlBuilder;
  std::deque<YamlNode> nodes_ = std::deque<YamlNode>(1);  // the first is the null of an empty text
  const YamlNode* root_ = &nodes_.front();
};

// `name` stands for the file in the message "name:line: what is wrong; what would
// be right".
[[nodiscard]] Result<YamlTree> parse_yaml(const std::string& yaml, std::string_view name);

}  // namespace wal_exporter
