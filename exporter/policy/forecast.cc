#include "policy/forecast.h"

#include <algorithm>
#include <limits>

namespace wal_exporter::policy {
namespace {

constexpr double kNotInSight = std::numeric_limits<double>::infinity();
constexpr std::size_t kMostPoints = 1024;

// Peaks that differ by less are taken for the same height: a sample meets each somewhere.
constexpr double kSameHeight = 1.1;

// One dimension of what is pending, files or bytes.
struct Pending {
  const std::deque<Point>& points;
  std::uint64_t wal::Extent::*dimension;
  double value = 0;

  [[nodiscard]] double at(std::size_t index) const { return static_cast<double>(points[index].pending.*dimension); }

  // What each cut took away stood so high before it.
  struct Peaks {
    std::size_t first = 0, last = 0;
    double highest = 0;
  };
  [[nodiscard]] std::optional<Peaks> peaks() const {
    std::optional<Peaks> found;
    for (std::size_t i = 0; i + 1 < points.size(); ++i) {
      if (at(i + 1) >= at(i)) continue;
      if (!found) found = Peaks{i, i, 0};
      found->last = i;
      found->highest = std::max(found->highest, at(i));
    }
    return found;
  }

  [[nodiscard]] double seconds_until(double limit, double per_second) const {
    if (value > limit) return 0;
    const auto cuts = peaks();
    if (cuts && cuts->highest <= limit && value <= cuts->highest * kSameHeight) {
      const double rise = at(cuts->last) - at(cuts->first);
      if (at(cuts->last) <= at(cuts->first) * kSameHeight) return kNotInSight;
      return (limit - at(cuts->last)) / rise * to_seconds(points[cuts->last].time - points[cuts->first].time);
    }
    return per_second > 0 ? (limit - value) / per_second : kNotInSight;
  }
};

double eta(const GrowthHistory& history, const wal::Extent& pending, const Growth& growth, std::uint64_t files_limit,
           std::uint64_t bytes_limit) {
  const Pending files{history.points(), &wal::Extent::files, static_cast<double>(pending.files)};
  const Pending bytes{history.points(), &wal::Extent::bytes, static_cast<double>(pending.bytes)};
  return std::min(files.seconds_until(static_cast<double>(files_limit), growth.files_per_second),
                  bytes.seconds_until(static_cast<double>(bytes_limit), growth.bytes_per_second));
}

}  // namespace

void GrowthHistory::add(Point point) {
  // The clock was set back: what is known no longer forms a line.
  if (!points_.empty() && point.time < points_.back().time) points_.clear();
  // Many looks in a short time (events) must not push the old ones out.
  const bool again = !points_.empty() && point.time == points_.back().time;
  if (again || (points_.size() >= 2 &&
                point.time - points_[points_.size() - 2].time < longest_ / static_cast<int>(kMostPoints / 2))) {
    points_.pop_back();
  }
  points_.push_back(point);
  while (points_.size() > 2 && points_[1].time <= point.time - longest_) points_.pop_front();
  while (points_.size() > kMostPoints) points_.pop_front();
}

std::optional<Growth> growth(const GrowthHistory& history, Duration window) {
  const auto& points = history.points();
  if (points.size() < 2) return std::nullopt;
  const Point& last = points.back();
  const auto first =
      std::find_if(points.begin(), points.end(), [&](const Point& point) { return point.time >= last.time - window; });
  // Samples further apart than the window: the last two are what there is.
  const Point& from = &*first == &last ? points[points.size() - 2] : *first;
  const double seconds = to_seconds(last.time - from.time);
  if (seconds <= 0) return std::nullopt;
  return Growth{static_cast<double>(last.written.files - from.written.files) / seconds,
                static_cast<double>(last.written.bytes - from.written.bytes) / seconds};
}

std::string replay_text(double seconds) {
  if (seconds < 1) return "less than a second";
  return "about " + format_duration_rough(
                        std::chrono::duration_cast<Duration>(std::chrono::duration<double>(std::min(seconds, 1e9))));
}

double replay_estimate(const ForecastRules& rules, std::uint64_t bytes) {
  return static_cast<double>(bytes) / static_cast<double>(std::max<std::uint64_t>(rules.replay_bytes_per_second, 1));
}

Forecast forecast(const ForecastRules& rules, const GrowthHistory& history, const wal::Extent& pending,
                  const Thresholds& thresholds) {
  Forecast out;
  out.short_window = growth(history, rules.short_window);
  out.long_window = growth(history, rules.long_window);
  out.replay_estimate_seconds = replay_estimate(rules, pending.bytes);
  if (out.short_window) {
    out.warning_eta_seconds =
        eta(history, pending, *out.short_window, thresholds.warning_files, thresholds.warning_bytes);
    out.critical_eta_seconds =
        eta(history, pending, *out.short_window, thresholds.critical_files, thresholds.critical_bytes);
  }
  return out;
}

}  // namespace wal_exporter::policy
