#include "influxdb/tar_check.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "base/text.h"

namespace wal_exporter::influxdb {
namespace {

constexpr std::size_t kShown = 64;
constexpr std::size_t kSizeField = 124;
constexpr std::size_t kSizeLength = 12;
constexpr std::size_t kChecksumField = 148;
constexpr std::size_t kChecksumLength = 8;

// Octal digits with blanks or zero bytes around them.
[[nodiscard]] std::optional<std::uint64_t> octal(std::string_view field) {
  const auto blank = [](char c) { return c == ' ' || c == '\0'; };
  while (!field.empty() && blank(field.front())) field.remove_prefix(1);
  while (!field.empty() && blank(field.back())) field.remove_suffix(1);
  if (field.empty() || field.size() > kSizeLength) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : field) {
    if (c < '0' || c > '7') return std::nullopt;
    value = value * 8 + static_cast<std::uint64_t>(c - '0');
  }
  return value;
}

// As octal, or, from 8 GiB up, big endian binary behind a byte 0x80.
[[nodiscard]] std::optional<std::uint64_t> size_of_entry(std::string_view field) {
  if (static_cast<unsigned char>(field.front()) != 0x80U) return octal(field);
  std::uint64_t value = 0;
  for (const char c : field.substr(1)) {
    if (value > (std::numeric_limits<std::uint64_t>::max() >> 16U)) return std::nullopt;
    value = (value << 8U) | static_cast<unsigned char>(c);
  }
  return value;
}

}  // namespace

bool TarCheck::feed(std::string_view bytes) {
  if (first_.size() < kShown) first_.append(bytes.substr(0, kShown - first_.size()));
  bytes_ += bytes.size();
  while (!bytes.empty() && !wrong_) {
    if (filled_ == 0 && content_left_ > 0) {
      const auto skip = static_cast<std::size_t>(std::min<std::uint64_t>(content_left_, bytes.size()));
      content_left_ -= skip;
      bytes.remove_prefix(skip);
      continue;
    }
    const std::size_t count = std::min(kBlock - filled_, bytes.size());
    std::copy_n(bytes.begin(), count, block_.begin() + static_cast<std::ptrdiff_t>(filled_));
    filled_ += count;
    bytes.remove_prefix(count);
    if (filled_ == kBlock) {
      filled_ = 0;
      wrong_ = !take_block();
    }
  }
  return !wrong_;
}

bool TarCheck::take_block() {
  const std::string_view block(block_.data(), block_.size());
  if (std::all_of(block.begin(), block.end(), [](char c) { return c == '\0'; })) {
    ++end_blocks_;
    return true;
  }
  if (end_blocks_ > 0) return false;  // nothing may follow the end
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < block.size(); ++i) {
    const bool in_field = i >= kChecksumField && i < kChecksumField + kChecksumLength;
    sum += in_field ? static_cast<unsigned char>(' ') : static_cast<unsigned char>(block[i]);
  }
  if (octal(block.substr(kChecksumField, kChecksumLength)) != sum) return false;
  const auto size = size_of_entry(block.substr(kSizeField, kSizeLength));
  if (!size) return false;
  content_left_ = (*size + kBlock - 1) / kBlock * kBlock;
  return true;
}

std::string TarCheck::beginning() const {
  return escape_control(first_);
}

}  // namespace wal_exporter::influxdb
