#include "view/json.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/text.h"

namespace wal_exporter::view {
namespace {

using Json = nlohmann::ordered_json;

Json text(std::string_view value) {
  return to_valid_utf8(value);
}

Json text_or_null(std::string_view value) {
  return value.empty() ? Json(nullptr) : text(value);
}

Json time(Time value) {
  return format_time(value);
}

Json time(const std::optional<Time>& value) {
  return value ? time(*value) : Json(nullptr);
}

// JSON has no infinity.
Json number(double value) {
  return std::isfinite(value) ? Json(value) : Json(nullptr);
}

Json number(const std::optional<double>& value) {
  return value ? number(*value) : Json(nullptr);
}

Json texts(const std::vector<std::string>& values) {
  Json out = Json::array();
  for (const auto& value : values) out.push_back(text(value));
  return out;
}

Json extent(const wal::Extent& value) {
  return {{"files", value.files}, {"bytes", value.bytes}};
}

Json rewrites(const std::vector<influxdb::RewritePlan>& plans) {
  Json out = Json::array();
  for (const auto& [shard, rewrite, why_not] : plans) {
    Json one{{"shard", text(shard.database + "/" + shard.retention_policy + "/" + std::to_string(shard.id))},
             {"measurement", nullptr},
             {"tags", nullptr},
             {"field", nullptr},
             {"time", nullptr},
             {"why_not", text_or_null(why_not)}};
    if (rewrite) {
      one["measurement"] = text(rewrite->point.measurement);
      one["tags"] = Json::object();
      for (const auto& [key, value] : rewrite->point.tags) {
        if (!value.empty()) one["tags"][to_valid_utf8(key)] = text(value);
      }
      one["field"] = text(rewrite->point.field);
      one["time"] = time(Time(std::chrono::duration_cast<Duration>(std::chrono::nanoseconds(rewrite->point.time))));
    }
    out.push_back(std::move(one));
  }
  return out;
}

Json pending(const wal::Sample& sample) {
  Json out = extent(sample.pending);
  out["oldest_time"] = time(sample.oldest_pending);
  return out;
}

Json snapshot(const std::optional<wal::Snapshot>& value) {
  if (!value) return nullptr;
  return {
      {"sequence", value->sequence}, {"wal_file_sequence", value->wal_file_sequence}, {"time", time(value->written)}};
}

Json invalid(const std::vector<wal::InvalidFile>& files) {
  Json out = Json::array();
  for (const auto& file : files) {
    out.push_back({{"file", text(file.file)},
                   {"reason", text(wal::to_string(file.reason))},
                   {"newest", file.newest},
                   {"detail", text(file.detail)}});
  }
  return out;
}

Json vanished(const TargetView& target) {
  if (!target.vanished) return nullptr;
  Json out = extent(target.vanished->extent);
  out["last_seen"] = time(target.vanished->last_seen);
  out["missed"] = time(target.vanished->missed);
  out["detail"] = text(target.vanished_detail);
  return out;
}

Json findings(const std::vector<FindingView>& values) {
  Json out = Json::array();
  for (const auto& [finding, words] : values) {
    out.push_back({{"reason", text(wal::to_string(finding.reason))},
                   {"effect", text(wal::to_string(finding.effect))},
                   {"files", finding.files},
                   {"first", text(finding.first.file)},
                   {"text", text(words)}});
  }
  return out;
}

Json thresholds(const policy::Thresholds& value) {
  return {{"warning_files", value.warning_files},
          {"critical_files", value.critical_files},
          {"warning_bytes", value.warning_bytes},
          {"critical_bytes", value.critical_bytes}};
}

Json growth(const std::optional<policy::Growth>& value) {
  if (!value) return nullptr;
  return {{"files_per_second", number(value->files_per_second)}, {"bytes_per_second", number(value->bytes_per_second)}};
}

Json forecast(const policy::Forecast& value) {
  return {{"growth_short", growth(value.short_window)},
          {"growth_long", growth(value.long_window)},
          {"warning_eta_seconds", number(value.warning_eta_seconds)},
          {"critical_eta_seconds", number(value.critical_eta_seconds)},
          {"replay_estimate_seconds", number(value.replay_estimate_seconds)}};
}

Json decision(const policy::Decision& value) {
  return {{"action", text(policy::to_string(value.action))},
          {"reason", value.reason ? text(policy::to_string(*value.reason)) : Json(nullptr)},
          {"blockers", policy::names(value.blockers)},
          {"explanation", text(value.explanation())},
          {"why", text(value.why)},
          {"blocked_by", to_json(value.blockers)}};
}

Json checkpoint(const TargetView& target, Time now) {
  return {{"in_progress", target.running.has_value()},
          {"last_checkpoint", time(target.last_checkpoint)},
          {"last_success", time(target.last_success)},
          {"next_allowed", time(target.next_allowed)},
          {"cooldown_remaining_ms", cooldown_remaining_ms(target, now)},
          {"method", text_or_null(target.method)},
          {"running", target.running ? to_json(*target.running) : Json(nullptr)},
          {"last_run", target.last_run ? to_json(*target.last_run) : Json(nullptr)}};
}

Json server(const TargetView& target) {
  if (!target.server) return nullptr;
  const auto& facts = *target.server;
  return {{"up", facts.up},
          {"version", text_or_null(facts.version)},
          {"build", text_or_null(facts.build)},
          {"clock_offset_seconds", facts.clock_offset ? number(to_seconds(*facts.clock_offset)) : Json(nullptr)},
          {"error", text_or_null(facts.error)},
          {"asked_at", time(facts.asked_at)}};
}

Json not_shrinking(const std::optional<policy::NotShrinking>& value) {
  if (value && value->expected) return nullptr;
  if (!value) return nullptr;
  return {{"cause", text(policy::to_string(value->cause))},
          {"file", value->file ? text(wal::node_wal_name(*value->file)) : Json(nullptr)},
          {"since", time(value->since)},
          {"detail", text(value->detail)}};
}

Json node(const std::optional<NodeView>& value) {
  if (!value) return nullptr;
  Json budget = nullptr;
  if (value->budget) {
    budget = {{"limit", value->budget->limit},
              {"remaining", value->budget->remaining},
              {"floor", value->budget->floor},
              {"days_left", number(value->budget->days_left)}};
  }
  return {{"snapshot_size", value->rules.snapshot_size},
          {"snapshot_size_from", value->snapshot_size_from},
          {"flush_interval_seconds", number(to_seconds(value->rules.flush_interval))},
          {"flush_interval_from", value->flush_interval_from},
          {"gen1_duration_seconds", number(to_seconds(value->rules.gen1_duration))},
          {"gen1_duration_from", value->gen1_duration_from},
          {"kept_files", value->rules.kept_files},
          {"kept_files_from", value->kept_files_from},
          {"snapshot_budget", std::move(budget)},
          {"warnings", texts(value->warnings)}};
}

Json restart(const RestartView& value) {
  Json last = nullptr;
  if (value.last) {
    last = {{"time", time(value.last->time)}, {"success", value.last->success}, {"message", text(value.last->message)}};
  }
  return {{"enabled", value.enabled},
          {"method", text_or_null(value.method)},
          {"state", to_string(value.state)},
          {"last", std::move(last)},
          {"remaining_today", value.remaining_today}};
}

bool too_old(const TargetView& target, Time now) {
  return target.stale_at && *target.stale_at < now;
}

}  // namespace

std::optional<policy::Health> health_at(const TargetView& target, Time now) {
  if (target.sample == nullptr || too_old(target, now)) return std::nullopt;
  return target.health;
}

std::string unknown_reason(const TargetView& target, Time now) {
  if (health_at(target, now)) return {};
  std::string out;
  if (target.sample == nullptr) {
    out = "no sample of the WAL has been taken yet";
  } else {
    const auto age = std::max(Duration::zero(), Duration(now - target.sample->taken_at));
    out = "the last sample of the WAL is " + format_duration_rough(age) + " old";
  }
  if (!target.error.empty()) out += ": " + to_valid_utf8(target.error);
  return out;
}

std::int64_t cooldown_remaining_ms(const TargetView& target, Time now) {
  if (!target.cooldown_until || *target.cooldown_until <= now) return 0;
  // If the clock was set back since the view was made, no more than the cooldown is left.
  return std::chrono::ceil<std::chrono::milliseconds>(std::min(*target.cooldown_until - now, target.cooldown)).count();
}

namespace {

Json shards(const std::vector<ShardView>& all) {
  Json out = Json::array();
  for (const ShardView& shard : all) {
    out.push_back({{"shard", text(shard.name)},
                   {"state", text(shard.state)},
                   {"files", shard.extent.files},
                   {"bytes", shard.extent.bytes},
                   {"failures", shard.failures},
                   {"next_try", time(shard.next_try)},
                   {"why", text_or_null(shard.why)}});
  }
  return out;
}

}  // namespace

Json to_json(const TargetView& target, Time now) {
  const wal::Sample* sample = target.sample.get();
  const auto known = [sample](auto value) { return sample != nullptr ? Json(value(*sample)) : Json(nullptr); };
  const auto reason = unknown_reason(target, now);

  Json out;
  out["name"] = text(target.name);
  out["version"] = text_or_null(std::string(wal::to_string(target.version)));
  out["health"] = text(policy::to_string(health_at(target, now)));
  out["pending"] = known([](const auto& s) { return pending(s); });
  out["retained"] = known([](const auto& s) { return extent(s.retained); });
  out["snapshot"] = known([](const auto& s) { return snapshot(s.snapshot); });
  out["max_data_time"] = known([](const auto& s) { return time(s.max_data_time); });
  out["invalid"] = known([](const auto& s) { return invalid(s.invalid); });
  out["sequence_gaps"] = known([&](const auto& s) { return Json(s.sequence_gaps - target.emptied_gaps); });
  out["not_shrinking"] = not_shrinking(target.not_shrinking);
  out["thresholds"] = thresholds(target.thresholds);
  out["recommendations"] = texts(target.recommendations);
  out["decision"] = decision(target.decision);
  out["checkpoint"] = checkpoint(target, now);
  out["sampled_at"] = known([](const auto& s) { return time(s.taken_at); });
  out["error"] = text_or_null(target.error.empty() ? reason : target.error);
  out["kept_open"] = known([](const auto& s) { return extent(s.kept_open); });

  out["wal_directory"] = text(target.wal_directory);
  out["failing_shards"] = target.failing_shards;
  out["shards"] = shards(target.shards);
  out["newest_file_time"] = known([](const auto& s) { return time(s.newest_file); });
  out["newest_file_damaged"] = sample != nullptr ? Json(is_newest_file_damaged(target)) : Json(nullptr);
  out["filesystem_avail_bytes"] =
      known([](const auto& s) { return s.filesystem_avail_bytes ? Json(*s.filesystem_avail_bytes) : Json(nullptr); });
  out["unknown"] = known([](const auto& s) { return invalid(s.unknown); });
  out["findings"] = findings(target.findings);
  out["data_filesystem_avail_bytes"] = known([](const auto& s) {
    return s.data_filesystem_avail_bytes ? Json(*s.data_filesystem_avail_bytes) : Json(nullptr);
  });
  out["uncounted_folders"] = sample != nullptr ? Json(target.uncounted_folders()) : Json(nullptr);
  out["notes"] = known([](const auto& s) { return texts(s.notes); });
  out["emptied_gaps"] = target.emptied_gaps;
  out["vanished"] = vanished(target);
  out["stale_at"] = time(target.stale_at);
  out["forecast"] = forecast(target.forecast);
  out["server"] = server(target);
  out["node"] = node(target.node);
  out["restart"] = restart(target.restart);
  out["watch_degraded"] = target.watch_degraded;
  out["watch_detail"] = text_or_null(target.watch_detail);
  out["paused"] = target.paused;
  out["paused_until"] = time(target.paused_until);
  out["paused_by"] = text_or_null(target.paused_by);
  out["dry_run"] = target.dry_run;
  return out;
}

Json to_json(const View& view, Time now) {
  Json targets = Json::array();
  for (const auto& target : view.targets) targets.push_back(to_json(*target, now));
  Json out;
  out["targets"] = std::move(targets);
  return out;
}

Json to_json(const CheckpointRun& run) {
  Json out;
  out["id"] = run.id;
  out["state"] = run.ended ? "ended" : "running";
  out["reason"] = text(policy::to_string(run.reason));
  out["outcome"] = run.outcome ? text(influxdb::to_string(run.outcome->kind)) : Json(nullptr);
  out["message"] = run.outcome ? text(run.outcome->message) : Json(nullptr);
  out["started"] = time(run.started);
  out["ended"] = time(run.ended);
  out["duration_seconds"] = run.outcome ? number(to_seconds(run.outcome->elapsed)) : Json(nullptr);
  out["reclaimed"] = run.outcome ? extent(run.outcome->reclaimed) : Json(nullptr);
  out["steps"] = run.outcome ? Json(run.outcome->steps) : Json(nullptr);
  return out;
}

Json to_json(const state::AuditEntry& entry) {
  Json detail = Json::parse(entry.detail, nullptr, /*allow_exceptions=*/false);
  if (detail.is_discarded()) detail = text_or_null(entry.detail);
  Json out;
  out["id"] = entry.id;
  out["time"] = time(entry.time);
  out["target"] = text(entry.target);
  out["kind"] = text(entry.kind);
  out["summary"] = text(entry.summary);
  out["detail"] = std::move(detail);
  return out;
}

Json event_sample_json(const wal::Sample& sample) {
  return {{"sampled_at", time(sample.taken_at)},
          {"pending", pending(sample)},
          {"retained", extent(sample.retained)},
          {"snapshot", snapshot(sample.snapshot)},
          {"max_data_time", time(sample.max_data_time)}};
}

Json to_json(const SamplePoint& point) {
  const auto known = [&](std::uint64_t value) { return point.health ? Json(value) : Json(nullptr); };
  return {{"time", time(point.time)},
          {"pending_files", known(point.pending.files)},
          {"pending_bytes", known(point.pending.bytes)},
          {"retained_files", known(point.retained.files)},
          {"retained_bytes", known(point.retained.bytes)},
          {"health", text(policy::to_string(point.health))}};
}

Json to_json(const std::vector<policy::Blocked>& blockers) {
  Json out = Json::array();
  for (const policy::Blocked& blocked : blockers) {
    Json one{{"blocker", policy::to_string(blocked.blocker)}, {"why", text(blocked.why)}};
    if (blocked.until) one["until"] = time(blocked.until);
    out.push_back(std::move(one));
  }
  return out;
}

Json to_json(const CheckpointPlan& plan) {
  Json out;
  out["target"] = text(plan.target);
  out["method"] = text(plan.method);
  out["mode"] = text(plan.mode);
  out["goal"] = plan.goal;
  out["points"] = plan.points;
  out["duration_seconds"] = number(plan.duration_seconds);
  out["not_before"] = time(plan.not_before);
  out["snapshot_budget_remaining"] =
      plan.snapshot_budget_remaining ? Json(*plan.snapshot_budget_remaining) : Json(nullptr);
  out["rewrites"] = rewrites(plan.rewrites);
  out["blockers"] = policy::names(plan.blockers);
  out["explanation"] = text(policy::explain(plan.why, plan.blockers));
  out["why"] = text(plan.why);
  out["blocked_by"] = to_json(plan.blockers);
  return out;
}

Json to_json(const PauseAnswer& answer) {
  Json out;
  out["success"] = true;
  out["timestamp"] = time(answer.timestamp);
  out["message"] = text(answer.message);
  out["paused"] = answer.until.has_value();
  out["paused_until"] = time(answer.until);
  return out;
}

Json to_json(const PrepareRestartAnswer& answer) {
  Json out;
  out["success"] = answer.safe;
  out["timestamp"] = time(answer.timestamp);
  out["message"] = text(answer.message);
  out["safe"] = answer.safe;
  out["pending"] = extent(answer.pending);
  out["kept_open"] = extent(answer.kept_open);
  out["replay_estimate_seconds"] = number(answer.replay_estimate_seconds);
  out["blockers"] = policy::names(answer.blockers);
  out["run"] = answer.run ? to_json(*answer.run) : Json(nullptr);
  return out;
}

Json to_json(const events::HookStatus& hook) {
  Json receivers = Json::array();
  for (const std::string& receiver : hook.receivers) receivers.push_back(text(receiver));
  Json out;
  out["name"] = text(hook.name);
  out["type"] = events::to_string(hook.type);
  out["receivers"] = std::move(receivers);
  out["deliveries"] = hook.deliveries;
  out["failures"] = hook.failures;
  out["dropped"] = hook.dropped;
  out["queue_length"] = hook.queue_length;
  out["last_error"] = text_or_null(hook.last_error);
  out["last_error_at"] = time(hook.last_error_at);
  out["last_success"] = time(hook.last_success);
  return out;
}

}  // namespace wal_exporter::view
