#include "state/lock.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdint>
#include <optional>
#include <utility>

#include "base/text.h"
#include "state/directory.h"

namespace wal_exporter::state {
namespace {

namespace fs = std::filesystem;

bool is_plain(char c) {
  return is_letter_or_digit(c) || c == '-' || c == '_' || c == '.';
}

std::string hex(std::uint64_t value, std::size_t digits) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out(digits, '0');
  for (std::size_t i = digits; i-- > 0; value >>= 4U) out[i] = kDigits[value & 0xFU];
  return out;
}

// FNV-1a: the same in every build, so that two versions of this program agree.
std::uint64_t hash(std::string_view text) {
  std::uint64_t value = 0xcbf29ce484222325;
  for (const char c : text) value = (value ^ static_cast<std::uint8_t>(c)) * 0x100000001b3;
  return value;
}

// "target-<name>.lock", bytes that a file name should not have as %XX. A file name
// holds 255 bytes: of longer ones the front and a hash of the whole.
std::string file_name(std::string_view target) {
  std::string name;
  for (const char c : target) {
    if (is_plain(c)) {
      name += c;
    } else {
      name += "%" + hex(static_cast<std::uint8_t>(c), 2);
    }
  }
  constexpr std::size_t kLongest = 200;
  // '+' is always escaped above, so this can't be the file name of another target.
  if (name.size() > kLongest) name = name.substr(0, kLongest - 17) + "+" + hex(hash(target), 16);
  return "target-" + name + ".lock";
}

// The process that wrote its id into the file, if it still lives.
std::optional<pid_t> holder(int fd) {
  char text[32];
  const ssize_t got = ::pread(fd, text, sizeof text, 0);
  if (got <= 0) return std::nullopt;
  pid_t pid = 0;
  const auto [end, error] = std::from_chars(text, text + got, pid);
  if (error != std::errc{} || pid <= 0) return std::nullopt;
  if (::kill(pid, 0) != 0 && errno == ESRCH) return std::nullopt;
  return pid;
}

Error held_error(int fd, const std::string& holder_is, const std::string& cure, const fs::path& path) {
  const std::optional<pid_t> pid = holder(fd);
  std::string who = "another process";
  if (pid) who = (*pid == ::getpid() ? "this process (pid " : "another process (pid ") + std::to_string(*pid) + ")";
  return {ErrorKind::conflict, holder_is + " " + who + ", which holds the lock " + shown(path) + "; " + cure};
}

// Whether `path` still names the file behind `fd`: it may have been removed
// between opening and locking.
bool same_file(int fd, const fs::path& path) {
  struct stat opened {};
  struct stat named {};
  return ::fstat(fd, &opened) == 0 && ::lstat(path.c_str(), &named) == 0 && opened.st_dev == named.st_dev &&
         opened.st_ino == named.st_ino;
}

Error lock_error(int errno_value, std::string_view operation, const fs::path& path, const std::string& cure) {
  Error error = system_error(errno_value, operation, "lock file " + shown(path));
  error.message += remedy(cure);
  return error;
}

}  // namespace

Result<TargetLock> TargetLock::acquire(const fs::path& directory, const std::string& target) {
  return acquire_file(directory, file_name(target), "target '" + escape_control(target) + "' is being acted on by",
                      "wait for it to end");
}

Result<TargetLock> TargetLock::acquire_daemon(const fs::path& directory) {
  return acquire_file(
      directory, "daemon.lock", "state directory " + shown(directory) + " is in use by",
      "two exporters would checkpoint the same targets: stop one, or give it a --state.directory of its "
      "own where its targets are others");
}

Result<TargetLock> TargetLock::acquire_file(const fs::path& directory, const std::string& name,
                                            const std::string& holder_is, const std::string& cure) {
  if (auto ensured = ensure_directory(directory); !ensured) return tl::unexpected(ensured.error());
  const fs::path path = directory / name;
  constexpr int kTries = 16;
  for (int i = 0; i < kTries; ++i) {
    // O_NONBLOCK: a pipe of this name must not make us wait.
    Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600));
    if (!fd.valid()) {
      return tl::unexpected(lock_error(errno, "opening", path, "give it to " + own_user() + " or remove it"));
    }
    struct stat status {};
    if (::fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
      return failure(ErrorKind::invalid, "lock file " + shown(path) + " is not a regular file" + remedy("remove it"));
    }
    give_to_owner(directory, fd.get());
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno == EWOULDBLOCK) return tl::unexpected(held_error(fd.get(), holder_is, cure, path));
      if (errno == EINTR) continue;
      return tl::unexpected(lock_error(errno, "locking", path, "put it on a filesystem with file locks"));
    }
    if (!same_file(fd.get(), path)) continue;
    // The id is for people, and for the error message of a second process. The lock works
    // without it, so a full disk is no reason to refuse.
    const std::string pid = std::to_string(::getpid()) + "\n";
    [[maybe_unused]] const bool written =
        ::ftruncate(fd.get(), 0) == 0 && ::pwrite(fd.get(), pid.data(), pid.size(), 0) > 0;
    return TargetLock(std::move(fd));
  }
  return failure(ErrorKind::conflict, "lock file " + shown(path) + " is removed again and again by somebody else" +
                                          remedy("find out who does that"));
}

}  // namespace wal_exporter::state
