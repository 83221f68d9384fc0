// One running hook: a thread that reads events from where it stopped last, delivers them in
// order, retries after a failure, and reports what it dropped. HookQueue has the events.
//
// Each event is delivered at least once; after a restart one may be delivered again.
//
// Public functions are safe from any thread. A listener on the bus only wakes the
// thread, so nothing that publishes waits for a disk or a network.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

#include "base/clock.h"
#include "base/log.h"
#include "events/bus.h"
#include "events/channel.h"
#include "events/hook.h"
#include "events/hook_memory.h"
#include "events/hook_queue.h"
#include "events/hook_status.h"

namespace wal_exporter::events {

struct HookServices {
  std::shared_ptr<Clock> clock;
  Log log;
  std::shared_ptr<Bus> bus;
  std::shared_ptr<HookMemory> memory;
  std::function<void()> changed;   // a status has changed; called without locks
  std::function<double()> jitter;  // from -1 to 1
};

// What a hook whose settings changed hands on to the one in its place.
struct HookHandover {
  HookStatus status;
  std::deque<Event> unkept;
};

// What becomes of the queued events of a hook that ends: they wait for the next start, go to
// the hook of the same name that takes its place, or are dropped with the hook.
enum class Queued { waits, handed_on, dropped };

class HookRunner {
 public:
  // A hook that is new starts with what happens from now on. Reads the memory.
  HookRunner(HookConfig config, std::unique_ptr<Channel> channel, HookServices services, HookHandover before = {});
  // Stops at once.
  ~HookRunner();
  HookRunner(const HookRunner&) = delete;
  HookRunner& operator=(const HookRunner&) = delete;

  [[nodiscard]] const HookConfig& config() const { return config_; }
  [[nodiscard]] HookStatus status() const WAL_EXPORTER_EXCLUDES(mutex_);

  // Lets the thread try the queued events once more, without pauses, until `deadline`; then
  // it ends. Returns at once.
  void finish(SteadyTime deadline) WAL_EXPORTER_EXCLUDES(mutex_);
  [[nodiscard]] bool finished() const { return finished_; }
  // Ends the thread whatever it is doing: cancel() only requests that, stop() also waits.
  // `becomes`: of the events that are queued, for the log.
  void cancel() WAL_EXPORTER_EXCLUDES(mutex_);
  void stop(Queued becomes = Queued::waits) WAL_EXPORTER_EXCLUDES(mutex_);
  // Call after stop().
  [[nodiscard]] HookHandover hand_over() WAL_EXPORTER_EXCLUDES(mutex_);

 private:
  void run(const std::stop_token& stop) WAL_EXPORTER_EXCLUDES(mutex_);
  void work(const std::stop_token& stop) WAL_EXPORTER_EXCLUDES(mutex_);
  void note_unforeseen(const char* what) WAL_EXPORTER_EXCLUDES(mutex_);
  [[nodiscard]] bool pause_unforeseen(const std::stop_token& stop) WAL_EXPORTER_EXCLUDES(mutex_);
  void on_event(const Event& event) WAL_EXPORTER_EXCLUDES(mutex_);
  void collect(bool look) WAL_EXPORTER_EXCLUDES(mutex_);
  [[nodiscard]] std::optional<SteadyTime> due() const;
  void attempt(Duration longest, const std::stop_token& stop) WAL_EXPORTER_EXCLUDES(mutex_);
  void note_failure(const Delivery& delivery, Time now) WAL_EXPORTER_EXCLUDES(mutex_);
  [[nodiscard]] Duration pause_after_failure() const;
  template <class Change>
  void update(const Change& change) WAL_EXPORTER_EXCLUDES(mutex_);

  const HookConfig config_;
  const HookServices services_;
  std::uint64_t subscription_ = 0;

  // Used by the thread alone once it runs.
  std::unique_ptr<Channel> channel_;
  HookQueue queue_;
  std::uint64_t failed_in_row_ = 0;  // failed deliveries since the last success
  int refused_in_row_ = 0;
  bool partly_failing_ = false;
  std::optional<SteadyTime> not_before_;  // a pause after a failure
  std::optional<SteadyTime> last_told_;   // when the last delivery ended that needs no repetition

  mutable Mutex mutex_;  // guards what the thread shares with its callers
  CondVar wake_;
  bool woken_ WAL_EXPORTER_GUARDED_BY(mutex_) = true;
  Queued becomes_ WAL_EXPORTER_GUARDED_BY(mutex_) = Queued::waits;
  std::optional<SteadyTime> finish_by_ WAL_EXPORTER_GUARDED_BY(mutex_);
  std::deque<Event> unkept_ WAL_EXPORTER_GUARDED_BY(mutex_);
  HookStatus status_ WAL_EXPORTER_GUARDED_BY(mutex_);
  std::atomic<bool> finished_{false};
  std::jthread thread_;
};

}  // namespace wal_exporter::events
