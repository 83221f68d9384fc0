// How seldom people are told of what happens often: which of the queued events make the next
// message, and when it is due.
//
// Each target has a pace. Its first event goes out at once; what follows is summed up into one
// message after 1 min, then after 5, 15 and 30 min, until nothing has been told of it for an hour.
// What is worse than all that was told of it meanwhile does not wait. Of all targets together five
// messages a minute go out; more, or five targets at a time, are summed up in one.
//
// Not thread-safe; no I/O.
#pragma once

#include <deque>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "events/event.h"

namespace wal_exporter::events {

// One event that stands for all of these: itself, or one with what happened, how often, since
// when, and how it stands. They may be of several targets. In the order of their ids, not empty.
[[nodiscard]] Event summed_up(const std::vector<const Event*>& events);

class Damper {
 public:
  // No event waits longer than `longest`; where more than `most` wait, none does.
  Damper(Duration longest, std::size_t most) : longest_(longest), most_(most) {}

  // The events of the next message, as indices in `queue`; empty: none is due yet.
  [[nodiscard]] std::vector<std::size_t> pick(const std::deque<Event>& queue, Time now) const;
  // When there will be one; nullopt: nothing is queued.
  [[nodiscard]] std::optional<Time> due(const std::deque<Event>& queue, Time now) const;
  // These have been told, in one message.
  void told(const std::vector<const Event*>& events, Time now);

  // The paces as they are kept across restarts; entries that make no sense are left out.
  [[nodiscard]] nlohmann::ordered_json memory() const;
  void restore(const nlohmann::ordered_json& memory);

 private:
  struct Pace {
    Time last{};           // when the last message went out
    std::size_t step = 0;  // how long it waits for the next
    Severity worst = Severity::info;
  };

  [[nodiscard]] Time due_of(const Event& event, Time now) const;
  [[nodiscard]] Time all_due(Time now) const;

  Duration longest_;
  std::size_t most_;
  std::map<std::string, Pace> paces_;  // by target
  std::deque<Time> recent_;            // messages within the last minute
};

}  // namespace wal_exporter::events
