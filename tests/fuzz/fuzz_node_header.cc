// decode_header and the checksum against any bytes: never a crash, and never
// believed where a second, slower reading of the format disagrees.
#include <cstdlib>
#include <optional>

#include "wal/node_header.h"

namespace {

// The file's own number, if the four fields are there.
std::optional<std::uint64_t> number_in(std::span<const std::uint8_t> data) {
  std::size_t at = 12;
  std::uint64_t value = 0;
  for (int field = 0; field < 4; ++field) {
    if (at >= data.size() || data[at] > 6 || data[at] % 2 != 0) return std::nullopt;
    const std::size_t width = std::size_t{8} >> (data[at] / 2);
    ++at;
    if (at + width > data.size()) return std::nullopt;
    value = 0;
    for (std::size_t i = width; i > 0; --i) value = value * 256 + data[at + i - 1];
    at += width;
  }
  return value;
}

void must(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::span<const std::uint8_t> data(bytes, size);
  const auto head = std::as_bytes(data).first(std::min(size, wal_exporter::wal::kHeaderBytes));
  const auto number = number_in(data);
  const auto header = wal_exporter::wal::decode_header(head, number.value_or(7));
  if (header.state == wal_exporter::wal::HeaderState::valid) {
    must(number.has_value());
    must(header.number == *number);
    must(header.min_time <= header.max_time);
    must(wal_exporter::wal::decode_header(head, *number + 1).state == wal_exporter::wal::HeaderState::other_number);
    must(wal_exporter::wal::decode_header(head.first(12), *number).state == wal_exporter::wal::HeaderState::too_short);
  } else {
    must(*header.detail != '\0');
  }

  wal_exporter::wal::ChecksumProgress whole;
  wal_exporter::wal::ChecksumProgress pieces;
  wal_exporter::wal::add_to_checksum(whole, std::as_bytes(data));
  const std::size_t middle = size == 0 ? 0 : bytes[0] % size;
  wal_exporter::wal::add_to_checksum(pieces, std::as_bytes(data.first(middle)));
  wal_exporter::wal::add_to_checksum(pieces, std::as_bytes(data.subspan(middle)));
  must(whole.offset == size && pieces.offset == size);
  must(whole.stored == pieces.stored && whole.computed == pieces.computed);
  return 0;
}
