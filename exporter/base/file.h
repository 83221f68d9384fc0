// Reading small files, with a limit on what is read, and an owned descriptor.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"

namespace wal_exporter {

// Owns one file descriptor. Not thread-safe.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(other.release()) {}
  Fd& operator=(Fd&& other) noexcept;
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd();

  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] bool valid() const { return fd_ >= 0; }
  [[nodiscard]] int release();

 private:
  int fd_ = -1;
};

// The whole of a regular file. Larger than `limit` bytes, a directory, a pipe or
// a device: an error that says so. `what` names the thing in messages ("token file").
[[nodiscard]] Result<std::string> read_file(const std::filesystem::path& path, std::size_t limit,
                                            std::string_view what);

// A secret: as read_file, at most 64 KiB, white space at both ends taken off;
// empty, or with a control character inside, is an error. From then on it is struck out of
// what others write (secrets.h).
[[nodiscard]] Result<std::string> read_secret(const std::filesystem::path& path, std::string_view what);

// Writes `content` under a temporary name beside `path` with mode `mode`, then
// renames it into place: a reader sees the old file or the new one.
[[nodiscard]] Result<void> write_file_atomically(const std::filesystem::path& path, std::string_view content,
                                                 unsigned mode);

}  // namespace wal_exporter
