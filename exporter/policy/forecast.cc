#include "policy/forecast.h"

#include <algorithm>
#include <limits>

namespace wal_exporter::policy {
namespace {

constexpr double kNotInSight = std::numeric_limits<double>::infinity();
constexpr std::size_t kMostPoints = 4096;

double seconds_until(double value, double limit, double per_second) {
  if (value > limit) return 0;
  return per_second > 0 ? (limit - value) / per_second : kNotInSight;
}

double eta(const wal::Extent& pending, const Growth& growth, std::uint64_t files_limit, std::uint64_t bytes_limit) {
  return std::min(
      seconds_until(static_cast<double>(pending.files), static_cast<double>(files_limit), growth.files_per_second),
      seconds_until(static_cast<double>(pending.bytes), static_cast<double>(bytes_limit), growth.bytes_per_second));
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
  const auto difference = [&](std::uint64_t a, std::uint64_t b) {
    return static_cast<double>(b) - static_cast<double>(a);
  };
  return Growth{difference(from.pending.files, last.pending.files) / seconds,
                difference(from.pending.bytes, last.pending.bytes) / seconds};
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
    out.warning_eta_seconds = eta(pending, *out.short_window, thresholds.warning_files, thresholds.warning_bytes);
    out.critical_eta_seconds = eta(pending, *out.short_window, thresholds.critical_files, thresholds.critical_bytes);
  }
  return out;
}

}  // namespace wal_exporter::policy
