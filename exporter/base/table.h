// Tables with one row for each value of an enum: what a value is called, and what is
// true of it, in one place.
//
// The enum ends with `count`; a row begins with the value it is of and its name.
// Pure; safe from any thread.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

namespace wal_exporter {

// Every value has its row, in the order of the enum: for a static_assert beside the
// table, so that a value without a row does not compile.
template <typename Row, std::size_t Size>
[[nodiscard]] consteval bool is_complete(const std::array<Row, Size>& table) {
  using Enum = decltype(Row::value);
  if (Size != static_cast<std::size_t>(Enum::count)) return false;
  for (std::size_t i = 0; i < Size; ++i) {
    if (table[i].value != static_cast<Enum>(i)) return false;
  }
  return true;
}

// Of a complete table.
template <typename Row, std::size_t Size>
[[nodiscard]] constexpr const Row& row_of(const std::array<Row, Size>& table, decltype(Row::value) value) {
  return table.at(static_cast<std::size_t>(value));
}

// In the order of the enum.
template <typename Row, std::size_t Size>
[[nodiscard]] constexpr std::array<std::string_view, Size> names_of(const std::array<Row, Size>& table) {
  std::array<std::string_view, Size> out;
  std::transform(table.begin(), table.end(), out.begin(), [](const Row& row) { return row.name; });
  return out;
}

// Likewise.
template <typename Row, std::size_t Size>
[[nodiscard]] constexpr std::array<decltype(Row::value), Size> values_of(const std::array<Row, Size>& table) {
  std::array<decltype(Row::value), Size> out;
  std::transform(table.begin(), table.end(), out.begin(), [](const Row& row) { return row.value; });
  return out;
}

// nullopt: nothing is called so.
template <typename Row, std::size_t Size>
[[nodiscard]] constexpr std::optional<decltype(Row::value)> value_named(const std::array<Row, Size>& table,
                                                                        std::string_view name) {
  for (const Row& row : table) {
    if (row.name == name) return row.value;
  }
  return std::nullopt;
}

}  // namespace wal_exporter
