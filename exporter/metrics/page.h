// MetricsPage: the finished text of the current View. Rendering happens when a
// View is published, on the publisher's thread; a scrape copies. What another format
// or gzip makes of it is made by the first scrape that asks, and kept until the next
// View. Safe from any thread.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/gzip.h"
#include "base/mutex.h"
#include "metrics/openmetrics.h"
#include "metrics/render.h"

namespace wal_exporter::metrics {

// Families that were rendered once, without the end of the page.
class Rendered {
 public:
  explicit Rendered(std::string text) : text_(std::move(text)) {}

  [[nodiscard]] const std::string& as(Format format) WAL_EXPORTER_EXCLUDES(mutex_);
  [[nodiscard]] const Deflated& deflated(Format format) WAL_EXPORTER_EXCLUDES(mutex_);

 private:
  const std::string text_;
  Mutex mutex_;  // held while one is made; scrapes alone wait for it
  std::optional<std::string> openmetrics_ WAL_EXPORTER_GUARDED_BY(mutex_);
  std::map<Format, Deflated> deflated_ WAL_EXPORTER_GUARDED_BY(mutex_);
};

class MetricsPage {
 public:
  explicit MetricsPage(const Clock& clock, Own own = Own::all) : own_(own), process_(clock, own) {}

  // Called by one publisher, with Views in their order; the last one counts.
  void update(const view::View& view);
  [[nodiscard]] std::string text(Format format = Format::text);
  [[nodiscard]] std::string gzipped(Format format);
  [[nodiscard]] RequestCounters& requests() { return requests_; }
  // As ProcessMetrics has it.
  void set_certificate_end(std::optional<Time> end) { process_.set_certificate_end(end); }

 private:
  [[nodiscard]] std::shared_ptr<Rendered> targets();
  // What changes with each scrape, and the end of the page.
  [[nodiscard]] std::string rest(Format format);

  const Own own_;
  Mutex render_mutex_;  // never taken by a scrape
  Renderer renderer_ WAL_EXPORTER_GUARDED_BY(render_mutex_);

  Mutex mutex_;
  std::shared_ptr<Rendered> targets_ WAL_EXPORTER_GUARDED_BY(mutex_) = std::make_shared<Rendered>("");
  RequestCounters requests_;
  ProcessMetrics process_;
};

}  // namespace wal_exporter::metrics
