// Families to text, by prometheus-cpp's serializer. Not thread-safe.
#pragma once

#include <prometheus/metric_family.h>

#include <string>
#include <string_view>
#include <vector>

namespace wal_exporter::metrics {

class TextWriter {
 public:
  explicit TextWriter(std::size_t expected_size = 0) { text_.reserve(expected_size); }

  // Nothing where the family has no value. The values are taken out of `family`;
  // its name and help stay.
  void write(prometheus::MetricFamily& family);
  // The same without the lines HELP and TYPE.
  void write_values(prometheus::MetricFamily& family);
  // HELP and TYPE alone.
  void write_header(prometheus::MetricFamily family);
  void append(std::string_view finished) { text_ += finished; }

  [[nodiscard]] std::size_t size() const { return text_.size(); }
  [[nodiscard]] std::string take();

 private:
  void serialize(prometheus::MetricFamily& family);

  std::string text_;
  std::vector<prometheus::MetricFamily> one_ = std::vector<prometheus::MetricFamily>(1);
};

}  // namespace wal_exporter::metrics
