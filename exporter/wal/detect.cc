#include "wal/detect.h"

#include <algorithm>
#include <string_view>

#include "base/clock.h"
#include "wal/directory.h"
#include "wal/segments.h"

namespace walx::wal {
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
  const auto directory = open_below(root, name, path / name);
  if (!directory && directory.error().kind == ErrorKind::not_found) return false;
  if (!directory) return tl::unexpected(directory.error());
  bool found = false;
  auto listed = for_each_entry(directory->get(), path / name, stop, [&](std::string_view entry, EntryType type) {
    found = found || (type == EntryType::file && wanted(entry));
  });
  if (!listed) return tl::unexpected(listed.error());
  return found;
}

}  // namespace

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
                       directory.parent_path().string());
  }
  const auto source = make_segment_source({directory, Integrity::off}, std::make_shared<SystemClock>());
  const auto sample = source->look(stop);
  if (!sample) return tl::unexpected(sample.error());
  if ((*sample)->shards.empty()) return Detected{DetectedLayout::none, (*sample)->bucket_ids};
  return Detected{DetectedLayout::segments, (*sample)->bucket_ids};
}

}  // namespace walx::wal
