#include "wal/last_look.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/text.h"

namespace wal_exporter::wal {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMostSegments = 1000;
constexpr std::size_t kMostRuns = 1000;
constexpr std::uint64_t kMostPeriods = 100'000;  // a text that says more is none of ours

std::int64_t ticks(Time time) {
  return time.time_since_epoch().count();
}

Time time_of(const Json& json) {
  return Time(Duration(json.get<std::int64_t>()));
}

Json shards_of(const Sample& sample) {
  Json out = Json::array();
  std::size_t left = kMostSegments;
  for (const Shard& shard : sample.shards) {
    if (shard.segments.size() > left) break;
    left -= shard.segments.size();
    Json segments = Json::array();
    for (const Segment& one : shard.segments) {
      segments.push_back({one.number, one.inode, one.bytes, ticks(one.modified)});
    }
    out.push_back(
        {to_valid_utf8(shard.database), to_valid_utf8(shard.retention_policy), shard.id, std::move(segments)});
  }
  return out;
}

// [first number, how many, bytes], of numbers without a hole.
Json runs_of(const Sample& sample) {
  Json out = Json::array();
  for (auto at = sample.periods.begin(); at != sample.periods.end() && out.size() < kMostRuns;) {
    const std::uint64_t first = at->number;
    std::uint64_t count = 0;
    std::uint64_t bytes = 0;
    for (; at != sample.periods.end() && at->number == first + count; ++at, ++count) bytes += at->bytes;
    out.push_back({first, count, bytes});
  }
  return out;
}

void read_shards(const Json& json, Sample& sample) {
  std::size_t left = kMostSegments;
  for (const Json& one : json) {
    Shard& shard = sample.shards.emplace_back();
    shard.database = one.at(0).get<std::string>();
    shard.retention_policy = one.at(1).get<std::string>();
    shard.id = one.at(2).get<std::uint64_t>();
    for (const Json& file : one.at(3)) {
      if (left-- == 0) return;
      Segment& segment = shard.segments.emplace_back();
      segment.number = file.at(0).get<std::uint64_t>();
      segment.inode = file.at(1).get<std::uint64_t>();
      segment.bytes = file.at(2).get<std::uint64_t>();
      segment.modified = time_of(file.at(3));
    }
  }
  std::erase_if(sample.shards, [](const Shard& shard) { return shard.segments.empty(); });
  std::sort(sample.shards.begin(), sample.shards.end(),
            [](const Shard& left_one, const Shard& right_one) { return left_one.key() < right_one.key(); });
}

void read_runs(const Json& json, Sample& sample) {
  for (const Json& run : json) {
    const auto first = run.at(0).get<std::uint64_t>();
    const auto count = run.at(1).get<std::uint64_t>();
    auto bytes = run.at(2).get<std::uint64_t>();
    for (std::uint64_t i = 0; i < count && sample.periods.size() < kMostPeriods; ++i) {
      Period& period = sample.periods.emplace_back();
      period.number = first + i;
      period.bytes = bytes / (count - i);
      bytes -= period.bytes;
    }
  }
  sample.periods.shrink_to_fit();  // held until the first sample
}

}  // namespace

std::string last_look_text(const Sample& sample) {
  const bool is_node = sample.layout == Layout::node;
  Json json{{"taken_at", ticks(sample.taken_at)}, {"node", is_node}, {"bucket_ids", sample.bucket_ids}};
  if (sample.directory) {
    json["inode"] = sample.directory->inode;
    if (sample.directory->birth) json["birth"] = ticks(*sample.directory->birth);
  }
  json["files"] = is_node ? runs_of(sample) : shards_of(sample);
  return json.dump();
}

std::shared_ptr<const Sample> last_look_from(const std::string& text) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return nullptr;
  try {
    Sample sample;
    sample.taken_at = time_of(json.at("taken_at"));
    sample.layout = json.at("node").get<bool>() ? Layout::node : Layout::segments;
    sample.bucket_ids = json.at("bucket_ids").get<bool>();
    if (json.contains("inode")) {
      sample.directory.emplace().inode = json["inode"].get<std::uint64_t>();
      if (json.contains("birth")) sample.directory->birth = time_of(json["birth"]);
    }
    sample.layout == Layout::node ? read_runs(json.at("files"), sample) : read_shards(json.at("files"), sample);
    return std::make_shared<const Sample>(std::move(sample));
  } catch (const Json::exception&) {
    return nullptr;
  }
}

}  // namespace wal_exporter::wal
