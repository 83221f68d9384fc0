// What real servers and machines do and the exporter does not cope with yet: modelled,
// and switched off here. Liveness (invariant 7) is asked for wherever none of these is
// in the way. Each has the number of the case that describes it in the project's list
// of reports. The change that makes the exporter cope with one takes its line out.
#pragma once

#include <array>
#include <string_view>

namespace wal_exporter::simulation {

enum class Quirk {
  segment_kept_open  // 1.6, 1.7: the segment that was open before a start outlives snapshots until a write
};

struct NotYet {
  Quirk quirk;
  int case_number;  // 0: it was found by measuring, not in a report
  std::string_view why;
};

inline constexpr std::array<NotYet, 0> kNotYet{};

[[nodiscard]] constexpr bool is_modelled(Quirk quirk) {
  for (const NotYet& entry : kNotYet) {
    if (entry.quirk == quirk) return false;
  }
  return true;
}

}  // namespace wal_exporter::simulation
