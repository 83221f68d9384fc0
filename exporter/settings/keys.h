// The keys of a settings file, as its reading asked for them, and what to say about
// one that is none. Pure; safe from any thread.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace wal_exporter::settings {

struct SectionKeys {
  std::string section;  // below a target: "checkpoint.nudge"; "target" itself; "" for the top
  std::vector<std::string> keys;
};

using Keys = std::vector<SectionKeys>;  // in the order of reading

[[nodiscard]] bool is_key(const Keys& keys, std::string_view section, std::string_view key);

// "unknown key 'colldown' in checkpoint; did you mean 'cooldown'?", or where it
// belongs, or the keys there are.
[[nodiscard]] std::string explain_unknown_key(const Keys& keys, std::string_view section, std::string_view key);

// The word of `words` that `text` was probably meant to be; empty: none is close.
[[nodiscard]] std::string_view closest(std::string_view text, std::span<const std::string_view> words);

}  // namespace wal_exporter::settings
