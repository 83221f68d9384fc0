// Workers: does for one target what takes time: samples, questions to the server,
// checkpoints, restarts. Each on a thread of the process's pool, at most one of each
// kind, so that a directory or a server that hangs holds up nothing else.
//
// run() is called on the target's own turn and returns at once; results come through
// `Post`, from any thread. A job that still runs when this ends goes on with what it
// holds, and its result is dropped.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <stop_token>

#include "actions/restart_method.h"
#include "app/server_questions.h"
#include "app/wal_reader.h"
#include "base/mailbox.h"
#include "base/pool.h"
#include "control/control.h"
#include "control/effects.h"
#include "settings/settings.h"
#include "wal/watch.h"

namespace wal_exporter::app {

// What one process has for all its targets.
struct Machinery {
  std::shared_ptr<Clock> clock;
  std::shared_ptr<Pool> pool;
  std::shared_ptr<Dispatcher> dispatcher;
  std::shared_ptr<wal::WatchHub> watches;

  // For any number of targets.
  [[nodiscard]] static Machinery of_process(std::shared_ptr<Clock> clock);
};

class Workers {
 public:
  using Input = std::function<void(control::Control&, control::Now)>;
  struct Post {
    std::function<void(Input)> later;     // from any thread
    std::function<void(Input)> and_wait;  // likewise; returns when it has been taken in, or never will be
  };

  Workers(settings::Target settings, Machinery machinery, std::filesystem::path state_directory, Log log, Post post);

  void run(const control::TakeSample& effect);
  void run(const control::AskServer& effect);
  void run(const control::RunCheckpoint& effect);
  void run(const control::StopCheckpoint& effect);
  void run(const control::CheckRestart& effect);
  void run(const control::TakeLock& effect);
  void run(const control::RestartInfluxdb& effect);
  void run(const control::StopRestart& effect);
  // Ends samples and questions that can be ended, and the watch.
  void stop();

 private:
  struct Shared;  // with the jobs, which may outlive this

  const std::shared_ptr<Shared> shared_;
  std::stop_source checkpoint_{std::nostopstate};
  std::stop_source restart_{std::nostopstate};
  std::stop_source sample_{std::nostopstate};
  std::stop_source question_{std::nostopstate};
};

}  // namespace wal_exporter::app
