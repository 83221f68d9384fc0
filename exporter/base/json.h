// Reading JSON that somebody else wrote. Pure; safe from any thread. Who includes this
// links nlohmann-json; `base` itself does not.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace wal_exporter {

// A text of an object; empty where there is none. Json: either order of keys.
template <class Json>
[[nodiscard]] std::string text_of(const Json& object, const char* key) {
  if (!object.is_object()) return {};
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->template get<std::string>() : std::string();
}

}  // namespace wal_exporter
