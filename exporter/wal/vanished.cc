#include "wal/vanished.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cerrno>
#include <tuple>
#include <vector>

#include "wal/listing.h"

namespace wal_exporter::wal {
namespace {

auto key_of(const Shard& shard) {
  return std::tie(shard.database, shard.retention_policy, shard.id);
}

const Shard* find_shard(const Sample& sample, const Shard& wanted) {
  const auto found = std::lower_bound(sample.shards.begin(), sample.shards.end(), wanted,
                                      [](const Shard& a, const Shard& b) { return key_of(a) < key_of(b); });
  return found != sample.shards.end() && key_of(*found) == key_of(wanted) ? &*found : nullptr;
}

// `no_births`: of a filesystem that knows none. Such (FUSE) give a file another inode now and
// then: there, one that is as long and as new counts as the same.
const Segment* find_segment(const Shard* shard, const Segment& wanted, bool no_births) {
  if (shard == nullptr) return nullptr;
  const auto found = std::find_if(shard->segments.begin(), shard->segments.end(), [&](const Segment& segment) {
    const bool is_same = segment.inode == wanted.inode ||
                         (no_births && segment.bytes >= wanted.bytes && segment.modified >= wanted.modified);
    return segment.number == wanted.number && is_same;
  });
  return found == shard->segments.end() ? nullptr : &*found;
}

std::uint64_t covered(const Sample& sample) {
  return sample.snapshot ? sample.snapshot->wal_file_sequence : 0;
}

// Those of sorted `periods` that no snapshot covers and `now` does not have.
std::vector<Period> missing_of(const std::vector<Period>& periods, const Sample& now) {
  std::vector<Period> out;
  auto present = now.periods.begin();
  for (const Period& period : periods) {
    if (period.number <= covered(now)) continue;
    while (present != now.periods.end() && present->number < period.number) ++present;
    if (present == now.periods.end() || present->number != period.number) out.push_back(period);
  }
  return out;
}

// Whether they are the numbers from the last covered file on, up to what is left.
bool are_the_front(const std::vector<Period>& missing, const Sample& now) {
  std::uint64_t next = covered(now) + 1;
  return std::all_of(missing.begin(), missing.end(), [&](const Period& period) { return period.number == next++; });
}

bool is_there(const std::filesystem::path& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0;
}

bool is_gone(const std::filesystem::path& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) != 0 && (errno == ENOENT || errno == ENOTDIR);
}

}  // namespace

std::optional<DirectoryIdentity> VanishWatch::identify(Layout layout) const {
  const std::filesystem::path path = layout == Layout::node ? directory_ / "wal" : directory_;
  struct statx status {};
  if (::statx(AT_FDCWD, path.c_str(), 0, STATX_INO | STATX_NLINK | STATX_BTIME, &status) != 0) return std::nullopt;
  DirectoryIdentity identity{
      makedev(status.stx_dev_major, status.stx_dev_minor), status.stx_ino, {}, status.stx_nlink == 0};
  if ((status.stx_mask & STATX_BTIME) != 0) identity.birth = to_time(status.stx_btime);
  return identity;
}

// The folder is gone and the shard is not.
bool VanishWatch::was_taken_away(const Shard& shard) const {
  const auto below = std::filesystem::path(shard.database) / shard.retention_policy / std::to_string(shard.id);
  if (!is_gone(directory_ / below)) return false;
  if (!data_.empty()) return is_there(data_ / below);
  std::error_code ignored;
  const auto real = std::filesystem::weakly_canonical(directory_, ignored);
  return is_there(directory_ / ".." / "data" / below) || is_there(real.parent_path() / "data" / below);
}

std::vector<std::pair<const Shard*, Extent>> VanishWatch::missing_segments(const Sample& then, const Sample& now,
                                                                           bool all) const {
  std::vector<std::pair<const Shard*, Extent>> out;
  for (const Shard& shard : then.shards) {
    const Shard* const present = find_shard(now, shard);
    if (!all && (present != nullptr || !was_taken_away(shard))) continue;
    Extent missing;
    for (const Segment& segment : shard.segments) {
      if (find_segment(present, segment, no_births_) == nullptr) missing += Extent{1, segment.bytes};
    }
    if (missing.files > 0) out.emplace_back(&shard, missing);
  }
  return out;
}

std::vector<std::pair<const Shard*, Extent>> VanishWatch::missing_between(const Sample& then, const Sample& now) const {
  std::vector<std::pair<const Shard*, Extent>> out;
  for (const Shard& shard : then.shards) {
    const Shard* const present = find_shard(now, shard);
    bool older_stays = false;
    Extent missing;
    for (const Segment& segment : shard.segments) {
      const bool stays = find_segment(present, segment, no_births_) != nullptr;
      older_stays = older_stays || (stays && segment.bytes > 0);
      if (!stays && older_stays && segment.bytes > 0) missing += Extent{1, segment.bytes};
    }
    if (missing.files > 0) out.emplace_back(&shard, missing);
  }
  return out;
}

bool VanishWatch::is_over(const Sample& now) const {
  if (now.layout == Layout::node) return missing_of(gone_, now).empty();
  if (found_->cause == Vanished::Cause::segments) return missing_between(*complete_, now).empty();
  const auto missing = missing_segments(*complete_, now, found_->cause == Vanished::Cause::directory);
  bool all = true;
  for (const Vanished::OfShard& lost : found_->shards) {
    Shard wanted;
    std::tie(wanted.database, wanted.retention_policy, wanted.id) =
        std::tie(lost.shard.database, lost.shard.retention_policy, lost.shard.id);
    const Shard* const present = find_shard(now, wanted);
    bool follows = false;
    for (const Segment& segment : present == nullptr ? std::vector<Segment>() : present->segments) {
      const Segment* const known = find_segment(find_shard(*before_, wanted), segment, no_births_);
      const bool is_new = find_segment(find_shard(*complete_, wanted), segment, no_births_) == nullptr;
      if (is_new && segment.number > lost.last_segment) follows = true;
      if (is_new && known != nullptr && known->bytes < segment.bytes) return true;
    }
    all = all && (follows || std::none_of(missing.begin(), missing.end(),
                                          [&](const auto& one) { return one.first->key() == lost.shard; }));
  }
  return all;
}

void VanishWatch::compare(Sample& sample, bool judged) {
  judged_ = judged;
  const auto identity = identify(sample.layout);
  no_births_ = identity && !identity->birth;
  if (judged && before_ != nullptr && before_->layout == sample.layout) {
    // Over a start of the machine devices change their numbers.
    if (is_of_before_ && identity_ && identity) identity_->device = identity->device;
    const bool replaced = identity_ && identity && *identity_ != *identity;
    Vanished now;
    std::shared_ptr<const Sample> since = before_;  // the last that showed what is missing
    now.cause = Vanished::Cause::directory;
    if (sample.layout == Layout::node) {
      const auto missing = missing_of(before_->periods, sample);
      gone_.insert(gone_.end(), missing.begin(), missing.end());
      std::sort(gone_.begin(), gone_.end(), [](const Period& a, const Period& b) { return a.number < b.number; });
      gone_ = missing_of(gone_, sample);
      for (const Period& period : missing.empty() ? missing : gone_) now.extent += Extent{1, period.bytes};
      if (!replaced) now.cause = are_the_front(gone_, sample) ? Vanished::Cause::front : Vanished::Cause::files;
    } else {
      for (const auto& [shard, missing] : missing_segments(*before_, sample, replaced)) {
        now.extent += missing;
        if (missing.bytes > 0) now.shards.push_back({shard->key(), shard->segments.back().number});
      }
      if (!replaced) now.cause = Vanished::Cause::folders;
      const auto between = replaced || doubted_ == nullptr ? std::vector<std::pair<const Shard*, Extent>>()
                                                           : missing_between(*doubted_, sample);
      if (!between.empty() && now.extent.files == 0) {
        now.cause = Vanished::Cause::segments;
        since = std::exchange(doubted_, nullptr);
        for (const auto& [shard, missing] : between) {
          now.extent += missing;
          now.shards.push_back({shard->key(), shard->segments.back().number});
        }
      } else {
        const bool doubtful = !replaced && !missing_between(*before_, sample).empty();
        doubted_ = doubtful ? before_ : nullptr;
      }
    }
    const bool stands = found_ && !found_->over;
    if (now.extent.files > 0) {
      now.number = found_ ? found_->number + 1 : 1;
      now.last_seen = since->taken_at;
      now.missed = sample.taken_at;
      if (stands) {
        if (sample.layout == Layout::segments) now.extent += found_->extent;
        now.shards.insert(now.shards.end(), found_->shards.begin(), found_->shards.end());
        now.cause = std::min(now.cause, found_->cause);
      } else {
        complete_ = since;
      }
      found_ = now;
    } else if (stands && is_over(sample)) {
      found_->over = true;
      complete_.reset();
      gone_.clear();
    }
  }
  if (judged) is_of_before_ = false;
  if (judged && identity) identity_ = identity;
  sample.directory = identity_;
  sample.vanished = found_;
}

}  // namespace wal_exporter::wal
