// Reading directories close to the kernel: getdents64 in large pieces, openat
// below a descriptor, a symbolic link followed only where it is asked for. Names are raw bytes and may be of
// any origin. Free functions; safe from any thread.
#pragma once

#include <sys/stat.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/file.h"
#include "base/result.h"
#include "base/time.h"

namespace wal_exporter::wal {

// Where fsck puts what it finds, under names of "#" and an inode number.
inline constexpr std::string_view kLostAndFound = "lost+found";

// Limit on the notes of one sample; the first ones are enough to see what is wrong.
inline constexpr std::size_t kMostNotes = 20;

enum class EntryType { file, directory, symlink, other };

// Opens the directory a person named; it may itself be a symbolic link. Errors
// name the path and the remedy (`wal.directory`, or who may read it).
[[nodiscard]] Result<Fd> open_root(const std::filesystem::path& path);

// Opens a directory below. A symbolic link is followed only if `follow` says so, else it is
// not_found. `path` is for messages. Gone meanwhile: not_found.
[[nodiscard]] Result<Fd> open_below(int parent, const std::string& name, const std::filesystem::path& path,
                                    bool follow = false);

// Calls `visit` for every entry but "." and "..". The type is asked for where the
// filesystem does not tell it. Ends early, with kind cancelled, on stop.
[[nodiscard]] Result<void> for_each_entry(int directory, const std::filesystem::path& path, const std::stop_token& stop,
                                          const std::function<void(std::string_view, EntryType)>& visit);

// A time of a file, of stat or statx. One before 1900 or after 2200 is that year's: a Time
// ends in 2262, and what is reckoned with it must not pass that.
template <class Stamp>
[[nodiscard]] Time to_time(const Stamp& stamp) {
  constexpr std::int64_t year_1900 = -2'208'988'800;
  constexpr std::int64_t year_2200 = 7'258'118'400;
  return Time(std::chrono::seconds(std::clamp<std::int64_t>(stamp.tv_sec, year_1900, year_2200)) +
              std::chrono::nanoseconds(stamp.tv_nsec));
}

// An error of `operation` on `path`. Where it is a matter of rights, with the remedies that
// last: InfluxDB's own user, by name and number, or CAP_DAC_READ_SEARCH. A group or an ACL
// does not (measured): 1.x makes each folder 0700, which empties an ACL's mask, and the
// containers of 2.x set 0700 at each start.
[[nodiscard]] Error access_error(int errno_value, std::string_view operation, const std::filesystem::path& path);

// Free bytes for unprivileged users of the filesystem that `directory` lies on.
[[nodiscard]] Result<std::uint64_t> available_bytes(int directory, const std::filesystem::path& path);

}  // namespace wal_exporter::wal
