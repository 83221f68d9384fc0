#include "metrics/page.h"

#include <utility>

namespace wal_exporter::metrics {

const std::string& Rendered::as(Format format) {
  if (format == Format::text) return text_;
  const MutexLock lock(mutex_);
  if (!openmetrics_) openmetrics_ = to_openmetrics(text_);
  return *openmetrics_;
}

const Deflated& Rendered::deflated(Format format) {
  const std::string& text = as(format);
  const MutexLock lock(mutex_);
  const auto found = deflated_.find(format);
  return found != deflated_.end() ? found->second : deflated_.emplace(format, deflate_piece(text, false)).first->second;
}

void MetricsPage::update(const view::View& view) {
  const MutexLock one_at_a_time(render_mutex_);
  auto rendered = std::make_shared<Rendered>(renderer_.render(view));
  const MutexLock lock(mutex_);
  targets_.swap(rendered);
}

std::shared_ptr<Rendered> MetricsPage::targets() {
  const MutexLock lock(mutex_);
  return targets_;
}

std::string MetricsPage::rest(Format format) {
  std::string out = own_ == Own::all ? requests_.render() : std::string();
  out += process_.render();
  if (format == Format::openmetrics) out = to_openmetrics(out);
  out += end_of(format);
  return out;
}

std::string MetricsPage::text(Format format) {
  const std::string rest = this->rest(format);
  const auto rendered = targets();
  const std::string& targets = rendered->as(format);
  std::string out;
  out.reserve(targets.size() + rest.size());
  out += targets;
  out += rest;
  return out;
}

std::string MetricsPage::gzipped(Format format) {
  const Deflated rest = deflate_piece(this->rest(format), true);
  const auto rendered = targets();
  return gzip(rendered->deflated(format), rest);
}

}  // namespace wal_exporter::metrics
