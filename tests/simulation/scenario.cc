#include "scenario.h"

#include "base/bytes.h"

namespace wal_exporter::simulation {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

// A Window that is open from `from` for `length`, every day.
Window daily(Random& random, Duration least, Duration most) {
  DailyWindow window;
  window.days.set();
  const auto length = std::chrono::duration_cast<minutes>(random.between(least, most));
  window.from = minutes(random.below(24 * 60));
  window.to = (window.from + length) % minutes(24 * 60);
  return {window, Zone()};
}

void draw_thresholds(const Scenario& scenario, Random& random, policy::ThresholdRules& thresholds) {
  if (random.coin()) thresholds.max_bytes = random.between(4, 200) * kMiB;
  if (random.coin()) return;
  const std::uint64_t s = scenario.node.rules.snapshot_size;
  thresholds.max_files =
      scenario.generation == Generation::v3 ? random.between(s / 2, s + s / 2) : random.between(4, 40);
}

void draw_restart(Random& random, settings::Target& target) {
  policy::RestartRules& restart = target.rules.restart;
  if (random.below(3) == 0) return;
  restart.enabled = true;
  target.restart.method = actions::Way::command;
  target.restart.command.arguments = {"/usr/bin/restart"};
  restart.after_failures = random.between(1, 4);
  restart.failure_spacing = minutes(random.between(1, 10));
  restart.after_blocked = minutes(random.between(5, 60));
  restart.allow_v3 = random.coin();
  restart.unprepared = random.coin();
  restart.max_per_day = random.between(1, 3);
  restart.ready_timeout = minutes(random.between(5, 30));
}

}  // namespace

Scenario draw_scenario(Random& random) {
  Scenario scenario;
  const Generation generations[] = {Generation::v1, Generation::v1, Generation::v1, Generation::v2, Generation::v3};
  scenario.generation = random.one_of(generations);
  scenario.load.gap = random.between(seconds(20), minutes(4));
  scenario.load.bytes = random.between(4, 4096) * kKiB;
  scenario.load.between_bursts = random.between(hours(3), hours(48));
  scenario.load.pauses = random.coin();

  const std::uint64_t caches[] = {25 * kMiB, 256 * kMiB, 2 * kGiB};
  const Duration colds[] = {minutes(10), hours(4), hours(24 * 365)};
  scenario.segments.shards = random.between(1, 12);
  scenario.segments.cache_bytes = random.one_of(caches);
  scenario.segments.cold_after = random.one_of(colds);
  scenario.segments.replay_per_second = random.between(1, 45) * kMiB;
  scenario.segments.keeps_open_segment = random.below(3) == 0;
  scenario.segments.has_orphan = random.below(3) == 0;
  scenario.segments.has_unpersistable = random.below(3) == 0;

  const std::uint64_t sizes[] = {10, 20, 20, 20, 60, 60, 60, 120, 600};
  const Duration generations_of_data[] = {minutes(1), minutes(10), minutes(10), minutes(10), minutes(10), hours(1)};
  wal::NodeRules& rules = scenario.node.rules;
  rules.snapshot_size = random.one_of(sizes);
  // So that 3 x S points stay within checkpoint.nudge.max_duration (45 min).
  rules.flush_interval =
      rules.snapshot_size > 100 ? Duration(seconds(1)) : random.between(milliseconds(100), seconds(9));
  rules.gen1_duration = random.one_of(generations_of_data);
  rules.kept_files = random.between(0, 300);
  if (random.coin()) rules.lookback = kDay * random.between(1, 31);
  scenario.node.buffer_bytes = random.between(256, 4096) * kMiB;
  scenario.node.replay_of_a_file = milliseconds(random.between(2, 50));

  if (random.below(4) == 0) scenario.segments.own_disk_bytes = random.between(40, 4096) * kMiB;
  if (random.below(4) == 0) {
    scenario.server_clock_ahead = random.between(Duration(seconds(1)), Duration(minutes(30)));
    if (random.coin()) scenario.server_clock_ahead = -scenario.server_clock_ahead;
  }
  scenario.watched = random.below(4) == 0;
  scenario.between_faults = random.between(minutes(10), hours(6));
  scenario.between_requests = random.between(minutes(10), hours(8));
  scenario.killed_in_a_million = random.coin() ? 0 : random.between(50, 2000);
  return scenario;
}

settings::Target draw_settings(const Scenario& scenario, Random& random) {
  settings::Target target;
  target.name = "plant";
  target.wal.directory = "/wal";
  const bool fixed = random.coin();
  switch (scenario.generation) {
    case Generation::unknown:
      break;
    case Generation::v1:
      target.influxdb.backup_address = "server:8088";
      if (fixed) target.influxdb.version = wal::Generation::v1;
      if (random.below(4) == 0) target.influxdb.url = "http://server:8086";
      break;
    case Generation::v2:
      target.influxdb.url = "http://server:8086";
      target.influxdb.token_file = "token";
      if (fixed) target.influxdb.version = wal::Generation::v2;
      break;
    case Generation::v3:
      target.influxdb.url = "http://server:8181";
      target.influxdb.token_file = "token";
      if (fixed) target.influxdb.version = wal::Generation::v3;
      if (random.coin()) target.influxdb.snapshot_size = scenario.node.rules.snapshot_size;
      target.checkpoint.nudge.enabled = random.below(8) != 0;
      break;
  }
  const Duration intervals[] = {minutes(2), minutes(2), minutes(1), minutes(10)};
  target.rules.sample_interval = random.one_of(intervals);
  target.watch = scenario.watched;
  draw_thresholds(scenario, random, target.rules.thresholds);
  target.rules.cooldown = random.between(Duration(minutes(1)), Duration(minutes(20)));
  if (random.below(4) == 0) {
    target.rules.schedule.reset();
  } else {
    target.rules.schedule = random.between(Duration(minutes(5)), Duration(hours(2)));
  }
  if (random.below(6) == 0) target.checkpoint.windows = {daily(random, hours(2), hours(20))};
  if (random.below(6) == 0) target.maintenance = {daily(random, minutes(10), hours(6))};
  target.dry_run = random.below(20) == 0;
  draw_restart(random, target);
  return target;
}

}  // namespace wal_exporter::simulation
