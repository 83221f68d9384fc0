// Mailbox: closures that run one after the other, never two at once, so that what
// they alone touch needs no lock. Dispatcher: the few threads that serve any number
// of mailboxes.
//
// A turn is one closure, then the next mailbox has its turn; a closure must be quick,
// because it holds up those of others. Posting and waking cost O(log n). Safe from
// any thread, closures included.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "base/clock.h"

namespace wal_exporter {

class Dispatcher {
 public:
  Dispatcher(std::size_t threads, std::shared_ptr<Clock> clock);
  // Closes every mailbox, runs what was posted, ends the threads. Mailboxes may
  // outlive it. Not from a closure.
  ~Dispatcher();
  Dispatcher(const Dispatcher&) = delete;
  Dispatcher& operator=(const Dispatcher&) = delete;

 private:
  friend class Mailbox;
  struct State;
  const std::shared_ptr<State> state_;
  std::vector<std::jthread> threads_;
};

class Mailbox {
 public:
  // `on_wake` runs in its turn, as a closure does, once for each wake_at().
  Mailbox(const Dispatcher& dispatcher, std::function<void()> on_wake);
  // As close(). From one of its own closures it also drops what has not begun.
  ~Mailbox();
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  // True: it will run, after what was posted before. False: closed.
  bool post(std::function<void()> closure);
  // As post(), and waits until it has run. Not from a closure.
  bool ask(std::function<void()> closure);
  // Replaces the time of the call before; SteadyTime::max(): not at all.
  void wake_at(SteadyTime time);

  // Takes no more, wakes no more, and returns when what was posted has run: from then
  // on nothing of its owner is called. From one of its own closures it returns at
  // once; never call it from a closure of another mailbox.
  void close();

 private:
  const std::shared_ptr<Dispatcher::State> state_;
  const std::uint64_t id_;
};

}  // namespace wal_exporter
