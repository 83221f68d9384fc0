// The metrics of a target: one entry per name, with what it means and how its
// value is read from a TargetView.
//
// Pure; safe from any thread.
#pragma once

#include <prometheus/metric_family.h>

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "view/view.h"

namespace wal_exporter::metrics {

// Collects the values of one metric family, one target after the other. A family that has
// no value is left out of the text.
class Collector {
 public:
  explicit Collector(prometheus::MetricFamily& family) : family_(family) {}

  // Values added from here on get this target label, which must be valid UTF-8.
  void set_target(std::string valid_utf8) { target_ = std::move(valid_utf8); }

  void add(double value);
  void add(std::string_view label, std::string_view label_value, double value);
  void add(std::string_view label, std::string_view label_value, std::string_view label2, std::string_view label2_value,
           double value);
  // Adds nothing if the value is not known.
  void add_known(const std::optional<Time>& value);
  void add_histogram(const view::Histogram& histogram);

 private:
  prometheus::ClientMetric& next(double value);

  prometheus::MetricFamily& family_;
  std::string target_;
};

struct Family {
  const char* name;
  const char* help;
  prometheus::MetricType type;
  void (*collect)(const view::TargetView& target, Collector& out);
};

// What the WAL is like: files, sizes, times, damage, health, limits, growth.
[[nodiscard]] std::span<const Family> wal_families();
// What is done about it: looks, checkpoints, restarts, events, what holds them back.
[[nodiscard]] std::span<const Family> action_families();

}  // namespace wal_exporter::metrics
