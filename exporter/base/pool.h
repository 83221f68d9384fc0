// Pool: threads for work that blocks: samples of directories, questions to servers,
// checkpoints of minutes.
//
// Jobs begin in the order in which they were submitted, at most `concurrency` at
// once. A job that runs for longer than `slow_after` no longer counts, and another
// thread takes over from its own: a directory or a server that hangs holds up
// nothing else, and a thread costs only what is slow. Threads begin when they are
// needed, and end when `concurrency` others are idle. How many jobs one owner may
// have here is the owner's business. Safe from any thread, jobs included.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <stop_token>

#include "base/clock.h"

namespace wal_exporter {

class Pool {
 public:
  using Job = std::function<void(const std::stop_token&)>;
  struct Load {
    std::size_t threads = 0;
    std::size_t running = 0;
    std::size_t waiting = 0;
  };
  static constexpr Duration kSlowAfter = std::chrono::milliseconds(250);

  Pool(std::size_t concurrency, std::shared_ptr<Clock> clock, Duration slow_after = kSlowAfter);
  // As stop() without a deadline, unless that was called.
  ~Pool();

  // Through what it returns the job is asked to stop. A job that was asked before it
  // began runs all the same, so that its owner hears of its end in the one usual way.
  // After stop() the job is destroyed here, and what is returned is stopped already.
  std::stop_source submit(Job job);

  // Takes no more jobs, destroys those that have not begun (one that owes somebody an
  // answer must give it where its captures are destroyed), asks the others to stop,
  // and waits for their ends. Returns how many still run at the deadline; they go on
  // with what they have captured, so the process should end itself then.
  std::size_t stop(SteadyTime deadline);

  [[nodiscard]] Load load() const;

 private:
  struct State;
  const std::shared_ptr<State> state_;  // shared with the threads, which may outlive the pool
};

}  // namespace wal_exporter
