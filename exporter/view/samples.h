// What a target's WAL looked like over the last day: points for a chart, thinned
// to a bounded number.
//
// The last quarter of an hour is kept finely. Older points are folded into buckets
// of four minutes; each keeps its largest and its smallest point by pending bytes,
// so that the peak before a checkpoint and the valley after it stay. Pure; one
// thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "policy/health.h"
#include "wal/sample.h"

namespace wal_exporter::view {

struct SamplePoint {
  Time time{};
  // nullopt: from here on nothing was known; pending and retained then say nothing.
  std::optional<policy::Health> health;
  wal::Extent pending;
  wal::Extent retained;

  friend bool operator==(const SamplePoint&, const SamplePoint&) = default;
};

class SampleHistory {
 public:
  static constexpr Duration kSpan = std::chrono::hours(24);
  static constexpr Duration kFineSpan = std::chrono::minutes(15);
  static constexpr Duration kFineSpacing = std::chrono::seconds(5);
  static constexpr Duration kBucket = std::chrono::minutes(4);
  // Two points for each bucket of the day, and the fine points, with some room for changes of
  // health, which are kept however close they are.
  static constexpr std::size_t kMostCoarse = 2 * (kSpan / kBucket) + 2;
  static constexpr std::size_t kMostFine = 2 * (kFineSpan / kFineSpacing);

  // If the point is not after the last one, the clock was set back: later points are dropped.
  void add(SamplePoint point);
  // Nothing is known from `time` on, until the next point.
  void add_gap(Time time);

  // Oldest first: the newest `limit` of those at or after `since`.
  [[nodiscard]] std::vector<SamplePoint> points(std::optional<Time> since, std::size_t limit) const;
  [[nodiscard]] std::optional<Time> newest() const;
  [[nodiscard]] std::size_t size() const { return coarse_.size() + fine_.size(); }

  // For the state database: one line per point, after one that names the version.
  // Times are kept to the millisecond.
  [[nodiscard]] std::string to_text() const;
  [[nodiscard]] static Result<SampleHistory> from_text(std::string_view text);

 private:
  void fold(const SamplePoint& point);
  void expire();

  std::vector<SamplePoint> coarse_;  // before fine_
  std::vector<SamplePoint> fine_;
};

}  // namespace wal_exporter::view
