#include "influxdb/run_observer.h"

#include <algorithm>

#include "base/backoff.h"

namespace wal_exporter::influxdb {

void Pause::until(SteadyTime end, Clock& clock, const std::stop_token& stop) {
  const std::stop_callback wake(stop, [this] {
    const MutexLock lock(mutex_);
    wake_.notify_all();
  });
  const MutexLock lock(mutex_);
  while (!stop.stop_requested() && clock.steady() < end) clock.wait_until(wake_, mutex_, end);
}

Result<void> RunObserver::take_sample() {
  auto sample = source_.take_sample(stop_);
  if (sample) {
    latest_ = std::move(*sample);
    return {};
  }
  if (stopped()) return failure(ErrorKind::cancelled, "stopped while reading the WAL");
  return failure(sample.error().kind, "reading the WAL: " + sample.error().message);
}

void RunObserver::wait(Duration duration) {
  pause_.until(std::min(clock_.steady() + duration, deadline_), clock_, stop_);
}

Result<bool> RunObserver::sample_until(const Rhythm& rhythm, const std::function<bool(const wal::Sample&)>& done) {
  const SteadyTime end = std::min(clock_.steady() + rhythm.total, deadline_);
  for (std::uint64_t looks = 1; !done(*latest_); ++looks) {
    const Duration rest = end - clock_.steady();
    if (rest <= Duration::zero() || stopped()) return false;
    wait(std::min(backoff(rhythm.first, rhythm.longest, looks), rest));
    if (stopped()) return false;
    if (auto sampled = take_sample(); !sampled) return tl::unexpected<Error>(sampled.error());
  }
  return true;
}

Duration RunObserver::left() const {
  return std::max(deadline_ - clock_.steady(), Duration::zero());
}

}  // namespace wal_exporter::influxdb
