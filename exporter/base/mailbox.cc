#include "base/mailbox.h"

#include <algorithm>
#include <deque>
#include <future>
#include <optional>
#include <set>
#include <system_error>
#include <unordered_map>
#include <utility>

namespace wal_exporter {

struct Dispatcher::State {
  struct Box {
    std::function<void()> on_wake;
    std::deque<std::function<void()>> posted;
    SteadyTime wake = SteadyTime::max();
    bool due = false;        // its time has come, on_wake has not begun
    bool woke_last = false;  // what ran last was on_wake: neither keeps the other from its turn
    bool queued = false;     // in `ready`
    bool closed = false;
    std::thread::id runs_on;  // none: it has no turn now

    [[nodiscard]] bool idle() const { return !due && posted.empty() && runs_on == std::thread::id(); }
  };
  struct Turn {
    std::uint64_t id = 0;
    std::function<void()> closure;
  };

  explicit State(std::shared_ptr<Clock> with) : clock(std::move(with)) {}

  // One thread: turns, one after the other.
  void serve() WAL_EXPORTER_EXCLUDES(mutex) {
    while (auto turn = take()) {
      turn->closure();
      turn->closure = nullptr;  // what it captured goes before close() returns
      end(turn->id);
    }
  }

  // nullopt: the thread is to end.
  std::optional<Turn> take() WAL_EXPORTER_EXCLUDES(mutex) {
    const MutexLock lock(mutex);
    while (true) {
      note_due();
      while (!ready.empty()) {
        const std::uint64_t id = ready.front();
        ready.pop_front();
        const auto found = boxes.find(id);
        if (found == boxes.end()) continue;
        Box& box = found->second;
        box.queued = false;
        const bool wakes = box.due && (box.posted.empty() || !box.woke_last);
        if (!wakes && box.posted.empty()) continue;
        box.woke_last = wakes;
        box.runs_on = std::this_thread::get_id();
        if (wakes) {
          box.due = false;
          return Turn{id, box.on_wake};
        }
        Turn turn{id, std::move(box.posted.front())};
        box.posted.pop_front();
        return turn;
      }
      if (stopping) return std::nullopt;
      clock->wait_until(wake, mutex, times.empty() ? SteadyTime::max() : times.begin()->first);
    }
  }

  void end(std::uint64_t id) WAL_EXPORTER_EXCLUDES(mutex) {
    const MutexLock lock(mutex);
    const auto found = boxes.find(id);
    if (found == boxes.end()) return;
    found->second.runs_on = {};
    make_ready(id, found->second);  // the thread itself takes the next turn
    if (found->second.idle()) idle.notify_all();
  }

  void make_ready(std::uint64_t id, Box& box) WAL_EXPORTER_REQUIRES(mutex) {
    if (box.queued || box.runs_on != std::thread::id() || box.idle()) return;
    box.queued = true;
    ready.push_back(id);
  }

  void note_due() WAL_EXPORTER_REQUIRES(mutex) {
    if (times.empty()) return;
    const SteadyTime now = clock->steady();
    while (!times.empty() && times.begin()->first <= now) {
      const std::uint64_t id = times.begin()->second;
      times.erase(times.begin());
      Box& box = boxes[id];
      box.wake = SteadyTime::max();
      box.due = true;
      make_ready(id, box);
    }
  }

  void set_wake(std::uint64_t id, Box& box, SteadyTime time) WAL_EXPORTER_REQUIRES(mutex) {
    if (box.wake != SteadyTime::max()) times.erase({box.wake, id});
    box.wake = time;
    box.due = false;
    if (time != SteadyTime::max()) times.insert({time, id});
  }

  void close(std::uint64_t id, Box& box) WAL_EXPORTER_REQUIRES(mutex) {
    box.closed = true;
    set_wake(id, box, SteadyTime::max());
  }

  const std::shared_ptr<Clock> clock;

  Mutex mutex;  // guards the mailboxes and whose turn it is
  CondVar wake;
  CondVar idle;
  std::uint64_t last_id WAL_EXPORTER_GUARDED_BY(mutex) = 0;
  std::unordered_map<std::uint64_t, Box> boxes WAL_EXPORTER_GUARDED_BY(mutex);
  std::deque<std::uint64_t> ready WAL_EXPORTER_GUARDED_BY(mutex);
  std::set<std::pair<SteadyTime, std::uint64_t>> times WAL_EXPORTER_GUARDED_BY(mutex);
  bool stopping WAL_EXPORTER_GUARDED_BY(mutex) = false;
};

Dispatcher::Dispatcher(std::size_t threads, std::shared_ptr<Clock> clock)
    : state_(std::make_shared<State>(std::move(clock))) {
  for (std::size_t i = 0; i < std::max<std::size_t>(threads, 1); ++i) {
    try {
      threads_.emplace_back([state = state_.get()] { state->serve(); });
    } catch (const std::system_error&) {
      if (threads_.empty()) throw;  // fewer do as well
    }
  }
}

Dispatcher::~Dispatcher() {
  const MutexLock lock(state_->mutex);
  state_->stopping = true;
  for (auto& [id, box] : state_->boxes) state_->close(id, box);
  state_->wake.notify_all();
}

Mailbox::Mailbox(const Dispatcher& dispatcher, std::function<void()> on_wake)
    : state_(dispatcher.state_), id_([&] {
        const MutexLock lock(state_->mutex);
        Dispatcher::State::Box& box = state_->boxes[++state_->last_id];
        box.on_wake = std::move(on_wake);
        box.closed = state_->stopping;
        return state_->last_id;
      }()) {}

Mailbox::~Mailbox() {
  close();
  Dispatcher::State::Box dropped;  // goes without the lock
  const MutexLock lock(state_->mutex);
  std::swap(dropped, state_->boxes[id_]);
  state_->boxes.erase(id_);
}

bool Mailbox::post(std::function<void()> closure) {
  const MutexLock lock(state_->mutex);
  Dispatcher::State::Box& box = state_->boxes[id_];
  if (box.closed) return false;
  box.posted.push_back(std::move(closure));
  state_->make_ready(id_, box);
  if (box.queued) state_->wake.notify_all();
  return true;
}

bool Mailbox::ask(std::function<void()> closure) {
  const auto ran = std::make_shared<std::promise<void>>();
  if (!post([ran, closure = std::move(closure)] {
        closure();
        ran->set_value();
      })) {
    return false;
  }
  ran->get_future().wait();
  return true;
}

void Mailbox::wake_at(SteadyTime time) {
  const MutexLock lock(state_->mutex);
  Dispatcher::State::Box& box = state_->boxes[id_];
  if (box.closed) return;
  state_->set_wake(id_, box, time);
  if (!state_->times.empty() && state_->times.begin()->second == id_) state_->wake.notify_all();
}

void Mailbox::close() {
  const MutexLock lock(state_->mutex);
  Dispatcher::State::Box& box = state_->boxes[id_];
  state_->close(id_, box);
  if (box.runs_on == std::this_thread::get_id()) return;
  while (!box.idle()) state_->clock->wait_until(state_->idle, state_->mutex, SteadyTime::max());
}

}  // namespace wal_exporter
