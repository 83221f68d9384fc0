#include "segment_server.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "base/bytes.h"

namespace wal_exporter::simulation {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::uint64_t kSegmentBytes = 10 * kMiB;
// How often the server looks whether a cache is large or cold; every second in reality.
constexpr Duration kMaintenance = minutes(5);

std::string segment_name(std::uint64_t number) {
  char name[32];
  std::snprintf(name, sizeof(name), "_%05llu.wal", static_cast<unsigned long long>(number));
  return name;
}

}  // namespace

SegmentServer::SegmentServer(Context& context, Disk& disk, Changed changed, const SegmentsOptions& options,
                             Generation generation)
    : Server(context, disk, std::move(changed)), options_(options), generation_(generation) {
  const std::uint64_t more = (options.has_orphan ? 1 : 0) + (options.has_unpersistable ? 1 : 0);
  for (std::uint64_t i = 0; i < options.shards + more; ++i) {
    ShardState shard;
    shard.on_disk.database = generation == Generation::v1 ? "plant" : "0123456789abcdef";
    shard.on_disk.retention_policy = "autogen";
    shard.on_disk.id = i + 1;
    shard.known = !(options.has_orphan && i == options.shards);
    shard.persistable = !(options.has_unpersistable && i + 1 == options.shards + more);
    shards_.push_back(std::move(shard));
  }
}

void SegmentServer::lay_out() {
  for (ShardState& shard : shards_) {
    if (!shard.known || !shard.persistable) append(shard, 3 * kSegmentBytes);
  }
}

void SegmentServer::heal() {
  Server::heal();
  busy_until_ = SteadyTime{};
}

void SegmentServer::add_segment(ShardState& shard) {
  auto& segments = shard.on_disk.segments;
  wal::Segment segment;
  segment.number = segments.empty() ? 1 : segments.back().number + 1;
  segment.name = segment_name(segment.number);
  segment.inode = ++last_inode_;
  segment.modified = segment.oldest_data = wall();
  segments.push_back(std::move(segment));
  tell_change();
}

void SegmentServer::append(ShardState& shard, std::uint64_t bytes) {
  auto& segments = shard.on_disk.segments;
  if (segments.empty()) add_segment(shard);
  while (bytes > 0) {
    wal::Segment& open = segments.back();
    if (shard.kept_inode == open.inode) shard.kept_inode = 0;
    const std::uint64_t part = std::min(bytes, kSegmentBytes - std::min(kSegmentBytes, open.bytes));
    if (open.bytes == 0) open.oldest_data = wall();
    open.bytes += part;
    open.modified = wall();
    bytes -= part;
    if (open.bytes >= kSegmentBytes) add_segment(shard);
  }
}

void SegmentServer::write(std::uint64_t bytes) {
  if (!is_up()) return;
  if (room_for_wal() < bytes + kMiB) return;  // answered with an error
  const std::uint64_t first = context().random.below(options_.shards);
  const std::uint64_t parts = context().random.coin() ? 1 : options_.shards;
  for (std::uint64_t i = 0; i < parts; ++i) {
    ShardState& shard = shards_[(first + i) % options_.shards];
    append(shard, bytes / parts + 1);
    shard.cache_bytes += bytes / parts + 1;
    shard.last_write = context().schedule.steady();
  }
}

std::uint64_t SegmentServer::wal_bytes() const {
  std::uint64_t bytes = 0;
  for (const ShardState& shard : shards_) {
    for (const wal::Segment& segment : shard.on_disk.segments) bytes += segment.bytes;
  }
  return bytes;
}

std::uint64_t SegmentServer::room_for_wal() const {
  if (options_.own_disk_bytes == 0) return room_for_data();
  return options_.own_disk_bytes - std::min(options_.own_disk_bytes, wal_bytes());
}

std::uint64_t SegmentServer::room_for_data() const {
  return disk().available(options_.own_disk_bytes == 0 ? wal_bytes() : 0, context().schedule.steady());
}

// The open segment is closed, what is in the cache is written to the data directory,
// and the closed segments go. A snapshot that fails leaves them.
void SegmentServer::snapshot(std::size_t index, std::function<void(bool)> ended) {
  ShardState& shard = shards_[index];
  auto& segments = shard.on_disk.segments;
  std::uint64_t up_to = segments.empty() ? 0 : segments.back().number;
  if (!segments.empty() && segments.back().inode == shard.kept_inode) {
    --up_to;  // neither closed nor removed
  } else if (!segments.empty() && segments.back().bytes > 0) {
    add_segment(shard);
  } else if (!segments.empty()) {
    --up_to;  // an empty one stays the open one
  }
  const std::uint64_t bytes = shard.cache_bytes;
  const bool room = room_for_data() >= bytes;
  if (!shard.persistable || !room || snapshots_fail()) {
    later(milliseconds(100), [ended = std::move(ended)] { ended(false); });
    return;
  }
  shard.snapshotting = true;
  const Duration length = milliseconds(50) + seconds(1) * static_cast<std::int64_t>(bytes / kMiB) / 80;
  later(length, [this, index, up_to, bytes, ended = std::move(ended)] {
    ShardState& done = shards_[index];
    done.snapshotting = false;
    done.cache_bytes -= std::min(done.cache_bytes, bytes);
    std::erase_if(done.on_disk.segments, [&](const wal::Segment& segment) { return segment.number <= up_to; });
    tell_change();
    ended(true);
  });
}

void SegmentServer::look_for_work() {
  const SteadyTime now = context().schedule.steady();
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    const ShardState& shard = shards_[i];
    if (shard.snapshotting || shard.cache_bytes == 0 || now < busy_until_ || hangs()) continue;
    if (shard.cache_bytes > options_.cache_bytes || now - shard.last_write > options_.cold_after) {
      snapshot(i, [](bool) {});
    }
  }
  later(kMaintenance, [this] { look_for_work(); });
}

void SegmentServer::back_up(const wal::Shard& asked, Answered answered) {
  Context& world = context();
  const auto say = [&](BackupReply reply, Duration after) {
    world.schedule.in(after, [answered, reply] { answered(reply); });
  };
  if (hangs()) return say(BackupReply::unreachable, seconds(30));
  if (!is_up()) return say(BackupReply::unreachable, milliseconds(1));
  const auto found = std::find_if(shards_.begin(), shards_.end(),
                                  [&](const ShardState& shard) { return shard.known && shard.on_disk.id == asked.id; });
  const bool one = generation_ == Generation::v1;
  if (found == shards_.end()) return say(one ? BackupReply::nothing : BackupReply::not_found, milliseconds(5));
  if (found->snapshotting || world.schedule.steady() < busy_until_) {
    // Its open segment is closed all the same.
    auto& segments = found->on_disk.segments;
    if (!segments.empty() && segments.back().bytes > 0 && segments.back().inode != found->kept_inode) {
      add_segment(*found);
    }
    return say(one ? BackupReply::nothing : BackupReply::archive, milliseconds(20));
  }
  // Where the process ends before the answer, the connection ends with it.
  const auto open = std::make_shared<bool>(true);
  std::erase_if(waiting_, [](const auto& waiting) { return !*waiting.first; });
  snapshot(static_cast<std::size_t>(found - shards_.begin()), [open, answered, one](bool well) {
    if (!std::exchange(*open, false)) return;
    answered(well ? BackupReply::archive : one ? BackupReply::nothing : BackupReply::failed);
  });
  waiting_.push_back({open, answered});
}

Duration SegmentServer::replay_time() const {
  return seconds(1) + seconds(1) * static_cast<std::int64_t>(wal_bytes() / options_.replay_per_second);
}

void SegmentServer::lose_memory() {
  for (ShardState& shard : shards_) {
    shard.cache_bytes = 0;
    shard.snapshotting = false;
  }
  for (const auto& [open, answered] : waiting_) {
    if (std::exchange(*open, false))
      context().schedule.in(milliseconds(1), [to = answered] { to(BackupReply::unreachable); });
  }
  waiting_.clear();
}

std::optional<influxdb::DebugVars> SegmentServer::figures() const {
  if (!is_up() || hangs()) return std::nullopt;
  influxdb::DebugVars vars{started_, {}};
  for (const ShardState& shard : shards_) {
    if (!shard.known) continue;
    const auto& segments = shard.on_disk.segments;
    vars.shards[shard.on_disk.key()] = {shard.cache_bytes, segments.empty() ? 0 : segments.back().bytes};
  }
  return vars;
}

void SegmentServer::begin_service() {
  started_ = wall();
  for (ShardState& shard : shards_) {
    for (const wal::Segment& segment : shard.on_disk.segments) shard.cache_bytes += segment.bytes;
    shard.last_write = context().schedule.steady();
    if (options_.keeps_open_segment && generation_ == Generation::v1 && !shard.on_disk.segments.empty()) {
      shard.kept_inode = shard.on_disk.segments.back().inode;
    }
  }
  look_for_work();
}

std::shared_ptr<wal::Sample> SegmentServer::read_wal() const {
  auto sample = std::make_shared<wal::Sample>();
  sample->layout = wal::Layout::segments;
  sample->taken_at = context().schedule.wall();
  sample->bucket_ids = generation_ == Generation::v2;
  for (const ShardState& shard : shards_) {
    if (shard.on_disk.segments.empty()) continue;
    sample->shards.push_back(shard.on_disk);
    wal::Shard& shown = sample->shards.back();
    for (const wal::Segment& segment : shown.segments) {
      if (!segment.has_data()) continue;
      shown.pending += {1, segment.bytes};
      if (!sample->oldest_pending || segment.oldest_data < *sample->oldest_pending) {
        sample->oldest_pending = segment.oldest_data;
      }
    }
    sample->pending += shown.pending;
    if (shown.segments.back().has_data()) ++sample->hot_shards;
  }
  sample->written = {last_inode_, last_inode_ * kSegmentBytes};
  sample->filesystem_avail_bytes = room_for_wal();
  sample->data_filesystem_avail_bytes = room_for_data();
  sample->has_own_filesystem = options_.own_disk_bytes > 0;
  return sample;
}

}  // namespace wal_exporter::simulation
