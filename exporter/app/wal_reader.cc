#include "app/wal_reader.h"

#include <utility>

#include "wal/detect.h"
#include "wal/node_source.h"
#include "wal/segments.h"

namespace wal_exporter::app {

WalReader::WalReader(const settings::Target& target, bool reads_once, std::shared_ptr<Clock> clock, Log log)
    : target_(target), reads_once_(reads_once), clock_(std::move(clock)), log_(std::move(log)) {}

Result<void> WalReader::find_layout(const control::TakeSample& wanted, const std::stop_token& stop) {
  if (certain_ && !no_segments_) return {};
  const wal::Generation fixed = target_.influxdb.version;
  const bool is_fixed = fixed != wal::Generation::unknown;
  wal::Layout layout = fixed == wal::Generation::v3 ? wal::Layout::node : wal::Layout::segments;
  if (is_fixed) certain_ = true;
  if (is_fixed && layout == wal::Layout::node && source_ == nullptr) {
    const auto found = wal::detect(target_.wal.directory, stop);
    if (found && found->layout == wal::DetectedLayout::segments) {
      certain_ = false;
      return failure(ErrorKind::invalid, target_.wal.directory.string() +
                                             " is a WAL of InfluxDB 1.x or 2.x, but influxdb.version is 3; correct one "
                                             "of them");
    }
  }
  if (is_fixed && layout == wal::Layout::segments) {
    // A node's folder has no shards, and would look like an empty WAL of 1.x for good.
    const auto found = wal::detect(target_.wal.directory, stop);
    certain_ = found.has_value();
    if (!found) return tl::unexpected(found.error());
    if (found->layout == wal::DetectedLayout::node) {
      certain_ = false;
      return failure(ErrorKind::invalid, target_.wal.directory.string() +
                                             " is a node's folder of InfluxDB 3, but influxdb.version is " +
                                             std::string(wal::to_string(fixed)) + "; correct one of them");
    }
  } else if (!is_fixed) {
    const auto found = wal::detect(target_.wal.directory, stop);
    if (!found) return tl::unexpected(found.error());
    const wal::Generation said = wal::generation_of(wanted.server_version);
    certain_ =
        certain_ || found->layout != wal::DetectedLayout::none || found->bucket_ids || said != wal::Generation::unknown;
    const bool node = found->layout == wal::DetectedLayout::node ||
                      (found->layout == wal::DetectedLayout::none &&
                       (said == wal::Generation::v3 || (said == wal::Generation::unknown && wanted.before != nullptr &&
                                                        wanted.before->layout == wal::Layout::node)));
    layout = node ? wal::Layout::node : wal::Layout::segments;
  }
  if (source_ != nullptr && layout == layout_) return {};
  layout_ = layout;
  ++sources_;
  if (layout == wal::Layout::node) {
    wal::NodeOptions options{target_.wal};
    if (reads_once_) options.settle_time = Duration::zero();
    source_ = wal::make_node_source(options, clock_, log_, wanted.before);
  } else {
    source_ = wal::make_segment_source(target_.wal, clock_, wanted.before);
  }
  return {};
}

control::SampleTaken WalReader::read(const control::TakeSample& wanted, const std::stop_token& stop) {
  control::SampleTaken taken;
  taken.number = wanted.number;
  taken.version = target_.influxdb.version;
  const SteadyTime begin = clock_->steady();
  const auto layout = find_layout(wanted, stop);
  taken.sample = layout ? source_->take_sample(stop) : tl::unexpected(layout.error());
  taken.elapsed = clock_->steady() - begin;
  if (!last_good_ && wanted.before != nullptr) last_good_ = wanted.before->taken_at;
  if (taken.sample) {
    last_good_ = (*taken.sample)->taken_at;
  } else if (last_good_ && taken.sample.error().kind == ErrorKind::not_found) {
    taken.sample.error().message = target_.wal.directory.string() + " or its wal/ is gone: it was there until " +
                                   format_time(*last_good_) +
                                   "; it was removed, or its disk is no longer mounted. A running InfluxDB writes on "
                                   "into what was removed: see to it before you restart it (" +
                                   taken.sample.error().message + ")";
  }
  taken.source = sources_;
  if (taken.sample) no_segments_ = layout_ == wal::Layout::segments && (*taken.sample)->shards.empty();
  if (taken.version == wal::Generation::unknown && (certain_ || wanted.before != nullptr)) {
    const bool buckets = taken.sample && ((*taken.sample)->bucket_ids || (!certain_ && wanted.before->bucket_ids));
    taken.version = layout_ == wal::Layout::node ? wal::Generation::v3
                                                 : wal::generation_of_segments(wanted.server_version, buckets);
  }
  return taken;
}

}  // namespace wal_exporter::app
