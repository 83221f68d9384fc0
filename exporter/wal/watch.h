// WatchHub: the process's one inotify instance, and the thread that reads it.
// DirectoryWatch: says at once that something appeared in a WAL, so that the next
// sample need not wait for the interval. Events only shorten the wait; what counts
// is always a sample.
//
// The hub's thread never touches a watched filesystem, so a directory that hangs
// holds up no other watch: folders that appear are watched by a job of the pool, the
// others by whoever calls watch() or rearm(). `on_change` runs on the hub's thread or
// the pool's, for one watch never twice at once and never after its destructor has
// returned; it must be quick and must not destroy the watch.
//
// Where events can't be had or were lost (an overflow, which concerns all watches, a
// replaced directory, no watches left, a network filesystem), degraded() says why,
// and the periodic sample is all there is; rearm() after each sample tries again.
// Safe from any thread.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "base/pool.h"
#include "wal/sample.h"

namespace wal_exporter::wal {

class DirectoryWatch {
 public:
  virtual ~DirectoryWatch() = default;

  // Why events do not drive the sampling; empty: they do.
  [[nodiscard]] virtual std::string degraded() const = 0;
  // Sets up watches that are missing: those that a degraded watch lost, and those for new folders.
  virtual void rearm() = 0;
};

class WatchHub {
 public:
  explicit WatchHub(std::shared_ptr<Pool> pool);
  // Watches may outlive it, and are told of nothing any more.
  ~WatchHub();
  WatchHub(const WatchHub&) = delete;
  WatchHub& operator=(const WatchHub&) = delete;

  // `layout` says how deep: three levels of folders for segments, wal/ and
  // snapshots/ for a node. One directory may be watched any number of times.
  [[nodiscard]] std::unique_ptr<DirectoryWatch> watch(std::filesystem::path directory, Layout layout,
                                                      std::function<void()> on_change);

 private:
  void read_events(const std::stop_token& stop);

  class Watches;
  class Watch;
  const std::shared_ptr<Pool> pool_;
  const std::shared_ptr<Watches> watches_;
  std::jthread thread_;
};

}  // namespace wal_exporter::wal
