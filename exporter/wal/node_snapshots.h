// The snapshots of a 3.x node: the newest, and when each was written. Remembered from
// look to look, so that a file is read once and asked about once. Not thread-safe: the
// source that owns it serialises its looks.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "wal/node_options.h"
#include "wal/node_wal_file.h"
#include "wal/sample.h"

namespace wal_exporter::wal {

struct SnapshotsFound {
  std::optional<Snapshot> newest;  // the newest one that can be believed
  bool passed_over = false;        // there are newer ones that can't
  std::uint64_t files = 0;
  std::vector<Time> times;                 // newest first; at most kMostTimed
  std::uint64_t covered = 0;               // how many, from the oldest on, a metadata checkpoint covers
  std::vector<std::string> notes;          // about snapshots that are not usable
  std::vector<InvalidFile> beyond_belief;  // and those that can't be used otherwise
};

class NodeSnapshots {
 public:
  // A server reads at most 43,833 snapshots at its start: a month in gen1 blocks of one
  // minute, the shortest possible. This is more.
  static constexpr std::size_t kMostTimed = 50'000;

  explicit NodeSnapshots(Duration settle_time) : settle_time_(settle_time) {}

  // Lists `root`/snapshots, where `root` is the node's open folder and `path` its
  // path for messages. No such folder: no snapshots yet. A folder or a file that
  // may not be read is an error: without it nobody can tell what is pending. A
  // file that is not whole is passed over in favour of the one before it, and
  // read again once it changes; one that was good at an earlier sample stays good.
  //
  // Passed over as well is one that says it covers WAL files far beyond all that there
  // are: it would hide them. `newest_file`: the highest number in wal/; nullopt: it holds
  // none. A file that was changed just `now`, and can't be used, may still be written.
  [[nodiscard]] Result<SnapshotsFound> find(int root, const std::filesystem::path& path,
                                            std::optional<std::uint64_t> newest_file, Time now, ReadCounter& counter,
                                            const std::stop_token& stop);

 private:
  // A snapshot file as it was read last.
  struct Read {
    FileIdentity identity;
    std::optional<Snapshot> snapshot;
    std::string refused;  // why there is none
    InvalidReason reason{};
  };
  struct Known {
    Snapshot snapshot;
    FileIdentity identity;
  };
  struct Timed {
    std::uint64_t sequence = 0;
    Time written{};
  };

  // As of now: nullptr where the file is gone. Read only if it has changed.
  [[nodiscard]] Result<const Read*> read(int folder, const std::filesystem::path& path, std::uint64_t sequence,
                                         ReadCounter& counter, const std::stop_token& stop);
  // Why the snapshot's number of the last WAL file is not believed; empty: it is. Not used then. `older`: the
  // snapshots before it, newest first.
  [[nodiscard]] Result<std::string> why_beyond_belief(const Snapshot& snapshot,
                                                      std::optional<std::uint64_t> newest_file,
                                                      std::span<const std::uint64_t> older, int folder,
                                                      const std::filesystem::path& path, ReadCounter& counter,
                                                      const std::stop_token& stop);

  // Finds out when each of `sequences` (ascending) was written, unless it is known already.
  [[nodiscard]] Result<void> ask_times(int folder, const std::filesystem::path& path,
                                       const std::vector<std::uint64_t>& sequences, ReadCounter& counter,
                                       const std::stop_token& stop);

  void forget() {
    known_.reset();
    timed_.clear();
  }

  const Duration settle_time_;
  std::map<std::uint64_t, Read> read_;  // of those that are tried
  std::optional<Known> known_;
  std::vector<Timed> timed_;            // ascending
  std::optional<std::uint64_t> inode_;  // of the folder they are in
};

// Opens the folder `name` of `root`, through a symbolic link where it is one: the server
// opens it by its path. nullopt: there is none. A file of that name, or a link that leads
// nowhere, is an error.
[[nodiscard]] Result<std::optional<Fd>> open_node_folder(int root, const std::filesystem::path& path,
                                                         const std::string& name);

}  // namespace wal_exporter::wal
