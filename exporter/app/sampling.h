// Sampler: looks at one target's WAL on a thread of its own, so that a disk that
// hangs holds up nothing else. Finds out the layout first, and watches the
// directory once it is known.
//
// request() asks for a look; requests during one are served by the next. Results
// go to `on_look` on the thread of the sampler, changes seen by the watch to
// `on_change` on one of the hub; neither is called once the destructor has returned.
// Safe from any thread.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>

#include "app/convert.h"
#include "base/clock.h"
#include "base/log.h"
#include "settings/settings.h"
#include "wal/source.h"
#include "wal/watch.h"

namespace wal_exporter::app {

struct Look {
  std::uint64_t number = 0;  // growing
  Result<std::shared_ptr<const wal::Sample>> sample;
  Duration took{};
  Version version;                         // empty: not known yet
  std::shared_ptr<wal::WalSource> source;  // nullptr: the layout is not known yet
  std::string watch_degraded;              // empty: events drive the sampling
};

// The part without threads: finds the layout, then looks. One thread at a time.
class Looker {
 public:
  // `only_look`: there is no next one, so a fresh file is judged at once.
  Looker(const settings::Target& target, bool only_look, std::shared_ptr<Clock> clock, Log log);

  // `server_version` as the server said it, or empty. Not thread-safe.
  [[nodiscard]] Look look(const std::string& server_version, const std::stop_token& stop);

 private:
  [[nodiscard]] Result<void> find_layout(const std::string& server_version, const std::stop_token& stop);

  const settings::Target target_;
  const bool only_look_;
  const std::shared_ptr<Clock> clock_;
  const Log log_;
  std::shared_ptr<wal::WalSource> source_;
  wal::Layout layout_ = wal::Layout::segments;
  bool certain_ = false;      // the layout was seen or set, not assumed
  bool no_segments_ = false;  // at the last look: an empty WAL, or a wrong folder that fills later
  std::uint64_t number_ = 0;
};

class Sampler {
 public:
  Sampler(const settings::Target& target, std::shared_ptr<Clock> clock, Log log, std::shared_ptr<wal::WatchHub> hub,
          std::function<void(Look)> on_look, std::function<void()> on_change);
  ~Sampler();

  // Returns the number of the look that will serve this request.
  std::uint64_t request() WAL_EXPORTER_EXCLUDES(mutex_);
  void set_server_version(std::string version) WAL_EXPORTER_EXCLUDES(mutex_);

 private:
  void run(const std::stop_token& stop);

  const settings::Target target_;
  const std::shared_ptr<Clock> clock_;
  const std::shared_ptr<wal::WatchHub> hub_;
  const std::function<void(Look)> on_look_;
  const std::function<void()> on_change_;
  Looker looker_;                               // the thread's alone
  std::unique_ptr<wal::DirectoryWatch> watch_;  // the thread's alone

  Mutex mutex_;  // guards what is asked of the thread
  CondVar asked_;
  bool wanted_ WAL_EXPORTER_GUARDED_BY(mutex_) = false;
  bool stopping_ WAL_EXPORTER_GUARDED_BY(mutex_) = false;
  std::uint64_t begun_ WAL_EXPORTER_GUARDED_BY(mutex_) = 0;  // looks begun
  std::string server_version_ WAL_EXPORTER_GUARDED_BY(mutex_);
  std::jthread thread_;
};

}  // namespace wal_exporter::app
