// What the tests of the settings share.
#pragma once

#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "settings/load.h"

namespace wal_exporter::settings {

inline Environment no_environment() {
  return [](const std::string&) -> std::optional<std::string> { return std::nullopt; };
}

inline Environment environment(std::map<std::string, std::string> variables) {
  return [variables = std::move(variables)](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  };
}

// A complete file of one target; `more` are keys of the target, two spaces or more
// of indentation each, from line 4 on.
inline std::string target_with(const std::string& more) {
  return "targets:\n- wal:\n    directory: /w\n" + more;
}

// The only target of what `yaml` says; fails the test where it is refused.
inline Target read(const std::string& yaml, const Environment& variables = no_environment()) {
  auto settings = parse(yaml, "a.yml", variables);
  if (!settings) throw std::runtime_error("refused: " + settings.error().message);
  return settings->targets.front();
}

// The message with which `yaml` is refused; "accepted" where it is not.
inline std::string refusal(const std::string& yaml, const Environment& variables = no_environment()) {
  const auto settings = parse(yaml, "a.yml", variables);
  return settings ? "accepted" : settings.error().message;
}

}  // namespace wal_exporter::settings
