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
// none. Even two unreadable ones in a row have never been seen, and each is read once.
constexpr std::size_t kMostTried = 100;

// A snapshot that covers more files than this beyond the newest one in wal/ is not believed:
// a server covers what it has written. Where wal/ holds none (the server keeps none, and is
// idle) the snapshot before it says what is likely, because a server takes at most 3 x S
// files at once, 1,800 by default. Without one either, any number may be right.
constexpr std::uint64_t kMostAhead = 10'000;
// No number has more digits than a WAL file's name: at one a second 3,170 years.
constexpr std::uint64_t kMostFileNumber = 99'999'999'999;

constexpr std::size_t kMostIrregularNotes = 5;

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
  if (::fstatat(root, name.c_str(), &status, 0) != 0) {
    const int cause = errno;
    if (::fstatat(root, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT) return std::nullopt;
    Error error = access_error(cause, "checking", whole);
    if (S_ISLNK(status.st_mode)) error.message += "; it is a symbolic link: is the disk that it leads to mounted?";
    return tl::unexpected(std::move(error));
  }
  const std::string shown = escape_control(whole.string());
  if (!S_ISDIR(status.st_mode)) {
    return failure(ErrorKind::invalid,
                   shown + " is not a directory; set wal.directory to the node's folder, <data-dir>/<node-id>");
  }
  auto folder = open_below(root, name, whole, /*follow=*/true);
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
      return failure(ErrorKind::cancelled, "stopped while reading " + escape_control(path.string()));
    counter.statted.fetch_add(1, std::memory_order_relaxed);
    struct stat status {};
    const std::string name = snapshot_name(*sequence);
    if (::fstatat(folder, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT) continue;
      return tl::unexpected(access_error(errno, "checking", path / name));
    }
    timed.push_back({*sequence, to_time(status.st_mtim)});
  }
  timed_ = std::move(timed);
  return {};
}

Result<const NodeSnapshots::Read*> NodeSnapshots::read(int folder, const std::filesystem::path& path,
                                                       std::uint64_t sequence, ReadCounter& counter,
                                                       const std::stop_token& stop) {
  counter.statted.fetch_add(1, std::memory_order_relaxed);
  struct stat status {};
  const std::string name = snapshot_name(sequence);
  if (::fstatat(folder, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return nullptr;
    return tl::unexpected(access_error(errno, "checking", path / name));
  }
  const FileIdentity identity{status.st_ino, static_cast<std::uint64_t>(status.st_size), to_time(status.st_ctim)};
  const auto before = read_.find(sequence);
  if (before != read_.end() && before->second.identity == identity) return &before->second;
  counter.opened.fetch_add(1, std::memory_order_relaxed);
  const auto snapshot = read_snapshot(folder, path, sequence, stop);
  if (!snapshot && snapshot.error().kind == ErrorKind::not_found) return nullptr;
  const bool torn = !snapshot && snapshot.error().kind == ErrorKind::corrupt;
  if (!snapshot && !torn && snapshot.error().kind != ErrorKind::invalid) return tl::unexpected(snapshot.error());
  Read now{identity, std::nullopt, {}, torn ? InvalidReason::torn : InvalidReason::misnamed};
  if (snapshot) {
    now.snapshot = *snapshot;
  } else {
    now.refused = snapshot.error().message;
  }
  return &(read_[sequence] = std::move(now));
}

Result<std::string> NodeSnapshots::why_beyond_belief(const Snapshot& snapshot, std::optional<std::uint64_t> newest_file,
                                                     std::span<const std::uint64_t> older, int folder,
                                                     const std::filesystem::path& path, ReadCounter& counter,
                                                     const std::stop_token& stop) {
  const std::uint64_t covers = snapshot.wal_file_sequence;
  std::optional<std::uint64_t> near = newest_file;
  for (auto sequence = older.begin(); !near && sequence != older.end(); ++sequence) {
    const auto content = read(folder, path, *sequence, counter, stop);
    if (!content) return tl::unexpected(content.error());
    if (*content != nullptr && (*content)->snapshot) near = (*content)->snapshot->wal_file_sequence;
  }
  if (covers <= kMostFileNumber && (!near || covers <= *near || covers - *near <= kMostAhead)) return std::string();
  return "it says that it covers the WAL files up to number " + std::to_string(covers) + ", " +
         (near ? "far beyond " +
                     std::string(newest_file ? "the newest in wal/, " : "those of the snapshot before it, ") +
                     std::to_string(*near)
               : std::string("which none can have"));
}

Result<SnapshotsFound> NodeSnapshots::find(int root, const std::filesystem::path& path,
                                           std::optional<std::uint64_t> newest_file, Time now, ReadCounter& counter,
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
  if (::fstat((*folder)->get(), &whole_status) != 0) return tl::unexpected(access_error(errno, "checking", whole));
  if (inode_ != whole_status.st_ino) timed_.clear();
  inode_ = whole_status.st_ino;

  std::vector<std::uint64_t> all;
  std::vector<std::uint64_t> candidates;  // highest first
  bool known_listed = false;
  std::size_t irregular = 0;
  auto listed = for_each_entry((*folder)->get(), whole, stop, [&](std::string_view name, EntryType type) {
    counter.listed.fetch_add(1, std::memory_order_relaxed);
    const auto sequence = parse_snapshot_name(name);
    if (!sequence) return;
    if (type != EntryType::file) {
      if (++irregular <= kMostIrregularNotes) {
        found.notes.push_back("snapshot " + escape_control((whole / name).string()) + " is not a regular file" +
                              (type == EntryType::symlink ? " but a symbolic link" : "") + ": passed over");
      }
      return;
    }
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

  std::erase_if(read_, [&](const auto& entry) {
    return std::find(candidates.begin(), candidates.end(), entry.first) == candidates.end();
  });

  for (auto candidate = candidates.begin(); candidate != candidates.end(); ++candidate) {
    const bool is_known = known_ && known_->snapshot.sequence == *candidate;
    const auto content = read((*folder)->get(), whole, *candidate, counter, stop);
    if (!content) return tl::unexpected(content.error());
    if (*content == nullptr) continue;
    const Read& file = **content;
    if (is_known && known_->identity == file.identity) break;
    if (is_known) timed_.clear();  // this file was replaced, so others may have been too
    if (file.snapshot) {
      auto beyond = why_beyond_belief(*file.snapshot, newest_file, std::span(candidate + 1, candidates.end()),
                                      (*folder)->get(), whole, counter, stop);
      if (!beyond) return tl::unexpected(beyond.error());
      if (beyond->empty()) {
        known_ = Known{*file.snapshot, file.identity};
        break;
      }
      found.beyond_belief.push_back(
          {"snapshots/" + snapshot_name(*candidate), InvalidReason::snapshot, false, *std::move(beyond)});
    } else if (file.identity.changed > now - settle_time_ && file.identity.changed < now + settle_time_) {
      found.notes.push_back("snapshot " + escape_control((whole / snapshot_name(*candidate)).string()) +
                            " was changed just now: " + file.refused + "; judged at the next sample");
    } else {
      found.beyond_belief.push_back({"snapshots/" + snapshot_name(*candidate), file.reason, false, file.refused});
    }
    if (is_known) break;
  }
  if (known_) found.newest = known_->snapshot;
  found.passed_over = !all.empty() && (!known_ || known_->snapshot.sequence != all.back());
  auto timed = ask_times((*folder)->get(), whole, all, counter, stop);
  if (!timed) return tl::unexpected(timed.error());
  found.times.reserve(timed_.size());
  for (auto snapshot = timed_.rbegin(); snapshot != timed_.rend(); ++snapshot) found.times.push_back(snapshot->written);
  return found;
}

}  // namespace wal_exporter::wal
