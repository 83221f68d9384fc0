#include "wal/node_snapshots.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <functional>

#include "base/text.h"
#include "wal/listing.h"
#include "wal/node_snapshot.h"

namespace wal_exporter::wal {
namespace {

// How many snapshots are tried, newest first, before the node counts as having
// none. Even two unreadable ones in a row have never been seen.
constexpr std::size_t kMostTried = 8;

// The highest snapshot that the server's own monthly metadata checkpoints cover:
// snapshot-checkpoints/<YYYY-MM>/<20 digits>.checkpoint.json, numbered as the
// snapshots are. nullopt: there is none.
Result<std::optional<std::uint64_t>> newest_metadata_checkpoint(int root, const std::filesystem::path& path,
                                                                const std::stop_token& stop) {
  const std::string top = "snapshot-checkpoints";
  std::optional<std::uint64_t> newest;
  const auto folder = open_below(root, top, path / top);
  if (!folder && folder.error().kind == ErrorKind::not_found) return newest;
  if (!folder) return tl::unexpected(folder.error());
  std::vector<std::string> months;
  auto listed = for_each_entry(folder->get(), path / top, stop, [&](std::string_view name, EntryType type) {
    if (type == EntryType::directory) months.emplace_back(name);
  });
  if (!listed) return tl::unexpected(listed.error());
  for (const std::string& month : months) {
    const auto below = open_below(folder->get(), month, path / top / month);
    if (!below && below.error().kind == ErrorKind::not_found) continue;
    if (!below) return tl::unexpected(below.error());
    listed = for_each_entry(below->get(), path / top / month, stop, [&](std::string_view name, EntryType type) {
      constexpr std::string_view suffix = ".checkpoint.json";
      if (type != EntryType::file || !name.ends_with(suffix)) return;
      const auto sequence =
          parse_snapshot_name(std::string(name.substr(0, name.size() - suffix.size())) + ".info.json");
      if (sequence) newest = std::max(newest.value_or(0), *sequence);
    });
    if (!listed && listed.error().kind != ErrorKind::not_found) return tl::unexpected(listed.error());
  }
  return newest;
}

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

Result<void> NodeSnapshots::ask_times(int folder, const std::filesystem::path& path,
                                      const std::vector<std::uint64_t>& sequences, ReadCounter& counter,
                                      const std::stop_token& stop) {
  std::vector<Timed> timed;
  timed.reserve(std::min(sequences.size(), kMostTimed));
  auto before = timed_.begin();
  const auto skipped = sequences.size() - std::min(sequences.size(), kMostTimed);
  for (auto sequence = sequences.begin() + static_cast<std::ptrdiff_t>(skipped); sequence != sequences.end();
       ++sequence) {
    while (before != timed_.end() && before->sequence < *sequence) ++before;
    if (before != timed_.end() && before->sequence == *sequence) {
      timed.push_back(*before);
      continue;
    }
    if (known_ && known_->snapshot.sequence == *sequence) {
      timed.push_back({*sequence, known_->snapshot.written});
      continue;
    }
    if (stop.stop_requested())
      return failure(ErrorKind::cancelled, "stopped while looking at " + escape_control(path.string()));
    counter.statted.fetch_add(1, std::memory_order_relaxed);
    struct stat status {};
    const std::string name = snapshot_name(*sequence);
    if (::fstatat(folder, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT) continue;
      return tl::unexpected(access_error(errno, "looking at", path / name));
    }
    timed.push_back({*sequence, Time(std::chrono::seconds(status.st_mtim.tv_sec) +
                                     std::chrono::nanoseconds(status.st_mtim.tv_nsec))});
  }
  timed_ = std::move(timed);
  return {};
}

Result<SnapshotsFound> NodeSnapshots::find(int root, const std::filesystem::path& path, ReadCounter& counter,
                                           const std::stop_token& stop) {
  const std::filesystem::path whole = path / "snapshots";
  SnapshotsFound found;
  const auto folder = open_node_folder(root, path, "snapshots");
  if (!folder) return tl::unexpected(folder.error());
  if (!*folder) {
    forget();
    return found;
  }
  struct stat whole_status {};
  if (::fstat((*folder)->get(), &whole_status) != 0) return tl::unexpected(access_error(errno, "looking at", whole));
  if (inode_ != whole_status.st_ino) timed_.clear();
  inode_ = whole_status.st_ino;

  std::vector<std::uint64_t> all;
  std::vector<std::uint64_t> candidates;  // highest first
  bool known_listed = false;
  auto listed = for_each_entry((*folder)->get(), whole, stop, [&](std::string_view name, EntryType type) {
    counter.listed.fetch_add(1, std::memory_order_relaxed);
    const auto sequence = parse_snapshot_name(name);
    if (!sequence || type != EntryType::file) return;
    ++found.files;
    all.push_back(*sequence);
    if (known_ && known_->snapshot.sequence == *sequence) known_listed = true;
    candidates.insert(std::upper_bound(candidates.begin(), candidates.end(), *sequence, std::greater<>()), *sequence);
    if (candidates.size() > kMostTried) candidates.pop_back();
  });
  if (!listed) return tl::unexpected(listed.error());
  if (known_ && !known_listed) forget();
  std::sort(all.begin(), all.end());
  const auto covered = newest_metadata_checkpoint(root, path, stop);
  if (!covered) return tl::unexpected(covered.error());
  // A number above the newest snapshot's means that checkpoints are numbered in a way that
  // we do not know; it is ignored.
  if (*covered && !all.empty() && **covered <= all.back()) {
    found.covered = static_cast<std::uint64_t>(std::upper_bound(all.begin(), all.end(), **covered) - all.begin());
  }

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
    if (is_known) timed_.clear();  // this file was replaced, so others may have been too
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
  auto timed = ask_times((*folder)->get(), whole, all, counter, stop);
  if (!timed) return tl::unexpected(timed.error());
  found.times.reserve(timed_.size());
  for (auto snapshot = timed_.rbegin(); snapshot != timed_.rend(); ++snapshot) found.times.push_back(snapshot->written);
  return found;
}

}  // namespace wal_exporter::wal
