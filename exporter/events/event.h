// What is told to the log, and later to hooks and the event stream. Value types:
// safe from any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/time.h"

namespace walx::events {

enum class Type { health, checkpoint, restart_consideration, restart };
inline constexpr Type kTypes[] = {Type::health, Type::checkpoint, Type::restart_consideration, Type::restart};

// wal.health, wal.checkpoint, wal.restart_consideration, wal.restart
[[nodiscard]] std::string_view to_string(Type type);

struct Event {
  std::int64_t id = 0;  // of its row in the audit; 0: not kept
  Time time{};
  std::string target;
  Type type = Type::health;
  std::string summary;  // one line for people
  std::string detail;   // a JSON object
};

}  // namespace walx::events
