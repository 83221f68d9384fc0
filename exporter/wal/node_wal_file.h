// One WAL file of a 3.x node: its name, its size and times, and what its first
// bytes say.
//
// Free functions over an open directory; safe from any thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "base/file.h"
#include "base/result.h"
#include "wal/node_options.h"
#include "wal/sample.h"

namespace wal_exporter::wal {

// "00000000042.wal" -> 42; nullopt for any other name. Exactly 11 digits.
[[nodiscard]] std::optional<std::uint64_t> parse_node_file_name(std::string_view name);
[[nodiscard]] std::string node_file_name(std::uint64_t number);

// Changes whenever the content, the permissions or the file itself do.
struct FileIdentity {
  std::uint64_t inode = 0;
  std::uint64_t bytes = 0;
  Time changed{};  // ctime

  friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};

struct FileStatus {
  FileIdentity identity;
  Time modified{};
};

enum class FileState : std::uint8_t {
  unread,   // integrity off
  valid,    // the header is understood
  unknown,  // sound as far as we can tell, but the header is not understood
  invalid,
};

// What is known of a file. Kept for every pending file: small on purpose.
struct FileFacts {
  Time modified{};
  Time persisted{};  // this and the next two: only where state is valid, but for void_times
  Time min_time{};
  Time max_time{};
  std::uint64_t bytes = 0;
  FileState state = FileState::unread;
  bool void_times = false;  // state is invalid: it holds nothing valid; `persisted` is known
  bool checked = false;     // the checksum needs no (further) verification
};

struct FileFault {
  InvalidReason reason = InvalidReason::empty;
  std::string detail;  // for people
};

struct FileReading {
  FileFacts facts;
  FileIdentity identity;
  std::optional<FileFault> fault;  // where facts.state is invalid or unknown
  std::uint64_t number = 0;        // in its header, where that was understood so far
};

// nullopt: there is no regular file of that name (any more).
[[nodiscard]] Result<std::optional<FileStatus>> stat_node_file(int directory, const std::filesystem::path& path,
                                                               std::uint64_t number, ReadCounter& counter);

// Looks at a file as closely as `integrity` says, but for the checksum of large
// files: what fits into one small read (4 KiB) is verified at once, since that
// costs no more than the header. A file that may not be read is invalid
// (unreadable), not an error; errors are those of this process (out of
// descriptors or memory) or of the directory. nullopt as above.
[[nodiscard]] Result<std::optional<FileReading>> read_node_file(int directory, const std::filesystem::path& path,
                                                                std::uint64_t number, Integrity integrity,
                                                                ReadCounter& counter);

// As above for a file of another name in the folder: closely, whatever `integrity` is. The
// number in its header may be any.
[[nodiscard]] Result<std::optional<FileReading>> read_foreign_file(int directory, const std::filesystem::path& path,
                                                                   const std::string& name, ReadCounter& counter);
[[nodiscard]] Result<std::optional<FileStatus>> stat_foreign_file(int directory, const std::filesystem::path& path,
                                                                  const std::string& name, ReadCounter& counter);

// Opens it for reading. Gone, or a symbolic link now: not_found; this process is
// out of descriptors or memory: internal.
[[nodiscard]] Result<Fd> open_node_file(int directory, const std::filesystem::path& path, std::uint64_t number,
                                        ReadCounter& counter);

}  // namespace wal_exporter::wal
