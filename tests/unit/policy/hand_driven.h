// A target driven by hand: does with the policy what app does, at times the test
// says. Times are durations after kStart.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "policy/engine.h"

namespace wal_exporter::policy {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::nanoseconds;
using std::chrono::seconds;

// 2026-01-01T00:00:00Z
inline constexpr Time kStart{seconds(1'767'225'600)};

inline wal::Sample sample_of(wal::Extent pending, Duration taken) {
  wal::Sample sample;
  sample.taken_at = kStart + taken;
  sample.pending = pending;
  sample.filesystem_avail_bytes = 100 * kGiB;
  sample.data_filesystem_avail_bytes = 100 * kGiB;
  return sample;
}

// A node with snapshots of 20 files: S, F, G, kept files, lookback.
inline constexpr wal::NodeRules kRules{20, std::chrono::seconds(1), std::chrono::minutes(10), 300,
                                       std::chrono::seconds(2'630'016)};

// At the default limits: 30 files or 1 GiB, 60 files or 3 GiB.
inline constexpr wal::Extent kHealthy{5, 1000};
inline constexpr wal::Extent kWarning{31, 1000};
inline constexpr wal::Extent kCritical{61, 1000};

struct HandDriven {
  Rules rules;
  Memory memory;
  std::optional<wal::Sample> sample;
  Situation situation;

  void take_sample(const wal::Sample& seen) {
    sample = seen;
    memory = observe(rules, std::move(memory), *sample, sample->taken_at);
  }
  void take_sample(wal::Extent pending, Duration now) { take_sample(sample_of(pending, now)); }

  [[nodiscard]] Health health() const { return memory.levels.value().worse(); }

  [[nodiscard]] Situation at(Duration now) const {
    Situation out = situation;
    out.now = kStart + now;
    out.sample = sample ? &*sample : nullptr;
    return out;
  }
  [[nodiscard]] Decision decide(Duration now) const { return policy::decide(rules, memory, at(now)); }
  [[nodiscard]] Decision request(Duration now, bool override_soft = false, Reason reason = Reason::manual) const {
    return decide_on_request(rules, memory, at(now), reason, override_soft);
  }

  void start(Duration now) { memory = after_start(std::move(memory), kStart + now); }
  void end(const Ended& ended, Duration now, double jitter = 0) {
    memory = after_end(rules, std::move(memory), ended, kStart + now, jitter);
  }
  // `count` failures, all ending at `now`.
  void fail(int count, Duration now, Reason reason = Reason::warning) {
    for (int i = 0; i < count; ++i) end({.reason = reason}, now);
  }
};

}  // namespace wal_exporter::policy
