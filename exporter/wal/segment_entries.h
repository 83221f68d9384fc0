// The entries inside a 1.x/2.x segment: one type byte (1 write, 2 delete, 3 delete
// range), four bytes of length (big endian), then that many bytes compressed with
// snappy. InfluxDB cuts a segment at the first entry it can't read, silently, at
// its next start: what follows is lost.
//
// Reads only; safe from any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>

#include "wal/sample.h"
#include "wal/source.h"

namespace wal_exporter::wal {

struct SegmentFault {
  InvalidReason reason = InvalidReason::magic;
  std::string detail;  // where and what, for people
};

// Looks at an open segment file of `bytes` bytes: header: the first entry; full:
// the chain of all of them. `open_ended`: the last entry may still be being
// written, so one that is cut short is no fault. nullopt: nothing wrong seen.
[[nodiscard]] std::optional<SegmentFault> check_segment(int file, std::uint64_t bytes, Integrity integrity,
                                                        bool open_ended, const std::stop_token& stop);

// Whether an open file of `bytes` bytes holds nothing but writes of no value, which
// InfluxDB logs where it refuses all points of a write: a field of another type, say
// (1.6.7, measured: 01 00000001 00 each). A restart reads them and applies nothing,
// and a snapshot leaves them, as there is nothing to snapshot. False also if the file can't
// be read, or if its length rules it out: more than 64 KiB, or no multiple of the entry.
[[nodiscard]] bool holds_refused_writes_alone(int file, std::uint64_t bytes);
// Whether the length allows for that. Asked first, so that few files are opened.
[[nodiscard]] bool may_be_refused_alone(std::uint64_t bytes);

}  // namespace wal_exporter::wal
