// What checkpoints have shown of single shards, by the account of the invariants: how
// often in a row a shard failed, at the least and at the most, because after a kill
// nobody knows whether what was not on disk is remembered. Of each server that the
// settings name an account of its own. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "clocks.h"
#include "influxdb/outcome.h"
#include "policy/shard_book.h"
#include "wal/sample.h"

namespace wal_exporter::simulation {

class ShardAccount {
 public:
  struct Failing {
    std::uint32_t least = 0;  // in a row
    std::uint32_t most = 0;
    std::uint64_t oldest = 0;  // its oldest segment with data, by its inode
    Moment last{};
    SteadyTime rests_until{};  // at the latest
  };

  // From now on the settings name this one.
  void ask(const std::string& server);
  // All that is known may be forgotten.
  void may_be_forgotten();
  void clock_set(Duration by);
  void sampled(const wal::Sample& sample, SteadyTime now);
  void ended(const influxdb::Outcome& outcome, const wal::Sample& after, const Moment& moment);

  [[nodiscard]] const std::map<wal::ShardKey, Failing>& failing() const { return of_server().failing; }
  // Without what is set apart, or whose snapshot fails; `at_most`: with what may be forgotten of that.
  [[nodiscard]] wal::Extent can_be_emptied(const wal::Sample& sample, bool at_most = false) const;
  // Each shard with something pending may be at rest.
  [[nodiscard]] bool all_may_rest(const wal::Sample& sample, SteadyTime now) const;
  // Without what the book rightly sets apart, or lets rest.
  [[nodiscard]] wal::Extent must_be_emptied(const wal::Sample& sample, const policy::ShardBook& book, Time wall,
                                            SteadyTime now) const;

 private:
  struct Apart {
    wal::Extent left;   // by the run that showed it
    bool sure = false;  // remembered
  };
  struct OfServer {
    bool proven = false;       // maybe
    bool sure_proven = false;  // and remembered
    std::map<wal::ShardKey, Failing> failing;
    std::map<wal::ShardKey, Apart> apart;
  };

  [[nodiscard]] const OfServer& of_server() const { return servers_.at(server_); }
  [[nodiscard]] OfServer& of_server() { return servers_.at(server_); }
  [[nodiscard]] bool is_apart(const wal::Shard& shard, bool surely = false) const;

  std::map<std::string, OfServer> servers_{{"", {}}};
  std::string server_;
};

// How long a shard rests after so many failures in a row.
[[nodiscard]] Duration rest_after(std::uint32_t failures);

}  // namespace wal_exporter::simulation
