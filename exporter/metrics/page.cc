#include "metrics/page.h"

#include <utility>

namespace wal_exporter::metrics {

void MetricsPage::update(const view::View& view) {
  const MutexLock one_at_a_time(render_mutex_);
  auto text = std::make_shared<const std::string>(renderer_.render(view));
  const MutexLock lock(mutex_);
  targets_.swap(text);
}

std::string MetricsPage::text() {
  const std::string requests = requests_.render();
  const std::string process = process_.render();
  std::shared_ptr<const std::string> targets;
  {
    const MutexLock lock(mutex_);
    targets = targets_;
  }
  std::string out;
  out.reserve(targets->size() + requests.size() + process.size());
  out += *targets;
  out += requests;
  out += process;
  return out;
}

}  // namespace wal_exporter::metrics
