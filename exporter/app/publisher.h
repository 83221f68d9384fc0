// Publisher: puts one View together from what all targets say, and renders the metrics,
// on a thread of its own: at most every 20 ms, and at most a tenth of the time. Safe
// from any thread.
#pragma once

#include <functional>
#include <memory>
#include <thread>

#include "base/clock.h"
#include "base/mutex.h"
#include "metrics/page.h"
#include "view/view.h"

namespace wal_exporter::app {

class Publisher {
 public:
  // `fill` puts in all but the start of the process; what readiness still waits for counts
  // for 15 s from now, whatever has not answered. It runs on any thread, one at a time.
  Publisher(std::shared_ptr<Clock> clock, metrics::Own own, std::function<void(view::View&)> fill);
  // As stop().
  ~Publisher();

  // What is known before anything runs.
  void begin(std::shared_ptr<const view::View> first);
  void start();
  void stop() WAL_EXPORTER_EXCLUDES(mutex_);

  // Something is to be published soon; quick, takes no lock of a target.
  void mark_changed() WAL_EXPORTER_EXCLUDES(mutex_);
  // Whoever reads after it returns sees what the targets say now.
  void publish_now() WAL_EXPORTER_EXCLUDES(building_mutex_);

  [[nodiscard]] Time started() const { return started_; }
  [[nodiscard]] view::ViewHolder& views() { return views_; }
  [[nodiscard]] metrics::MetricsPage& page() { return page_; }

 private:
  void run() WAL_EXPORTER_EXCLUDES(mutex_);

  const std::shared_ptr<Clock> clock_;
  const std::function<void(view::View&)> fill_;
  const Time started_;
  const SteadyTime ready_at_;
  view::ViewHolder views_;
  metrics::MetricsPage page_;
  Mutex building_mutex_;  // guards the order of published views
  Mutex mutex_;           // guards whether there is something to publish
  CondVar wanted_;
  bool dirty_ WAL_EXPORTER_GUARDED_BY(mutex_) = false;
  bool stopping_ WAL_EXPORTER_GUARDED_BY(mutex_) = false;
  std::jthread thread_;
};

}  // namespace wal_exporter::app
