#include "policy/shard_book.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "base/backoff.h"
#include "base/text.h"

namespace wal_exporter::policy {
namespace {

using Json = nlohmann::json;
using wal::ShardState;

constexpr std::size_t kLongestWhy = 400;  // bytes
// As many as a sample takes of any kind: they name the first ones, the metrics and the API have them all.
constexpr std::size_t kMostNotes = 20;

// FNV-1a: the same in every build, because it is kept.
void mix(std::uint64_t& mark, std::uint64_t value) {
  for (int i = 0; i < 8; ++i, value >>= 8) mark = (mark ^ (value & 0xff)) * 0x100000001b3;
}

ShardEntry* entry_of(ShardBook& book, const wal::ShardKey& shard) {
  const auto found = book.entries.find(shard);
  if (found != book.entries.end()) return &found->second;
  return book.entries.size() < kMostShardEntries ? &book.entries[shard] : nullptr;
}

// How long it is left alone, from its last question on.
Duration wait_of(const ShardEntry& entry) {
  if (entry.state != ShardState::pending) return kLookAgainAfter;
  return backoff(kFirstShardWait, kLongestShardWait, entry.failures + 1 - kMostShardFailures);
}

std::string shortened(std::string why) {
  why = to_valid_utf8(why);
  if (why.size() > kLongestWhy) why = to_valid_utf8(why.substr(0, kLongestWhy));
  return why;
}

Time newest_write(const wal::Shard& shard) {
  Time newest{};
  for (const wal::Segment& segment : shard.segments) newest = std::max(newest, segment.modified);
  return newest;
}

// The folders of each number that is there more than once.
using Twins = std::unordered_map<std::uint64_t, std::vector<wal::Shard*>>;

Twins twins_of(std::vector<wal::Shard>& shards) {
  Twins twins;
  for (wal::Shard& shard : shards) twins[shard.id].push_back(&shard);
  std::erase_if(twins, [](const auto& one) { return one.second.size() < 2; });
  return twins;
}

// Of two folders with one number: whether this is the one to count.
bool counts_before(const wal::Shard& one, const wal::Shard& other) {
  const auto doubts = [](const wal::Shard& shard) {
    return std::tuple(shard.state == ShardState::orphaned, shard.has_data == false, shard.has_data != true,
                      shard.stray_name);
  };
  if (doubts(one) != doubts(other)) return doubts(one) < doubts(other);
  const Time written = newest_write(one);
  const Time other_written = newest_write(other);
  return written != other_written ? written > other_written : one.key() < other.key();
}

Time time_from(const Json& json, const char* key) {
  return Time(Duration(json.at(key).get<std::int64_t>()));
}

constexpr std::pair<ShardState, std::string_view> kStates[] = {
    {ShardState::pending, "failing"}, {ShardState::orphaned, "orphaned"}, {ShardState::kept_open, "kept_open"}};

}  // namespace

std::string_view to_string(ShardState state) {
  return std::find_if(std::begin(kStates), std::end(kStates), [&](const auto& one) { return one.first == state; })
      ->second;
}

std::string name_of(const wal::ShardKey& shard) {
  return escape_control(shard.database + "/" + shard.retention_policy + "/" + std::to_string(shard.id));
}

std::uint64_t segments_mark(const wal::Shard& shard, ShardState state) {
  std::uint64_t mark = 0xcbf29ce484222325;
  for (const wal::Segment& segment : shard.segments) {
    if (!segment.has_data()) continue;
    mix(mark, segment.number);
    mix(mark, segment.inode);
    if (state == ShardState::pending) break;
    mix(mark, segment.bytes);
  }
  return mark;
}

ShardBook after_persisted(ShardBook book, const wal::ShardKey& shard) {
  book.entries.erase(shard);
  return book;
}

ShardBook after_failure(ShardBook book, const wal::Shard& shard, std::string why, Time now) {
  ShardEntry* entry = entry_of(book, shard.key());
  if (entry == nullptr) return book;
  const bool first = entry->state != ShardState::pending || entry->failures == 0;
  if (first) {
    *entry = {};
    entry->since = now;
  }
  entry->failures = std::min(entry->failures + 1, kMostShardFailures + 100);
  entry->proven_on = segments_mark(shard, ShardState::pending);
  entry->why = shortened(std::move(why));
  if (entry->is_failing()) entry->next_try = now + wait_of(*entry);
  return book;
}

ShardBook set_apart(ShardBook book, const wal::Shard& shard, ShardState state, std::string why, Time now) {
  ShardEntry* entry = entry_of(book, shard.key());
  if (entry == nullptr) return book;
  const std::uint64_t mark = segments_mark(shard, state);
  const bool known = entry->state == state && entry->proven_on == mark;
  *entry = ShardEntry{state, 0, now + kLookAgainAfter, known ? entry->since : now, mark, shortened(std::move(why))};
  return book;
}

ShardBook after_sample(ShardBook book, const wal::Sample& sample, Time now) {
  if (book.entries.empty()) return book;
  std::map<wal::ShardKey, ShardEntry> left;
  for (const wal::Shard& shard : sample.shards) {
    const auto found = book.entries.find(shard.key());
    if (found == book.entries.end()) continue;
    ShardEntry& entry = found->second;
    if (entry.proven_on != segments_mark(shard, entry.state)) continue;
    entry.since = std::min(entry.since, now);
    if (entry.next_try) *entry.next_try = std::min(*entry.next_try, now + wait_of(entry));
    left.insert(book.entries.extract(found));
  }
  book.entries = std::move(left);
  return book;
}

bool concerns(const ShardBook& book, const wal::Sample& sample) {
  if (!book.entries.empty()) return true;
  std::vector<std::uint64_t> ids;
  ids.reserve(sample.shards.size());
  for (const wal::Shard& shard : sample.shards) ids.push_back(shard.id);
  std::sort(ids.begin(), ids.end());
  return std::adjacent_find(ids.begin(), ids.end()) != ids.end();
}

NotCounted why_not_counted(const wal::Sample& sample, const wal::Shard& folder) {
  const wal::Shard* counted = nullptr;
  for (const wal::Shard& one : sample.shards) {
    if (one.id != folder.id || one.key() == folder.key()) continue;
    if (counted == nullptr || counts_before(one, *counted)) counted = &one;
  }
  if (counted == nullptr) return {};
  const std::string name = name_of(counted->key());
  if (counted->state == ShardState::orphaned) {
    return {"its number is that of shard " + name + ", which InfluxDB does not know either", true};
  }
  if (counted->has_data == true && folder.has_data == false) {
    return {"its number is that of shard " + name +
                ", which has a folder in the data directory while this one has none: it is a copy, which InfluxDB does "
                "not read",
            true};
  }
  return {"shard " + name + ", which is counted, has the same number; InfluxDB reads only one of the two, and " +
          (sample.bucket_ids ? "its data directory" : "SHOW SHARDS") + " tells which"};
}

wal::Sample apply(const ShardBook& book, wal::Sample sample) {
  for (wal::Shard& shard : sample.shards) {
    const auto found = book.entries.find(shard.key());
    if (found != book.entries.end()) shard.state = found->second.state;
  }
  for (auto& [id, folders] : twins_of(sample.shards)) {
    const wal::Shard* counted = *std::min_element(
        folders.begin(), folders.end(), [](const auto* one, const auto* other) { return counts_before(*one, *other); });
    for (wal::Shard* folder : folders) {
      if (folder != counted) folder->state = ShardState::orphaned;
    }
  }
  sample.pending = {};
  sample.orphaned = {};
  sample.kept_open = {};
  sample.oldest_pending.reset();
  for (const wal::Shard& shard : sample.shards) {
    if (shard.state == ShardState::orphaned) {
      sample.orphaned += shard.pending;
      if (shard.pending.files == 0 || sample.notes.size() >= kMostNotes) continue;
      const auto found = book.entries.find(shard.key());
      const bool shown = found != book.entries.end() && found->second.state == ShardState::orphaned;
      const NotCounted reason = shown ? NotCounted{found->second.why, true} : why_not_counted(sample, shard);
      sample.notes.push_back(
          "Shard " + name_of(shard.key()) + " is not counted: " + reason.why +
          (reason.is_copy ? "; if it is not needed, move its folder out of the WAL directory with InfluxDB stopped"
                          : ""));
    }
    if (shard.state == ShardState::kept_open) sample.kept_open += shard.pending;
    if (shard.state != ShardState::pending) continue;
    sample.pending += shard.pending;
    for (const wal::Segment& segment : shard.segments) {
      if (!segment.has_data()) continue;
      sample.oldest_pending = std::min(sample.oldest_pending.value_or(segment.oldest_data), segment.oldest_data);
    }
  }
  return sample;
}

std::vector<wal::ShardKey> left_alone(const ShardBook& book, const wal::Sample& sample, Time now) {
  std::vector<wal::ShardKey> out;
  std::vector<wal::ShardKey> due;  // set apart, and to be looked at again
  bool any_asked = false;
  for (const wal::Shard& shard : sample.shards) {
    const auto found = book.entries.find(shard.key());
    // A copy is set apart without an entry, and never asked for: the answer would be that of
    // the other folder.
    const bool known = found != book.entries.end() && found->second.state == shard.state;
    const bool waits = known && found->second.next_try && *found->second.next_try > now;
    if (waits || (!known && shard.state != ShardState::pending)) {
      out.push_back(shard.key());
    } else if (shard.state != ShardState::pending) {
      due.push_back(shard.key());
    } else {
      any_asked = any_asked || shard.pending.files > 0;
    }
  }
  // Alone they would look like the shards of another server.
  if (!any_asked) out.insert(out.end(), due.begin(), due.end());
  return out;
}

std::string to_text(const ShardBook& book) {
  Json shards = Json::array();
  for (const auto& [shard, entry] : book.entries) {
    Json one;
    one["database"] = to_valid_utf8(shard.database);
    one["retention_policy"] = to_valid_utf8(shard.retention_policy);
    one["id"] = shard.id;
    one["state"] = to_string(entry.state);
    if (entry.failures > 0) one["failures"] = entry.failures;
    if (entry.next_try) one["next_try"] = entry.next_try->time_since_epoch().count();
    one["since"] = entry.since.time_since_epoch().count();
    one["proven_on"] = entry.proven_on;
    one["why"] = entry.why;
    shards.push_back(std::move(one));
  }
  Json json;
  json["server"] = to_valid_utf8(book.server);
  json["server_proven"] = book.server_proven;
  json["shards"] = std::move(shards);
  return json.dump();
}

Result<ShardBook> shard_book_from(const std::string& text) {
  try {
    const Json json = Json::parse(text);
    ShardBook book;
    book.server = json.at("server").get<std::string>();
    book.server_proven = json.at("server_proven").get<bool>();
    for (const Json& one : json.at("shards")) {
      if (book.entries.size() >= kMostShardEntries) break;
      ShardEntry entry;
      const auto name = one.at("state").get<std::string>();
      const auto* state =
          std::find_if(std::begin(kStates), std::end(kStates), [&](const auto& known) { return known.second == name; });
      if (state == std::end(kStates)) continue;
      entry.state = state->first;
      entry.failures = std::min(one.value("failures", std::uint32_t{0}), kMostShardFailures + 100);
      if (one.contains("next_try")) entry.next_try = time_from(one, "next_try");
      entry.since = time_from(one, "since");
      entry.proven_on = one.at("proven_on").get<std::uint64_t>();
      entry.why = one.value("why", "");
      book.entries[{one.at("database").get<std::string>(), one.at("retention_policy").get<std::string>(),
                    one.at("id").get<std::uint64_t>()}] = std::move(entry);
    }
    return book;
  } catch (const Json::exception& error) {
    return failure(ErrorKind::corrupt,
                   std::string("what is remembered of single shards can't be read: ") + error.what());
  }
}

}  // namespace wal_exporter::policy
