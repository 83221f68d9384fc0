#include "policy/decision.h"

#include <algorithm>
#include <iterator>

namespace wal_exporter::policy {

std::string_view to_string(Reason reason) {
  switch (reason) {
    case Reason::warning:
      return "warning";
    case Reason::critical:
      return "critical";
    case Reason::scheduled:
      return "scheduled";
    case Reason::manual:
      return "manual";
    case Reason::alert:
      return "alert";
    case Reason::pre_restart:
      return "pre_restart";
  }
  return "manual";
}

std::string_view to_string(Action action) {
  return action == Action::checkpoint ? "checkpoint" : "none";
}

std::optional<Reason> parse_reason(std::string_view text) {
  const auto* found =
      std::find_if(std::begin(kReasons), std::end(kReasons), [&](Reason reason) { return to_string(reason) == text; });
  if (found == std::end(kReasons)) return std::nullopt;
  return *found;
}

}  // namespace wal_exporter::policy
