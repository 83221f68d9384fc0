// gzip (RFC 1952) of text, by zlib. What is sent again and again is deflated once and put
// together with what changes, as one stream of one member: curl and others read no second.
//
// Pure; throws std::bad_alloc alone. Safe from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace wal_exporter {

// A piece of a deflate stream that ends on a byte.
struct Deflated {
  std::string bytes;
  std::uint32_t crc = 0;  // CRC-32 of the text
  std::size_t size = 0;   // of the text
};

// `last`: no other piece follows. Texts are below 4 GiB.
[[nodiscard]] Deflated deflate_piece(std::string_view text, bool last);

// `tail` was deflated as the last one.
[[nodiscard]] std::string gzip(const Deflated& head, const Deflated& tail);
[[nodiscard]] inline std::string gzip(std::string_view text) {
  return gzip({}, deflate_piece(text, true));
}

}  // namespace wal_exporter
