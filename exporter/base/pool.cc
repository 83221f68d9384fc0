#include "base/pool.h"

#include <algorithm>
#include <iterator>
#include <list>
#include <optional>
#include <system_error>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

namespace wal_exporter {

struct Pool::State : std::enable_shared_from_this<State> {
  struct Task {
    Job job;  // its thread's alone, once it runs
    std::stop_source stop;
    SteadyTime begun{};
  };
  using Tasks = std::list<Task>;

  State(std::size_t most, Duration slow, std::shared_ptr<Clock> with)
      : concurrency(std::max<std::size_t>(most, 1)), slow_after(slow), clock(std::move(with)) {}

  // One thread: jobs, one after the other.
  void serve() WAL_EXPORTER_EXCLUDES(mutex) {
    while (const auto task = take()) {
      (*task)->job((*task)->stop.get_token());
      (*task)->job = nullptr;  // what it captured goes before it counts as ended
      if (!end(*task)) break;
    }
    leave();
  }

  // nullopt: the thread is to end.
  std::optional<Tasks::iterator> take() WAL_EXPORTER_EXCLUDES(mutex) {
    const MutexLock lock(mutex);
    while (!stopping) {
      if (waiting.empty()) {
        clock->wait_until(wake, mutex, SteadyTime::max());
        continue;
      }
      const SteadyTime now = clock->steady();
      const auto first_quick = begin_of_quick(now);
      if (static_cast<std::size_t>(std::distance(first_quick, running.end())) >= concurrency) {
        clock->wait_until(wake, mutex, first_quick->begun + slow_after);
        continue;
      }
      running.splice(running.end(), waiting, waiting.begin());
      const auto task = std::prev(running.end());
      task->begun = now;
      --idle;
      keep_one_idle();
      return task;
    }
    --idle;
    return std::nullopt;
  }

  // Whether the thread goes on.
  bool end(Tasks::iterator task) WAL_EXPORTER_EXCLUDES(mutex) {
    const MutexLock lock(mutex);
    running.erase(task);
    if (!stopping && (idle < concurrency || !waiting.empty())) {
      ++idle;
      return true;
    }
    return false;
  }

  // Each thread that leaves joins the one that left before; stop() joins the last.
  void leave() WAL_EXPORTER_EXCLUDES(mutex) {
    std::thread before;
    {
      const MutexLock lock(mutex);
      const auto self = threads.find(std::this_thread::get_id());
      if (self == threads.end()) return;  // it hung, and stop() let it go
      before = std::exchange(left, std::move(self->second));
      threads.erase(self);
      ended.notify_all();
    }
    if (before.joinable()) before.join();
  }

  // The running jobs are in the order in which they began, so those that count are the last.
  Tasks::iterator begin_of_quick(SteadyTime now) WAL_EXPORTER_REQUIRES(mutex) {
    auto first = running.end();
    while (first != running.begin() && now - std::prev(first)->begun < slow_after) --first;
    return first;
  }

  // While jobs wait, an idle thread waits for its turn, or for a running job to become
  // slow. Where the system gives no thread, the next one that ends a job takes over.
  void keep_one_idle() WAL_EXPORTER_REQUIRES(mutex) {
    if (waiting.empty() || idle > 0) return;
    try {
      std::thread thread([state = shared_from_this()] { state->serve(); });
      const std::thread::id id = thread.get_id();
      threads.emplace(id, std::move(thread));
      ++idle;
    } catch (const std::system_error&) {
      return;
    }
  }

  const std::size_t concurrency;
  const Duration slow_after;
  const std::shared_ptr<Clock> clock;

  mutable Mutex mutex;  // guards the jobs and the threads
  CondVar wake;
  CondVar ended;
  Tasks waiting WAL_EXPORTER_GUARDED_BY(mutex);
  Tasks running WAL_EXPORTER_GUARDED_BY(mutex);
  std::size_t idle WAL_EXPORTER_GUARDED_BY(mutex) = 0;
  std::unordered_map<std::thread::id, std::thread> threads WAL_EXPORTER_GUARDED_BY(mutex);
  std::thread left WAL_EXPORTER_GUARDED_BY(mutex);
  bool stopping WAL_EXPORTER_GUARDED_BY(mutex) = false;
};

Pool::Pool(std::size_t concurrency, std::shared_ptr<Clock> clock, Duration slow_after)
    : state_(std::make_shared<State>(concurrency, slow_after, std::move(clock))) {}

Pool::~Pool() {
  {
    const MutexLock lock(state_->mutex);
    if (state_->stopping) return;
  }
  stop(SteadyTime::max());
}

std::stop_source Pool::submit(Job job) {
  std::stop_source stop;
  {
    const MutexLock lock(state_->mutex);
    if (!state_->stopping) {
      state_->waiting.push_back({std::move(job), stop, {}});
      state_->keep_one_idle();
      state_->wake.notify_all();
      return stop;
    }
  }
  stop.request_stop();
  return stop;
}

std::size_t Pool::stop(SteadyTime deadline) {
  State::Tasks dropped;
  std::vector<std::stop_source> running;
  {
    const MutexLock lock(state_->mutex);
    state_->stopping = true;
    dropped.swap(state_->waiting);
    for (const State::Task& task : state_->running) running.push_back(task.stop);
    state_->wake.notify_all();
  }
  // Without the lock: both run code of the jobs' owners.
  for (std::stop_source& stop : running) stop.request_stop();
  dropped.clear();
  std::thread last;
  std::size_t hanging = 0;
  {
    const MutexLock lock(state_->mutex);
    while (!state_->threads.empty() && state_->clock->steady() < deadline) {
      state_->clock->wait_until(state_->ended, state_->mutex, deadline);
    }
    hanging = state_->running.size();
    for (auto& [id, thread] : state_->threads) thread.detach();
    state_->threads.clear();
    last.swap(state_->left);
  }
  if (last.joinable()) last.join();
  return hanging;
}

Pool::Load Pool::load() const {
  const MutexLock lock(state_->mutex);
  return {state_->threads.size(), state_->running.size(), state_->waiting.size()};
}

}  // namespace wal_exporter
