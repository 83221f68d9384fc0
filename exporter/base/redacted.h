// A text with places that not everybody may read. Plain value; pure; safe from any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace wal_exporter {

struct RedactedText {
  struct Place {
    std::size_t begin = 0;
    std::size_t size = 0;
  };
  std::string text;           // for those who may read it all
  std::vector<Place> places;  // ascending, apart from each other

  void append(std::string_view piece, bool for_all) {
    if (!for_all) places.push_back({text.size(), piece.size()});
    text += piece;
  }
  // For everybody else: with `mark` at each place.
  [[nodiscard]] std::string with(std::string_view mark) const {
    std::string out;
    std::size_t at = 0;
    for (const Place& place : places) {
      out.append(text, at, place.begin - at).append(mark);
      at = place.begin + place.size;
    }
    return out.append(text, at);
  }
};

}  // namespace wal_exporter
