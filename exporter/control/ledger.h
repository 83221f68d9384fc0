// Ledger: what a target tells and keeps: events and notes in the audit, values in
// the state database, lines in the log. One complaint in the log while the state
// can't be written, and none again until a write has gone well.
//
// Writes at once, on the caller's thread: the ids of checkpoints are ids of the
// audit, and that a restart is about to be made must be on disk before it is.
// One thread at a time.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "base/log.h"
#include "base/time.h"
#include "events/bus.h"
#include "events/event.h"
#include "state/store.h"
#include "wal/sample.h"

namespace wal_exporter::control {

class Ledger {
 public:
  // `bus` may be nullptr: events then go to the audit and the log alone.
  Ledger(std::string target, std::shared_ptr<state::Store> store, std::shared_ptr<events::Bus> bus, Log log);

  // Keeps, counts and tells an event. `sample`: what it rests on, nullptr: nothing;
  // a `detail` that has its own keeps that. Returns its id, or, where it could
  // not be kept, a number that nothing else in this process has or will have.
  std::int64_t tell(events::Type type, events::Severity severity, const std::string& summary,
                    nlohmann::ordered_json detail, const wal::Sample* sample, Time now);
  // Keeps what is no event: decisions, pauses.
  void note(const std::string& kind, const std::string& summary, const std::string& detail, Time now);

  // Whether `value` is on disk now.
  bool keep(const std::string& key, const std::string& value);
  // nullopt: there is none, or it can't be read (which is logged).
  [[nodiscard]] std::optional<std::string> kept(const std::string& key);
  // The newest event of that type, as JSON; nullopt: there is none.
  [[nodiscard]] std::optional<std::string> last_event(events::Type type);

  [[nodiscard]] const Log& log() const { return log_; }
  [[nodiscard]] const std::string& target() const { return target_; }
  [[nodiscard]] const std::map<events::Type, std::uint64_t>& events() const { return events_; }

 private:
  // The id of the new row; nullopt: it could not be kept.
  std::optional<std::int64_t> append(const std::string& kind, const std::string& summary, const std::string& detail,
                                     Time now);
  void complain(const Error& error);

  const std::string target_;
  const std::shared_ptr<state::Store> store_;
  const std::shared_ptr<events::Bus> bus_;
  const Log log_;
  std::int64_t not_kept_ = 0;  // so many events
  bool failing_ = false;
  std::map<events::Type, std::uint64_t> events_;  // told
};

}  // namespace wal_exporter::control
