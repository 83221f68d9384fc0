// What a checkpoint method sees of the WAL during one run: the last sample, waiting,
// and looking again until something holds; all bounded by the run's deadline and
// given up as soon as a stop is requested.
//
// A RunObserver is used by one thread. A Pause must outlive every run: a clock may still refer
// to it after a wait has ended.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/result.h"
#include "wal/source.h"

namespace wal_exporter::influxdb {

class Pause {
 public:
  // Returns at `end`, or at once when a stop is requested.
  void until(SteadyTime end, Clock& clock, const std::stop_token& stop);

 private:
  Mutex mutex_;  // guards no data; waiting on a condition needs one
  CondVar wake_;
};

// The pauses between samples: the first one, then each twice as long as the one before, up
// to `longest`; `total` in all.
struct Rhythm {
  Duration first;
  Duration longest;
  Duration total;
};

class RunObserver {
 public:
  RunObserver(wal::WalSource& source, Clock& clock, Pause& pause, SteadyTime deadline, std::stop_token stop)
      : source_(source), clock_(clock), pause_(pause), deadline_(deadline), stop_(std::move(stop)) {}

  // The message of an error needs no prefix: "looking at the WAL: ...", or that it was stopped.
  [[nodiscard]] Result<void> take_sample();
  // Call only after a first sample succeeded.
  [[nodiscard]] const wal::Sample& latest() const { return *latest_; }
  [[nodiscard]] std::shared_ptr<const wal::Sample> latest_ptr() const { return latest_; }

  // Waits for `duration`, at most until the deadline.
  void wait(Duration duration);
  // Waits and looks until `done` holds for the latest look; false: it never did.
  [[nodiscard]] Result<bool> sample_until(const Rhythm& rhythm, const std::function<bool(const wal::Sample&)>& done);

  [[nodiscard]] bool stopped() const { return stop_.stop_requested(); }
  [[nodiscard]] bool late() const { return clock_.steady() >= deadline_; }
  [[nodiscard]] Duration left() const;
  [[nodiscard]] const std::stop_token& stop() const { return stop_; }
  [[nodiscard]] SteadyTime deadline() const { return deadline_; }

 private:
  wal::WalSource& source_;
  Clock& clock_;
  Pause& pause_;
  const SteadyTime deadline_;
  const std::stop_token stop_;
  std::shared_ptr<const wal::Sample> latest_;
};

}  // namespace wal_exporter::influxdb
