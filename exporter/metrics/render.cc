#include "metrics/render.h"

#include "base/text.h"
#include "metrics/families.h"
#include "metrics/serialize.h"

namespace walx::metrics {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

void add_reload(const view::View& view, TextWriter& out) {
  MetricFamily success{"influxdb_wal_exporter_config_last_reload_successful",
                       "1 if the settings in use are those of the file as last read, 0 if the last reload was refused.",
                       MetricType::Gauge,
                       {}};
  success.metric.emplace_back().gauge.value = view.last_reload_successful ? 1 : 0;
  out.write(success);
  if (view.last_reload_success == Time{}) return;
  MetricFamily timestamp{"influxdb_wal_exporter_config_last_reload_success_timestamp_seconds",
                         "When the settings were last read well.",
                         MetricType::Gauge,
                         {}};
  timestamp.metric.emplace_back().gauge.value = to_unix_seconds(view.last_reload_success);
  out.write(timestamp);
}

}  // namespace

std::string render(const view::View& view) {
  std::vector<std::string> names;
  names.reserve(view.targets.size());
  for (const auto& target : view.targets) names.push_back(to_valid_utf8(target->name));

  TextWriter out;
  // One family at a time, its memory used again for the next: with hundreds of
  // targets all families at once would take many times the text.
  MetricFamily family;
  for (const std::span<const Family> families : {wal_families(), action_families()}) {
    for (const Family& entry : families) {
      family.name = entry.name;
      family.help = entry.help;
      family.type = entry.type;
      Collector collector(family);
      for (std::size_t i = 0; i < names.size(); ++i) {
        collector.set_target(names[i]);
        entry.collect(*view.targets[i], collector);
      }
      out.write(family);
    }
  }
  add_reload(view, out);
  return out.take();
}

void RequestCounters::count(const std::string& route, int code) {
  const MutexLock lock(mutex_);
  ++counts_[{route, code}];
}

std::string RequestCounters::render() const {
  MetricFamily family{"influxdb_wal_exporter_http_requests_total",
                      "HTTP requests answered, by route and status code.",
                      MetricType::Counter,
                      {}};
  {
    const MutexLock lock(mutex_);
    for (const auto& [key, count] : counts_) {
      ClientMetric& metric = family.metric.emplace_back();
      metric.label = {{"route", to_valid_utf8(key.first)}, {"code", std::to_string(key.second)}};
      metric.counter.value = static_cast<double>(count);
    }
  }
  TextWriter out;
  out.write(family);
  return out.take();
}

}  // namespace walx::metrics
