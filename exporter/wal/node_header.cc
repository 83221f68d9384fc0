#include "wal/node_header.h"

#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <memory>
#include <optional>
#include <string_view>

#include "base/text.h"

namespace wal_exporter::wal {
namespace {

constexpr std::string_view kMagic = "idb3.001";
constexpr std::size_t kMagicFamily = 5;  // "idb3."
constexpr std::size_t kReadSize = std::size_t{256} * 1024;

enum class FieldState { ok, too_short, unknown_width };

struct Field {
  std::uint64_t value = 0;
  unsigned bytes = 0;  // its width in the file
  FieldState state = FieldState::too_short;
};

// Takes a width byte and its number off the front of `data`.
Field take_field(std::span<const std::byte>& data) {
  if (data.empty()) return {};
  unsigned bytes = 0;
  switch (std::to_integer<unsigned>(data[0])) {
    case 0:
      bytes = 8;
      break;
    case 2:
      bytes = 4;
      break;
    case 4:
      bytes = 2;
      break;
    case 6:
      bytes = 1;
      break;
    default:
      return {0, 0, FieldState::unknown_width};
  }
  if (data.size() < 1 + bytes) return {};
  Field field{0, bytes, FieldState::ok};
  for (unsigned i = 0; i < bytes; ++i) field.value |= std::to_integer<std::uint64_t>(data[1 + i]) << (8 * i);
  data = data.subspan(1 + bytes);
  return field;
}

std::int64_t as_signed(const Field& field) {
  const unsigned unused = 64 - 8 * field.bytes;
  return static_cast<std::int64_t>(field.value << unused) >> unused;
}

// nullopt where nanoseconds since 1970 don't hold it (before 1677, after 2262).
std::optional<Time> from_milliseconds(std::int64_t milliseconds) {
  constexpr std::int64_t factor = 1'000'000;
  if (milliseconds > std::numeric_limits<std::int64_t>::max() / factor ||
      milliseconds < std::numeric_limits<std::int64_t>::min() / factor) {
    return std::nullopt;
  }
  return Time(Duration(milliseconds * factor));
}

}  // namespace

Header decode_header(std::span<const std::byte> data, std::optional<std::uint64_t> number) {
  const auto refuse = [](HeaderState state, const char* detail) {
    Header header;
    header.state = state;
    header.detail = detail;
    return header;
  };
  if (data.size() < kChecksummedFrom) return refuse(HeaderState::too_short, "it ends before its checksum");
  if (std::memcmp(data.data(), kMagic.data(), kMagic.size()) != 0) {
    const std::string_view magic(reinterpret_cast<const char*>(data.data()), kMagic.size());
    const bool is_of_family = magic.starts_with(kMagic.substr(0, kMagicFamily)) &&
                              magic.find_first_not_of("0123456789", kMagicFamily) == std::string_view::npos;
    if (is_of_family) return refuse(HeaderState::newer, "it begins with idb3. and other digits than 001");
    return refuse(HeaderState::bad_magic, "it does not begin with idb3.001");
  }
  data = data.subspan(kChecksummedFrom);
  if (!data.empty() && std::to_integer<char>(data[0]) == '{') {
    return refuse(HeaderState::older, "it holds JSON, as InfluxDB 3.0 alpha wrote it");
  }
  Field fields[4];
  for (Field& field : fields) {
    field = take_field(data);
    if (field.state == FieldState::too_short) return refuse(HeaderState::too_short, "it ends inside its header");
    if (field.state == FieldState::unknown_width) {
      return refuse(HeaderState::unknown, "its header holds a width byte other than 0, 2, 4 and 6");
    }
  }
  if (number && fields[3].value != *number) {
    Header header = refuse(HeaderState::other_number, "the number in its header is not the one in its name");
    header.number = fields[3].value;
    return header;
  }
  const auto persisted = from_milliseconds(as_signed(fields[0]));
  if (!persisted) return refuse(HeaderState::unknown, "its persist time is out of range");
  Header header;
  header.state = HeaderState::valid;
  header.persisted = *persisted;
  header.min_time = Time(Duration(as_signed(fields[1])));
  header.max_time = Time(Duration(as_signed(fields[2])));
  header.number = fields[3].value;
  if (header.min_time > header.max_time) {
    header.state = HeaderState::void_times;
    header.detail = "its smallest data time is after its largest";
  }
  return header;
}

void add_to_checksum(ChecksumProgress& progress, std::span<const std::byte> data) {
  constexpr std::size_t stored_from = kChecksummedFrom - 4;
  while (!data.empty() && progress.offset < kChecksummedFrom) {
    if (progress.offset >= stored_from)
      progress.stored = progress.stored << 8 | std::to_integer<std::uint32_t>(data[0]);
    ++progress.offset;
    data = data.subspan(1);
  }
  if (data.empty()) return;
  progress.computed = static_cast<std::uint32_t>(
      ::crc32_z(progress.computed, reinterpret_cast<const unsigned char*>(data.data()), data.size()));
  progress.offset += data.size();
}

Result<bool> continue_checksum(int file, std::string_view path, ChecksumProgress& progress, std::uint64_t& budget,
                               const std::stop_token& stop) {
  if (budget == 0) return false;
  const std::size_t size = static_cast<std::size_t>(std::min<std::uint64_t>(budget, kReadSize));
  const auto buffer = std::make_unique_for_overwrite<std::byte[]>(size);
  while (budget > 0) {
    if (stop.stop_requested()) return failure(ErrorKind::cancelled, "stopped while reading " + escape_control(path));
    const std::size_t want = static_cast<std::size_t>(std::min<std::uint64_t>(budget, size));
    const ssize_t got = ::pread(file, buffer.get(), want, static_cast<off_t>(progress.offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return tl::unexpected(system_error(errno, "reading", escape_control(path)));
    if (got == 0) return true;
    add_to_checksum(progress, {buffer.get(), static_cast<std::size_t>(got)});
    budget -= static_cast<std::uint64_t>(got);
  }
  return false;
}

}  // namespace wal_exporter::wal
