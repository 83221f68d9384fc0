#include "control/target_view.h"

#include "control/situation.h"
#include "policy/gaps.h"
#include "policy/recommend.h"

namespace wal_exporter::control {
namespace {

void add_wal(const Parts& parts, view::TargetView& view) {
  view.sample = parts.wal.sample();
  view.error = parts.wal.error();
  view.last_sample_success = view.sample != nullptr && view.error.empty();
  view.watch_detail = parts.wal.watch_degraded();
  view.watch_degraded = !view.watch_detail.empty();
  if (view.sample == nullptr) return;
  const policy::Rules& rules = parts.server.rules();
  view.stale_at = view.sample->taken_at + 2 * rules.sample_interval;
  view.vanished = parts.vanish.standing();
  view.vanished_detail = parts.vanish.text();
  if (!view.vanished) view.emptied_gaps = policy::emptied_gaps(*view.sample, rules.server.version);
  for (const wal::Finding& finding : wal::findings_of(*view.sample, rules.server)) {
    view.findings.push_back({finding, describe(finding, rules.server)});
  }
  view.thresholds = policy::resolve(rules.thresholds, *view.sample);
  view.forecast = policy::forecast(parts.settings.forecast, parts.wal.history(), view.sample->pending, view.thresholds);
  view.forecast.replay_estimate_seconds =
      policy::replay_estimate(parts.settings.forecast, view.sample->replayed().bytes);
}

constexpr std::size_t kMostShards = 50;  // shown

void add_shards(const Parts& parts, view::TargetView& view) {
  if (view.sample == nullptr) return;
  std::vector<view::ShardView> others;
  for (const wal::Shard& shard : view.sample->shards) {
    const auto found = parts.shards.entries.find(shard.key());
    const bool known = found != parts.shards.entries.end();
    if (shard.state == wal::ShardState::pending && !known) continue;
    view::ShardView one;
    one.name = policy::name_of(shard.key());
    one.state = policy::to_string(shard.state);
    one.extent = shard.pending;
    if (known && found->second.state == shard.state) {
      one.failures = found->second.failures;
      one.next_try = found->second.next_try;
      one.why = found->second.why;
      if (found->second.is_failing()) ++view.failing_shards;
    } else {
      one.why = policy::why_not_counted(*view.sample, shard).why;
    }
    auto& list = shard.state == wal::ShardState::pending ? view.shards : others;
    if (list.size() < kMostShards) list.push_back(std::move(one));
  }
  for (view::ShardView& one : others) {
    if (view.shards.size() < kMostShards) view.shards.push_back(std::move(one));
  }
}

std::vector<std::string> recommendations(const Parts& parts, const view::TargetView& view, Now now) {
  std::vector<std::string> out;
  if (view.health) {
    out = policy::recommend(parts.health.by_limits(), *view.sample, parts.decision, view.not_shrinking,
                            parts.server.rules().server, *view.health);
    if (const auto& metrics = parts.server.wal_metrics()) {
      std::string differing = influxdb::differing_opinion(*metrics, *view.sample);
      if (!differing.empty()) out.push_back(std::move(differing));
    }
    if (view.node) {
      std::string differ = clocks_differ(view.node->rules, parts.server.clock_offset(now));
      if (!differ.empty()) out.push_back(std::move(differ));
      const auto more = node_recommendations(parts.settings, *view.node, view.server ? view.server->version : "",
                                             parts.memory, parts.server.clock(now));
      out.insert(out.end(), more.begin(), more.end());
    }
  }
  if (view.sample != nullptr && view.sample->uncounted.folders > 0) {
    out.push_back("Not counted: " + view.sample->uncounted.first);
  }
  if (parts.vanish.standing()) out.push_back(parts.vanish.text());
  if (view.failing_shards > 0) {
    out.push_back(count_of(view.failing_shards, "shard") + " can't be persisted, first " + view.shards.front().name +
                  ": " + view.shards.front().why);
  }
  if (view.sample != nullptr && view.sample->sequence_gaps > view.emptied_gaps) {
    out.push_back(policy::describe_missing(view.sample->sequence_gaps - view.emptied_gaps));
  }
  if (view.emptied_gaps > 0) {
    out.push_back(policy::describe_emptied(view.emptied_gaps, parts.server.rules().server.version));
  }
  if (auto advice = parts.restarter.advice(parts)) out.push_back(*std::move(advice));
  return out;
}

}  // namespace

std::shared_ptr<const view::TargetView> view_of(const Control& control, Now now) {
  const Parts& parts = control.parts();
  const policy::Rules& rules = parts.server.rules();
  const policy::Memory& memory = parts.memory;
  auto view = std::make_shared<view::TargetView>();
  view->name = parts.settings.name;
  view->wal_directory = parts.settings.wal.directory.string();
  view->version = parts.server.version();
  view->method = method_of(parts).name;
  view->health = parts.health.health();
  add_wal(parts, *view);
  add_shards(parts, *view);
  view->short_window = parts.settings.forecast.short_window;
  view->long_window = parts.settings.forecast.long_window;
  view->decision = parts.decision;
  view->request_blockers = policy::without_why(
      policy::decide_on_request(rules, memory, situation_of(parts, Asker::somebody, influxdb::NudgeMode::patient, now),
                                policy::Reason::manual, /*override_soft=*/false)
          .blockers);
  view->not_shrinking = parts.health.not_shrinking();
  if (parts.server.is_node()) view->node = node_view(parts.server.node(), view->sample.get());
  view->server = parts.server.facts();
  view->server_asked = !parts.settings.influxdb.url.empty();
  view->recommendations = recommendations(parts, *view, now);
  view->restart = parts.restarter.view_of(parts, now);
  view->running = parts.checkpointer.running();
  view->last_run = parts.checkpointer.last();
  view->last_checkpoint = memory.last_end;
  view->last_success = memory.last_success;
  view->failed = memory.failed;
  view->unverified = memory.unverified;
  view->partial = memory.partial;
  view->cooldown_until = policy::cooldown_until(rules, memory, now.wall);
  view->next_allowed = policy::next_allowed(rules, memory, now.wall);
  if (const auto until = shards_wait_until(parts, now)) {
    view->next_allowed = std::max(view->next_allowed.value_or(*until), *until);
  }
  view->cooldown = rules.cooldown;
  view->dry_run = parts.settings.dry_run;
  view->paused_until = policy::paused_until(memory, now.wall);
  view->paused = view->paused_until.has_value();
  if (view->paused) view->paused_by = memory.paused_by;
  parts.wal.count_into(view->counters);
  parts.checkpointer.count_into(view->counters);
  parts.restarter.count_into(view->counters);
  view->counters.restart_considerations = control.restart_considerations();
  view->counters.events = parts.ledger.events();
  return view;
}

std::string not_ready(const Control& control) {
  const Parts& parts = control.parts();
  if (parts.wal.finished() == 0) return parts.settings.name + ": the first sample of the WAL is still being taken";
  if (parts.server.unanswered() || (!parts.settings.influxdb.url.empty() && !parts.health.judged())) {
    return parts.settings.name + ": InfluxDB has not answered yet";
  }
  return {};
}

}  // namespace wal_exporter::control
