// One look at a target's WAL: an immutable value.
//
// pending is what a restart would replay; retained are 3.x files that a snapshot
// covers already and the server keeps on purpose. Value types: safe from any
// thread.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.h"

namespace wal_exporter::wal {

struct Extent {
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;

  Extent& operator+=(const Extent& other) {
    files += other.files;
    bytes += other.bytes;
    return *this;
  }
  friend bool operator==(const Extent&, const Extent&) = default;
};

// "3 files, 1.2 MiB".
[[nodiscard]] std::string extent_text(const Extent& extent);

enum class Layout {
  segments,  // 1.x and 2.x: <db>/<rp>/<shard>/_NNNNN.wal
  node,      // 3.x: <node>/wal/NNNNNNNNNNN.wal and <node>/snapshots
};

// What is wrong with a file; what that means is in finding.h.
enum class InvalidReason {
  empty,
  too_short,
  magic,
  checksum,
  unreadable,
  times,          // 3.x: its smallest data time is after its largest
  doubled,        // 3.x: in the order of names, its number does not follow those before it
  foreign,        // 3.x: a WAL file whose name is not that of its number
  older,          // 3.x: of a 3.0 alpha
  other_edition,  // 1.x, 2.x: a .wrr file
  unopened,       // 1.x, 2.x: `_*.wal` that sorts last in its shard and is no segment
  snapshot,       // 3.x: a snapshot that claims to cover files which nobody has written
  torn,           // 3.x: a snapshot that can't be parsed
  misnamed,       // 3.x: a snapshot that we can't go by, and the server may
  newer,          // 3.x: a format that we don't know; no damage: in Sample::unknown
  stray,          // 3.x: no WAL file, or a folder; likewise
  count
};
// Those that are counted as invalid; `doubled` counts as foreign, `torn` and `misnamed` as snapshot.
inline constexpr InvalidReason kInvalidReasons[] = {
    InvalidReason::empty,         InvalidReason::too_short, InvalidReason::magic,   InvalidReason::checksum,
    InvalidReason::unreadable,    InvalidReason::times,     InvalidReason::foreign, InvalidReason::older,
    InvalidReason::other_edition, InvalidReason::unopened,  InvalidReason::snapshot};

// The label value: empty, short, magic, checksum, unreadable, times, foreign, older,
// other_edition, snapshot, newer, stray.
[[nodiscard]] std::string_view to_string(InvalidReason reason);

struct InvalidFile {
  std::string file;  // relative to the WAL directory
  InvalidReason reason = InvalidReason::empty;
  bool newest = false;  // 3.x: a write of the server comes to it
  std::string detail;   // for people

  friend bool operator==(const InvalidFile&, const InvalidFile&) = default;
};

// 1.x and 2.x. A segment is known by shard, name and inode: names are used again
// after a restart.
struct Segment {
  std::string name;
  std::uint64_t number = 0;
  std::uint64_t inode = 0;
  std::uint64_t bytes = 0;
  Time modified{};             // last write
  Time oldest_data{};          // when its first data was written, at the earliest (see segments.h); empty: its birth
  bool refused_alone = false;  // holds nothing but refused writes (see segment_entries.h)

  // What a restart would apply.
  [[nodiscard]] bool has_data() const { return bytes > 0 && !refused_alone; }

  friend bool operator==(const Segment&, const Segment&) = default;
};

// Where a shard's folder lies. Of one server's shards the id alone is unique.
struct ShardKey {
  std::string database;          // 2.x: the bucket id
  std::string retention_policy;  // 2.x: autogen
  std::uint64_t id = 0;

  friend std::strong_ordering operator<=>(const ShardKey&, const ShardKey&) = default;
};

// What the segments of a shard count as. A source tells each as pending: what is set apart
// follows from checkpoints, see policy/shard_book.h.
enum class ShardState {
  pending,   // a restart would replay them, a checkpoint takes them away
  orphaned,  // the server does not know the shard: nobody replays or persists them
  kept_open  // persisted; the server keeps the file open until the next write
};

struct Shard {
  std::string database;          // 2.x: the bucket id
  std::string retention_policy;  // 2.x: autogen
  std::uint64_t id = 0;
  Extent pending;                 // segments with data, whatever they count as
  std::vector<Segment> segments;  // by number; the last one is the open one
  ShardState state = ShardState::pending;
  // Of a shard whose number another folder has as well: has the data directory its folder? nullopt: not known.
  std::optional<bool> has_data{};
  bool stray_name = false;  // that of a folder of other programs, see folders.h

  [[nodiscard]] ShardKey key() const { return {database, retention_policy, id}; }

  friend bool operator==(const Shard&, const Shard&) = default;
};

// 3.x: one file not yet snapshotted.
struct Period {
  std::uint64_t number = 0;
  std::uint64_t bytes = 0;
  // Absent where the header could not be read or is not understood.
  std::optional<Time> persisted;
  std::optional<Time> min_time;
  std::optional<Time> max_time;
  bool void_times = false;  // it holds nothing valid: no time at all, so nothing in it holds a snapshot up

  friend bool operator==(const Period&, const Period&) = default;
};

struct Snapshot {
  std::uint64_t sequence = 0;
  std::uint64_t wal_file_sequence = 0;  // the last WAL file it covers
  Time written{};                       // when the snapshot file was written

  friend bool operator==(const Snapshot&, const Snapshot&) = default;
};

// Files that are gone though no checkpoint and no snapshot removed them; vanished.h says how
// that is told.
struct Vanished {
  enum class Cause {
    directory,  // the WAL's directory was removed, replaced or unmounted
    folders,    // 1.x, 2.x: folders of shards were removed whose data is still there
    segments,   // 1.x, 2.x: single segments, though older ones of the shard stay
    files,      // 3.x: files that no snapshot covers
    front,      // 3.x: the same right behind a snapshot, where one that was empty may have taken them
  };
  // 1.x, 2.x: whose data is missing, and the number of its last segment.
  struct OfShard {
    ShardKey shard;
    std::uint64_t last_segment = 0;

    friend bool operator==(const OfShard&, const OfShard&) = default;
  };
  std::uint64_t number = 0;  // 1 for the first time that files vanished since the source was opened
  Cause cause = Cause::directory;
  Extent extent;
  Time last_seen{};
  Time missed{};      // when a sample found them gone
  bool over = false;  // they are back, a snapshot covers them, or new files of the server's own have come
  std::vector<OfShard> shards{};

  friend bool operator==(const Vanished&, const Vanished&) = default;
};

// What a server would replay and the sample could not look into: folders that may not be
// read, links that lead nowhere, and the whole WAL where nothing shows that this is it. The
// counts are too small by what lies there.
struct Uncounted {
  std::uint64_t folders = 0;
  std::string first;  // which, why, and the remedy
  bool all = false;   // the directory itself may be the wrong one

  void add(std::string what) {
    if (++folders == 1) first = std::move(what);
  }
  friend bool operator==(const Uncounted&, const Uncounted&) = default;
};

// What tells a directory from the one that had its place before.
struct DirectoryIdentity {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::optional<Time> birth;
  bool removed = false;  // it has no name any more

  friend bool operator==(const DirectoryIdentity&, const DirectoryIdentity&) = default;
};

struct Sample {
  Time taken_at{};
  Duration elapsed{};
  Layout layout = Layout::segments;

  Extent pending;  // without what is set apart
  Extent retained;
  Extent orphaned;                     // set apart: see ShardState
  Extent kept_open;                    // likewise
  std::optional<Time> oldest_pending;  // when the oldest pending data was written; 1.x, 2.x: at the earliest
  std::optional<Time> newest_file;
  std::vector<InvalidFile> invalid;
  std::vector<InvalidFile> unknown;  // 3.x: newer and stray
  bool newest_file_damaged = false;
  std::uint64_t sequence_gaps = 0;
  std::uint64_t front_gap = 0;  // of these, those between the snapshot's last file and the first behind it
  std::optional<std::uint64_t> filesystem_avail_bytes;  // where the WAL lies
  Uncounted uncounted;

  // 1.x and 2.x
  std::vector<Shard> shards;  // only those with segments
  // Where the data lies, and a checkpoint writes; nullopt: not known. On the WAL's own
  // filesystem both numbers are the same.
  std::optional<std::uint64_t> data_filesystem_avail_bytes;
  bool has_own_filesystem = false;  // the WAL: known to lie on another one than the data
  std::uint64_t hot_shards = 0;     // shards whose open segment holds data
  bool bucket_ids = false;          // every database folder with a shard (without any: every one) is 16 hex digits

  // 3.x
  // false: nothing was written to this node yet, or it is none that takes writes. So is an empty
  // wal/ that nothing of a node lies beside.
  bool has_wal_folder = true;
  std::vector<Period> periods;  // by number
  std::optional<Snapshot> snapshot;
  std::uint64_t snapshot_files = 0;
  std::vector<Time> snapshot_times;     // when they were written: the newest 50,000, newest first
  std::uint64_t snapshots_covered = 0;  // how many, from the oldest on, a metadata checkpoint of the server covers
  std::optional<Time> max_data_time;    // of any pending file

  // Free bytes where a checkpoint writes; nullopt: not known.
  [[nodiscard]] std::optional<std::uint64_t> room_for_a_checkpoint() const {
    return layout == Layout::node ? filesystem_avail_bytes : data_filesystem_avail_bytes;
  }

  // What appeared since the source was opened; never falls. A file that came and
  // went between two samples is not seen, so this is a lower bound.
  Extent written;

  std::optional<DirectoryIdentity> directory;  // with the files; nullopt: not known
  std::optional<Vanished> vanished;            // the last time that files did

  // What a person should know about this sample: folders that were passed
  // over or could not be counted, files that could not be judged.
  std::vector<std::string> notes;

  // What a restart replays: also what it has done before.
  [[nodiscard]] Extent replayed() const { return {pending.files + kept_open.files, pending.bytes + kept_open.bytes}; }
};

}  // namespace wal_exporter::wal
