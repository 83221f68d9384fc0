// Views to render in the tests: one of which as little as possible is known, and
// one of which everything is.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "view/view.h"

namespace wal_exporter::metrics {

inline Time at(double unix_seconds) {
  return Time(std::chrono::round<Duration>(std::chrono::duration<double, std::milli>(unix_seconds * 1000)));
}

// Before the first sample, without a url.
inline view::TargetView unknown_target(std::string name = "plant") {
  view::TargetView target;
  target.name = std::move(name);
  return target;
}

// InfluxDB 3, looked at, asked, growing, blocked and running a checkpoint.
inline view::TargetView full_target(std::string name = "plant") {
  auto sample = std::make_shared<wal::Sample>();
  sample->taken_at = at(1769769000.125);
  sample->layout = wal::Layout::node;
  sample->pending = {12, 3400};
  sample->retained = {300, 900'000};
  sample->oldest_pending = at(1769768000);
  sample->newest_file = at(1769768999.5);
  sample->max_data_time = at(1769768998);
  sample->invalid = {{"wal/00000000004.wal", wal::InvalidReason::empty, false, ""},
                     {"wal/00000000005.wal", wal::InvalidReason::empty, false, ""},
                     {"wal/00000000007.wal", wal::InvalidReason::checksum, true, ""}};
  sample->newest_file_damaged = true;
  sample->sequence_gaps = 2;
  sample->filesystem_avail_bytes = 5'000'000'000;
  sample->data_filesystem_avail_bytes = 7'000'000'000;
  sample->uncounted.folders = 3;
  sample->snapshot_files = 17;
  sample->snapshot = wal::Snapshot{17, 88, at(1769767000)};
  sample->written = {40, 8000};

  view::TargetView target = unknown_target(std::move(name));
  target.health = policy::Health::warning;
  target.last_sample_success = true;
  target.thresholds = {900, 1800, 1 << 30, std::uint64_t{3} << 30};
  target.forecast.short_window = policy::Growth{0.5, 1024.25};
  target.forecast.long_window = policy::Growth{-0.25, -512};
  target.forecast.warning_eta_seconds = 0;
  target.forecast.critical_eta_seconds = 3600.5;
  target.forecast.replay_estimate_seconds = 1.75;
  target.decision.blockers = {{policy::Blocker::in_flight, "running"}, {policy::Blocker::cooldown, "too soon"}};
  target.node.emplace();
  target.node->budget.emplace();
  target.node->budget->limit = 100;
  target.node->budget->remaining = 83;
  target.not_shrinking.emplace();
  target.not_shrinking->cause = policy::Cause::future_data;
  target.server_asked = true;
  target.server.emplace();
  target.server->up = true;
  target.server->clock_offset = std::chrono::seconds(-3);
  target.running.emplace();
  target.last_checkpoint = at(1769766000.001);
  target.last_success = at(1769765000);
  target.next_allowed = at(1769769300);
  target.watch_degraded = true;
  target.paused = true;
  target.counters.samples = 5;
  target.counters.sample_failures = 1;
  target.counters.written = sample->written;
  target.counters.checkpoints[{policy::Reason::manual, influxdb::OutcomeKind::succeeded}] = 4;
  target.counters.reclaimed = {90, 70'000};
  target.counters.restart_considerations = 2;
  target.counters.restarts = 1;
  target.counters.restart_failures = 1;
  target.counters.events[events::Type::checkpoint] = 9;
  target.counters.sample_duration.observe(0.002);
  target.counters.checkpoint_duration.observe(1.5);
  target.sample = std::move(sample);
  return target;
}

inline view::View view_of(view::TargetView target) {
  view::View view;
  view.targets.push_back(std::make_shared<const view::TargetView>(std::move(target)));
  view.last_reload_success = at(1769760000);
  return view;
}

// The same with a hook.
inline view::View full_view(view::TargetView target) {
  view::View view = view_of(std::move(target));
  events::HookStatus hook;
  hook.name = "ops";
  hook.type = events::HookType::slack;
  hook.deliveries = 5;
  hook.failures = 4;
  hook.dropped = 3;
  hook.queue_length = 2;
  view.hooks.push_back(std::move(hook));
  return view;
}

}  // namespace wal_exporter::metrics
