// Tells every event to whoever subscribed: hooks, the event stream.
//
// An event with an id is in the audit before it is published. The audit is ordered by id;
// the bus may deliver events of two targets in another order. So a subscriber that needs
// every event once and in order takes the call as a signal to read the audit from the last
// id it has. An event with id 0 could not be stored and exists only on the bus.
//
// Safe from any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>

#include "base/mutex.h"
#include "events/event.h"

namespace wal_exporter::events {

class Bus {
 public:
  // Called in the publisher's thread, which may hold locks of a target: must be
  // quick, must not block on I/O, and must not call into a target or the bus.
  using Listener = std::function<void(const std::shared_ptr<const Event>&)>;

  void publish(Event event) WAL_EXPORTER_EXCLUDES(mutex_);

  // Until unsubscribe() returns; after that the listener is not called any more.
  [[nodiscard]] std::uint64_t subscribe(Listener listener) WAL_EXPORTER_EXCLUDES(mutex_);
  void unsubscribe(std::uint64_t id) WAL_EXPORTER_EXCLUDES(mutex_);

 private:
  Mutex mutex_;  // guards the listeners, also while they are called
  std::uint64_t last_ WAL_EXPORTER_GUARDED_BY(mutex_) = 0;
  std::map<std::uint64_t, Listener> listeners_ WAL_EXPORTER_GUARDED_BY(mutex_);
};

}  // namespace wal_exporter::events
