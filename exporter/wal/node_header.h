// The first bytes of a 3.x WAL file, and its checksum.
//
// Layout, measured on 3.10: 8 bytes "idb3.001", 4 bytes CRC-32 (IEEE, big endian)
// of everything after byte 12, then four numbers, each after a byte that tells its
// width: persist time in ms, smallest and largest data time in ns (all three
// signed), the file's own number. Little endian; width byte 0: 8 bytes, 2: 4, 4: 2,
// 6: 1.
//
// Pure but for `continue_checksum`; safe from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <stop_token>
#include <string_view>

#include "base/result.h"
#include "base/time.h"

namespace wal_exporter::wal {

// Enough for every header: 12 bytes and four numbers of at most 9 take 48.
inline constexpr std::size_t kHeaderBytes = 64;
// Magic and checksum: what lies before the checked part of a file.
inline constexpr std::size_t kChecksummedFrom = 12;

enum class HeaderState {
  valid,
  too_short,  // the data ends inside the header
  bad_magic,
  newer,         // the magic is idb3. with other digits
  older,         // a 3.0 alpha wrote it: the payload is JSON
  other_number,  // the number is not the one in the name
  void_times,    // the smallest data time is after the largest: nothing in it was valid
  unknown,       // the magic is right, but what follows is not what we know: never guessed at
};

struct Header {
  HeaderState state = HeaderState::unknown;
  // Set only where state is valid; the number also where it is other_number, the persist
  // time and the number where it is void_times.
  Time persisted{};
  Time min_time{};
  Time max_time{};
  std::uint64_t number = 0;
  // What is wrong, for people; a literal, empty where state is valid.
  const char* detail = "";
};

// `data` is the beginning of the file: kHeaderBytes, or all of it if it has less.
// `number` is the one in its name; nullopt: a name without one, so any will do.
[[nodiscard]] Header decode_header(std::span<const std::byte> data, std::optional<std::uint64_t> number);

// How far the checksum of one file has been worked out.
struct ChecksumProgress {
  std::uint64_t offset = 0;
  std::uint32_t stored = 0;    // as the file says
  std::uint32_t computed = 0;  // of what lies between kChecksummedFrom and offset

  [[nodiscard]] bool matches() const { return offset >= kChecksummedFrom && stored == computed; }
};

// Takes the bytes that follow `progress.offset` into account.
void add_to_checksum(ChecksumProgress& progress, std::span<const std::byte> data);

// Reads on from `progress.offset`, at most `budget` bytes, and takes what it read
// off the budget. True once the end of the file is reached. `path` is for messages.
[[nodiscard]] Result<bool> continue_checksum(int file, std::string_view path, ChecksumProgress& progress,
                                             std::uint64_t& budget, const std::stop_token& stop);

}  // namespace wal_exporter::wal
