#include "base/yaml.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <exception>
#include <map>
#include <optional>
#include <sstream>
#include <utility>

#include "base/text.h"

namespace wal_exporter {
namespace {

constexpr std::size_t kDeepest = 32;
constexpr std::size_t kMostNodes = 50'000;

// What is wrong, and what would be right. Thrown, it stops yaml-cpp in the middle of
// its work; it doesn't leave this file.
struct Problem final : std::exception {
  Problem(int at, std::string what_is_wrong) : line(at), text(std::move(what_is_wrong)) {}
  int line;
  std::string text;
};

int line_of(const YAML::Mark& mark) {
  return std::max(mark.line, 0) + 1;
}

// Settings are text: yaml-cpp takes byte 4 for the end of the file, and would
// pass bytes that are not UTF-8 on to the API.
std::optional<Problem> check_characters(std::string_view yaml) {
  int line = 1;
  while (!yaml.empty()) {
    const std::string_view row = yaml.substr(0, yaml.find('\n'));
    const bool control = std::any_of(row.begin(), row.end(), [](char c) {
      return (static_cast<unsigned char>(c) < 0x20 && c != '\t' && c != '\r') || c == 0x7F;
    });
    if (control) {
      return Problem{line, R"(a control character; write it as an escape in double quotes, such as "\n")"};
    }
    if (to_valid_utf8(row) != row) return Problem{line, "bytes that are not UTF-8; save the file as UTF-8"};
    yaml.remove_prefix(std::min(yaml.size(), row.size() + 1));
    ++line;
  }
  return std::nullopt;
}

std::string_view row_at(std::string_view yaml, int line) {
  for (; line > 1; --line) {
    const std::size_t end = yaml.find('\n');
    if (end == std::string_view::npos) return {};
    yaml.remove_prefix(end + 1);
  }
  return yaml.substr(0, yaml.find('\n'));
}

// yaml-cpp's words, and what people most often meant.
Problem syntax_problem(std::string_view yaml, const YAML::Exception& error) {
  const int line = line_of(error.mark);
  const std::string_view row = row_at(yaml, line);
  if (error.msg == YAML::ErrorMsg::DOC_IN_SCALAR) {
    return Problem{line, "not valid YAML: a quote further up is never closed; close it"};
  }
  std::string text = "not valid YAML: " + error.msg + "; ";
  const std::size_t indent = row.find_first_not_of(' ');
  if (row.find("${") != std::string_view::npos) {
    text += "put quotes around a value with ${...} where it stands inside { } or [ ]";
  } else if (indent != std::string_view::npos && row[indent] == '\t') {
    text += "indent with spaces, not with tabs";
  } else {
    text += "check indentation, quotes and colons on this line and the one above";
  }
  return Problem{line, std::move(text)};
}

}  // namespace

class YamlBuilder final : public YAML::EventHandler {
 public:
  [[nodiscard]] YamlTree take() { return std::move(tree_); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1)
      throw Problem(line_of(mark), "a second document begins here; settings are one document, remove it");
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (expects_key()) throw Problem(line_of(mark), "a key is missing before ':'; write 'key: value'");
    YamlNode& node = add(YamlNode::Kind::null, mark, anchor);
    // yaml-cpp notices that a value is missing at what comes next.
    if (!open_.empty() && !open_.back().node->entries.empty()) node.line = open_.back().node->entries.back().line;
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (expects_key()) throw Problem(line_of(mark), "an alias as a key; write the key out");
    const auto known = anchors_.find(anchor);
    if (known == anchors_.end()) throw Problem(line_of(mark), "an alias to what it stands in; write the value out");
    put(*known->second);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    refuse_tag(mark, tag);
    if (expects_key()) return start_entry(mark, value);
    add(YamlNode::Kind::scalar, mark, anchor).text = value;
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value /*style*/) override {
    open(YamlNode::Kind::list, mark, tag, anchor);
  }
  void OnSequenceEnd() override { close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value /*style*/) override {
    open(YamlNode::Kind::map, mark, tag, anchor);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Open {
    YamlNode* node = nullptr;
    YAML::anchor_t anchor = 0;
    std::map<std::string, int> keys;  // map: key to line
  };

  static void refuse_tag(const YAML::Mark& mark, const std::string& tag) {
    // "?" stands for no tag on a plain value, "!" for none on a quoted one.
    if (tag.empty() || tag == "?" || tag == "!") return;
    throw Problem(line_of(mark), "the tag '" + tag + "'; settings need no tags, remove it");
  }

  [[nodiscard]] bool expects_key() const {
    if (open_.empty() || open_.back().node->kind != YamlNode::Kind::map) return false;
    const auto& entries = open_.back().node->entries;
    return entries.empty() || entries.back().value != nullptr;
  }

  void start_entry(const YAML::Mark& mark, const std::string& key) {
    const auto [first, is_new] = open_.back().keys.emplace(key, line_of(mark));
    if (!is_new) {
      throw Problem(line_of(mark), "the key '" + key + "' is there twice, first on line " +
                                       std::to_string(first->second) + "; keep one of them");
    }
    open_.back().node->entries.push_back(YamlEntry{key, line_of(mark), nullptr});
  }

  YamlNode& add(YamlNode::Kind kind, const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (tree_.nodes_.size() > kMostNodes) {
      throw Problem(line_of(mark), "more than " + std::to_string(kMostNodes) + " values; settings are never that many");
    }
    YamlNode& node = tree_.nodes_.emplace_back();
    node.kind = kind;
    node.line = line_of(mark);
    put(node);
    if (anchor != 0 && kind != YamlNode::Kind::list && kind != YamlNode::Kind::map) anchors_[anchor] = &node;
    return node;
  }

  // Where it belongs: as the root, the list's next item or the value of the last key.
  void put(const YamlNode& node) {
    if (open_.empty()) {
      tree_.root_ = &node;
    } else if (YamlNode& parent = *open_.back().node; parent.kind == YamlNode::Kind::list) {
      parent.items.push_back(&node);
    } else {
      parent.entries.back().value = &node;
    }
  }

  void open(YamlNode::Kind kind, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    refuse_tag(mark, tag);
    if (expects_key()) {
      throw Problem(line_of(mark),
                    "a list or a group of settings as a key; write 'key: value', and close every '[' and '{'");
    }
    if (open_.size() >= kDeepest) {
      throw Problem(line_of(mark),
                    "nested deeper than " + std::to_string(kDeepest) + " levels; settings are never that deep");
    }
    YamlNode& node = add(kind, mark, anchor);
    open_.push_back(Open{&node, anchor, {}});
  }

  void close() {
    // Known only now: an alias inside would be a circle.
    if (open_.back().anchor != 0) anchors_[open_.back().anchor] = open_.back().node;
    open_.pop_back();
  }

  YamlTree tree_;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, const YamlNode*> anchors_;
  int documents_ = 0;
};

Result<YamlTree> parse_yaml(const std::string& yaml, std::string_view name) {
  const auto refuse = [&](const Problem& problem) {
    return failure(ErrorKind::invalid,
                   escape_control(name) + ":" + std::to_string(problem.line) + ": " + escape_control(problem.text));
  };
  if (const auto problem = check_characters(yaml)) return refuse(*problem);
  try {
    // With the end marked, a quote that is never closed is an error; yaml-cpp lets
    // the end of the file close it.
    std::istringstream in(yaml + (yaml.ends_with('\n') ? "...\n" : "\n...\n"));
    YAML::Parser parser(in);
    YamlBuilder builder;
    while (parser.HandleNextDocument(builder)) continue;
    return builder.take();
  } catch (const Problem& problem) {
    return refuse(problem);
  } catch (const YAML::Exception& error) {
    return refuse(syntax_problem(yaml, error));
  } catch (const std::exception& error) {
    return refuse(Problem{1, std::string("can't be read as YAML: ") + error.what()});
  }
}

}  // namespace wal_exporter
