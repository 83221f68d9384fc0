// Is this stream of bytes a tar archive? Nothing of it is kept or unpacked.
//
// A value fed from one thread; no I/O.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace wal_exporter::influxdb {

class TarCheck {
 public:
  static constexpr std::size_t kBlock = 512;

  // Takes the next bytes; false once they can't be part of an archive.
  bool feed(std::string_view bytes);

  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  // Two zero blocks ended it: anything less was cut off.
  [[nodiscard]] bool ended() const { return !wrong_ && end_blocks_ >= 2; }
  // The first bytes, as text on one line: what to show a person.
  [[nodiscard]] std::string beginning() const;

 private:
  bool take_block();

  std::array<char, kBlock> block_{};
  std::size_t filled_ = 0;
  std::uint64_t content_left_ = 0;  // of the current entry, padding included
  std::uint64_t end_blocks_ = 0;
  std::uint64_t bytes_ = 0;
  bool wrong_ = false;
  std::string first_;
};

}  // namespace wal_exporter::influxdb
