#include "wal/node_index.h"

#include <fcntl.h>

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace wal_exporter::wal {
namespace {

// Beyond this many damaged files only the reason is kept, without the text.
constexpr std::size_t kMostDetails = 1000;

Error stopped(const FolderView& folder) {
  return Error{ErrorKind::cancelled, "stopped while reading " + escape_control(folder.path.string())};
}

bool is_settling(const FolderView& folder, Time modified) {
  const Duration settle = folder.options.settle_time;
  return modified > folder.now - settle && modified < folder.now + settle;
}

// What a file looks like that is still being written.
bool may_be_unfinished(InvalidReason reason) {
  return reason == InvalidReason::empty || reason == InvalidReason::too_short || reason == InvalidReason::magic ||
         reason == InvalidReason::checksum;
}

// Takes those out of sorted `files` whose number is not in sorted `listed`.
template <class File>
void keep_listed(std::vector<File>& files, std::span<const std::uint64_t> listed) {
  auto position = listed.begin();
  std::erase_if(files, [&](const File& file) {
    while (position != listed.end() && *position < file.number) ++position;
    return position == listed.end() || *position != file.number;
  });
}

template <class File>
void merge_in(std::vector<File>& files, std::vector<File>& added) {
  const auto middle = static_cast<std::ptrdiff_t>(files.size());
  files.insert(files.end(), std::make_move_iterator(added.begin()), std::make_move_iterator(added.end()));
  const auto by_number = [](const File& a, const File& b) { return a.number < b.number; };
  if (middle > 0 && !added.empty() && files[static_cast<std::size_t>(middle)].number < files[middle - 1].number) {
    std::inplace_merge(files.begin(), files.begin() + middle, files.end(), by_number);
  }
}

}  // namespace

Result<void> NodeIndex::update(const FolderView& folder, std::span<const std::uint64_t> listed,
                               std::uint64_t first_pending) {
  drop_vanished(listed);
  move_to_retained(first_pending);
  if (!listed.empty()) {
    auto done = look_again(folder, listed.back());
    if (done) done = add_new(folder, listed, first_pending);
    if (!done) return done;
  }
  counting_ = true;
  return {};
}

void NodeIndex::clear() {
  retained_.clear();
  pending_.clear();
  doubtful_.clear();
  newest_.reset();
  verification_.reset();
  counting_ = false;
}

std::optional<std::uint64_t> NodeIndex::newest() const {
  if (!pending_.empty()) return pending_.back().number;
  if (!retained_.empty()) return retained_.back().number;
  return std::nullopt;
}

std::optional<Time> NodeIndex::newest_modified() const {
  if (!pending_.empty()) return pending_.back().facts.modified;
  if (newest_ && newest() == newest_->number) return newest_->status.modified;
  return std::nullopt;
}

Extent NodeIndex::retained() const {
  Extent total;
  for (const RetainedFile& file : retained_) total += Extent{1, file.bytes};
  return total;
}

void NodeIndex::drop_vanished(std::span<const std::uint64_t> listed) {
  keep_listed(retained_, listed);
  keep_listed(pending_, listed);
  std::erase_if(doubtful_, [&](const auto& entry) { return find_pending(entry.first) == nullptr; });
}

void NodeIndex::move_to_retained(std::uint64_t first_pending) {
  const auto end = std::partition_point(pending_.begin(), pending_.end(),
                                        [&](const PendingFile& file) { return file.number < first_pending; });
  std::vector<RetainedFile> moved;
  for (auto file = pending_.begin(); file != end; ++file) moved.push_back({file->number, file->facts.bytes});
  pending_.erase(pending_.begin(), end);
  doubtful_.erase(doubtful_.begin(), doubtful_.lower_bound(first_pending));
  merge_in(retained_, moved);
}

// Damaged files, and the newest one, may have been replaced.
Result<void> NodeIndex::look_again(const FolderView& folder, std::uint64_t newest) {
  std::vector<std::uint64_t> again;
  for (const auto& [number, doubt] : doubtful_) again.push_back(number);
  if (this->newest() == newest && !doubtful_.contains(newest)) again.push_back(newest);
  for (const std::uint64_t number : again) {
    if (folder.stop.stop_requested()) return tl::unexpected(stopped(folder));
    const auto status = stat_node_file(folder.fd, folder.path, number, folder.counter);
    if (!status) return tl::unexpected(status.error());
    PendingFile* const file = find_pending(number);
    if (!*status) {
      const auto is_gone = [number](const auto& entry) { return entry.number == number; };
      std::erase_if(pending_, is_gone);
      std::erase_if(retained_, is_gone);
      doubtful_.erase(number);
      continue;
    }
    bool changed = newest_ && newest_->number == number && newest_->status.identity != (*status)->identity;
    if (const auto doubt = doubtful_.find(number); doubt != doubtful_.end()) {
      const auto& fault = doubt->second.fault;
      changed = changed || doubt->second.identity != (*status)->identity ||
                doubt->second.kind == DoubtfulFile::Kind::unsettled ||
                (fault && fault->reason == InvalidReason::unreadable) ||
                (fault && fault->reason != InvalidReason::checksum && number == newest);
    }
    if (number == newest) newest_ = Newest{number, **status};
    if (!changed || file == nullptr) continue;
    auto reading = read_node_file(folder.fd, folder.path, number, folder.options.integrity, folder.counter);
    if (!reading) return tl::unexpected(reading.error());
    if (*reading) keep(*file, std::move(**reading), folder, newest);
  }
  return {};
}

Result<void> NodeIndex::add_new(const FolderView& folder, std::span<const std::uint64_t> listed,
                                std::uint64_t first_pending) {
  const std::uint64_t newest = listed.back();
  std::vector<RetainedFile> more_retained;
  std::vector<PendingFile> more_pending;
  const auto add = [&]() -> Result<void> {
    auto retained = retained_.cbegin();
    auto pending = pending_.cbegin();
    for (const std::uint64_t number : listed) {
      const bool is_retained = number < first_pending;
      if (is_retained && retained != retained_.cend() && retained->number == number) {
        ++retained;
        continue;
      }
      if (!is_retained && pending != pending_.cend() && pending->number == number) {
        ++pending;
        continue;
      }
      if (folder.stop.stop_requested()) return tl::unexpected(stopped(folder));
      if (is_retained) {
        const auto status = stat_node_file(folder.fd, folder.path, number, folder.counter);
        if (!status) return tl::unexpected(status.error());
        if (!*status) continue;
        more_retained.push_back({number, (*status)->identity.bytes});
        if (counting_) written_ += Extent{1, (*status)->identity.bytes};
        if (number == newest) newest_ = Newest{number, **status};
        continue;
      }
      auto reading = read_node_file(folder.fd, folder.path, number, folder.options.integrity, folder.counter);
      if (!reading) return tl::unexpected(reading.error());
      if (!*reading) continue;
      if (counting_) ++written_.files;
      PendingFile file{number, {}};
      keep(file, std::move(**reading), folder, newest);
      more_pending.push_back(file);
    }
    return {};
  };
  auto done = add();
  merge_in(retained_, more_retained);
  merge_in(pending_, more_pending);
  return done;
}

void NodeIndex::keep(PendingFile& file, FileReading reading, const FolderView& folder, std::uint64_t newest) {
  if (counting_ && reading.facts.bytes > file.facts.bytes) written_.bytes += reading.facts.bytes - file.facts.bytes;
  file.facts = reading.facts;
  const bool is_newest = file.number == newest;
  if (is_newest) newest_ = Newest{newest, {reading.identity, reading.facts.modified}};
  doubtful_.erase(file.number);
  if (verification_ && verification_->number == file.number) verification_.reset();
  if (!reading.fault) return;
  if (is_newest && may_be_unfinished(reading.fault->reason) && is_settling(folder, file.facts.modified)) {
    doubtful_[file.number] = {DoubtfulFile::Kind::unsettled, reading.identity, std::nullopt, 0};
    return;
  }
  if (doubtful_.size() >= kMostDetails) reading.fault->detail.clear();
  doubtful_[file.number] = {DoubtfulFile::Kind::judged, reading.identity, std::move(reading.fault), reading.number};
}

Result<void> NodeIndex::verify(const FolderView& folder, std::uint64_t budget) {
  if (verification_) {
    PendingFile* const begun = find_pending(verification_->number);
    if (begun == nullptr || begun->facts.checked) {
      verification_.reset();
    } else if (auto done = verify_file(*begun, folder, budget); !done) {
      return done;
    }
  }
  for (auto file = pending_.rbegin(); file != pending_.rend() && budget > 0; ++file) {
    if (file->facts.checked || file->facts.state == FileState::unread) continue;
    if (file == pending_.rbegin() && is_settling(folder, file->facts.modified)) continue;
    if (auto done = verify_file(*file, folder, budget); !done) return done;
  }
  return {};
}

Result<void> NodeIndex::verify_file(PendingFile& file, const FolderView& folder, std::uint64_t& budget) {
  if (!verification_ || verification_->number != file.number) verification_ = Verification{file.number, {}};
  const auto status = stat_node_file(folder.fd, folder.path, file.number, folder.counter);
  if (!status) return tl::unexpected(status.error());
  auto opened = open_node_file(folder.fd, folder.path, file.number, folder.counter);
  if (!opened && opened.error().kind == ErrorKind::internal) return tl::unexpected(opened.error());
  std::optional<FileFault> fault;
  if (!*status || (!opened && opened.error().kind == ErrorKind::not_found)) {
    // Gone: the next sample will see that.
  } else if (!opened) {
    fault = FileFault{InvalidReason::unreadable, opened.error().message};
  } else {
    const std::string path = (folder.path / node_file_name(file.number)).string();
    const auto ended = continue_checksum(opened->get(), path, verification_->progress, budget, folder.stop);
    if (!ended && ended.error().kind == ErrorKind::cancelled) return tl::unexpected(ended.error());
    if (ended && !*ended) return {};
    if (!ended) {
      fault = FileFault{InvalidReason::unreadable, ended.error().message};
    } else if (!verification_->progress.matches()) {
      fault = FileFault{InvalidReason::checksum, "its content does not match its checksum"};
    }
  }
  verification_.reset();
  file.facts.checked = true;
  if (fault) {
    file.facts.state = FileState::invalid;
    doubtful_[file.number] = {DoubtfulFile::Kind::judged, (*status)->identity, std::move(fault), 0};
  }
  return {};
}

PendingFile* NodeIndex::find_pending(std::uint64_t number) {
  const auto file = std::lower_bound(pending_.begin(), pending_.end(), number,
                                     [](const PendingFile& a, std::uint64_t b) { return a.number < b; });
  return file != pending_.end() && file->number == number ? &*file : nullptr;
}

}  // namespace wal_exporter::wal
