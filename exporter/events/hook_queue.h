// What one hook still has to deliver, in order, and how much of it outlives the process.
//
// The audit is the queue; stored is the id up to which everything was delivered or dropped.
// Events that could not be stored in the audit are held here alone.
//
// No thread and no clock: one thread at a time uses it, and passes the time. Reads and writes
// the HookMemory, which may block. Logs what it drops and what fails.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/time.h"
#include "events/channel.h"
#include "events/hook.h"
#include "events/hook_memory.h"

namespace wal_exporter::events {

class HookQueue {
 public:
  // `config` and `channel` must outlive it. The channel says which events have to be delivered.
  HookQueue(const HookConfig& config, Channel& channel, std::shared_ptr<HookMemory> memory, Log log);

  // Begins where this hook stopped last; a new hook begins after the newest event. False if
  // that can't be read: call it again before anything else.
  bool restore(Time now, SteadyTime steady);
  [[nodiscard]] bool restored() const { return restored_; }

  // Adds what is new in the audit, or what the audit doesn't have.
  void read_audit(Time now);
  void add(std::deque<Event> unkept);
  // Drops the oldest events beyond max_queue, and those older than max_age.
  void drop_surplus(Time now);
  // Stores how far this hook has come: at once if `at_once` is given, or if something was
  // delivered or dropped; otherwise only every 30 s.
  void remember(SteadyTime now, bool at_once);

  // These (ascending indices) were delivered. Returns how many were dropped since the last call.
  std::uint64_t delivered(const std::vector<std::size_t>& which);
  // These are dropped, because they were refused.
  void refused(const std::vector<std::size_t>& which);

  [[nodiscard]] const std::deque<Event>& events() const { return events_; }
  // Those that are not in the audit.
  [[nodiscard]] std::deque<Event> unkept() const;
  // How many were dropped since the last call.
  [[nodiscard]] std::uint64_t take_dropped() { return std::exchange(dropped_, 0); }
  // Whether the last read, or the last write, failed.
  [[nodiscard]] bool reading_fails() const { return reading_fails_; }
  [[nodiscard]] bool writing_fails() const { return writing_fails_; }

 private:
  // What was queued when this hook last saved its state.
  struct Backlog {
    std::int64_t cursor = 0;  // the queued events begin after this id
    std::int64_t read = 0;    // the last id that had been read
    std::uint64_t waiting = 0;
    std::uint64_t found = 0;
    std::optional<bool> trimmed;  // whether the first queued event is gone from the audit
  };

  [[nodiscard]] Result<void> begin(Time now);
  [[nodiscard]] Result<void> begin_new(Time now);
  void settle_backlog();
  void drop(std::size_t count, const std::string& why);
  void take_off(const std::vector<std::size_t>& which);

  const HookConfig& config_;
  Channel& channel_;
  const std::shared_ptr<HookMemory> memory_;
  const Log log_;
  const std::string key_;  // in the memory

  bool restored_ = false;
  std::int64_t read_ = 0;           // events up to this id have been read
  std::optional<Backlog> backlog_;  // nullopt: all of it has been read again, or was dropped
  std::deque<Event> events_;
  std::set<std::int64_t> done_;  // delivered or dropped, though one with a smaller id still waits
  std::string saved_;
  SteadyTime last_saved_{};
  bool save_at_once_ = false;
  std::uint64_t dropped_ = 0;         // events since take_dropped()
  std::uint64_t dropped_in_row_ = 0;  // events since the last success
  bool reading_fails_ = false;
  bool writing_fails_ = false;
};

}  // namespace wal_exporter::events
