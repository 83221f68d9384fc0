#include "state/directory.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/text.h"

namespace wal_exporter::state {
namespace {

namespace fs = std::filesystem;

Result<void> create(const fs::path& directory) {
  struct stat status {};
  if (::stat(directory.c_str(), &status) == 0) {
    if (S_ISDIR(status.st_mode)) return {};
    return failure(ErrorKind::invalid, "state directory " + shown(directory) + " is a file, not a directory" +
                                           remedy("move the file away"));
  }
  const int cause = errno;
  if (cause == ENOTDIR) {
    return failure(ErrorKind::invalid, "state directory " + shown(directory) + ": a part of this path is a file" +
                                           remedy("move the file away"));
  }
  if (cause != ENOENT) {
    Error error = system_error(cause, "checking state directory", shown(directory));
    error.message += remedy("let " + own_user() + " reach it");
    return tl::unexpected(error);
  }
  if (directory.has_parent_path() && directory.parent_path() != directory) {
    if (auto parent = create(directory.parent_path()); !parent) return parent;
  }
  // EEXIST: another process has created it meanwhile.
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
    Error error = system_error(errno, "creating state directory", shown(directory));
    error.message += remedy("create it for " + own_user() + " with mode 0700");
    return tl::unexpected(error);
  }
  return {};
}

}  // namespace

Result<void> ensure_directory(const fs::path& directory) {
  if (directory.empty()) {
    return failure(ErrorKind::invalid, "the state directory has no name; set --state.directory");
  }
  // "/a/b/" names /a/b, whose parent is /a.
  const fs::path plain = directory.has_filename() ? directory : directory.parent_path();
  if (auto created = create(plain); !created) return created;
  if (::faccessat(AT_FDCWD, plain.c_str(), R_OK | W_OK | X_OK, AT_EACCESS) != 0) {
    const int cause = errno;
    Error error = system_error(cause, "writing to state directory", shown(plain));
    error.message +=
        remedy(cause == EROFS ? "put it on a filesystem that can be written to" : "make it writable for " + own_user());
    return tl::unexpected(error);
  }
  return {};
}

std::string shown(const fs::path& path) {
  return escape_control(path.string());
}

std::string own_user() {
  return "uid " + std::to_string(::geteuid());
}

std::string remedy(std::string_view what_to_do) {
  return "; " + std::string(what_to_do) + ", or name another directory with --state.directory";
}

void give_to_owner(const fs::path& directory, int file) {
  struct stat folder {};
  struct stat made {};
  if (::geteuid() != 0 || ::stat(directory.c_str(), &folder) != 0 || folder.st_uid == 0) return;
  // One of several names could be a file from elsewhere.
  if (::fstat(file, &made) != 0 || !S_ISREG(made.st_mode) || made.st_nlink != 1 || made.st_uid != 0) return;
  [[maybe_unused]] const int given = ::fchown(file, folder.st_uid, folder.st_gid);
}

}  // namespace wal_exporter::state
