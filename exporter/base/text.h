// Small text helpers. Pure; safe from any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace wal_exporter {

// Control characters, and bytes that are not UTF-8, as \n, \t or \xNN, so that
// one thing logged stays one line and valid text. Everything else unchanged.
[[nodiscard]] std::string escape_control(std::string_view text);

// Bytes that are not UTF-8 replaced by U+FFFD, for JSON and label values.
[[nodiscard]] std::string to_valid_utf8(std::string_view text);

// Everything but unreserved characters (RFC 3986) as %XX: one segment of a path, or one
// value of a query.
[[nodiscard]] std::string percent_encode(std::string_view text);

// RFC 4648, with padding.
[[nodiscard]] std::string to_base64(std::string_view bytes);

// Whether arrays and objects of a JSON text are nested more than `depth` deep. Ask this
// before parsing: the parsed value is copied and written recursively, and deep nesting
// would overflow the stack.
[[nodiscard]] bool is_nested_deeper(std::string_view json, std::size_t depth);

// "name, other and third"; for messages that list what would be right.
template <class Range>
[[nodiscard]] std::string join(const Range& parts, std::string_view separator) {
  std::string out;
  for (const auto& part : parts) {
    if (!out.empty()) out += separator;
    out += part;
  }
  return out;
}

// Of ASCII, whatever the locale.
[[nodiscard]] constexpr bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
[[nodiscard]] constexpr bool is_letter_or_digit(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
[[nodiscard]] constexpr char lower_case(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}
[[nodiscard]] std::string lower_case(std::string_view text);

// "1 file", "2 files", "3 queries": every count that a person reads is made here.
[[nodiscard]] std::string count_of(std::uint64_t count, std::string_view noun);

}  // namespace wal_exporter
