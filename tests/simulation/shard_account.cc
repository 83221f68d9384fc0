#include "shard_account.h"

#include <algorithm>

namespace wal_exporter::simulation {

using influxdb::ShardEnd;

Duration rest_after(std::uint32_t failures) {
  if (failures < policy::kMostShardFailures) return Duration::zero();
  Duration rest = policy::kFirstShardWait;
  for (; failures > policy::kMostShardFailures && rest < policy::kLongestShardWait; --failures) rest *= 2;
  return std::min(rest, policy::kLongestShardWait);
}

void ShardAccount::ask(const std::string& server) {
  if (server == server_) return;
  // What is kept of the one before goes with the first thing that is kept of this one.
  may_be_forgotten();
  server_ = server;
  servers_.try_emplace(server);
}

void ShardAccount::may_be_forgotten() {
  OfServer& known = of_server();
  known.sure_proven = false;
  for (auto& [shard, one] : known.failing) one.least = 0;
  for (auto& [shard, one] : known.apart) one.sure = false;
}

// Times were kept by the clock as it was.
void ShardAccount::clock_set(Duration by) {
  if (by > Duration::zero()) return;
  for (auto& [server, known] : servers_) {
    for (auto& [shard, one] : known.failing) one.rests_until -= by;
  }
}

void ShardAccount::sampled(const wal::Sample& sample, SteadyTime now) {
  auto& failing = of_server().failing;
  std::erase_if(failing, [&](const auto& one) {
    return std::none_of(sample.shards.begin(), sample.shards.end(), [&](const wal::Shard& shard) {
      return shard.key() == one.first &&
             std::any_of(shard.segments.begin(), shard.segments.end(), [&](const wal::Segment& segment) {
               return segment.inode == one.second.oldest && segment.has_data();
             });
    });
  });
  // From here on each rest runs out within its own length.
  for (auto& [shard, one] : failing) one.rests_until = std::min(one.rests_until, now + rest_after(one.most));
}

void ShardAccount::ended(const influxdb::Outcome& outcome, const wal::Sample& after, const Moment& moment) {
  OfServer& known = of_server();
  known.proven = known.proven || outcome.server_proven;
  known.sure_proven = known.sure_proven || outcome.server_proven;
  for (const influxdb::ShardOutcome& one : outcome.shards) {
    if (one.end == ShardEnd::persisted) {
      known.failing.erase(one.shard);
      known.apart.erase(one.shard);
    }
    const auto found = std::find_if(after.shards.begin(), after.shards.end(),
                                    [&](const wal::Shard& shard) { return shard.key() == one.shard; });
    if (found == after.shards.end()) continue;
    if (one.end == ShardEnd::orphaned || one.end == ShardEnd::kept_open) {
      known.apart[one.shard] = {found->pending, true};
      known.failing.erase(one.shard);  // the question left no file
    }
    if (one.end != ShardEnd::busy && one.end != ShardEnd::failed && one.end != ShardEnd::unverified) continue;
    if (!known.proven) continue;  // the address may be wrong
    known.apart.erase(one.shard);
    const auto oldest = std::find_if(found->segments.begin(), found->segments.end(),
                                     [](const wal::Segment& segment) { return segment.has_data(); });
    if (oldest == found->segments.end()) continue;
    Failing& failing = known.failing[one.shard];
    if (known.sure_proven) ++failing.least;
    ++failing.most;
    failing.oldest = oldest->inode;
    failing.last = moment;
    failing.rests_until = moment.steady + rest_after(failing.most);
  }
  sampled(after, moment.steady);
}

bool ShardAccount::is_apart(const wal::Shard& shard, bool surely) const {
  const auto apart = of_server().apart.find(shard.key());
  return apart != of_server().apart.end() && apart->second.left == shard.pending && (apart->second.sure || !surely);
}

wal::Extent ShardAccount::can_be_emptied(const wal::Sample& sample, bool at_most) const {
  if (sample.layout != wal::Layout::segments) return sample.pending;
  wal::Extent out;
  for (const wal::Shard& shard : sample.shards) {
    const auto fails = failing().find(shard.key());
    const bool is_known_to_fail = fails != failing().end() && (fails->second.least > 0 || !at_most);
    if (!is_known_to_fail && !is_apart(shard, at_most)) out += shard.pending;
  }
  return out;
}

bool ShardAccount::all_may_rest(const wal::Sample& sample, SteadyTime now) const {
  return std::all_of(sample.shards.begin(), sample.shards.end(), [&](const wal::Shard& shard) {
    const auto fails = failing().find(shard.key());
    return shard.pending.files == 0 || is_apart(shard) || (fails != failing().end() && now < fails->second.rests_until);
  });
}

wal::Extent ShardAccount::must_be_emptied(const wal::Sample& sample, const policy::ShardBook& book, Time wall,
                                          SteadyTime now) const {
  if (sample.layout != wal::Layout::segments) return sample.pending;
  wal::Extent out;
  for (const wal::Shard& shard : sample.shards) {
    const auto said = book.entries.find(shard.key());
    const auto fails = failing().find(shard.key());
    bool is_left_out = false;
    if (said != book.entries.end() && said->second.state != wal::ShardState::pending) {
      is_left_out = is_apart(shard);
    } else if (said != book.entries.end() && fails != failing().end()) {
      is_left_out = said->second.next_try && *said->second.next_try > wall && now < fails->second.rests_until;
    }
    if (!is_left_out) out += shard.pending;
  }
  return out;
}

}  // namespace wal_exporter::simulation
