// How fast the WAL is written, the time left to each limit, and how long a restart would
// replay. Pure; safe from any thread.
//
// Growth is what was written, not what is left of it: a snapshot or a checkpoint takes away
// what is pending, and slows down nobody who writes.
#pragma once

#include <deque>
#include <optional>

#include "base/time.h"
#include "policy/health.h"
#include "policy/rules.h"
#include "wal/sample.h"

namespace wal_exporter::policy {

struct Point {
  Time time{};
  wal::Extent pending;
  wal::Extent written;  // since any moment, the same for all points; never falls
};

// Points of the past, oldest first, no longer than the longest window.
class GrowthHistory {
 public:
  explicit GrowthHistory(Duration longest) : longest_(longest) {}

  void add(Point point);
  void clear() { points_.clear(); }
  [[nodiscard]] const std::deque<Point>& points() const { return points_; }

 private:
  Duration longest_;
  std::deque<Point> points_;
};

struct Growth {
  double files_per_second = 0;
  double bytes_per_second = 0;
};

// What was written between the first point inside the window and the last; nullopt with
// fewer than two points or no time between them.
[[nodiscard]] std::optional<Growth> growth(const GrowthHistory& history, Duration window);

struct Forecast {
  std::optional<Growth> short_window;
  std::optional<Growth> long_window;
  // Seconds until the level is reached by count or by size, whichever is first;
  // 0 where it has been, +Inf where it is not in sight, nullopt until growth is known. What is
  // pending may be cut down again and again, by the server or by checkpoints: while it stays
  // about where those cuts kept it before, it is their peaks that would have to reach the level.
  std::optional<double> warning_eta_seconds;
  std::optional<double> critical_eta_seconds;
  double replay_estimate_seconds = 0;
};

// Seconds that a restart takes to replay as much.
[[nodiscard]] double replay_estimate(const ForecastRules& rules, std::uint64_t bytes);

// "less than a second", "about 8m 20s".
[[nodiscard]] std::string replay_text(double seconds);

[[nodiscard]] Forecast forecast(const ForecastRules& rules, const GrowthHistory& history, const wal::Extent& pending,
                                const Thresholds& thresholds);

}  // namespace wal_exporter::policy
