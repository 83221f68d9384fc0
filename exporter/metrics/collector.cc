#include <limits>

#include "metrics/families.h"

namespace wal_exporter::metrics {

using prometheus::ClientMetric;
using prometheus::MetricType;

ClientMetric& Collector::next(double value) {
  ClientMetric& metric = family_.metric.emplace_back();
  metric.label.push_back({"target", target_});
  if (family_.type == MetricType::Counter) {
    metric.counter.value = value;
  } else {
    metric.gauge.value = value;
  }
  return metric;
}

void Collector::add(double value) {
  next(value);
}

void Collector::add(std::string_view label, std::string_view label_value, double value) {
  next(value).label.push_back({std::string(label), std::string(label_value)});
}

void Collector::add(std::string_view label, std::string_view label_value, std::string_view label2,
                    std::string_view label2_value, double value) {
  ClientMetric& metric = next(value);
  metric.label.push_back({std::string(label), std::string(label_value)});
  metric.label.push_back({std::string(label2), std::string(label2_value)});
}

void Collector::add_known(const std::optional<Time>& value) {
  if (value) add(to_unix_seconds(*value));
}

void Collector::add_histogram(const view::Histogram& histogram) {
  ClientMetric::Histogram& out = next(0).histogram;
  out.sample_sum = histogram.sum;
  for (std::size_t i = 0; i < histogram.counts.size(); ++i) {
    out.sample_count += histogram.counts[i];
    const double bound = i < histogram.bounds.size() ? histogram.bounds[i] : std::numeric_limits<double>::infinity();
    out.bucket.push_back({out.sample_count, bound});
  }
}

}  // namespace wal_exporter::metrics
