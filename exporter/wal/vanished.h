// Files that vanish: told by what two samples show, and by the directory's identity.
//
// InfluxDB removes files of its WAL all the time, so that one is gone means nothing. What it
// never does:
// - replace the WAL's directory. Told by device, inode and birth: an inode is used again at
//   once. One that has no name any more (a mount still shows it) counts as replaced.
// - 1.x and 2.x: remove a shard's folder and leave the shard. DROP and retention remove what
//   lies under data/ first (M 1.6.7), and a start makes the folder again. So a folder that
//   is gone while data/<db>/<rp>/<shard> is there was removed by somebody else. Of a folder
//   that stays, a snapshot removes segments from the oldest on. So one with data that is gone
//   though an older one with data stays was removed by somebody else; told when the next
//   sample still shows that, because a sample is no single moment. Of others nothing can be
//   told: a start removes the empty segment that a snapshot leaves, so that a folder from
//   which all went may have been emptied by the two.
// - 3.x: remove a file that no snapshot covers; but before 3.9.13, 3.10.6 and 3.11.4 a
//   snapshot with nothing to persist left no manifest, so those right behind the last
//   covered file may have gone so. Where the newest manifest can't be read nothing is judged.
// Whether InfluxDB ran meanwhile is not known here.
//
// Over: the files are back; 3.x: a snapshot covers them, so their data is persisted; 1.x and
// 2.x: each shard whose data was missing has a segment of a higher number (the server went on
// to it) or is dropped; or one has a lower that grows (the server was started, which numbers
// anew). What other shards show says nothing. Of single segments: the older ones are gone too,
// so a snapshot has persisted what all of them held.
//
// Not thread-safe: the source that owns it serialises its samples.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "wal/sample.h"

namespace wal_exporter::wal {

class VanishWatch {
 public:
  // Both as in Options; `data` empty: `data` beside the WAL, if it is there.
  // `before`: the last look of an earlier process, or nullptr.
  VanishWatch(std::filesystem::path directory, std::filesystem::path data, std::shared_ptr<const Sample> before)
      : directory_(std::move(directory)), data_(std::move(data)), before_(std::move(before)) {
    if (before_ != nullptr) identity_ = before_->directory;
    is_of_before_ = before_ != nullptr;
  }

  // Fills sample.vanished of a sample that is complete but for that. `judged`: false where
  // nobody can tell what a snapshot covers.
  void compare(Sample& sample, bool judged = true);
  // Then it is what the next one is compared with.
  void keep(std::shared_ptr<const Sample> sample) {
    if (judged_) before_ = std::move(sample);
  }
  // There were files when it was last looked at.
  [[nodiscard]] bool knows_files() const {
    return before_ != nullptr && (!before_->periods.empty() || !before_->shards.empty());
  }

 private:
  [[nodiscard]] std::optional<DirectoryIdentity> identify(Layout layout) const;
  // `all`: whatever is not there any more; else only whole shards that were taken away.
  [[nodiscard]] std::vector<std::pair<const Shard*, Extent>> missing_segments(const Sample& then, const Sample& now,
                                                                              bool all) const;
  // Newer ones with data, though an older one with data stays.
  [[nodiscard]] std::vector<std::pair<const Shard*, Extent>> missing_between(const Sample& then,
                                                                             const Sample& now) const;
  [[nodiscard]] bool was_taken_away(const Shard& shard) const;
  [[nodiscard]] bool is_over(const Sample& now) const;

  const std::filesystem::path directory_;
  const std::filesystem::path data_;
  bool judged_ = true;
  bool is_of_before_ = false;  // before_ is of an earlier process
  bool no_births_ = false;     // the filesystem tells none
  std::optional<DirectoryIdentity> identity_;
  std::shared_ptr<const Sample> before_;
  std::shared_ptr<const Sample> doubted_;  // the last one that showed what may have gone from between
  std::optional<Vanished> found_;
  // While they are missing; 1.x, 2.x: the last sample that showed them; 3.x: they.
  std::shared_ptr<const Sample> complete_;
  std::vector<Period> gone_;
};

}  // namespace wal_exporter::wal
