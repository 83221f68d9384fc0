#include "metrics/render.h"

#include "base/text.h"
#include "metrics/families.h"
#include "metrics/serialize.h"

namespace wal_exporter::metrics {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

template <class Visit>
void for_each_family(const Visit& visit) {
  for (const std::span<const Family> families : {wal_families(), action_families()}) {
    for (const Family& family : families) visit(family);
  }
}

void add_settings(const view::View& view, TextWriter& out) {
  MetricFamily targets{
      "influxdb_wal_exporter_targets", "Targets in the settings in use, sampled or not.", MetricType::Gauge, {}};
  targets.metric.emplace_back().gauge.value = static_cast<double>(view.targets.size());
  out.write(targets);
  MetricFamily kept{"influxdb_wal_exporter_state_kept",
                    "1 if what must outlive a restart of the exporter is written to its state directory, else 0.",
                    MetricType::Gauge,
                    {}};
  kept.metric.emplace_back().gauge.value = view.state_problem.empty() ? 1 : 0;
  out.write(kept);
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

// Prefix influxdb_wal_exporter_hook_, label hook; all there from the first scrape.
void add_hooks(const view::View& view, TextWriter& out) {
  struct HookFamily {
    const char* name;
    const char* help;
    MetricType type;
    std::uint64_t events::HookStatus::*value;
  };
  static constexpr HookFamily kFamilies[] = {
      {"influxdb_wal_exporter_hook_deliveries_total", "Events that the hook delivered.", MetricType::Counter,
       &events::HookStatus::deliveries},
      {"influxdb_wal_exporter_hook_failures_total",
       "Requests of the hook that did not go well; what they were to tell is tried again.", MetricType::Counter,
       &events::HookStatus::failures},
      {"influxdb_wal_exporter_hook_dropped_total",
       "Events that the hook never delivered: too old, too many, or refused by its receiver.", MetricType::Counter,
       &events::HookStatus::dropped},
      {"influxdb_wal_exporter_hook_queue_length", "Events that wait to be delivered by the hook.", MetricType::Gauge,
       &events::HookStatus::queue_length},
  };
  for (const HookFamily& entry : kFamilies) {
    MetricFamily family{entry.name, entry.help, entry.type, {}};
    for (const events::HookStatus& hook : view.hooks) {
      ClientMetric& metric = family.metric.emplace_back();
      metric.label = {{"hook", to_valid_utf8(hook.name)}};
      const auto value = static_cast<double>(hook.*entry.value);
      if (entry.type == MetricType::Counter) metric.counter.value = value;
      if (entry.type == MetricType::Gauge) metric.gauge.value = value;
    }
    out.write(family);
  }
}

// Each family of the target, filled, in order; the same object each time, which `take` empties.
template <typename Take>
void for_each_filled(const view::TargetView& target, const Take& take) {
  MetricFamily family;
  Collector collector(family);
  collector.set_target(to_valid_utf8(target.name));
  for_each_family([&](const Family& entry) {
    family.name = entry.name;
    family.help = entry.help;
    family.type = entry.type;
    entry.collect(target, collector);
    take(family);
  });
}

}  // namespace

Renderer::Piece Renderer::render_target(const view::TargetView& target) {
  Piece piece;
  TextWriter out;
  for_each_filled(target, [&](MetricFamily& family) {
    out.write_values(family);
    piece.ends.push_back(out.size());
  });
  piece.text = out.take();
  return piece;
}

std::string Renderer::render(const view::View& view) {
  Pieces pieces;
  std::vector<const Piece*> in_order;
  std::size_t size = 0;
  for (const auto& target : view.targets) {
    auto known = pieces_.extract(target);
    auto place = known ? pieces.insert(std::move(known)).position : pieces.find(target);
    if (place == pieces.end()) place = pieces.emplace(target, render_target(*target)).first;
    in_order.push_back(&place->second);
    size += place->second.text.size();
  }
  pieces_ = std::move(pieces);

  constexpr std::size_t kHeaders = 16384;
  TextWriter out(size + kHeaders);
  std::size_t index = 0;
  for_each_family([&](const Family& entry) {
    bool headed = false;
    for (const Piece* piece : in_order) {
      const std::size_t begin = index == 0 ? 0 : piece->ends[index - 1];
      if (piece->ends[index] == begin) continue;
      if (!headed) out.write_header({entry.name, entry.help, entry.type, {}});
      headed = true;
      out.append(std::string_view(piece->text).substr(begin, piece->ends[index] - begin));
    }
    ++index;
  });
  add_settings(view, out);
  add_hooks(view, out);
  return out.take();
}

std::string render(const view::View& view) {
  return Renderer().render(view);
}

std::string render_probe(const view::TargetView& target, bool success, Duration took) {
  TextWriter out;
  for_each_filled(target, [&](MetricFamily& family) { out.write(family); });
  const auto add = [&](const char* name, const char* help, double value) {
    MetricFamily probe{name, help, MetricType::Gauge, {}};
    probe.metric.emplace_back().gauge.value = value;
    out.write(probe);
  };
  add("probe_success",
      "1 if a sample of the WAL that shows it as it is now succeeded within the time there was, else 0.",
      success ? 1 : 0);
  add("probe_duration_seconds", "How long this answer took, most of it for that sample.", to_seconds(took));
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

}  // namespace wal_exporter::metrics
