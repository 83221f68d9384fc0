// What is known of the files of one wal/ folder, kept from look to look.
//
// 16 bytes for a retained file, 56 for a pending one; both sorted by number. Not
// thread-safe: the source that owns it serialises its looks.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <stop_token>
#include <vector>

#include "base/result.h"
#include "wal/node_header.h"
#include "wal/node_options.h"
#include "wal/node_wal_file.h"
#include "wal/sample.h"

namespace wal_exporter::wal {

struct RetainedFile {
  std::uint64_t number = 0;
  std::uint64_t bytes = 0;
};

struct PendingFile {
  std::uint64_t number = 0;
  FileFacts facts;
};

// A pending file that is not simply good.
struct DoubtfulFile {
  enum class Kind {
    judged,     // `fault` says how
    unsettled,  // looked damaged, but was just put there: judged at the next sample
  };
  Kind kind = Kind::judged;
  FileIdentity identity;
  std::optional<FileFault> fault;
  std::uint64_t number = 0;  // in its header, where that was understood so far
};

// Where the files are and how they are looked at: of one sample.
struct FolderView {
  int fd = -1;
  const std::filesystem::path& path;
  const NodeOptions& options;
  ReadCounter& counter;
  Time now{};
  const std::stop_token& stop;
};

class NodeIndex {
 public:
  // Brings the index up to date with `listed`, the sorted numbers found in the
  // folder; those below `first_pending` are retained. What was learnt before an
  // error stays.
  [[nodiscard]] Result<void> update(const FolderView& folder, std::span<const std::uint64_t> listed,
                                    std::uint64_t first_pending);

  // Reads on with the checksums not verified yet, newest file first, at most
  // `budget` bytes in all.
  [[nodiscard]] Result<void> verify(const FolderView& folder, std::uint64_t budget);

  // Forgets all files. Those that the next update finds do not count as written.
  void clear();

  // The highest number known; nullopt where there is no file.
  [[nodiscard]] std::optional<std::uint64_t> newest() const;
  // The last change of that file.
  [[nodiscard]] std::optional<Time> newest_modified() const;
  [[nodiscard]] const std::vector<PendingFile>& pending() const { return pending_; }
  [[nodiscard]] const std::map<std::uint64_t, DoubtfulFile>& doubtful() const { return doubtful_; }
  [[nodiscard]] Extent retained() const;
  // What appeared since the first update.
  [[nodiscard]] Extent written() const { return written_; }

 private:
  void drop_vanished(std::span<const std::uint64_t> listed);
  void move_to_retained(std::uint64_t first_pending);
  [[nodiscard]] Result<void> look_again(const FolderView& folder, std::uint64_t newest);
  [[nodiscard]] Result<void> add_new(const FolderView& folder, std::span<const std::uint64_t> listed,
                                     std::uint64_t first_pending);
  void keep(PendingFile& file, FileReading reading, const FolderView& folder, std::uint64_t newest);
  [[nodiscard]] Result<void> verify_file(PendingFile& file, const FolderView& folder, std::uint64_t& budget);
  [[nodiscard]] PendingFile* find_pending(std::uint64_t number);

  struct Newest {
    std::uint64_t number = 0;
    FileStatus status;
  };
  struct Verification {
    std::uint64_t number = 0;
    ChecksumProgress progress;
  };

  std::vector<RetainedFile> retained_;
  std::vector<PendingFile> pending_;
  std::map<std::uint64_t, DoubtfulFile> doubtful_;
  std::optional<Newest> newest_;
  std::optional<Verification> verification_;  // the one in progress
  Extent written_;
  bool counting_ = false;  // new files count as written
};

}  // namespace wal_exporter::wal
