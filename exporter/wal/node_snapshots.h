// The newest snapshot of a 3.x node, remembered from look to look, so that a file
// is read once. Not thread-safe: the source that owns it serialises its looks.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "wal/node_options.h"
#include "wal/node_wal_file.h"
#include "wal/sample.h"

namespace walx::wal {

struct SnapshotsFound {
  std::optional<Snapshot> newest;  // the newest that can be believed
  std::uint64_t files = 0;
  std::uint64_t counted = 0;       // newer than the lookback and than the newest metadata checkpoint
  std::uint64_t last_day = 0;      // written within a day before now
  std::vector<std::string> notes;  // about those that can't be
};

class NodeSnapshots {
 public:
  // Lists `root`/snapshots, where `root` is the node's open folder and `path` its
  // path for messages. No such folder: no snapshots yet. A folder or a file that
  // may not be read is an error: without it nobody can tell what is pending. A
  // file that is not whole is passed over in favour of the one before it, and
  // read again at the next look; one that was good at an earlier look stays good.
  [[nodiscard]] Result<SnapshotsFound> look(int root, const std::filesystem::path& path, Time now, ReadCounter& counter,
                                            const std::stop_token& stop);

  void forget() { known_.reset(); }

 private:
  struct Known {
    Snapshot snapshot;
    FileIdentity identity;
  };

  std::optional<Known> known_;
};

// Opens the folder `name` of `root` without following a symbolic link. nullopt:
// there is none. A link or a file of that name is an error.
[[nodiscard]] Result<std::optional<Fd>> open_node_folder(int root, const std::filesystem::path& path,
                                                         const std::string& name);

}  // namespace walx::wal
