#include "influxdb/verify.h"

#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>

namespace wal_exporter::influxdb {

SegmentProof prove(const std::vector<wal::Shard>& asked, const std::vector<wal::Shard>& after) {
  using ShardKey = std::tuple<std::string, std::string, std::uint64_t>;
  using SegmentKey = std::pair<std::string, std::uint64_t>;
  const auto key_of = [](const wal::Shard& shard) {
    return ShardKey(shard.database, shard.retention_policy, shard.id);
  };

  std::map<ShardKey, std::set<SegmentKey>> left;
  for (const auto& shard : after) {
    auto& segments = left[key_of(shard)];
    for (const auto& segment : shard.segments) segments.emplace(segment.name, segment.inode);
  }

  SegmentProof proof;
  for (const auto& shard : asked) {
    const auto found = left.find(key_of(shard));
    for (const auto& segment : shard.segments) {
      if (!segment.has_data()) continue;
      const wal::Extent one{1, segment.bytes};
      proof.asked += one;
      const bool there = found != left.end() && found->second.contains(SegmentKey(segment.name, segment.inode));
      if (!there) proof.reclaimed += one;
    }
  }
  return proof;
}

}  // namespace wal_exporter::influxdb
