#include "app/sampling.h"

#include <utility>

#include "wal/detect.h"
#include "wal/node_source.h"
#include "wal/segments.h"

namespace wal_exporter::app {

Looker::Looker(const settings::Target& target, bool only_look, std::shared_ptr<Clock> clock, Log log)
    : target_(target), only_look_(only_look), clock_(std::move(clock)), log_(std::move(log)) {}

Result<void> Looker::find_layout(const std::string& server_version, const std::stop_token& stop) {
  if (certain_ && !no_segments_) return {};
  const Version fixed = fixed_version(target_);
  wal::Layout layout = fixed == "3" ? wal::Layout::node : wal::Layout::segments;
  if (!fixed.empty()) certain_ = true;
  if (!fixed.empty() && layout == wal::Layout::segments) {
    // A node's folder has no shards, and would look like an empty WAL of 1.x for good.
    const auto found = wal::detect(target_.wal.directory, stop);
    certain_ = found.has_value();
    if (!found) return tl::unexpected(found.error());
    if (found->layout == wal::DetectedLayout::node) {
      certain_ = false;
      return failure(ErrorKind::invalid, target_.wal.directory.string() +
                                             " is a node's folder of InfluxDB 3, but influxdb.version is " + fixed +
                                             "; correct one of them");
    }
  } else if (fixed.empty()) {
    const auto found = wal::detect(target_.wal.directory, stop);
    if (!found) return tl::unexpected(found.error());
    const Version major = major_version(server_version);
    certain_ = certain_ || found->layout != wal::DetectedLayout::none || !major.empty();
    const bool node =
        found->layout == wal::DetectedLayout::node || (found->layout == wal::DetectedLayout::none && major == "3");
    layout = node ? wal::Layout::node : wal::Layout::segments;
  }
  if (source_ != nullptr && layout == layout_) return {};
  layout_ = layout;
  if (layout == wal::Layout::node) {
    wal::NodeOptions options;
    options.directory = target_.wal.directory;
    options.integrity = integrity_of(target_);
    options.checksum_bytes_per_second = target_.wal.checksum_bytes_per_second;
    if (only_look_) options.settle_time = Duration::zero();
    source_ = wal::make_node_source(options, clock_, log_);
  } else {
    source_ = wal::make_segment_source({target_.wal.directory, integrity_of(target_)}, clock_);
  }
  return {};
}

Look Looker::look(const std::string& server_version, const std::stop_token& stop) {
  Look look{++number_, failure(ErrorKind::internal, "no look was taken"), {}, fixed_version(target_), nullptr, {}};
  const SteadyTime begin = clock_->steady();
  const auto layout = find_layout(server_version, stop);
  look.sample = layout ? source_->look(stop) : tl::unexpected(layout.error());
  look.took = clock_->steady() - begin;
  look.source = source_;
  if (look.sample) no_segments_ = layout_ == wal::Layout::segments && (*look.sample)->shards.empty();
  if (look.version.empty() && certain_) {
    const bool buckets = look.sample && (*look.sample)->bucket_ids;
    look.version = layout_ == wal::Layout::node ? "3" : version_of_segments(server_version, buckets);
  }
  return look;
}

Sampler::Sampler(const settings::Target& target, std::shared_ptr<Clock> clock, Log log,
                 std::shared_ptr<wal::WatchHub> hub, std::function<void(Look)> on_look, std::function<void()> on_change)
    : target_(target),
      clock_(clock),
      hub_(std::move(hub)),
      on_look_(std::move(on_look)),
      on_change_(std::move(on_change)),
      looker_(target, /*only_look=*/false, std::move(clock), std::move(log)),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

Sampler::~Sampler() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
    asked_.notify_all();
  }
  thread_.request_stop();
  thread_.join();
}

std::uint64_t Sampler::request() {
  const MutexLock lock(mutex_);
  wanted_ = true;
  asked_.notify_all();
  return begun_ + 1;
}

void Sampler::set_server_version(std::string version) {
  const MutexLock lock(mutex_);
  server_version_ = std::move(version);
}

void Sampler::run(const std::stop_token& stop) {
  while (true) {
    std::string server_version;
    {
      const MutexLock lock(mutex_);
      while (!wanted_ && !stopping_) clock_->wait_until(asked_, mutex_, SteadyTime::max());
      if (stopping_) return;
      wanted_ = false;
      ++begun_;
      server_version = server_version_;
    }
    Look look = looker_.look(server_version, stop);
    if (target_.sampling.watch && look.sample) {
      if (watch_ == nullptr || look.number == 1) {
        watch_ = hub_->watch(target_.wal.directory, (*look.sample)->layout, on_change_);
      } else {
        watch_->rearm();
      }
    }
    if (watch_ != nullptr) {
      look.watch_degraded = watch_->degraded();
    } else {
      look.watch_degraded = target_.sampling.watch ? "not watched yet: no look has gone well" : "sampling.watch is off";
    }
    on_look_(std::move(look));
  }
}

}  // namespace wal_exporter::app
