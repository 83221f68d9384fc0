// Families to text, by prometheus-cpp's serializer. Pure; safe from any thread.
#pragma once

#include <prometheus/metric_family.h>

#include <string>
#include <vector>

namespace walx::metrics {

// Families without a value are left out.
class TextWriter {
 public:
  // Takes the values out of `family`; its name and help stay.
  void write(prometheus::MetricFamily& family);
  [[nodiscard]] std::string take();

 private:
  std::string text_;
  std::vector<prometheus::MetricFamily> one_ = std::vector<prometheus::MetricFamily>(1);
};

}  // namespace walx::metrics
