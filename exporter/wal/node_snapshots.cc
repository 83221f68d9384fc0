#include "wal/node_snapshots.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <functional>

#include "base/text.h"
#include "wal/directory.h"
#include "wal/node_snapshot.h"

namespace walx::wal {
namespace {

// How many snapshots are tried, newest first, before the node counts as having
// none. More than one that can't be believed is already past anything seen.
constexpr std::size_t kMostTried = 8;

}  // namespace

Result<std::optional<Fd>> open_node_folder(int root, const std::filesystem::path& path, const std::string& name) {
  const std::filesystem::path whole = path / name;
  struct stat status {};
  if (::fstatat(root, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return std::nullopt;
    return tl::unexpected(access_error(errno, "looking at", whole));
  }
  const std::string shown = escape_control(whole.string());
  if (S_ISLNK(status.st_mode)) {
    return failure(ErrorKind::invalid, shown +
                                           " is a symbolic link, and links inside the node's folder are not followed; "
                                           "mount the folder there instead (mount --bind)");
  }
  if (!S_ISDIR(status.st_mode)) {
    return failure(ErrorKind::invalid,
                   shown + " is not a directory; set wal.directory to the node's folder, <data-dir>/<node-id>");
  }
  auto folder = open_below(root, name, whole);
  if (folder) return std::optional<Fd>(std::move(*folder));
  if (folder.error().kind == ErrorKind::not_found) return std::nullopt;
  return tl::unexpected(folder.error());
}

Result<SnapshotsFound> NodeSnapshots::look(int root, const std::filesystem::path& path, ReadCounter& counter,
                                           const std::stop_token& stop) {
  const std::filesystem::path whole = path / "snapshots";
  SnapshotsFound found;
  const auto folder = open_node_folder(root, path, "snapshots");
  if (!folder) return tl::unexpected(folder.error());
  if (!*folder) {
    forget();
    return found;
  }

  std::vector<std::uint64_t> candidates;  // highest first
  bool known_listed = false;
  auto listed = for_each_entry((*folder)->get(), whole, stop, [&](std::string_view name, EntryType type) {
    counter.listed.fetch_add(1, std::memory_order_relaxed);
    const auto sequence = parse_snapshot_name(name);
    if (!sequence || type != EntryType::file) return;
    ++found.files;
    if (known_ && known_->snapshot.sequence == *sequence) known_listed = true;
    candidates.insert(std::upper_bound(candidates.begin(), candidates.end(), *sequence, std::greater<>()), *sequence);
    if (candidates.size() > kMostTried) candidates.pop_back();
  });
  if (!listed) return tl::unexpected(listed.error());
  if (!known_listed) forget();

  for (const std::uint64_t sequence : candidates) {
    const bool is_known = known_ && known_->snapshot.sequence == sequence;
    counter.statted.fetch_add(1, std::memory_order_relaxed);
    struct stat status {};
    const std::string name = snapshot_name(sequence);
    if (::fstatat((*folder)->get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT) continue;
      return tl::unexpected(access_error(errno, "looking at", whole / name));
    }
    const FileIdentity identity{
        status.st_ino, static_cast<std::uint64_t>(status.st_size),
        Time(std::chrono::seconds(status.st_ctim.tv_sec) + std::chrono::nanoseconds(status.st_ctim.tv_nsec))};
    if (is_known && known_->identity == identity) break;
    counter.opened.fetch_add(1, std::memory_order_relaxed);
    const auto snapshot = read_snapshot((*folder)->get(), whole, sequence, stop);
    if (snapshot) {
      known_ = Known{*snapshot, identity};
      break;
    }
    if (snapshot.error().kind == ErrorKind::not_found) continue;
    if (snapshot.error().kind != ErrorKind::corrupt) return tl::unexpected(snapshot.error());
    found.notes.push_back(snapshot.error().message);
    if (is_known) break;
  }
  if (known_) found.newest = known_->snapshot;
  return found;
}

}  // namespace walx::wal
