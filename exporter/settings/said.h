// What a settings file says beside the defaults, as it is written there: to tell what a
// reload changes, and on which line something stands.
//
// Plain values; safe from any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace wal_exporter::settings {

struct SaidValue {
  std::string key;      // "checkpoint.cooldown"
  std::string text;     // as written: "90s"
  std::string meaning;  // the same for everything that means the same: "1m30s"
  std::string usual;    // what holds without it
  int line = 1;
  bool secret = false;  // names a secret or may hold one: never shown
};

struct SaidGroup {
  std::string name;  // "target plant", "hook ops"; empty: the top of the file
  int line = 1;
  std::vector<SaidValue> values;

  // nullptr: not said, or as it would be anyway.
  [[nodiscard]] const SaidValue* find(std::string_view key) const;
};

struct Said {
  std::string file;               // as messages name it; empty: there is none
  std::vector<SaidGroup> groups;  // the top of the file, each target, each hook

  // "FILE:LINE: "
  [[nodiscard]] std::string at(int line) const { return file + ":" + std::to_string(line) + ": "; }
};

// One line for each change: "target plant: checkpoint.cooldown: 5m (default) -> 15s", those
// of secrets by name alone. Empty: nothing changed.
[[nodiscard]] std::vector<std::string> changes(const Said& before, const Said& after);

}  // namespace wal_exporter::settings
