#include "wal/data_disk.h"

#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/text.h"
#include "wal/folders.h"
#include "wal/listing.h"

namespace wal_exporter::wal {
namespace {

namespace fs = std::filesystem;

// By its name, and where the WAL's directory or one above it is a link, by where it leads.
std::vector<fs::path> beside(const fs::path& wal) {
  const fs::path plain = (wal / "").lexically_normal().parent_path();
  std::vector<fs::path> out{plain.parent_path() / "data"};
  std::error_code error;
  const fs::path real = fs::canonical(wal, error);
  if (!error && real.parent_path() != plain.parent_path()) out.push_back(real.parent_path() / "data");
  return out;
}

// It has the WAL's databases, or may not be looked into and is of the WAL's user.
bool belongs_to(const fs::path& data, int root, const Sample& sample) {
  struct stat status {};
  struct stat of_wal {};
  if (::stat(data.c_str(), &status) != 0 || !S_ISDIR(status.st_mode) || ::fstat(root, &of_wal) != 0) return false;
  struct stat database {};
  return std::any_of(sample.shards.begin(), sample.shards.end(), [&](const Shard& shard) {
    if (::stat((data / shard.database).c_str(), &database) == 0) return S_ISDIR(database.st_mode);
    return errno == EACCES && status.st_uid == of_wal.st_uid;
  });
}

// Of several folders with one number InfluxDB reads the one that has a folder here, too.
void look_for_twins(const fs::path& data, Sample& sample) {
  std::unordered_map<std::uint64_t, std::size_t> folders;
  for (const Shard& shard : sample.shards) ++folders[shard.id];
  for (Shard& shard : sample.shards) {
    if (folders[shard.id] < 2) continue;
    struct stat status {};
    const fs::path folder = data / shard.database / shard.retention_policy / std::to_string(shard.id);
    if (::stat(folder.c_str(), &status) == 0) {
      shard.has_data = S_ISDIR(status.st_mode);
    } else if (errno == ENOENT || errno == ENOTDIR) {
      shard.has_data = false;
    }
  }
}

// The folder of a shard in the data directory; empty: there is none.
fs::path shard_in(const fs::path& data) {
  constexpr int kMostEntries = 10'000;
  std::error_code error;
  int entries = 0;
  for (auto entry = fs::recursive_directory_iterator(data, fs::directory_options::skip_permission_denied, error);
       !error && entry != fs::recursive_directory_iterator() && ++entries < kMostEntries; entry.increment(error)) {
    std::error_code none;
    if (!entry->is_directory(none)) continue;
    if (entry.depth() + 1 < kShardLevel) continue;
    if (parse_shard_name(entry->path().filename().string())) return entry->path();
    entry.disable_recursion_pending();
  }
  return {};
}

}  // namespace

std::string why_unwritten(const Options& options) {
  std::error_code error;
  fs::path data = options.data_directory;
  const fs::path wal = (options.directory / "").lexically_normal().parent_path();
  if (data.empty() && wal.filename() == "wal") {
    for (const fs::path& candidate : beside(options.directory)) {
      if (data.empty() && fs::is_directory(candidate, error)) data = candidate;
    }
  }
  const fs::path shard = data.empty() ? fs::path() : shard_in(data);
  if (!data.empty() && shard.empty() && fs::is_directory(data, error)) return {};
  return escape_control(options.directory.string()) + " holds no shard" +
         (shard.empty() ? ", and no data of InfluxDB lies beside it: it can be the WAL of a server that has not "
                          "written yet, or a wrong directory"
                        : ", but there is " + escape_control(shard.string()) +
                              ", whose WAL InfluxDB keeps elsewhere, or it was not started since that was put there") +
         "; set wal.directory to wal-dir (1.x), engine/wal (2.x) or the node's folder (3.x)";
}

void find_data_disk(int root, const Options& options, Sample& sample) {
  fs::path data = options.data_directory;
  if (data.empty()) {
    const auto candidates = beside(options.directory);
    const auto found = std::find_if(candidates.begin(), candidates.end(),
                                    [&](const fs::path& candidate) { return belongs_to(candidate, root, sample); });
    if (found == candidates.end()) return;
    data = *found;
  }
  struct stat status {};
  struct stat of_wal {};
  struct statvfs space {};
  if (::stat(data.c_str(), &status) != 0 || ::statvfs(data.c_str(), &space) != 0 || ::fstat(root, &of_wal) != 0) {
    const Error error = access_error(errno, "asking for free space of", data);
    if (sample.notes.size() < kMostNotes) {
      sample.notes.push_back(error.message + "; set influxdb.data_directory to where InfluxDB keeps its data");
    }
    return;
  }
  sample.has_own_filesystem = status.st_dev != of_wal.st_dev;
  sample.data_filesystem_avail_bytes = sample.has_own_filesystem ? static_cast<std::uint64_t>(space.f_bavail) *
                                                                       static_cast<std::uint64_t>(space.f_frsize)
                                                                 : sample.filesystem_avail_bytes;
  look_for_twins(data, sample);
}

}  // namespace wal_exporter::wal
