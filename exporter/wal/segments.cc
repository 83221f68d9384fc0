#include "wal/segments.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <unordered_map>
#include <utility>

#include "base/mutex.h"
#include "base/text.h"
#include "wal/data_disk.h"
#include "wal/folders.h"
#include "wal/listing.h"
#include "wal/segment_entries.h"
#include "wal/vanished.h"

namespace wal_exporter::wal {
namespace {

// -1 with errno where it can't be opened.
int open_segment(int directory, const std::string& name) {
  return ::openat(directory, name.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
}

std::uint64_t device_of(const struct statx& status) {
  return (std::uint64_t{status.stx_dev_major} << 8U) ^ status.stx_dev_minor;
}

// What was found about a closed segment; it never changes again.
struct Checked {
  std::uint64_t number = 0;
  std::uint64_t bytes = 0;
  std::optional<SegmentFault> fault;
};

// A segment as one sample saw it.
struct Seen {
  std::uint64_t shard = 0;
  std::uint64_t number = 0;
  std::uint64_t bytes = 0;
  std::optional<Time> birth;  // where the filesystem knows it
  Time oldest_data{};         // as in Segment; while it is empty: when it was last seen empty
  bool refused_alone = false;

  // The inode alone does not tell: inodes and names are reused.
  [[nodiscard]] bool is_same_file(const Seen& other) const {
    return shard == other.shard && number == other.number && birth == other.birth;
  }
};

// What one sample leaves to the next; both by inode.
struct Memory {
  std::unordered_map<std::uint64_t, Checked> checked;
  std::unordered_map<std::uint64_t, Seen> seen;
  Extent grown;  // since the sample before
};

class SegmentSource final : public WalSource {
 public:
  SegmentSource(Options options, std::shared_ptr<Clock> clock, std::shared_ptr<const Sample> before)
      : options_(std::move(options)),
        clock_(std::move(clock)),
        vanish_watch_(options_.directory, options_.data_directory, std::move(before)) {}

  Result<std::shared_ptr<const Sample>> take_sample(std::stop_token stop) override {
    const MutexLock lock(mutex_);
    const SteadyTime begin = clock_->steady();
    Sample sample;
    sample.taken_at = clock_->now();
    sample.layout = Layout::segments;
    auto done = walk(sample, stop);
    if (!done) return tl::unexpected(std::move(done.error()));
    std::sort(sample.shards.begin(), sample.shards.end(), [](const Shard& a, const Shard& b) {
      return std::tie(a.database, a.retention_policy, a.id) < std::tie(b.database, b.retention_policy, b.id);
    });
    sample.written = written_;
    vanish_watch_.compare(sample);
    sample.elapsed = clock_->steady() - begin;
    auto taken = std::make_shared<const Sample>(std::move(sample));
    vanish_watch_.keep(taken);
    return taken;
  }

 private:
  Result<void> walk(Sample& sample, const std::stop_token& stop) WAL_EXPORTER_REQUIRES(mutex_) {
    const auto root = open_root(options_.directory);
    if (!root) return tl::unexpected(root.error());
    auto available = available_bytes(root->get(), options_.directory);
    if (!available) return tl::unexpected(available.error());
    sample.filesystem_avail_bytes = *available;

    Memory before = std::move(memory_);
    Memory now;
    now.checked.reserve(before.checked.size());
    now.seen.reserve(before.seen.size());
    bool met = false;
    auto result = for_each_shard(root->get(), options_.directory, sample, stop, [&](int fd, const ShardFolder& folder) {
      met = true;
      return shard(fd, folder, sample, before, now, stop);
    });
    if (!result) {
      memory_ = std::move(before);  // a sample that failed forgets nothing
      return result;
    }
    met_shard_ = met_shard_ || met;
    if (!met_shard_) {
      if (std::string why = why_unwritten(options_); !why.empty()) {
        sample.uncounted.all = true;
        sample.uncounted.add(std::move(why));
      }
    }
    find_data_disk(root->get(), options_, sample);
    if (sample.uncounted.folders > 0) now.seen.merge(before.seen);  // what comes back is not written anew
    if (looked_) written_ += now.grown;
    memory_ = std::move(now);
    looked_ = true;
    return {};
  }

  Result<void> shard(int fd, const ShardFolder& folder, Sample& sample, const Memory& before, Memory& now,
                     const std::stop_token& stop) {
    Shard shard{folder.database, folder.retention_policy, folder.id, {}, {}};
    shard.stray_name = is_stray_name(folder.database) || is_stray_name(folder.retention_policy);
    const std::filesystem::path& path = folder.path;
    std::vector<std::pair<std::uint64_t, std::string>> names;
    // Of what InfluxDB takes for a segment, the last as it sorts them, and whether it is one.
    std::pair<std::string, bool> last_named;
    auto listed = for_each_entry(fd, path, stop, [&](std::string_view name, EntryType type) {
      if (type == EntryType::file && name.starts_with('_') && name.ends_with(".wrr")) {
        sample.invalid.push_back({(path / name).lexically_relative(options_.directory).string(),
                                  InvalidReason::other_edition, false, "uncommitted writes of the cloud edition"});
      }
      const auto number = parse_segment_name(name);
      if (name.starts_with('_') && name.ends_with(".wal")) {
        // Of any length: five digits are what InfluxDB itself writes.
        const bool is_segment = parse_number(name.substr(1, name.size() - 5)).has_value() &&
                                (type == EntryType::file || type == EntryType::symlink);
        last_named = std::max(last_named, std::pair(std::string(name), is_segment));
      }
      if (!number) return;
      if (type == EntryType::file) names.emplace_back(*number, name);
      if (type == EntryType::symlink) {
        // The server reads it; nothing but folders may lead us elsewhere.
        const std::string what = escape_control((path / name).string()) +
                                 " is a symbolic link in place of a segment; move the segment there instead";
        note(sample, "not counted: " + what);
        sample.uncounted.add(what);
      }
      if (type == EntryType::other || type == EntryType::directory) {
        note(sample, "passed over: " + escape_control((path / name).string()) + " is no file");
      }
    });
    if (!listed) return tl::unexpected(listed.error());
    std::sort(names.begin(), names.end());
    if (!last_named.first.empty() && !last_named.second) {
      sample.invalid.push_back({(path / last_named.first).lexically_relative(options_.directory).string(),
                                InvalidReason::unopened, false, "the last of its shard by name, and no segment"});
    }
    for (const auto& [number, name] : names) {
      struct statx status {};
      constexpr unsigned wanted = STATX_TYPE | STATX_SIZE | STATX_MTIME | STATX_BTIME | STATX_INO;
      if (::statx(fd, name.c_str(), AT_SYMLINK_NOFOLLOW, wanted, &status) != 0) {
        if (errno == ENOENT) continue;
        return tl::unexpected(access_error(errno, "checking", path / name));
      }
      if (!S_ISREG(status.stx_mode)) continue;
      const Time modified = to_time(status.stx_mtime);
      Seen seen{shard.id, number, status.stx_size, std::nullopt, {}};
      if ((status.stx_mask & STATX_BTIME) != 0) seen.birth = to_time(status.stx_btime);
      seen.oldest_data = std::min(modified, seen.birth.value_or(modified));
      const std::uint64_t inode = status.stx_ino ^ (device_of(status) << 44U);  // a link may lead to another device
      const bool as_before = compare(seen, modified, inode, before, now);
      if (!as_before && may_be_refused_alone(seen.bytes)) {
        const Fd file(open_segment(fd, name));
        seen.refused_alone = file.valid() && holds_refused_writes_alone(file.get(), seen.bytes);
      }
      shard.segments.push_back({name, number, inode, seen.bytes, modified, seen.oldest_data, seen.refused_alone});
      if (!shard.segments.back().has_data()) seen.oldest_data = sample.taken_at;
      now.seen[inode] = seen;
    }
    if (shard.segments.empty()) return {};
    for (const Segment& segment : shard.segments) {
      const bool open = &segment == &shard.segments.back();
      if (segment.has_data()) {
        shard.pending += Extent{1, segment.bytes};
        if (!sample.oldest_pending || segment.oldest_data < *sample.oldest_pending) {
          sample.oldest_pending = segment.oldest_data;
        }
      }
      if (!sample.newest_file || segment.modified > *sample.newest_file) sample.newest_file = segment.modified;
      judge(fd, segment, open, path, sample, before, now, stop);
    }
    sample.pending += shard.pending;
    if (shard.segments.back().has_data()) ++sample.hot_shards;
    sample.shards.push_back(std::move(shard));
    return {};
  }

  // Compares with the previous sample: how much the segment has grown, and since when it
  // holds data. True if its length is unchanged, so that what was found in it still holds.
  static bool compare(Seen& seen, Time modified, std::uint64_t inode, const Memory& before, Memory& now) {
    const auto found = before.seen.find(inode);
    const bool known = found != before.seen.end() && found->second.is_same_file(seen);
    if (known) seen.oldest_data = std::min(modified, found->second.oldest_data);
    const std::uint64_t old_bytes = known ? found->second.bytes : 0;
    if (old_bytes == 0 && seen.bytes > 0) ++now.grown.files;
    if (seen.bytes > old_bytes) now.grown.bytes += seen.bytes - old_bytes;
    if (!known || seen.bytes != old_bytes) return false;
    seen.refused_alone = found->second.refused_alone;
    return true;
  }

  void judge(int fd, const Segment& segment, bool open, const std::filesystem::path& path, Sample& sample,
             const Memory& before, Memory& now, const std::stop_token& stop) {
    const auto report = [&](InvalidReason reason, std::string detail) {
      sample.invalid.push_back(InvalidFile{(path / segment.name).lexically_relative(options_.directory).string(),
                                           reason, false, std::move(detail)});
    };
    if (segment.bytes == 0) {
      if (!open) report(InvalidReason::empty, "a later segment exists, so this one should hold data");
      return;
    }
    if (options_.integrity == Integrity::off) return;
    std::optional<SegmentFault> fault;
    const auto known = before.checked.find(segment.inode);
    if (!open && known != before.checked.end() && known->second.number == segment.number &&
        known->second.bytes == segment.bytes) {
      fault = known->second.fault;
    } else {
      const Fd file(open_segment(fd, segment.name));
      if (!file.valid() && errno == ENOENT) return;
      if (!file.valid()) {
        fault = SegmentFault{InvalidReason::unreadable, access_error(errno, "opening", path / segment.name).message};
      } else {
        // The open segment grows: only its first entry can be judged.
        fault = check_segment(file.get(), segment.bytes, open ? Integrity::header : options_.integrity, open, stop);
      }
    }
    if (fault) report(fault->reason, fault->detail);
    if (!open && !stop.stop_requested()) {
      now.checked[segment.inode] = Checked{segment.number, segment.bytes, std::move(fault)};
    }
  }

  static void note(Sample& sample, std::string text) {
    if (sample.notes.size() < kMostNotes) sample.notes.push_back(std::move(text));
  }

  const Options options_;
  const std::shared_ptr<Clock> clock_;

  Mutex mutex_;  // guards what earlier samples left behind
  Memory memory_ WAL_EXPORTER_GUARDED_BY(mutex_);
  VanishWatch vanish_watch_ WAL_EXPORTER_GUARDED_BY(mutex_);
  Extent written_ WAL_EXPORTER_GUARDED_BY(mutex_);
  bool looked_ WAL_EXPORTER_GUARDED_BY(mutex_) = false;
  bool met_shard_ WAL_EXPORTER_GUARDED_BY(mutex_) = false;  // ever
};

}  // namespace

std::optional<std::uint64_t> parse_segment_name(std::string_view name) {
  constexpr std::string_view suffix = ".wal";
  if (name.size() < 1 + 5 + suffix.size() || name.front() != '_' || !name.ends_with(suffix)) return std::nullopt;
  return parse_number(name.substr(1, name.size() - 1 - suffix.size()));
}

std::shared_ptr<WalSource> make_segment_source(Options options, std::shared_ptr<Clock> clock,
                                               std::shared_ptr<const Sample> before) {
  return std::make_shared<SegmentSource>(std::move(options), std::move(clock), std::move(before));
}

}  // namespace wal_exporter::wal
