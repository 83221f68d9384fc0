#include "control/situation.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "control/parts.h"
#include "policy/forecast.h"
#include "policy/recommend.h"

namespace wal_exporter::control {
namespace {

constexpr std::size_t kMostRewrites = 100;  // in one run

std::string failing_text(const Parts& parts) {
  std::string text;
  std::uint64_t more = 0;
  for (const auto& [shard, entry] : parts.shards.entries) {
    if (!entry.is_failing()) continue;
    if (!text.empty()) ++more;
    if (text.empty()) text = policy::name_of(shard) + ": " + entry.why;
  }
  return more == 0 ? text : text + ", and " + count_of(more, "other");
}

}  // namespace

influxdb::MethodChoice method_of(const Parts& parts) {
  const settings::Target& target = parts.settings;
  return influxdb::choose_method({target.influxdb, target.checkpoint, target.wal.integrity}, parts.server.version());
}

policy::Situation situation_of(const Parts& parts, Asker asker, influxdb::NudgeMode mode, Now now) {
  const ServerState& server = parts.server;
  policy::Situation situation;
  situation.now = now.wall;
  situation.sample = parts.wal.sample().get();
  situation.in_flight = parts.checkpointer.running().has_value();
  situation.dry_run = parts.settings.dry_run;
  policy::add_pause_and_windows(parts.memory, parts.settings.checkpoint.windows, parts.settings.maintenance, situation);
  situation.server_unreachable = server.is_down();
  situation.server_error = server.error();
  situation.vanished = parts.vanish.text();
  situation.blockers = server.blockers();
  if (parts.restarter.holds_checkpoints(asker)) {
    situation.blockers.push_back({policy::Blocker::in_flight, "InfluxDB is being restarted; wait for its end"});
  }
  const influxdb::MethodChoice choice = method_of(parts);
  situation.method_disabled = choice.disabled;
  if (!parts.settings.watch_only.empty()) {
    situation.method_disabled =
        "the exporter runs without its state (" + parts.settings.watch_only +
        "), so what must hold back a checkpoint could be forgotten; restart it once that is fixed";
    return situation;
  }
  if (choice.writes_points() && !server.node().not_measured.empty()) {
    situation.method_disabled = server.node().not_measured;
  }
  if (!choice.disabled.empty()) return situation;
  if (choice.writes_points() && server.awaits_answers()) {
    situation.blockers.push_back(
        {policy::Blocker::server_unreachable, "its settings, which the plan rests on, are not known yet" +
                                                  (server.error().empty() ? std::string() : ": " + server.error())});
  } else if (const auto until = shards_wait_until(parts, now)) {
    situation.blockers.push_back({policy::Blocker::backoff,
                                  "all that is pending lies in shards whose snapshots fail (" + failing_text(parts) +
                                      "); they are asked again in " + format_duration_rough(*until - now.wall),
                                  until});
  } else if (auto nudge = outlook_of(parts, asker, mode, now)) {
    situation.interval_binds_requests = true;
    situation.blockers.insert(situation.blockers.end(), nudge->blockers.begin(), nudge->blockers.end());
    if (nudge->plan) situation.points = nudge->plan->points;
  }
  return situation;
}

std::optional<NudgeOutlook> outlook_of(const Parts& parts, Asker asker, influxdb::NudgeMode mode, Now now) {
  const wal::Sample* sample = parts.wal.sample().get();
  if (!method_of(parts).writes_points() || sample == nullptr || sample->layout != wal::Layout::node) {
    return std::nullopt;
  }
  NudgeOutlook outlook = nudge_outlook(parts.settings, *sample, parts.server.node().rules, mode, asker != Asker::nobody,
                                       parts.server.clock(now));
  if (std::string why = clocks_differ(parts.server.node().rules, parts.server.clock_offset(now)); !why.empty()) {
    outlook.blockers.insert(outlook.blockers.begin(), {policy::Blocker::clocks_differ, std::move(why)});
  }
  return outlook;
}

std::optional<Time> shards_wait_until(const Parts& parts, Now now) {
  const wal::Sample* sample = parts.wal.sample().get();
  if (sample == nullptr || sample->pending.files == 0 || parts.shards.entries.empty()) return std::nullopt;
  std::optional<Time> first;
  for (const wal::Shard& shard : sample->shards) {
    if (shard.state != wal::ShardState::pending || shard.pending.files == 0) continue;
    const auto found = parts.shards.entries.find(shard.key());
    if (found == parts.shards.entries.end() || !found->second.next_try || *found->second.next_try <= now.wall) {
      return std::nullopt;
    }
    first = std::min(first.value_or(*found->second.next_try), *found->second.next_try);
  }
  return first;
}

bool is_stale(const Parts& parts, Now now) {
  return policy::is_stale(parts.server.rules(), parts.wal.sample().get(), now.wall);
}

bool is_fresh(const Parts& parts, Now now) {
  return !is_stale(parts, now) && parts.wal.error().empty();
}

bool awaits_sample(const Parts& parts, std::uint64_t number) {
  return parts.wal.finished() < number || parts.server.unanswered() ||
         (parts.server.version() == wal::Generation::unknown && parts.wal.change_seen());
}

nlohmann::ordered_json foresight_of(const Parts& parts, Now now) {
  nlohmann::ordered_json out;
  const wal::Sample* sample = parts.wal.sample().get();
  if (sample != nullptr) {
    const wal::Extent extent = sample->replayed();
    const double seconds = policy::replay_estimate(parts.settings.forecast, extent.bytes);
    out["replay"] = {{"files", extent.files},
                     {"bytes", extent.bytes},
                     {"seconds", seconds},
                     {"text", wal::extent_text(extent) + ", " + policy::replay_text(seconds)}};
  }
  if (is_stale(parts, now)) {
    out["next"] = "The exporter makes no checkpoint until it can read the WAL again.";
    return out;
  }
  const policy::Decision& decision = parts.decision;
  if (!decision.reason) return out;
  if (decision.blockers.empty()) {
    out["next"] = "The exporter makes a checkpoint now.";
    return out;
  }
  std::string next = "The exporter holds back its next checkpoint: ";
  bool timed = false;
  for (const policy::Blocked& blocked : decision.blockers) {
    const bool ends = policy::traits(blocked.blocker).ends_by_itself;
    timed = timed || ends;
    if (&blocked != decision.blockers.data()) next += "; ";
    next += policy::to_string(blocked.blocker);
    if (!ends) next += " (" + blocked.why + ")";
  }
  auto until = policy::next_allowed(parts.server.rules(), parts.memory, now.wall);
  if (const auto shards = shards_wait_until(parts, now)) until = std::max(until.value_or(*shards), *shards);
  if (timed && until) next += "; not before " + format_time(*until);
  out["next"] = next + ".";
  return out;
}

std::vector<wal::ShardKey> kept_open_shards(const Parts& parts) {
  std::vector<wal::ShardKey> out;
  if (!parts.settings.checkpoint.rewrite_kept_open || parts.wal.sample() == nullptr) return out;
  for (const wal::Shard& shard : parts.wal.sample()->shards) {
    if (shard.state == wal::ShardState::kept_open && out.size() < kMostRewrites) out.push_back(shard.key());
  }
  return out;
}

std::vector<influxdb::RewritePlan> rewrite_plans(const Parts& parts) {
  std::vector<influxdb::RewritePlan> out = parts.server.rewrites();
  const std::vector<wal::ShardKey> shards = kept_open_shards(parts);
  std::erase_if(out, [&](const influxdb::RewritePlan& plan) {
    return std::find(shards.begin(), shards.end(), plan.shard) == shards.end();
  });
  return out;
}

std::vector<influxdb::Rewrite> planned_rewrites(const Parts& parts) {
  std::vector<influxdb::Rewrite> out;
  for (influxdb::RewritePlan& plan : rewrite_plans(parts)) {
    if (plan.rewrite) out.push_back(*std::move(plan.rewrite));
  }
  return out;
}

std::vector<std::string> advice_of(const Parts& parts) {
  if (!parts.health.health()) return {};
  std::vector<std::string> out =
      policy::recommend(parts.health.by_limits(), *parts.wal.sample(), parts.decision, parts.health.not_shrinking(),
                        parts.server.rules().server, *parts.health.health());
  if (parts.vanish.standing()) out.push_back(parts.vanish.text());
  if (auto of_restart = parts.restarter.advice(parts)) out.push_back(*std::move(of_restart));
  return out;
}

}  // namespace wal_exporter::control
