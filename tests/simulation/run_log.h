// What happened in a run, line by line: hashed always, printed where wanted. The same
// seed gives the same lines. One thread.
#pragma once

#include <cstdint>
#include <iostream>
#include <string>
#include <string_view>

#include "base/time.h"

namespace wal_exporter::simulation {

class RunLog {
 public:
  explicit RunLog(bool prints) : prints_(prints) {}

  void add(SteadyTime steady, Time wall, std::string_view what, std::string_view detail = {}) {
    mix(static_cast<std::uint64_t>(steady.time_since_epoch().count()));
    mix(static_cast<std::uint64_t>(wall.time_since_epoch().count()));
    mix(what);
    mix(detail);
    ++lines_;
    if (prints_) {
      std::cout << format_duration(steady.time_since_epoch()) << ' ' << format_time(wall) << ' ' << what
                << (detail.empty() ? "" : " ") << detail << '\n';
    }
  }
  [[nodiscard]] bool prints() const { return prints_; }
  [[nodiscard]] std::uint64_t hash() const { return hash_; }
  [[nodiscard]] std::uint64_t lines() const { return lines_; }

 private:
  // FNV-1a, the eight bytes of a number at once.
  void mix(std::uint64_t value) { hash_ = (hash_ ^ value) * 1099511628211U; }
  void mix(std::string_view text) {
    for (const char c : text) mix(static_cast<std::uint64_t>(static_cast<unsigned char>(c)));
    mix(text.size());
  }

  const bool prints_;
  std::uint64_t hash_ = 14695981039346656037U;
  std::uint64_t lines_ = 0;
};

}  // namespace wal_exporter::simulation
