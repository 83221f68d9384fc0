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

// Snapshots older than this are not looked for at a start: the server's default of
// --gen1-lookback-duration, a month.
constexpr Duration kLookback = std::chrono::seconds(2'630'016);

// How many of `sequences` (ascending; written in that order) were written after
// `time`: a few questions by bisection instead of one for each.
std::uint64_t newer_than(int folder, const std::vector<std::uint64_t>& sequences, Time time) {
  const auto older = [&](std::uint64_t sequence, Time limit) {
    struct stat status {};
    if (::fstatat(folder, snapshot_name(sequence).c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return false;
    return Time(std::chrono::seconds(status.st_mtim.tv_sec) + std::chrono::nanoseconds(status.st_mtim.tv_nsec)) < limit;
  };
  const auto first = std::lower_bound(sequences.begin(), sequences.end(), time, older);
  return static_cast<std::uint64_t>(sequences.end() - first);
}

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

Result<SnapshotsFound> NodeSnapshots::look(int root, const std::filesystem::path& path, Time now, ReadCounter& counter,
                                           const std::stop_token& stop) {
  const std::filesystem::path whole = path / "snapshots";
  SnapshotsFound found;
  const auto folder = open_node_folder(root, path, "snapshots");
  if (!folder) return tl::unexpected(folder.error());
  if (!*folder) {
    forget();
    return found;
  }

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
  if (!known_listed) forget();
  std::sort(all.begin(), all.end());
  found.counted = newer_than((*folder)->get(), all, now - kLookback);
  found.last_day = newer_than((*folder)->get(), all, now - std::chrono::hours(24));
  const auto covered = newest_metadata_checkpoint(root, path, stop);
  if (!covered) return tl::unexpected(covered.error());
  // One beyond the newest snapshot is numbered in a way that is not known here.
  if (*covered && !all.empty() && **covered <= all.back()) {
    const auto beyond = all.end() - std::upper_bound(all.begin(), all.end(), **covered);
    found.counted = std::min(found.counted, static_cast<std::uint64_t>(beyond));
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
