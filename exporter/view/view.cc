#include "view/view.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace wal_exporter::view {

Histogram::Histogram(std::vector<double> upper_bounds) : bounds(std::move(upper_bounds)), counts(bounds.size() + 1) {}

void Histogram::observe(double value) {
  if (std::isnan(value)) return;
  const auto bucket = std::lower_bound(bounds.begin(), bounds.end(), value) - bounds.begin();
  ++counts[static_cast<std::size_t>(bucket)];
  sum += value;
}

std::uint64_t Histogram::total() const {
  return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
}

Counters::Counters() {
  for (const policy::ReasonRow& reason : policy::kReasons) {
    for (const influxdb::OutcomeKind outcome : influxdb::kOutcomes) checkpoints[{reason.value, outcome}] = 0;
  }
  for (const events::TypeRow& type : events::kTypes) events[type.value] = 0;
}

bool is_newest_file_damaged(const TargetView& target) {
  return (target.sample != nullptr && target.sample->newest_file_damaged) ||
         std::any_of(target.findings.begin(), target.findings.end(),
                     [](const FindingView& found) { return found.finding.effect == wal::Effect::ends_at_write; });
}

std::shared_ptr<const View> ViewHolder::current() const {
  const MutexLock lock(mutex_);
  return view_;
}

void ViewHolder::publish(std::shared_ptr<const View> view) {
  // The old View is given up after the lock: freeing a large one takes a while.
  const MutexLock lock(mutex_);
  view_.swap(view);
}

}  // namespace wal_exporter::view
