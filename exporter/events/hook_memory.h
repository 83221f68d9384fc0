// What hooks need to have kept: the events, and how far each hook has come.
//
// An interface, because events/ knows no database; app implements it over the
// state. Implementations are safe from any thread and may block on a disk.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "events/event.h"

namespace wal_exporter::events {

class HookMemory {
 public:
  virtual ~HookMemory() = default;

  // Ids above `id`, the oldest first, at most `limit`.
  [[nodiscard]] virtual Result<std::vector<Event>> events_after(std::int64_t id, std::size_t limit) = 0;
  // The newest id ever given; 0: none yet.
  [[nodiscard]] virtual Result<std::int64_t> newest_id() = 0;

  [[nodiscard]] virtual Result<std::optional<std::string>> get(const std::string& key) = 0;
  [[nodiscard]] virtual Result<void> put(const std::string& key, const std::string& value) = 0;
};

}  // namespace wal_exporter::events
