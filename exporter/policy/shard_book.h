// The book of shards: what checkpoints have shown of single shards of 1.x and 2.x, across
// runs and restarts of this process, and what follows for a sample and for the next run.
//
// A shard whose snapshot fails is asked at most three times in a row, because each question
// may leave one more segment; then it is left alone for a while that doubles, but for one
// question with each request of a person, who may have repaired it. What the server
// does not know, or has persisted and keeps open, is set apart: it is not pending. Each entry
// holds only as long as the segments that it was proven on are there.
//
// Pure: no clock, no I/O; safe from any thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "wal/sample.h"

namespace wal_exporter::policy {

inline constexpr std::uint32_t kMostShardFailures = 3;  // in a row; more, and the shard is left alone
inline constexpr Duration kFirstShardWait = std::chrono::minutes(30);
inline constexpr Duration kLongestShardWait = std::chrono::hours(24);
// Set apart, a shard is looked at again after so long.
inline constexpr Duration kLookAgainAfter = std::chrono::hours(24);
inline constexpr std::size_t kMostShardEntries = 2000;  // shards beyond count as if nothing were known of them

struct ShardEntry {
  // pending: its snapshot fails; else it is set apart as such.
  wal::ShardState state = wal::ShardState::pending;
  std::uint32_t failures = 0;    // in a row
  std::optional<Time> next_try;  // nullopt: with the next checkpoint
  Time since{};                  // of the first failure, or of the proof
  std::uint64_t proven_on = 0;   // see segments_mark()
  std::string why;               // for people; the shard's name is not in it

  // Asked as often as it may be: named, and left alone.
  [[nodiscard]] bool is_failing() const { return state == wal::ShardState::pending && failures >= kMostShardFailures; }
  friend bool operator==(const ShardEntry&, const ShardEntry&) = default;
};

struct ShardBook {
  std::map<wal::ShardKey, ShardEntry> entries;
  // The server that was asked, as it is set, and whether it was seen to persist shards of
  // this WAL. Of another server nothing here holds.
  std::string server;
  bool server_proven = false;

  friend bool operator==(const ShardBook&, const ShardBook&) = default;
};

// failing (of one that is pending all the same), orphaned, kept_open.
[[nodiscard]] std::string_view to_string(wal::ShardState state);
// "plant/autogen/7", on one line.
[[nodiscard]] std::string name_of(const wal::ShardKey& shard);

// Tells the segments of a shard from others. `state`: that the entry is about. Of a failing
// shard it is the oldest segment with data alone, because each question adds one.
[[nodiscard]] std::uint64_t segments_mark(const wal::Shard& shard, wal::ShardState state);

// What one run showed of a shard, each with the shard as it was read after the run.
[[nodiscard]] ShardBook after_persisted(ShardBook book, const wal::ShardKey& shard);
[[nodiscard]] ShardBook after_failure(ShardBook book, const wal::Shard& shard, std::string why, Time now);
[[nodiscard]] ShardBook set_apart(ShardBook book, const wal::Shard& shard, wal::ShardState state, std::string why,
                                  Time now);

// Without what the sample shows no longer to hold; times from the future (the clock was set
// back) are brought back to within their own length.
[[nodiscard]] ShardBook after_sample(ShardBook book, const wal::Sample& sample, Time now);

// The sample with each shard's state, and without what is set apart in `pending`. Of
// several folders with one shard's number InfluxDB reads one, so one counts: that which the
// data directory has too, else the one that was written last.
[[nodiscard]] wal::Sample apply(const ShardBook& book, wal::Sample sample);
// Why the folder, which no entry sets apart, does not count: another one has its number. Names
// it a copy only where the data directory proves it. `sample`: as apply() left it.
struct NotCounted {
  std::string why;
  bool is_copy = false;
};
[[nodiscard]] NotCounted why_not_counted(const wal::Sample& sample, const wal::Shard& folder);
// Whether apply() would change anything.
[[nodiscard]] bool concerns(const ShardBook& book, const wal::Sample& sample);

// The shards that the next run does not ask. `sample`: as apply() left it. What is set apart
// is asked again once a day, beside others.
[[nodiscard]] std::vector<wal::ShardKey> left_alone(const ShardBook& book, const wal::Sample& sample, Time now);

// JSON, for the state database. Unknown fields are ignored, so that an older
// version can read what a newer one of the same schema wrote.
[[nodiscard]] std::string to_text(const ShardBook& book);
[[nodiscard]] Result<ShardBook> shard_book_from(const std::string& text);

}  // namespace wal_exporter::policy
