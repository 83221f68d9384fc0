// From nodes of the YAML tree to typed values, with the problems met on the way.
//
// A value that is wrong leaves its default in place and adds a problem, so that
// one pass finds them all. Not thread-safe: one Reader reads one file.
#pragma once

#include <cstdint>
#include <deque>
#include <initializer_list>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/redacted.h"
#include "base/result.h"
#include "base/time.h"
#include "base/yaml.h"
#include "settings/keys.h"
#include "settings/load.h"
#include "settings/said.h"

namespace wal_exporter::settings {

// As it was written, on one line and not too long, in quotes.
[[nodiscard]] std::string shown(std::string_view text);

struct Problem {
  int line = 1;
  std::string text;  // what is wrong, and what would be right
};

class Reader {
 public:
  // `file` stands before the line in messages.
  Reader(const std::string& file, const Environment& environment);

  void problem(int line, std::string text);
  // Something required is not there. Told after all else: a misspelt key is why.
  void missing(int line, std::string text);
  // "file:line"
  [[nodiscard]] std::string place(int line) const { return file_ + ":" + std::to_string(line); }
  [[nodiscard]] bool good() const { return problems_.empty() && missing_.empty(); }
  // Every problem, one a line, in the order of the file; what is missing after them.
  [[nodiscard]] std::string problems() const;

  // What is read from here on is said of `name` (said.h), which begins on `line`.
  void begin(std::string name, int line) { said_.groups.push_back({std::move(name), line, {}}); }
  void set_name(std::string name) { said_.groups.back().name = std::move(name); }
  void say(SaidValue value) { said_.groups.back().values.push_back(std::move(value)); }
  // Settings::in_force, of all that was read.
  [[nodiscard]] RedactedText in_force() const;
  [[nodiscard]] Said take_said() { return std::move(said_); }

  // The text of a scalar with its variables filled in. nullopt: a problem was
  // added; `expected` says what would be right.
  [[nodiscard]] std::optional<std::string> text(const YamlNode& node, std::string_view path, std::string_view expected);

  // A value on one line, with its variables filled in.
  [[nodiscard]] std::string flow(const YamlNode& node) const;
  // The same as YAML.
  [[nodiscard]] std::string yaml(const YamlNode& node) const;

  // What was asked for by now.
  [[nodiscard]] Keys asked() const;
  // When all is read: adds a problem for every key that the reading did not ask for.
  // `known` says which there are: those that this file gave no reason to ask for, too.
  void done(Keys (*known)());

 private:
  friend class Section;

  // Who may read a value: everybody, whoever logged in, nobody.
  enum class Readers { all, users, none };
  struct Held {
    std::string key;
    std::string yaml;
    Readers readers{};
  };
  // A group of settings, what was asked of it, and what holds then.
  struct Group {
    const YamlNode* node = nullptr;
    std::string section;
    int line = 0;
    std::string kind;
    std::vector<std::string> asked;
    const Group* parent = nullptr;  // of one in a group
    std::vector<Held> held{};
  };
  std::string file_;
  const Environment& environment_;
  std::vector<Problem> problems_;
  std::vector<Problem> missing_;
  Said said_;
  std::deque<Group> groups_;  // never moved: sections point to theirs
};

inline constexpr Duration kLongestDuration = std::chrono::hours(24 * 365);
inline constexpr Duration kShortestDuration = std::chrono::milliseconds(1);

template <class T>
struct Range {
  T least;
  T most;
};

inline constexpr Range<Duration> kAnyDuration{kShortestDuration, kLongestDuration};

struct Word {
  std::string text;
  int line = 0;
};

// How a list of texts is written.
struct ListForm {
  std::size_t most;
  std::string_view form;        // "a list of 1 to 3 names"
  std::string_view item = {};   // one of them; empty: as `form`
  std::string_view wrong = {};  // told of a list that is empty or too long; empty: a text with `form`
  bool single = true;           // whether one text is a list, too
};

// How a group of names and texts is written.
struct MapForm {
  std::string_view what;              // "headers"
  std::string_view name = "name";     // of one, in "write one 'name: value' a line"
  std::string_view value = "a text";  // "the header's value"
};

using CheckPair = Result<void> (*)(std::string_view name, std::string_view value);

// One group of settings, such as `checkpoint`. Reads by key, and notes the keys that
// were asked for: these are the keys there are. A key that is not in the file leaves
// `out` as it was.
class Section {
 public:
  // nullptr, or null as left by a group whose keys are all commented out: no keys.
  // `line`: where a key is missed that is not there.
  Section(Reader& reader, const YamlNode* node, std::string name, int line)
      : Section(reader, node, std::move(name), line, nullptr) {}

  // "a hook of type slack": told of the keys that others of this section have.
  void set_kind(std::string kind) const { group_.kind = std::move(kind); }

  // Asks for the key.
  [[nodiscard]] const YamlNode* find(std::string_view key) const;
  // Of the key, or of the section itself where the key is not there.
  [[nodiscard]] int line(std::string_view key) const;
  // For messages: "checkpoint.cooldown"; in a target itself "name".
  [[nodiscard]] std::string path(std::string_view key) const;
  [[nodiscard]] Section section(std::string_view key) const;

  // That `text` holds for the key, whether it is in the file or not; the last word counts. The reading
  // below says so itself.
  void hold(std::string_view key, std::string_view text) const;

  // Whether a text was there and read.
  bool text(std::string_view key, std::string& out) const;
  void boolean(std::string_view key, bool& out) const;
  void duration(std::string_view key, Duration& out, Range<Duration> range = kAnyDuration) const;
  void bytes(std::string_view key, std::uint64_t& out, Range<std::uint64_t> range) const;
  void count(std::string_view key, std::uint64_t& out, Range<std::uint64_t> range) const;
  void factor(std::string_view key, double& out, Range<double> range) const;

  // `word` (auto) stands for nullopt; so do the words of `also`.
  void duration_or(std::string_view word, std::string_view key, std::optional<Duration>& out,
                   std::initializer_list<std::string_view> also = {}) const;
  void count_or(std::string_view word, std::string_view key, std::optional<std::uint64_t>& out,
                Range<std::uint64_t> range) const;

  // Without those that are wrong; empty where the key is not there.
  [[nodiscard]] std::vector<Word> words(std::string_view key, const ListForm& form) const;
  [[nodiscard]] std::map<std::string, std::string> pairs(std::string_view key, const MapForm& form,
                                                         CheckPair check) const;

  template <class E>
  using Choices = std::initializer_list<std::pair<std::string_view, E>>;

  // One of some words. `hidden` are taken too, but not offered in messages.
  template <class E>
  void choice(std::string_view key, E& out, Choices<E> choices, Choices<E> hidden = {}) const {
    std::vector<std::string_view> words;
    for (const auto& [word, value] : choices) words.push_back(word);
    std::vector<std::string_view> hidden_words;
    for (const auto& [word, value] : hidden) hidden_words.push_back(word);
    const std::optional<std::string> found = one_of(key, words, hidden_words);
    const auto name_of = [&](const E& value) {
      for (const auto& [word, known] : choices) {
        if (known == value) return std::string(word);
      }
      return std::string("not set");
    };
    const std::string usual = name_of(out);
    if (!found) return hold_open(key, usual);
    for (const auto& set : {choices, hidden}) {
      for (const auto& [word, value] : set) {
        if (word == *found) out = value;
      }
    }
    say(key, *found, name_of(out), usual);
    hold_open(key, name_of(out));
  }

  // That the key says `text`, which means `meaning`; `usual`: what holds without it.
  void say(std::string_view key, std::string text, std::string meaning, std::string usual, bool secret = false) const;
  // Of a list or a group, whole, as it is written.
  void say_whole(std::string_view key, bool secret = false) const;

  [[nodiscard]] Reader& reader() const { return reader_; }

 private:
  Section(Reader& reader, const YamlNode* node, std::string name, int line, const Reader::Group* parent);
  // Holds `text()` for everybody when what reads the key has ended.
  class Holding;

  [[nodiscard]] static bool may_be_secret(std::string_view key, std::string_view text);
  void hold(std::string_view key, std::string yaml, Reader::Readers readers) const;
  void hold_open(std::string_view key, const std::string& text) const;
  std::optional<std::string> raw(std::string_view key, std::string_view expected) const;
  std::optional<std::string> one_of(std::string_view key, const std::vector<std::string_view>& words,
                                    const std::vector<std::string_view>& hidden) const;
  void problem(std::string_view key, const std::string& text) const;
  void set_duration(std::string_view key, const std::string& text, Duration& out, Range<Duration> range) const;
  void set_count(std::string_view key, const std::string& text, std::uint64_t& out, Range<std::uint64_t> range,
                 std::string_view word) const;

  [[nodiscard]] const YamlEntry* entry(std::string_view key) const;

  Reader& reader_;
  Reader::Group& group_;
};

// Adds a problem at the key's own line.
void complain(const Section& section, std::string_view key, const std::string& text);

// A whole number in decimal digits and nothing else; nullopt otherwise. Larger
// than 64 bits: the largest there is.
[[nodiscard]] std::optional<std::uint64_t> whole_number(std::string_view text);
// A finite decimal number and nothing else.
[[nodiscard]] std::optional<double> decimal_number(std::string_view text);

}  // namespace wal_exporter::settings
