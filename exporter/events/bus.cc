#include "events/bus.h"

#include <utility>

namespace wal_exporter::events {

void Bus::publish(Event event) {
  const auto told = std::make_shared<const Event>(std::move(event));
  const MutexLock lock(mutex_);
  for (const auto& [id, listener] : listeners_) listener(told);
}

std::uint64_t Bus::subscribe(Listener listener) {
  const MutexLock lock(mutex_);
  listeners_.emplace(++last_, std::move(listener));
  return last_;
}

void Bus::unsubscribe(std::uint64_t id) {
  const MutexLock lock(mutex_);
  listeners_.erase(id);
}

}  // namespace wal_exporter::events
