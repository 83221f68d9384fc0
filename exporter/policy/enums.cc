#include <algorithm>

#include "policy/decision.h"
#include "policy/health.h"

namespace wal_exporter::policy {

std::string_view to_string(Health health) {
  switch (health) {
    case Health::healthy:
      return "healthy";
    case Health::warning:
      return "warning";
    case Health::critical:
      return "critical";
  }
  return "critical";
}

std::string_view to_string(const std::optional<Health>& health) {
  return health ? to_string(*health) : "unknown";
}

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

std::string_view to_string(Blocker blocker) {
  switch (blocker) {
    case Blocker::in_flight:
      return "in_flight";
    case Blocker::cooldown:
      return "cooldown";
    case Blocker::min_interval:
      return "min_interval";
    case Blocker::backoff:
      return "backoff";
    case Blocker::breaker_open:
      return "breaker_open";
    case Blocker::outside_window:
      return "outside_window";
    case Blocker::maintenance:
      return "maintenance";
    case Blocker::paused:
      return "paused";
    case Blocker::server_unreachable:
      return "server_unreachable";
    case Blocker::sample_stale:
      return "sample_stale";
    case Blocker::disk_headroom:
      return "disk_headroom";
    case Blocker::snapshot_budget:
      return "snapshot_budget";
    case Blocker::gen1_boundary:
      return "gen1_boundary";
    case Blocker::too_long:
      return "too_long";
    case Blocker::method_disabled:
      return "method_disabled";
    case Blocker::dry_run:
      return "dry_run";
  }
  return "method_disabled";
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
