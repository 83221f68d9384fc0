// One action per target at a time, across processes: an advisory lock (flock) on
// a file per target in the state directory. Released with the process, however it
// ends. Safe from any thread.
#pragma once

#include <filesystem>
#include <string>

#include "base/file.h"
#include "base/result.h"

namespace wal_exporter::state {

class TargetLock {
 public:
  // conflict: another process (named by its id where it wrote one) holds it.
  [[nodiscard]] static Result<TargetLock> acquire(const std::filesystem::path& directory, const std::string& target);
  // The serving process that owns the control file: the same on `daemon.lock`.
  [[nodiscard]] static Result<TargetLock> acquire_daemon(const std::filesystem::path& directory);

 private:
  // `holder_is`: how the error message begins, before the id of the process that holds the lock.
  [[nodiscard]] static Result<TargetLock> acquire_file(const std::filesystem::path& directory, const std::string& name,
                                                       const std::string& holder_is, const std::string& cure);

  explicit TargetLock(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

}  // namespace wal_exporter::state
