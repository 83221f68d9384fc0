// What a run is about, drawn from its seed: which InfluxDB, how it is written to, how
// the exporter is set, and how often what goes wrong. Values; any thread.
#pragma once

#include <cstdint>

#include "base/time.h"
#include "random.h"
#include "settings/settings.h"
#include "wal/generation.h"
#include "wal/node_rules.h"

namespace wal_exporter::simulation {

using wal::Generation;

struct Load {
  Duration gap{};             // between two writes by day; four times that by night
  std::uint64_t bytes = 0;    // of one write
  Duration between_bursts{};  // then ten times as often for up to half an hour
  bool pauses = false;        // nothing is written for hours now and then
};

// 1.x and 2.x.
struct SegmentsOptions {
  std::uint64_t shards = 1;
  std::uint64_t cache_bytes = 0;        // a shard with more is snapshotted
  Duration cold_after{};                // or one that was not written to for so long
  std::uint64_t replay_per_second = 0;  // bytes
  std::uint64_t own_disk_bytes = 0;     // of a disk for the WAL alone; 0: it lies where the data does
  bool keeps_open_segment = false;      // 1.x up to 1.7: what was open before a start stays until a write
  bool has_orphan = false;              // a folder of a dropped shard
  bool has_unpersistable = false;       // every snapshot of one shard fails
};

// 3.x.
struct NodeOptions {
  wal::NodeRules rules;
  std::uint64_t buffer_bytes = 0;  // more than that pending: all is snapshotted (rule 5)
  Duration replay_of_a_file{};
};

struct Scenario {
  Generation generation = Generation::v1;
  Load load;
  SegmentsOptions segments;
  NodeOptions node;
  Duration server_clock_ahead{};          // negative: behind
  bool watched = false;                   // changes in the directory are told
  Duration between_faults{};              // in a storm
  Duration between_requests{};            // of people and alert senders, in a storm
  std::uint64_t killed_in_a_million = 0;  // effects before which our process is killed
};

[[nodiscard]] Scenario draw_scenario(Random& random);
// What somebody may set for it; another draw is another reload.
[[nodiscard]] settings::Target draw_settings(const Scenario& scenario, Random& random);

}  // namespace wal_exporter::simulation
