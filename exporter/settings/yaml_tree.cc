#include "settings/yaml_tree.h"

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

namespace wal_exporter::settings {

namespace {

constexpr std::size_t kDeepest = 32;
constexpr std::size_t kMostNodes = 50'000;

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

class TreeBuilder final : public YAML::EventHandler {
 public:
  [[nodiscard]] bool failed() const { return problem_.has_value(); }
  [[nodiscard]] Problem problem() const { return problem_.value_or(Problem{}); }
  [[nodiscard]] Tree take() { return std::move(tree_); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1) fail(line_of(mark), "a second document begins here; settings are one document, remove it");
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (failed()) return;
    if (expects_key()) return fail(line_of(mark), "a key is missing before ':'; write 'key: value'");
    Value* node = make(Value::Kind::null, mark);
    if (node == nullptr) return;
    // yaml-cpp notices that a value is missing at what comes next.
    if (!open_.empty() && open_.back().has_key) node->line = open_.back().node->entries.back().line;
    remember(anchor, add(node));
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (failed()) return;
    if (expects_key()) return fail(line_of(mark), "an alias as a key; write the key out");
    const auto known = anchors_.find(anchor);
    if (known == anchors_.end()) return fail(line_of(mark), "an alias to what it stands in; write the value out");
    add(known->second);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    if (failed() || refuse_tag(mark, tag)) return;
    if (expects_key()) return start_entry(mark, value);
    Value* node = make(Value::Kind::scalar, mark);
    if (node == nullptr) return;
    node->text = value;
    remember(anchor, add(node));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value /*style*/) override {
    open(Value::Kind::list, mark, tag, anchor);
  }
  void OnSequenceEnd() override { close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value /*style*/) override {
    open(Value::Kind::map, mark, tag, anchor);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Open {
    Value* node = nullptr;
    YAML::anchor_t anchor = 0;
    bool has_key = false;             // map: the last entry waits for its value
    std::map<std::string, int> keys;  // map: key to line
  };

  // The first problem is kept; yaml-cpp can't be told to stop, so what follows is
  // let pass unread.
  void fail(int line, std::string text) {
    if (!failed()) problem_ = Problem{line, std::move(text)};
  }

  bool refuse_tag(const YAML::Mark& mark, const std::string& tag) {
    // "?" stands for no tag on a plain value, "!" for none on a quoted one.
    if (tag.empty() || tag == "?" || tag == "!") return false;
    fail(line_of(mark), "the tag '" + escape_control(tag) + "'; settings need no tags, remove it");
    return true;
  }

  [[nodiscard]] bool expects_key() const {
    return !open_.empty() && open_.back().node->kind == Value::Kind::map && !open_.back().has_key;
  }

  void start_entry(const YAML::Mark& mark, const std::string& key) {
    Open& map = open_.back();
    const int line = line_of(mark);
    const auto [first, is_new] = map.keys.emplace(key, line);
    if (!is_new) {
      return fail(line, "the key '" + escape_control(key) + "' is there twice, first on line " +
                            std::to_string(first->second) + "; keep one of them");
    }
    map.node->entries.push_back(Entry{key, line, nullptr});
    map.has_key = true;
  }

  Value* make(Value::Kind kind, const YAML::Mark& mark) {
    if (tree_.nodes_.size() >= kMostNodes) {
      fail(line_of(mark), "more than " + std::to_string(kMostNodes) + " values; settings are never that many");
      return nullptr;
    }
    Value& node = tree_.nodes_.emplace_back();
    node.kind = kind;
    node.line = line_of(mark);
    return &node;
  }

  const Value* add(const Value* node) {
    if (node == nullptr) return nullptr;
    if (open_.empty()) {
      tree_.root_ = node;
    } else if (Open& parent = open_.back(); parent.node->kind == Value::Kind::list) {
      parent.node->items.push_back(node);
    } else {
      parent.node->entries.back().value = node;
      parent.has_key = false;
    }
    return node;
  }

  void remember(YAML::anchor_t anchor, const Value* node) {
    if (anchor != 0 && node != nullptr) anchors_[anchor] = node;
  }

  void open(Value::Kind kind, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    if (failed() || refuse_tag(mark, tag)) return;
    const int line = line_of(mark);
    if (expects_key())
      return fail(line, "a list or a group of settings as a key; write 'key: value', and close every '[' and '{'");
    if (open_.size() >= kDeepest) {
      return fail(line, "nested deeper than " + std::to_string(kDeepest) + " levels; settings are never that deep");
    }
    Value* node = make(kind, mark);
    if (node == nullptr) return;
    add(node);
    open_.push_back(Open{node, anchor, false, {}});
  }

  void close() {
    if (failed()) return;
    // Known only now: an alias inside would be a circle.
    remember(open_.back().anchor, open_.back().node);
    open_.pop_back();
  }

  Tree tree_;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, const Value*> anchors_;
  std::optional<Problem> problem_;
  int documents_ = 0;
};

tl::expected<Tree, Problem> parse_tree(const std::string& yaml) {
  if (auto problem = check_characters(yaml)) return tl::unexpected(*std::move(problem));
  TreeBuilder builder;
  try {
    // With the end marked, a quote that is never closed is an error; yaml-cpp lets
    // the end of the file close it.
    std::istringstream in(yaml + (yaml.ends_with('\n') ? "...\n" : "\n...\n"));
    YAML::Parser parser(in);
    while (!builder.failed() && parser.HandleNextDocument(builder)) continue;
  } catch (const YAML::Exception& error) {
    if (!builder.failed()) return tl::unexpected(syntax_problem(yaml, error));
  } catch (const std::exception& error) {
    return tl::unexpected(Problem{1, std::string("can't be read as YAML: ") + error.what()});
  }
  if (builder.failed()) return tl::unexpected(builder.problem());
  return builder.take();
}

}  // namespace wal_exporter::settings
