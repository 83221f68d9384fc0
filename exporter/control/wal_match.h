// WalMatch: whether the WAL that is sampled is the one that an InfluxDB 3 server writes to.
// A storage engine may keep its WAL elsewhere, and wal.directory may be another node's; both
// look like a WAL in which nothing happens. One thread at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "base/time.h"
#include "influxdb/node_facts.h"
#include "influxdb/server_facts.h"
#include "wal/node_rules.h"
#include "wal/sample.h"

namespace wal_exporter::control {

class WalMatch {
 public:
  // `seen`: an earlier process saw a file of this WAL appear.
  explicit WalMatch(bool seen = false) : writes_seen_(seen) {}

  // The lines that the server counts as written, since its process `process_id` started.
  void answered(const std::optional<std::uint64_t>& lines, const std::string& process_id, SteadyTime now);
  // `wall` by the clock of the server.
  void sampled(const wal::Sample& sample, Time wall, SteadyTime now);
  // A file of this WAL was seen to appear, or is no older than an hour.
  [[nodiscard]] bool writes_seen() const { return writes_seen_; }

  // Why what the directory shows is not what a restart replays, for people; empty: nothing
  // says so. `facts`: nullopt where the node said nothing.
  [[nodiscard]] std::string why_not(const std::optional<influxdb::NodeFacts>& facts, const std::string& version,
                                    const std::string& build, const wal::NodeRules& rules) const;

 private:
  // What changes with each write: the newest file's time, or where snapshots take each file
  // away at once, the last file that one covers.
  using Mark = std::pair<std::optional<Time>, std::uint64_t>;

  std::optional<Mark> mark_;
  bool writes_seen_;
  bool has_wal_folder_ = true;
  bool lost_covered_ = false;  // a snapshot covers files, and there is none at all
  std::string process_id_;
  std::optional<std::uint64_t> lines_;
  // Since the mark changed: lines that were written, answers that told of some, and when the first did.
  std::uint64_t unseen_lines_ = 0;
  int unseen_answers_ = 0;
  std::optional<SteadyTime> unseen_since_;
  std::optional<SteadyTime> sampled_at_;
};

}  // namespace wal_exporter::control
