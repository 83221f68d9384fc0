#include "wal/detect.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/text.h"
#include "wal/folders.h"
#include "wal/listing.h"
#include "wal/segments.h"

namespace wal_exporter::wal {
namespace {

bool is_digits(std::string_view text) {
  return text.find_first_not_of("0123456789") == std::string_view::npos;
}

bool is_node_wal_name(std::string_view name) {
  return name.size() == 15 && name.ends_with(".wal") && is_digits(name.substr(0, 11));
}

bool is_snapshot_name(std::string_view name) {
  return name.size() == 30 && name.ends_with(".info.json") && is_digits(name.substr(0, 20));
}

// Whether `name` below `root` is a directory that holds a file whose name `wanted` accepts.
template <class Wanted>
Result<bool> holds(int root, const std::filesystem::path& path, const std::string& name, const std::stop_token& stop,
                   const Wanted& wanted) {
  const auto directory = open_below(root, name, path / name, /*follow=*/true);
  if (!directory && directory.error().kind == ErrorKind::not_found) return false;
  if (!directory) return tl::unexpected(directory.error());
  bool found = false;
  auto listed = for_each_entry(directory->get(), path / name, stop, [&](std::string_view entry, EntryType type) {
    found = found || (type == EntryType::file && wanted(entry));
  });
  if (!listed) return tl::unexpected(listed.error());
  return found;
}

namespace fs = std::filesystem;

// The first thing that does not belong into a WAL without segments, which holds nothing but
// folders (<db>/<rp>/<shard number>). Searches as deep as 2.x keeps data below engine/, among a
// bounded number of entries, and skips what it can't read. nullopt: nothing found.
std::optional<fs::path> foreign_entry(const fs::path& directory) {
  constexpr int kDeepest = 4;
  constexpr int kShardDepth = 2;
  std::optional<fs::path> odd;
  constexpr int kMostEntries = 10'000;
  std::error_code error;
  int entries = 0;
  for (auto entry = fs::recursive_directory_iterator(directory, fs::directory_options::skip_permission_denied, error);
       !error && entry != fs::recursive_directory_iterator() && ++entries < kMostEntries; entry.increment(error)) {
    const auto name = entry->path().filename().string();
    const auto type = entry->symlink_status(error).type();
    if (is_stray_name(name)) {
      entry.disable_recursion_pending();
      continue;
    }
    std::error_code none;
    if (type == fs::file_type::symlink && fs::is_directory(entry->path(), none)) continue;
    if (type != fs::file_type::directory) return entry->path();
    // A folder in place of a shard's, or the wal/ of a node or an engine one level below. A file tells more.
    if (!odd &&
        (entry.depth() == kShardDepth ? !parse_shard_name(name) : entry.depth() == kShardDepth - 1 && name == "wal")) {
      odd = entry->path();
    }
    if (entry.depth() >= kDeepest) entry.disable_recursion_pending();
  }
  return odd;
}

// Whether it is the folder of an InfluxDB 3 node that has a wal/, an empty one too: InfluxDB 1.x
// and 2.x keep folders in theirs and `data` beside it, 2.x in `engine`. nullopt: we may not look.
std::optional<bool> is_node_with_wal(const fs::path& folder) {
  std::error_code error;
  auto file = fs::directory_iterator(folder / "wal", error);
  if (error == std::errc::permission_denied) return std::nullopt;
  if (error) return false;
  std::error_code none;
  for (const char* name : {"snapshots", "catalog", "catalogs"}) {
    if (fs::is_directory(folder / name, none)) return true;
  }
  bool folders = folder.filename() == "engine" || fs::is_directory(folder / "data", none);
  for (; !error && file != fs::directory_iterator(); file.increment(error)) {
    if (is_node_wal_name(file->path().filename().string())) return true;
    folders = folders || file->is_directory(none);
  }
  return !folders;
}

// The folders in `directory` that a node's wal/ lies in, and those that we may not look into.
struct Nodes {
  std::vector<std::string> found;
  std::vector<std::string> closed;
};
Nodes nodes_in(const fs::path& directory) {
  constexpr int kMostEntries = 1000;
  constexpr std::size_t kMostNamed = 5;
  Nodes out;
  std::error_code error;
  int entries = 0;
  for (auto child = fs::directory_iterator(directory, error);
       !error && child != fs::directory_iterator() && ++entries < kMostEntries && out.found.size() < kMostNamed;
       child.increment(error)) {
    if (is_stray_name(child->path().filename().string())) continue;
    const auto node = is_node_with_wal(child->path());
    if (!node || *node) (node ? out.found : out.closed).push_back(escape_control(child->path().string()));
  }
  std::sort(out.found.begin(), out.found.end());
  std::sort(out.closed.begin(), out.closed.end());
  return out;
}

// A hint at the directory that was probably meant: the one around a segment that was found,
// one or two levels below `directory`, or `wal` beside it. Empty: no idea.
std::string meant(const fs::path& directory, const fs::path& found) {
  if (parse_segment_name(found.filename().string()) && is_digits(found.parent_path().filename().string())) {
    return "; perhaps it is " + found.parent_path().parent_path().parent_path().parent_path().string();
  }
  std::error_code error;
  if (const auto nodes = nodes_in(directory).found; !nodes.empty()) {
    return (nodes.size() == 1 ? "; the node's folder of InfluxDB 3 seems to be "
                              : "; nodes of InfluxDB 3 seem to be, each a target of its own, ") +
           join(nodes, ", ");
  }
  for (const char* below : {"wal", "engine/wal"}) {
    if (fs::is_directory(directory / below, error)) return "; perhaps it is " + (directory / below).string();
  }
  const fs::path itself = (directory / "").lexically_normal().parent_path();
  const fs::path beside = itself.parent_path() / "wal";
  if (beside != itself && fs::is_directory(beside, error)) return "; perhaps it is " + beside.string();
  return {};
}

// Whether this is the folder of an InfluxDB 3 node that has not written yet. If its `wal`
// holds folders, or a `data` lies beside it, it is the folder around a WAL of 1.x or 2.x.
bool is_new_node(const fs::path& directory) {
  const auto is_folder = [](const fs::path& path) {
    std::error_code error;
    return fs::symlink_status(path, error).type() == fs::file_type::directory;
  };
  for (const char* name : {"catalog", "catalogs", "snapshots"}) {
    if (is_folder(directory / name)) return true;
  }
  if (!is_folder(directory / "wal") || is_folder(directory / "data")) return false;
  std::error_code error;
  for (auto entry = fs::directory_iterator(directory / "wal", error); !error && entry != fs::directory_iterator();
       entry.increment(error)) {
    if (is_folder(entry->path())) return false;
  }
  return true;
}

Result<Detected> no_layout(const fs::path& directory, bool bucket_ids) {
  std::error_code error;
  const bool has_wal = fs::exists(directory / "wal", error);
  if (is_new_node(directory)) {
    if (has_wal && !fs::is_directory(directory / "wal", error)) {
      return failure(ErrorKind::invalid, escape_control((directory / "wal").string()) +
                                             " is not a directory, so InfluxDB can't keep a WAL there");
    }
    if (const std::string why = why_no_wal(directory); !why.empty()) {
      return failure(ErrorKind::not_found, escape_control(directory.string()) + why);
    }
    return Detected{holds_catalog(directory) ? DetectedLayout::node : DetectedLayout::none, bucket_ids};
  }
  auto foreign = foreign_entry(directory);
  if (!foreign && has_wal && fs::is_directory(directory / "data", error)) foreign = directory / "data";
  if (!foreign) return Detected{DetectedLayout::none, bucket_ids};
  const std::string what = escape_control(foreign->string());
  return failure(ErrorKind::invalid, directory.string() + " is not the WAL of an InfluxDB: " + what +
                                         " does not belong into one; set wal.directory to wal-dir (1.x), engine/wal "
                                         "(2.x) or the node's folder (3.x)" +
                                         meant(directory, *foreign));
}

}  // namespace

std::filesystem::path made_plain(const std::filesystem::path& path) {
  return (path / "").lexically_normal().parent_path();
}

bool holds_catalog(const std::filesystem::path& directory) {
  constexpr int kMostEntries = 100;
  std::error_code error;
  if (fs::exists(directory / "_catalog_checkpoint", error)) return true;
  for (const char* name : {"catalog", "catalogs"}) {
    int entries = 0;
    for (auto entry = fs::recursive_directory_iterator(directory / name, error);
         !error && entry != fs::recursive_directory_iterator() && ++entries < kMostEntries; entry.increment(error)) {
      std::error_code none;
      if (entry->is_regular_file(none)) return true;
    }
  }
  return false;
}

std::string why_no_wal(const std::filesystem::path& directory) {
  constexpr std::string_view kRemedy =
      "; set wal.directory to the folder of the node that takes the writes (a cluster's folder, a compactor's or a "
      "query node's has no WAL)";
  std::error_code error;
  const fs::path plain = made_plain(fs::absolute(directory, error));
  if (fs::exists(plain / "wal", error)) return {};
  const auto [found, closed] = nodes_in(plain.parent_path());
  if (!found.empty()) {
    return " has no wal/, but beside it there is one: " + join(found, ", ") + std::string(kRemedy);
  }
  for (const char* name : {"cs", "cd"}) {
    if (fs::is_directory(plain / name, error))
      return " has no wal/ and seems to be a compactor's" + std::string(kRemedy);
  }
  for (const char* name : {"commercial_license", "trial_or_home_license", "enterprise"}) {
    if (fs::exists(plain / name, error)) return " has no wal/ and seems to be a cluster's" + std::string(kRemedy);
  }
  if (closed.empty()) return {};
  return " has no wal/, and whether the folder beside it has one can't be told, because the exporter's user may not "
         "look into " +
         closed.front() + ": let it read that" + std::string(kRemedy);
}

Result<Detected> detect(const std::filesystem::path& directory, const std::stop_token& stop) {
  const auto root = open_root(directory);
  if (!root) return tl::unexpected(root.error());
  auto node = holds(root->get(), directory, "wal", stop, is_node_wal_name);
  if (node && !*node) node = holds(root->get(), directory, "snapshots", stop, is_snapshot_name);
  if (!node) return tl::unexpected(node.error());
  if (*node) return Detected{DetectedLayout::node, false};

  bool misplaced = false;
  auto listed = for_each_entry(root->get(), directory, stop, [&](std::string_view name, EntryType type) {
    misplaced = misplaced || (type == EntryType::file && is_node_wal_name(name));
  });
  if (!listed) return tl::unexpected(listed.error());
  if (misplaced) {
    return failure(ErrorKind::invalid,
                   directory.string() +
                       " holds InfluxDB 3 WAL files itself; set wal.directory to the node's folder, "
                       "one level up: " +
                       made_plain(directory).parent_path().string());
  }
  const auto source = make_segment_source({directory, Integrity::off}, std::make_shared<SystemClock>());
  const auto sample = source->take_sample(stop);
  if (!sample) return tl::unexpected(sample.error());
  if ((*sample)->shards.empty() && (*sample)->invalid.empty()) return no_layout(directory, (*sample)->bucket_ids);
  return Detected{DetectedLayout::segments, (*sample)->bucket_ids};
}

}  // namespace wal_exporter::wal
