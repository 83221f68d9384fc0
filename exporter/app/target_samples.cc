// The part of Target that keeps samples for charts, also across restarts.
#include <functional>
#include <utility>

#include "app/target.h"

namespace wal_exporter::app {
namespace {

constexpr const char* kSamplesKey = "samples";
// What is lost where this process is killed; each write is some ten kilobytes.
constexpr Duration kSaveInterval = std::chrono::minutes(5);

}  // namespace

std::vector<view::SamplePoint> Target::samples(std::optional<Time> since, std::size_t limit) const {
  const MutexLock lock(mutex_);
  return samples_.points(since, limit);
}

void Target::restore_samples() {
  // Not all targets at the same moment.
  const auto share = static_cast<std::int64_t>(std::hash<std::string>()(settings_.name) % 1000);
  next_samples_save_ = services_.clock->steady() + kSaveInterval + kSaveInterval * share / 1000;
  const auto stored = services_.store->get(settings_.name, kSamplesKey);
  // What the store can't give is told where its other value is read.
  if (!stored || !*stored) return;
  auto samples = view::SampleHistory::from_text(**stored);
  if (!samples) {
    services_.log->error("{}; the chart starts anew [{}]", samples.error().message, settings_.name);
    return;
  }
  samples_ = *std::move(samples);
  samples_saved_ = samples_.newest();
  // Nobody looked while this process was not there.
  const auto gap = samples_saved_ ? *samples_saved_ + 2 * settings_.sampling.interval : Time{};
  if (samples_saved_ && gap < services_.clock->now()) samples_.add_gap(gap);
}

void Target::remember_samples(bool at_once) {
  const SteadyTime steady = services_.clock->steady();
  if (!acts_unasked_ || samples_.newest() == samples_saved_ || (!at_once && steady < next_samples_save_)) return;
  next_samples_save_ = steady + kSaveInterval;
  const auto put = services_.store->put(settings_.name, kSamplesKey, samples_.to_text());
  if (put) {
    samples_saved_ = samples_.newest();
  } else if (!std::exchange(state_failing_, true)) {
    services_.log->error("{} [{}]", put.error().message, settings_.name);
  }
}

}  // namespace wal_exporter::app
