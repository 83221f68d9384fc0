#include "wal/segment_entries.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace wal_exporter::wal {
namespace {

constexpr std::uint64_t kEntryHeaderBytes = 5;
constexpr std::uint8_t kLastKnownType = 3;
// Type 1 (write), length 1, and the block that snappy makes of nothing.
constexpr std::array<std::uint8_t, 6> kRefusedWrite = {1, 0, 0, 0, 1, 0};
constexpr std::uint64_t kMostRefused = 64 * 1024;

}  // namespace

std::optional<SegmentFault> check_segment(int file, std::uint64_t bytes, Integrity integrity, bool open_ended,
                                          const std::stop_token& stop) {
  if (integrity == Integrity::off) return std::nullopt;
  std::uint64_t offset = 0;
  while (offset < bytes && !stop.stop_requested()) {
    std::array<std::uint8_t, kEntryHeaderBytes> header{};
    const ssize_t got = ::pread(file, header.data(), header.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    const std::string where = " at byte " + std::to_string(offset);
    if (got < 0) return SegmentFault{InvalidReason::unreadable, std::string(std::strerror(errno)) + where};
    if (got > 0 && (header[0] == 0 || header[0] > kLastKnownType)) {
      return SegmentFault{InvalidReason::magic, "unknown entry type " + std::to_string(header[0]) + where};
    }
    if (static_cast<std::uint64_t>(got) < kEntryHeaderBytes) {
      if (open_ended) return std::nullopt;
      return SegmentFault{InvalidReason::too_short, "the entry" + where + " is cut short"};
    }
    const std::uint64_t length = (std::uint64_t{header[1]} << 24U) | (std::uint64_t{header[2]} << 16U) |
                                 (std::uint64_t{header[3]} << 8U) | std::uint64_t{header[4]};
    if (offset + kEntryHeaderBytes + length > bytes) {
      if (open_ended) return std::nullopt;
      return SegmentFault{InvalidReason::too_short,
                          "the entry" + where + " wants " + std::to_string(length) + " bytes, the file ends before"};
    }
    if (integrity == Integrity::header) return std::nullopt;
    offset += kEntryHeaderBytes + length;
  }
  return std::nullopt;
}

bool may_be_refused_alone(std::uint64_t bytes) {
  return bytes > 0 && bytes % kRefusedWrite.size() == 0 && bytes <= kMostRefused;
}

bool holds_refused_writes_alone(int file, std::uint64_t bytes) {
  if (!may_be_refused_alone(bytes)) return false;
  std::array<std::uint8_t, 512 * kRefusedWrite.size()> piece{};
  for (std::uint64_t offset = 0; offset < bytes;) {
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(piece.size(), bytes - offset));
    const ssize_t got = ::pread(file, piece.data(), wanted, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    for (std::size_t i = 0; i < static_cast<std::size_t>(got); ++i) {
      if (piece[i] != kRefusedWrite[(offset + i) % kRefusedWrite.size()]) return false;
    }
    offset += static_cast<std::uint64_t>(got);
  }
  return true;
}

}  // namespace wal_exporter::wal
