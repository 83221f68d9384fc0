// All hooks of the process: each with a thread of its own, so that one that is
// slow or dead delays no other.
//
// apply() and stop() are called by one thread at a time; status() by any.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "events/runner.h"

namespace wal_exporter::events {

// Whether its template makes sense; true of a hook that has none.
[[nodiscard]] Result<void> check_template(const HookConfig& config);
// Whether a hook can work: its template, and every file it names. Reads files.
[[nodiscard]] Result<void> check_hook(const HookConfig& config);

class Hooks {
 public:
  explicit Hooks(HookServices services) : services_(std::move(services)) {}
  // Stops at once.
  ~Hooks();

  // Hooks with the same settings run on undisturbed. A hook whose settings changed continues
  // after the last event it delivered. Of a removed hook nothing is kept.
  void apply(std::vector<HookConfig> configs) WAL_EXPORTER_EXCLUDES(mutex_);
  // Tries for at most this long to deliver the queued events, then ends all hooks. What is
  // left is delivered after the next start.
  void stop(Duration flush) WAL_EXPORTER_EXCLUDES(mutex_);

  // In the order of the settings; then those that were taken out and dropped events.
  [[nodiscard]] std::vector<HookStatus> status() const WAL_EXPORTER_EXCLUDES(mutex_);

 private:
  using Runners = std::vector<std::shared_ptr<HookRunner>>;

  [[nodiscard]] std::vector<HookStatus> gone_after(const Runners& before, const std::vector<HookConfig>& configs) const
      WAL_EXPORTER_EXCLUDES(mutex_);
  [[nodiscard]] HookHandover before_it_left(const std::string& name) const WAL_EXPORTER_EXCLUDES(mutex_);
  void forget_others(const std::vector<HookConfig>& configs);

  const HookServices services_;
  mutable Mutex mutex_;  // guards the list
  Runners runners_ WAL_EXPORTER_GUARDED_BY(mutex_);
  std::vector<HookStatus> gone_ WAL_EXPORTER_GUARDED_BY(mutex_);  // taken out, having dropped events
};

}  // namespace wal_exporter::events
