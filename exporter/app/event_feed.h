// EventFeed: the events that the API and the event stream hand out, from the audit.
//
// Reads the audit in its order, and wakes whoever waits when the bus tells of
// something new. Safe from any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "events/bus.h"
#include "state/store.h"
#include "view/commands.h"

namespace wal_exporter::app {

class EventFeed {
 public:
  EventFeed(std::shared_ptr<state::Store> store, std::shared_ptr<events::Bus> bus, std::shared_ptr<Clock> clock);
  ~EventFeed();
  EventFeed(const EventFeed&) = delete;
  EventFeed& operator=(const EventFeed&) = delete;

  // As view::Commands says of them.
  [[nodiscard]] Result<view::EventPage> page(const view::EventFilter& filter, std::optional<std::int64_t> before,
                                             std::size_t limit) const;
  [[nodiscard]] Result<std::vector<events::Event>> after(const view::EventFilter& filter, std::int64_t after,
                                                         std::size_t limit, Duration wait)
      WAL_EXPORTER_EXCLUDES(mutex_);
  [[nodiscard]] Result<std::int64_t> newest() const;

  // Lets go of whoever waits, now and from now on.
  void stop() WAL_EXPORTER_EXCLUDES(mutex_);

 private:
  const std::shared_ptr<state::Store> store_;
  const std::shared_ptr<events::Bus> bus_;
  const std::shared_ptr<Clock> clock_;
  std::uint64_t subscription_ = 0;

  Mutex mutex_;  // guards how many were told, and whether to stop
  CondVar told_;
  std::uint64_t count_ WAL_EXPORTER_GUARDED_BY(mutex_) = 0;
  bool stopping_ WAL_EXPORTER_GUARDED_BY(mutex_) = false;
};

// What a row of the audit says; a kind that is no event becomes wal.health.
[[nodiscard]] events::Event to_event(state::AuditEntry entry);
[[nodiscard]] std::vector<events::Event> to_events(std::vector<state::AuditEntry> entries);

}  // namespace wal_exporter::app
