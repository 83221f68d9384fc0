// YAML text as a tree that knows its lines, and refuses what a settings file has
// no use for: two documents, doubled keys, keys that are not words, tags,
// binary, and anything so deep or large that it can only be an attack.
//
// yaml-cpp's own nodes let doubled keys pass; its event interface shows them.
// Pure; safe from any thread.
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

namespace wal_exporter::settings {

struct Value;

struct Entry {
  std::string key;
  int line = 0;
  const Value* value = nullptr;
};

struct Value {
  enum class Kind { null, scalar, list, map };
  Kind kind = Kind::null;
  int line = 0;                     // counted from 1
  std::string text;                 // scalar
  std::vector<const Value*> items;  // list
  std::vector<Entry> entries;       // map, in the order of the file; keys are unique
};

// Owns its nodes. An alias (`*x`) is the same node again, never a copy, so that
// a few lines can't grow into millions of nodes.
class Tree {
 public:
  Tree() = default;
  Tree(Tree&&) = default;
  Tree& operator=(Tree&&) = default;
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;

  // nullptr: there is nothing but white space and comments.
  [[nodiscard]] const Value* root() const { return root_; }

 private:
  friend class TreeBuilder;
  std::deque<Value> nodes_;
  const Value* root_ = nullptr;
};

struct Problem {
  int line = 1;
  std::string text;  // what is wrong, and what would be right
};

[[nodiscard]] tl::expected<Tree, Problem> parse_tree(const std::string& yaml);

}  // namespace wal_exporter::settings
