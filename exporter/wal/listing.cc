#include "wal/listing.h"

#include <dirent.h>
#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>

#include "base/text.h"

namespace wal_exporter::wal {
namespace {

// As the kernel lays it out (getdents64(2)).
struct LinuxDirent {
  std::uint64_t inode;
  std::int64_t offset;
  std::uint16_t length;
  std::uint8_t type;
  char name[1];
};

constexpr std::size_t kBufferSize = 64 * 1024;

EntryType type_of(int directory, const char* name, std::uint8_t type) {
  switch (type) {
    case DT_REG:
      return EntryType::file;
    case DT_DIR:
      return EntryType::directory;
    case DT_LNK:
      return EntryType::symlink;
    case DT_UNKNOWN:
      break;
    default:
      return EntryType::other;
  }
  struct stat status {};
  if (::fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) != 0) return EntryType::other;
  if (S_ISREG(status.st_mode)) return EntryType::file;
  if (S_ISDIR(status.st_mode)) return EntryType::directory;
  return S_ISLNK(status.st_mode) ? EntryType::symlink : EntryType::other;
}

// Of `path`, or of the nearest folder above that can be asked.
std::optional<uid_t> owner_of(std::filesystem::path path) {
  struct stat status {};
  while (::stat(path.c_str(), &status) != 0) {
    if (path == path.parent_path()) return std::nullopt;
    path = path.parent_path();
  }
  return status.st_uid;
}

// ", influxdb (uid 999; in a container user: "999")"
std::string described(uid_t uid) {
  std::array<char, 4096> buffer{};
  struct passwd entry {};
  struct passwd* found = nullptr;
  const bool named = ::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr;
  const std::string number = std::to_string(uid);
  const std::string container = "in a container user: \"" + number + "\"";
  return named ? ", " + std::string(entry.pw_name) + " (uid " + number + "; " + container + ")"
               : ", uid " + number + " (" + container + ")";
}

}  // namespace

Error access_error(int errno_value, std::string_view operation, const std::filesystem::path& path) {
  Error error = system_error(errno_value, operation, escape_control(path.string()));
  if (error.kind != ErrorKind::permission) return error;
  const std::optional<uid_t> owner = owner_of(path);
  if (owner == ::geteuid()) {
    error.message += "; it belongs to the user that the exporter runs as: check its mode, SELinux and AppArmor";
    return error;
  }
  error.message += "; run the exporter as the user that InfluxDB runs as" + (owner ? described(*owner) : "") +
                   ", or give it the capability CAP_DAC_READ_SEARCH. Other rights do not last: InfluxDB makes its "
                   "folders for its own user alone (0700), and a start of its container sets that again";
  return error;
}

Result<Fd> open_root(const std::filesystem::path& path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK));
  if (fd.valid()) return fd;
  Error error = access_error(errno, "opening", path);
  if (error.kind == ErrorKind::not_found) {
    error.message +=
        "; set wal.directory to where InfluxDB keeps its WAL (1.x: wal-dir, 2.x: engine/wal, 3.x: the node's folder); "
        "a new InfluxDB 1.x may not have written yet, and makes it at its first write";
  }
  return tl::unexpected(std::move(error));
}

Result<Fd> open_below(int parent, const std::string& name, const std::filesystem::path& path, bool follow) {
  Fd fd(::openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK | (follow ? 0 : O_NOFOLLOW)));
  if (fd.valid()) return fd;
  if (errno == ELOOP) return failure(ErrorKind::not_found, escape_control(path.string()) + " is a symbolic link");
  return tl::unexpected(access_error(errno, "opening", path));
}

Result<void> for_each_entry(int directory, const std::filesystem::path& path, const std::stop_token& stop,
                            const std::function<void(std::string_view, EntryType)>& visit) {
  const auto buffer = std::make_unique<char[]>(kBufferSize);
  while (true) {
    if (stop.stop_requested())
      return failure(ErrorKind::cancelled, "stopped while listing " + escape_control(path.string()));
    const long got = ::syscall(SYS_getdents64, directory, buffer.get(), kBufferSize);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return tl::unexpected(access_error(errno, "listing", path));
    if (got == 0) return {};
    for (long position = 0; position < got;) {
      const char* record = buffer.get() + position;
      std::uint16_t length = 0;
      std::uint8_t type = 0;
      std::memcpy(&length, record + offsetof(LinuxDirent, length), sizeof length);
      std::memcpy(&type, record + offsetof(LinuxDirent, type), sizeof type);
      const char* name = record + offsetof(LinuxDirent, name);
      position += length;
      const std::string_view text(name);
      if (text == "." || text == "..") continue;
      visit(text, type_of(directory, name, type));
    }
  }
}

Result<std::uint64_t> available_bytes(int directory, const std::filesystem::path& path) {
  struct statvfs status {};
  if (::fstatvfs(directory, &status) != 0) return tl::unexpected(access_error(errno, "asking for free space of", path));
  return static_cast<std::uint64_t>(status.f_bavail) * static_cast<std::uint64_t>(status.f_frsize);
}

}  // namespace wal_exporter::wal
