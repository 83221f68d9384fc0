// What differs between the kinds of hooks once an event is there: messages go out
// one by one, Alertmanager is told a state.
//
// Used by the thread of its hook alone.
#pragma once

#include <deque>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "events/hook.h"
#include "events/sender.h"

namespace wal_exporter::events {

struct Delivery {
  Attempt::Verdict verdict = Attempt::Verdict::failed;
  std::vector<std::size_t> events;  // of the queue, that the delivery covers: ascending indices
  std::size_t failures = 0;         // failed requests, also if one to another receiver succeeded
  std::string message;              // what went wrong in those
  std::optional<Duration> retry_after;
};

class Channel {
 public:
  virtual ~Channel() = default;

  // Whether every file and the template make sense. Reads files.
  [[nodiscard]] virtual Result<void> check() const = 0;
  // Takes the next event, in order. Returns whether it has to be delivered.
  [[nodiscard]] virtual bool take(const Event& event) = 0;
  // `queue` is empty if has_news() or resend() is the reason for this delivery. No request
  // takes longer than `longest`.
  [[nodiscard]] virtual Delivery deliver(const std::deque<Event>& queue, Time now, Duration longest,
                                         const std::stop_token& stop) = 0;
  // When the next of these are due, the queue not being empty.
  [[nodiscard]] virtual Time due(const std::deque<Event>& queue, Time now) const;
  // True if there is something to deliver although no event is queued.
  [[nodiscard]] virtual bool has_news() const { return false; }
  // The time between two deliveries while nothing happens; nullopt: no repetition is needed.
  [[nodiscard]] virtual std::optional<Duration> resend() const { return std::nullopt; }
  // True if a state is delivered rather than events: it is made from all events so far.
  [[nodiscard]] virtual bool tells_a_state() const { return false; }
  // Nobody was told anything by this hook before: called once what happened before has been
  // taken. Otherwise restore() is.
  virtual void begin(Time now);
  // What has to survive a restart; null: nothing.
  [[nodiscard]] virtual nlohmann::ordered_json memory() const;
  virtual void restore(const nlohmann::ordered_json& memory, Time now);
};

// An error for a template that makes no sense.
[[nodiscard]] Result<std::unique_ptr<Channel>> make_channel(const HookConfig& config);

}  // namespace wal_exporter::events
