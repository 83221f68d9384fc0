#include "web/seed.h"

#include <algorithm>
#include <cmath>

#include "base/bytes.h"
#include "base/text.h"
#include "view/json.h"

namespace wal_exporter::web {
namespace {

// Whole numbers are written without decimals: 1, not 1.0. Ten decimals are the fewest from
// which the number of bytes can be restored.
Json gibibytes(std::uint64_t bytes) {
  if (bytes % kGiB == 0) return bytes / kGiB;
  return std::round(static_cast<double>(bytes) / static_cast<double>(kGiB) * 1e10) / 1e10;
}

Json time_or_null(const std::optional<Time>& time) {
  return time ? Json(format_time(*time)) : Json(nullptr);
}

bool can_trigger(const view::TargetView& target, Time now) {
  if (!view::health_at(target, now) || target.running) return false;
  if (view::cooldown_remaining_ms(target, now) > 0) return false;
  if (target.next_allowed && *target.next_allowed > now) return false;
  // The view's list of what ends by itself may be out of date.
  const auto all_end = [](const std::vector<policy::Blocker>& blockers) {
    return std::all_of(blockers.begin(), blockers.end(),
                       [](policy::Blocker blocker) { return policy::traits(blocker).ends_by_itself; });
  };
  return all_end(policy::without_why(target.decision.blockers)) && all_end(target.request_blockers);
}

}  // namespace

Json seed_health(const view::TargetView& target, Time now) {
  Json out;
  out["fileCount"] = target.sample ? Json(target.sample->pending.files) : Json(nullptr);
  out["totalSizeGB"] = target.sample ? gibibytes(target.sample->pending.bytes) : Json(nullptr);
  out["lastCheckpoint"] = time_or_null(target.last_checkpoint);
  out["healthStatus"] = std::string(policy::to_string(view::health_at(target, now)));
  out["recommendations"] = Json::array();
  for (const auto& line : target.recommendations) out["recommendations"].push_back(to_valid_utf8(line));
  return out;
}

Json seed_checkpoint_status(const view::TargetView& target, Time now) {
  Json out;
  out["lastCheckpoint"] = time_or_null(target.last_checkpoint);
  out["canTrigger"] = can_trigger(target, now);
  out["cooldownRemaining"] = view::cooldown_remaining_ms(target, now);
  out["isProcessing"] = target.running.has_value();
  return out;
}

Json seed_stats(const view::TargetView& target, Time now) {
  Json out = seed_health(target, now);
  out["checkpointStatus"] = seed_checkpoint_status(target, now);
  Json system;
  system["maxWALFiles"] = target.thresholds.warning_files;
  system["maxWALSizeGB"] = gibibytes(target.thresholds.warning_bytes);
  system["checkpointCooldownMs"] = std::chrono::duration_cast<std::chrono::milliseconds>(target.cooldown).count();
  out["systemInfo"] = std::move(system);
  return out;
}

}  // namespace wal_exporter::web
