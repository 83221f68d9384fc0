#include "wal/node_source.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <limits>

#include "base/mutex.h"
#include "base/text.h"
#include "wal/detect.h"
#include "wal/finding.h"
#include "wal/listing.h"
#include "wal/node_foreign.h"
#include "wal/node_index.h"
#include "wal/node_snapshots.h"
#include "wal/vanished.h"

namespace wal_exporter::wal {
namespace {

constexpr std::size_t kMostOddNotes = 5;
constexpr std::size_t kMostForeignNames = 10'000;

struct FolderIdentity {
  dev_t device = 0;
  ino_t inode = 0;

  friend bool operator==(const FolderIdentity&, const FolderIdentity&) = default;
};

// One pass over the node's folder, for when it has no wal/.
struct RootContent {
  bool empty = true;
  bool looks_like_a_node = false;  // InfluxDB 3 made it
  bool holds_wal_files = false;    // it is a wal/ itself
  std::string node;                // a folder below that has a wal/
};

std::filesystem::path without_slash(const std::filesystem::path& path) {
  const std::filesystem::path normal = path.lexically_normal();
  return normal.has_filename() ? normal : normal.parent_path();
}

std::uint64_t checksum_budget(std::uint64_t rate, std::optional<Duration> since_last) {
  if (rate == 0) return std::numeric_limits<std::uint64_t>::max();
  if (!since_last) return rate;
  const long double bytes = static_cast<long double>(rate) * std::max(0.0, to_seconds(*since_last));
  return static_cast<std::uint64_t>(std::min(bytes, static_cast<long double>(std::uint64_t{1} << 62)));
}

void add_note(Sample& sample, std::string note) {
  if (sample.notes.size() < kMostNotes) sample.notes.push_back(std::move(note));
}

class NodeSource final : public WalSource {
 public:
  NodeSource(NodeOptions options, std::shared_ptr<Clock> clock, Log log, std::shared_ptr<const Sample> before)
      : options_(std::move(options)),
        clock_(std::move(clock)),
        log_(std::move(log)),
        vanish_watch_(options_.directory, {}, std::move(before)) {
    if (!options_.counter) options_.counter = std::make_shared<ReadCounter>();
  }

  Result<std::shared_ptr<const Sample>> take_sample(std::stop_token stop) override {
    const MutexLock lock(mutex_);
    const SteadyTime begin = clock_->steady();
    Sample sample;
    sample.taken_at = clock_->now();
    sample.layout = Layout::node;
    auto done = walk(sample, begin, stop);
    if (!done) return tl::unexpected(std::move(done.error()));
    sample.elapsed = clock_->steady() - begin;
    auto taken = std::make_shared<const Sample>(std::move(sample));
    vanish_watch_.keep(taken);
    return taken;
  }

 private:
  Result<void> walk(Sample& sample, SteadyTime begin, const std::stop_token& stop) WAL_EXPORTER_REQUIRES(mutex_) {
    const auto root = open_root(options_.directory);
    if (!root) return tl::unexpected(root.error());
    const auto available = available_bytes(root->get(), options_.directory);
    if (!available) return tl::unexpected(available.error());
    sample.filesystem_avail_bytes = *available;

    const std::filesystem::path path = options_.directory / "wal";
    const auto folder = open_node_folder(root->get(), options_.directory, "wal");
    if (!folder) return tl::unexpected(folder.error());
    std::vector<std::uint64_t> listed;
    std::vector<ForeignEntry> foreign;
    if (*folder) {
      auto done = list((*folder)->get(), path, sample, listed, foreign, stop);
      if (!done) return done;
    }
    // Read after the files are listed. A snapshot made in between then only turns some of the
    // listed files into retained ones. In the other order, files that InfluxDB deletes in
    // between would look like gaps.
    const auto newest_file = listed.empty() ? std::nullopt : std::optional<std::uint64_t>(listed.back());
    const auto snapshots =
        snapshots_.find(root->get(), options_.directory, newest_file, sample.taken_at, *options_.counter, stop);
    if (!snapshots) return tl::unexpected(snapshots.error());
    if (!*folder) {
      auto fine = judge_missing_wal(root->get(), *snapshots, sample, stop);
      if (!fine) return fine;
    }
    if (*folder && listed.empty() && snapshots->files == 0 && !index_.newest() && !is_a_nodes_folder()) {
      sample.has_wal_folder = false;
    }
    sample.snapshot = snapshots->newest;
    sample.snapshot_files = snapshots->files;
    sample.snapshot_times = snapshots->times;
    sample.snapshots_covered = snapshots->covered;
    for (const std::string& note : snapshots->notes) add_note(sample, note);
    sample.invalid = snapshots->beyond_belief;

    const std::uint64_t last = snapshots->newest ? snapshots->newest->wal_file_sequence : 0;
    auto identified = start_over_if_replaced(*folder, path, listed, snapshots->newest, sample);
    if (!identified) return identified;
    const bool all_retained = last == std::numeric_limits<std::uint64_t>::max();
    const std::uint64_t first_pending = !snapshots->newest ? 0 : all_retained ? last : last + 1;
    const FolderView view{*folder ? (*folder)->get() : -1, path, options_, *options_.counter, sample.taken_at, stop};
    auto updated = index_.update(view, listed, first_pending);
    if (!updated) return updated;
    last_snapshotted_ = last;
    auto read = foreign_.update(view, std::move(foreign), snapshots->newest ? node_file_name(last) : std::string());
    if (!read) return read;
    if (options_.integrity == Integrity::full) {
      const auto since = last_sample_ ? std::optional<Duration>(begin - *last_sample_) : std::nullopt;
      auto verified = index_.verify(view, checksum_budget(options_.checksum_bytes_per_second, since));
      if (!verified) return verified;
    }
    last_sample_ = begin;
    // Where no snapshot can be believed, nobody can tell what those that there are cover.
    const bool any_covered = !snapshots->newest && snapshots->files > 0 && !listed.empty() && listed.front() > 0;
    fill(sample, listed, any_covered ? listed.front() - 1 : last);
    vanish_watch_.compare(sample, !snapshots->passed_over);
    return {};
  }

  Result<void> list(int fd, const std::filesystem::path& path, Sample& sample, std::vector<std::uint64_t>& listed,
                    std::vector<ForeignEntry>& foreign, const std::stop_token& stop) WAL_EXPORTER_REQUIRES(mutex_) {
    std::uint64_t names = 0;
    std::size_t oddities = 0;
    auto done = for_each_entry(fd, path, stop, [&](std::string_view name, EntryType type) {
      ++names;
      const auto number = parse_node_file_name(name);
      if (!number) {
        if (is_listed_by_server(name) && foreign.size() < kMostForeignNames)
          foreign.push_back({std::string(name), type});
        return;
      }
      if (type == EntryType::file) return listed.push_back(*number);
      const std::string what =
          escape_control((path / name).string()) +
          (type == EntryType::symlink ? " is a symbolic link, which InfluxDB follows; move the file there instead"
           : type == EntryType::directory
               ? " is a folder, in the place of a WAL file; stop InfluxDB and move it out of wal/"
               : " is no file, and in the place of one; stop InfluxDB and move it out of wal/");
      if (type == EntryType::symlink) sample.uncounted.add(what);
      if (++oddities <= kMostOddNotes) add_note(sample, "not counted: " + what);
    });
    options_.counter->listed.fetch_add(names, std::memory_order_relaxed);
    if (!done) return done;
    std::sort(listed.begin(), listed.end());
    listed.erase(std::unique(listed.begin(), listed.end()), listed.end());
    return {};
  }

  // By what lies beside wal/.
  [[nodiscard]] bool is_a_nodes_folder() const {
    std::error_code error;
    return std::filesystem::is_directory(options_.directory / "snapshots", error) || holds_catalog(options_.directory);
  }

  // A node that was never written to has no wal/ yet; anything else without one is
  // a wrong setting or a disk that is not mounted.
  Result<void> judge_missing_wal(int root, const SnapshotsFound& snapshots, Sample& sample, const std::stop_token& stop)
      WAL_EXPORTER_REQUIRES(mutex_) {
    const std::string shown = escape_control(options_.directory.string());
    if (index_.newest() || vanish_watch_.knows_files() || snapshots.files > 0) {
      return failure(ErrorKind::not_found, shown + " has no wal/ any more, though " +
                                               (snapshots.files > 0 ? "it has snapshots" : "it had WAL files") +
                                               "; is its disk mounted? InfluxDB never deletes that folder");
    }
    RootContent content;
    std::vector<std::string> folders;
    auto listed = for_each_entry(root, options_.directory, stop, [&](std::string_view name, EntryType type) {
      if (name == kLostAndFound) return;
      content.empty = false;
      if (type == EntryType::file && parse_node_file_name(name)) content.holds_wal_files = true;
      if (type != EntryType::directory) return;
      if (name == "snapshots" || name == "catalog" || name == "catalogs") content.looks_like_a_node = true;
      if (folders.size() < 1000) folders.emplace_back(name);
    });
    if (!listed) return listed;
    for (const std::string& folder : folders) {
      struct stat status {};
      const std::string wal = folder + "/wal";
      if (content.node.empty() && ::fstatat(root, wal.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) {
        content.node = folder;
      }
    }
    if (content.holds_wal_files) {
      const std::filesystem::path parent = without_slash(options_.directory).parent_path();
      return failure(ErrorKind::invalid,
                     shown +
                         " holds the WAL files themselves; set wal.directory to the node's folder, which "
                         "holds wal/ and snapshots/: " +
                         escape_control(parent.empty() ? ".." : parent.string()));
    }
    if (const std::string why = why_no_wal(options_.directory); !why.empty() && content.node.empty()) {
      return failure(ErrorKind::not_found, shown + why);
    }
    if (content.empty || content.looks_like_a_node) {
      sample.has_wal_folder = false;
      add_note(sample, shown + " has no wal/ yet");
      return {};
    }
    std::string message = shown + " has no wal/; set wal.directory to the node's folder, <data-dir>/<node-id>";
    if (!content.node.empty()) message += ", here " + escape_control((options_.directory / content.node).string());
    return failure(ErrorKind::not_found, std::move(message));
  }

  // Starts the index over if wal/ is another folder than before, or if the numbers of files
  // or of the snapshot went back: a number may then belong to another file than before.
  Result<void> start_over_if_replaced(const std::optional<Fd>& folder, const std::filesystem::path& path,
                                      const std::vector<std::uint64_t>& listed, const std::optional<Snapshot>& newest,
                                      Sample& sample) WAL_EXPORTER_REQUIRES(mutex_) {
    std::optional<FolderIdentity> identity;
    if (folder) {
      struct stat status {};
      if (::fstat(folder->get(), &status) != 0) return tl::unexpected(access_error(errno, "checking", path));
      identity = FolderIdentity{status.st_dev, status.st_ino};
    }
    const char* why = nullptr;
    if (folder_ && identity && *folder_ != *identity) why = "was replaced by another directory";
    const std::uint64_t covered = newest ? newest->wal_file_sequence : 0;
    // A newest file that a snapshot covers may vanish, because the server may be set to keep
    // no covered files.
    if (index_.newest() && *index_.newest() > covered && (listed.empty() || listed.back() < *index_.newest())) {
      why = "lost its newest file";
    }
    if (covered < last_snapshotted_) why = "belongs to an older snapshot than before";
    if (why != nullptr) {
      const std::string note = escape_control(path.string()) + " " + why + ": everything in it is read again";
      log_->warn("{}", note);
      add_note(sample, note);
      index_.clear();
    }
    if (identity) folder_ = identity;
    return {};
  }

  void fill(Sample& sample, const std::vector<std::uint64_t>& listed, std::uint64_t last)
      WAL_EXPORTER_REQUIRES(mutex_) {
    sample.periods.reserve(index_.pending().size());
    const auto earlier = [](std::optional<Time>& least, Time time) {
      if (!least || time < *least) least = time;
    };
    for (const auto& [number, facts] : index_.pending()) {
      sample.pending += Extent{1, facts.bytes};
      Period period{number, facts.bytes, {}, {}, {}};
      period.void_times = facts.void_times;
      if (facts.void_times) period.persisted = facts.persisted;
      if (facts.state == FileState::valid) {
        period.persisted = facts.persisted;
        period.min_time = facts.min_time;
        period.max_time = facts.max_time;
        if (!sample.max_data_time || facts.max_time > *sample.max_data_time) sample.max_data_time = facts.max_time;
      }
      earlier(sample.oldest_pending, period.persisted.value_or(facts.modified));
      sample.periods.push_back(period);
    }
    sample.retained = index_.retained();
    sample.written = index_.written();
    sample.newest_file = index_.newest_modified();
    if (!listed.empty() && listed.back() > last) {
      const auto present = std::distance(std::upper_bound(listed.begin(), listed.end(), last), listed.end());
      sample.sequence_gaps = listed.back() - last - static_cast<std::uint64_t>(present);
      if (sample.snapshot) sample.front_gap = *std::upper_bound(listed.begin(), listed.end(), last) - last - 1;
    }
    fill_doubtful(sample);
    foreign_.judge(index_, last, sample);
    for (const InvalidFile& file : sample.invalid) {
      sample.newest_file_damaged |= effect_of(file.reason, file.newest, {}) == Effect::ends_at_write;
    }
  }

  // But for files whose number is not that of their name: those are judged in the order in
  // which the server reads them.
  void fill_doubtful(Sample& sample) WAL_EXPORTER_REQUIRES(mutex_) {
    for (const auto& [number, doubt] : index_.doubtful()) {
      const std::string name = node_file_name(number);
      if (doubt.kind == DoubtfulFile::Kind::unsettled) {
        add_note(sample, name + " was changed just now and is not complete: judged at the next sample");
        continue;
      }
      const InvalidReason reason = doubt.fault->reason;
      if (reason == InvalidReason::foreign) continue;
      const bool newest = index_.newest() == number && reason != InvalidReason::unreadable;
      auto& files = reason == InvalidReason::newer ? sample.unknown : sample.invalid;
      files.push_back(InvalidFile{name, reason, newest, doubt.fault->detail});
    }
  }

  NodeOptions options_;
  const std::shared_ptr<Clock> clock_;
  const Log log_;

  Mutex mutex_;  // guards what earlier samples left behind
  NodeIndex index_ WAL_EXPORTER_GUARDED_BY(mutex_);
  NodeForeign foreign_ WAL_EXPORTER_GUARDED_BY(mutex_);
  VanishWatch vanish_watch_ WAL_EXPORTER_GUARDED_BY(mutex_);
  NodeSnapshots snapshots_ WAL_EXPORTER_GUARDED_BY(mutex_){options_.settle_time};
  std::optional<FolderIdentity> folder_ WAL_EXPORTER_GUARDED_BY(mutex_);
  std::uint64_t last_snapshotted_ WAL_EXPORTER_GUARDED_BY(mutex_) = 0;
  std::optional<SteadyTime> last_sample_ WAL_EXPORTER_GUARDED_BY(mutex_);
};

}  // namespace

std::shared_ptr<WalSource> make_node_source(NodeOptions options, std::shared_ptr<Clock> clock, Log log,
                                            std::shared_ptr<const Sample> before) {
  return std::make_shared<NodeSource>(std::move(options), std::move(clock), std::move(log), std::move(before));
}

}  // namespace wal_exporter::wal
