// DirectoryWatch: says at once that something appeared in a WAL, so that the next
// look need not wait for the interval. Events only shorten the wait; what counts
// is always a look.
//
// Runs a thread of its own that calls `on_change` (from that thread; it must be
// quick). Where events can't be had or were lost (an overflow, a replaced
// directory, no watches left, a network filesystem), degraded() says why, and the
// periodic look is all there is; rearm() after each look tries again. Safe from
// any thread.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

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

// `layout` says how deep: three levels of folders for segments, wal/ and
// snapshots/ for a node.
[[nodiscard]] std::unique_ptr<DirectoryWatch> watch_directory(std::filesystem::path directory, Layout layout,
                                                              std::function<void()> on_change);

}  // namespace wal_exporter::wal
