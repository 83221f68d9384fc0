#include "control/wal_state.h"

#include <algorithm>
#include <utility>

namespace wal_exporter::control {
namespace {

// Changes ask for a sample at once, but samples stay a small part of the time.
constexpr Duration kSampleSpacing = std::chrono::seconds(1);
constexpr int kSampleSpacingFactor = 20;

}  // namespace

WalState::WalState(Duration interval, Duration longest_window)
    : interval_(interval), history_(longest_window), duration_(view::Counters().sample_duration.bounds) {}

bool WalState::take(const SampleTaken& taken, Now now, spdlog::logger& log, const std::string& target) {
  finished_ = std::max(finished_, taken.number);
  next_periodic_ = now.steady + interval_;
  earliest_ = now.steady + std::max(kSampleSpacing, taken.elapsed * kSampleSpacingFactor);
  watch_degraded_ = taken.watch_degraded;
  count(taken.elapsed);
  if (!taken.sample) {
    ++failures_;
    if (error_ != taken.sample.error().message) {
      log.error("cannot read the WAL: {} [{}]", taken.sample.error().message, target);
    }
    error_ = taken.sample.error().message;
    return false;
  }
  if (taken.source != source_) {
    written_before_ = written_;
    source_ = taken.source;
  }
  accept(*taken.sample, log, target);
  return true;
}

void WalState::take_after_run(std::shared_ptr<const wal::Sample> sample, spdlog::logger& log,
                              const std::string& target) {
  count(sample->elapsed);
  accept(std::move(sample), log, target);
}

void WalState::count(Duration elapsed) {
  ++samples_;
  duration_.observe(to_seconds(elapsed));
}

void WalState::accept(std::shared_ptr<const wal::Sample> sample, spdlog::logger& log, const std::string& target) {
  if (!error_.empty()) log.info("the WAL can be read again [{}]", target);
  error_.clear();
  sample_ = std::move(sample);
  written_ = written_before_;
  written_ += sample_->written;
  history_.add({sample_->taken_at, sample_->pending, written_});
}

bool WalState::is_due(Now now, bool stale) const {
  if (asked_ > finished_) return false;
  // A change seen while a sample is under way asks for another: that one may have
  // passed the place already.
  return now.steady >= next_periodic_ || ((change_seen_ || stale) && now.steady >= earliest_);
}

WalState::Asked WalState::ask() {
  if (asked_ > finished_) {
    again_ = true;
    return {asked_ + 1, false};
  }
  again_ = false;
  change_seen_ = false;
  return {++asked_, true};
}

std::uint64_t WalState::current(Now now) {
  if (asked_ > finished_ || (finished_ > 0 && now.steady < earliest_)) return asked_;
  change_seen_ = true;
  return asked_ + 1;
}

SteadyTime WalState::next(Now now) const {
  if (asked_ > finished_) return SteadyTime::max();
  return change_seen_ ? std::min(next_periodic_, std::max(earliest_, now.steady)) : next_periodic_;
}

void WalState::count_into(view::Counters& counters) const {
  counters.samples = samples_;
  counters.sample_failures = failures_;
  counters.written = written_;
  counters.sample_duration = duration_;
}

}  // namespace wal_exporter::control
