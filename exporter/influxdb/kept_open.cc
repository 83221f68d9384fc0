#include "influxdb/kept_open.h"

namespace wal_exporter::influxdb {
namespace {

// Of what holds data, the segment that was the last is left alone, as it was, and is still the last.
bool only_last_is_left(const wal::Shard& before, const wal::Shard& after) {
  if (before.segments.empty() || after.segments.empty()) return false;
  const wal::Segment& then = before.segments.back();
  const wal::Segment& now = after.segments.back();
  return now.has_data() && after.pending.files == 1 && now.name == then.name && now.inode == then.inode &&
         now.bytes == then.bytes && now.modified == then.modified;
}

}  // namespace

Kept judge_kept(const wal::Shard& before, const wal::Shard& after, const BackupAnswers& answers) {
  if (!only_last_is_left(before, after)) return Kept::unknown;
  const wal::Segment& segment = after.segments.back();
  if (answers.vars == nullptr) {
    return answers.archive && answers.server_proven && !answers.has_twin ? Kept::open : Kept::unknown;
  }
  const auto found = answers.vars->shards.find(after.key());
  if (found == answers.vars->shards.end()) return Kept::elsewhere;
  const ShardFigures& figures = found->second;
  if (figures.memory_bytes.value_or(0) > 0) return Kept::in_memory;
  if (!figures.memory_bytes || !figures.segment_bytes) return Kept::unknown;
  if (*figures.segment_bytes == segment.bytes) return Kept::open;
  // Of a segment that it has written to since its start, the server tells an old length.
  const auto& started = answers.vars->started;
  return started && segment.modified > *started ? Kept::written_since : Kept::elsewhere;
}

std::string why_unverified(Kept kept, const std::string& address_setting) {
  switch (kept) {
    case Kept::in_memory:
      return "InfluxDB at influxdb.url still holds its data in memory alone: check that " + address_setting +
             " is the same server, and check its log";
    case Kept::written_since:
      return "the file was written to since InfluxDB at influxdb.url started, so a snapshot there would have removed "
             "it: check that " +
             address_setting + " is the same server";
    case Kept::elsewhere:
      return "InfluxDB at influxdb.url has no such file: check that influxdb.url, " + address_setting +
             " and wal.directory belong to the same server";
    case Kept::open:
    case Kept::unknown:
      break;
  }
  return "check that " + address_setting + " and wal.directory belong to the same server";
}

}  // namespace wal_exporter::influxdb
