#include "wal/node_foreign.h"

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace wal_exporter::wal {
namespace {

// Nobody reads about more; the first in the server's order are enough.
constexpr std::size_t kMostFiles = 1000;
constexpr std::size_t kMostNamed = 5;

// A file that is not where its number belongs.
struct Misplaced {
  std::string name;
  std::uint64_t number = 0;
  std::optional<std::uint64_t> named;  // the number that its name says
};

bool is_replayed(const PendingFile& file) {
  return file.facts.state == FileState::valid || file.facts.state == FileState::unread;
}

// The sound files around `name`, in the order of names.
struct Neighbours {
  std::uint64_t before = 0;
  std::optional<std::uint64_t> after;
};

Neighbours around(const std::vector<PendingFile>& pending, const std::string& name, std::uint64_t last) {
  const auto middle = std::partition_point(pending.begin(), pending.end(),
                                           [&](const PendingFile& file) { return node_file_name(file.number) < name; });
  Neighbours out{last, std::nullopt};
  const auto before = std::find_if(std::make_reverse_iterator(middle), pending.rend(), is_replayed);
  if (before != pending.rend()) out.before = before->number;
  const auto after = std::find_if(middle, pending.end(), is_replayed);
  if (after != pending.end()) out.after = after->number;
  return out;
}

}  // namespace

bool is_listed_by_server(std::string_view name) {
  const std::size_t mark = name.rfind('#');
  return mark == std::string_view::npos || mark + 1 == name.size() ||
         name.find_first_not_of("0123456789", mark + 1) != std::string_view::npos;
}

Result<void> NodeForeign::update(const FolderView& folder, std::vector<ForeignEntry> entries,
                                 const std::string& last_name) {
  std::erase_if(entries, [&](const ForeignEntry& entry) { return entry.name <= last_name; });
  std::sort(entries.begin(), entries.end(),
            [](const ForeignEntry& a, const ForeignEntry& b) { return a.name < b.name; });
  left_out_ = entries.size() - std::min(entries.size(), kMostFiles);
  entries.resize(std::min(entries.size(), kMostFiles));
  folders_.clear();
  links_.clear();
  others_.clear();
  std::map<std::string, FileReading> found;
  for (ForeignEntry& entry : entries) {
    if (entry.type == EntryType::directory) folders_.push_back(entry.name);
    if (entry.type == EntryType::symlink) links_.push_back((folder.path / entry.name).string());
    if (entry.type == EntryType::other) others_.push_back(entry.name);
    if (entry.type != EntryType::file) continue;
    if (folder.stop.stop_requested()) {
      return failure(ErrorKind::cancelled, "stopped while reading " + escape_control(folder.path.string()));
    }
    const auto status = stat_foreign_file(folder.fd, folder.path, entry.name, folder.counter);
    if (!status) return tl::unexpected(status.error());
    if (!*status) continue;
    if (const auto known = files_.find(entry.name);
        known != files_.end() && known->second.identity == (*status)->identity &&
        (!known->second.fault || known->second.fault->reason != InvalidReason::unreadable)) {
      found.insert(files_.extract(known));
      continue;
    }
    auto reading = read_foreign_file(folder.fd, folder.path, entry.name, folder.counter);
    if (!reading) return tl::unexpected(reading.error());
    if (*reading) found.emplace(std::move(entry.name), *std::move(*reading));
  }
  files_ = std::move(found);
  return {};
}

void NodeForeign::judge(const NodeIndex& index, std::uint64_t last, Sample& sample) const {
  const auto add = [&](std::vector<InvalidFile>& to, const std::string& name, InvalidReason reason, bool newest,
                       std::string detail) {
    to.push_back({name, reason, newest, std::move(detail)});
  };
  std::vector<Misplaced> misplaced;
  for (const auto& [name, reading] : files_) {
    if (!reading.fault) {
      misplaced.push_back({name, reading.number, std::nullopt});
      continue;
    }
    const std::string& detail = reading.fault->detail;
    switch (reading.fault->reason) {
      case InvalidReason::times:
        add(sample.invalid, name, InvalidReason::times, false, detail);
        break;
      case InvalidReason::newer:
      case InvalidReason::unreadable:
        add(sample.invalid, name, InvalidReason::foreign, false, detail);
        break;
      default:
        add(sample.unknown, name, InvalidReason::stray, false, detail);
        break;
    }
  }
  for (const auto& [number, doubt] : index.doubtful()) {
    if (doubt.fault && doubt.fault->reason == InvalidReason::foreign) {
      misplaced.push_back({node_file_name(number), doubt.number, number});
    }
  }
  std::sort(misplaced.begin(), misplaced.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  std::uint64_t highest = last;
  for (const Misplaced& file : misplaced) {
    const Neighbours near = around(index.pending(), file.name, last);
    const std::uint64_t before = std::max(highest, near.before);
    std::string detail = "its header holds number " + std::to_string(file.number);
    if (file.number <= before || (near.after && *near.after <= file.number)) {
      detail += file.number <= before ? ", and " + std::to_string(before) + " comes before it"
                                      : ", and " + std::to_string(*near.after) + " comes after it";
      add(sample.invalid, file.name, InvalidReason::doubled, false, std::move(detail));
      continue;
    }
    highest = file.number;
    // The server goes on from the number in the header, and comes to the one in the name.
    const bool in_the_way = file.named && *file.named > file.number && !near.after;
    add(sample.invalid, file.name, InvalidReason::foreign, in_the_way, std::move(detail));
  }
  for (std::size_t i = 0; i < links_.size(); ++i) {
    const std::string what =
        escape_control(links_[i]) +
        " is a symbolic link, and InfluxDB reads what it leads to at its start; stop InfluxDB and move "
        "the link out of wal/";
    sample.uncounted.add(what);
    if (i < kMostNamed) sample.notes.push_back("not counted: " + what);
  }
  for (std::size_t i = 0; i < std::min(folders_.size(), kMostNamed); ++i) {
    sample.notes.push_back("a folder in wal/: " + escape_control(folders_[i]) +
                           "; InfluxDB skips it, and nothing in it is counted");
  }
  for (std::size_t i = 0; i < std::min(others_.size(), kMostNamed); ++i) {
    sample.notes.push_back("neither a file nor a folder in wal/: " + escape_control(others_[i]) +
                           "; it is not read, and does not belong there: stop InfluxDB and move it out of wal/");
  }
  if (left_out_ > 0) {
    sample.notes.push_back(std::to_string(left_out_) + " more entries of foreign names in wal/ were not read");
  }
}

}  // namespace wal_exporter::wal
