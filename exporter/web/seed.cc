// The routes of the older service's API, field for field.
//
// Sizes are GiB under the old names (`totalSizeGB`), rounded to 10 decimals. While
// the health is unknown `healthStatus` is "unknown", the numbers are those of the
// last sample (null where there was none), and the answer is a 503.

#include <algorithm>
#include <array>
#include <cmath>

#include "base/bytes.h"
#include "base/text.h"
#include "view/json.h"
#include "web/action.h"

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

Response seed_answer(const Context& context, const Call& call, Json (*render)(const view::TargetView&, Time)) {
  auto chosen = choose_target(context, call);
  if (chosen.target == nullptr) return std::move(chosen.refusal);
  const auto now = context.clock.now();
  auto body = render(*chosen.target, now);
  const auto reason = view::unknown_reason(*chosen.target, now);
  if (reason.empty()) return json_response(200, body);
  return error_response(503,
                        "the health of target \"" + escape_control(chosen.target->name) + "\" is unknown: " + reason,
                        "what follows is the last sample; see `error` in /api/v1/targets and the log", body);
}

Response get_seed_health(const Context& context, const Call& call) {
  return seed_answer(context, call, seed_health);
}

Response get_seed_checkpoint_status(const Context& context, const Call& call) {
  return seed_answer(context, call, seed_checkpoint_status);
}

Response get_seed_stats(const Context& context, const Call& call) {
  return seed_answer(context, call, seed_stats);
}

constexpr std::array kSeedRoutes{
    Route{"/wal-management/health", "GET", get_seed_health},
    Route{"/wal-management/checkpoint-status", "GET", get_seed_checkpoint_status},
    Route{"/wal-management/stats", "GET", get_seed_stats},
};

}  // namespace

std::span<const Route> seed_routes() {
  return kSeedRoutes;
}

}  // namespace wal_exporter::web
