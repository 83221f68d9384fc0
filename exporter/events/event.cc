#include "events/event.h"

namespace walx::events {

std::string_view to_string(Type type) {
  switch (type) {
    case Type::health:
      return "wal.health";
    case Type::checkpoint:
      return "wal.checkpoint";
    case Type::restart_consideration:
      return "wal.restart_consideration";
    case Type::restart:
      return "wal.restart";
  }
  return "unknown";
}

}  // namespace walx::events
