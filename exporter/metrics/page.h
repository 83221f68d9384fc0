// MetricsPage: the finished text of the current View. Rendering happens when a
// View is published, on the publisher's thread; a scrape copies. Safe from any
// thread.
#pragma once

#include <memory>
#include <string>

#include "base/mutex.h"
#include "metrics/render.h"

namespace wal_exporter::metrics {

class MetricsPage {
 public:
  explicit MetricsPage(const Clock& clock) : process_(clock) {}

  // Called by one publisher, with Views in their order; the last one counts.
  void update(const view::View& view);
  [[nodiscard]] std::string text();
  [[nodiscard]] RequestCounters& requests() { return requests_; }

 private:
  Mutex render_mutex_;  // never taken by a scrape
  Renderer renderer_ WAL_EXPORTER_GUARDED_BY(render_mutex_);

  Mutex mutex_;
  std::shared_ptr<const std::string> targets_ WAL_EXPORTER_GUARDED_BY(mutex_) = std::make_shared<const std::string>();
  RequestCounters requests_;
  ProcessMetrics process_;
};

}  // namespace wal_exporter::metrics
