#include "control/convert.h"

namespace wal_exporter::control {

wal::Integrity integrity_of(const settings::Target& target) {
  switch (target.wal.integrity) {
    case settings::Integrity::off:
      return wal::Integrity::off;
    case settings::Integrity::full:
      return wal::Integrity::full;
    case settings::Integrity::header:
      break;
  }
  return wal::Integrity::header;
}

policy::Rules rules_of(const settings::Target& target, wal::Generation generation, const wal::NodeRules& node) {
  policy::Rules rules;
  rules.sample_interval = target.sampling.interval;
  rules.cooldown = target.checkpoint.cooldown;
  rules.schedule = target.checkpoint.schedule;
  rules.min_free_bytes = target.checkpoint.min_free_bytes;
  rules.restart_after_failures = static_cast<std::uint32_t>(target.restart.after_failures);
  rules.restart_failure_spacing = target.restart.failure_spacing;
  rules.restart_after_blocked = target.restart.after_blocked;
  rules.thresholds.max_files = target.thresholds.max_files;
  rules.thresholds.max_bytes = target.thresholds.max_size;
  rules.thresholds.critical_files_factor = target.thresholds.critical_files_factor;
  rules.thresholds.critical_bytes_factor = target.thresholds.critical_size_factor;
  rules.thresholds.snapshot_size = node.snapshot_size;
  if (generation == wal::Generation::v3) {
    rules.min_interval = node.gen1_duration;
    rules.files_grace = std::chrono::minutes(2);
  }
  return rules;
}

policy::ForecastRules forecast_rules_of(const settings::Target& target) {
  return {target.forecast.short_window, target.forecast.long_window, target.replay.bytes_per_second};
}

void add_pause_and_windows(const settings::Target& target, const policy::Memory& memory, policy::Situation& situation) {
  const Time now = situation.now;
  if (const auto until = policy::paused_until(memory, now)) {
    situation.paused = true;
    situation.paused_detail =
        " until " + format_time(*until) + (memory.paused_by.empty() ? "" : " by " + memory.paused_by);
  }
  if (!target.checkpoint.windows.empty() && !is_inside(target.checkpoint.windows, now)) {
    const auto next = look(target.checkpoint.windows, now).until;
    situation.outside_window =
        "it is outside checkpoint.windows, " +
        (next ? "the next begins at " + format_time(*next) : std::string("and none is to come")) +
        "; a login may override it";
  }
  if (is_inside(target.maintenance, now)) {
    const auto end = look(target.maintenance, now).until;
    situation.maintenance = "it is inside a maintenance window" +
                            (end ? " until " + format_time(*end) : std::string()) + "; a login may override it";
  }
}

}  // namespace wal_exporter::control
