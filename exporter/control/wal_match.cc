#include "control/wal_match.h"

#include <algorithm>
#include <cstdio>

#include "base/text.h"

namespace wal_exporter::control {
namespace {

// A file this young was written by a server of today's settings.
constexpr Duration kYoung = std::chrono::hours(1);
// How long written lines may take to show in the WAL: so many flushes, but at least this.
constexpr int kFlushes = 5;
constexpr Duration kAtLeast = std::chrono::seconds(10);

constexpr const char* kOtherEngine =
    "InfluxDB Enterprise runs its upgraded storage engine (--upgrade-pacha-tree, or a new cluster), whose WAL does not "
    "lie in <node-id>/wal: this engine's WAL is not measured";
constexpr const char* kPerhapsOtherEngine =
    "InfluxDB Enterprise 3.11 and later gives new clusters the upgraded storage engine, whose WAL does not lie in "
    "<node-id>/wal and is not measured. The server does not say which one it runs and no file of this WAL has been "
    "seen to appear yet, so whether this node has that engine is not known; the first file that does settles it, or "
    "influxdb.token_file with a token that may read the system tables";
constexpr const char* kNoWriter =
    "the server says that this node takes no writes (--mode), so it has no WAL; set wal.directory to the folder of the "
    "node that takes the writes";
constexpr const char* kNoFolder =
    "there is no wal/ yet, or an empty one and nothing beside it, so this is a node that nothing was written to, or "
    "the folder of a cluster, a compactor or a query node, which never has one; set wal.directory to the folder of the "
    "node that takes the writes, or "
    "influxdb.url, so that the server tells";

bool is_enterprise_with_two_engines(const std::string& version, const std::string& build) {
  int major = 0;
  int minor = 0;
  if (std::sscanf(version.c_str(), "%d.%d", &major, &minor) != 2) return false;
  return lower_case(build).starts_with("enterprise") && major == 3 && minor >= 11;
}

}  // namespace

void WalMatch::answered(const std::optional<std::uint64_t>& lines, const std::string& process_id, SteadyTime now) {
  const bool goes_on = lines && lines_ && process_id == process_id_ && *lines >= *lines_;
  if (goes_on && *lines > *lines_ && mark_) {
    if (!unseen_since_) unseen_since_ = now;
    unseen_lines_ += *lines - *lines_;
    ++unseen_answers_;
  }
  if (!goes_on) {
    unseen_since_.reset();
    unseen_lines_ = 0;
    unseen_answers_ = 0;
  }
  lines_ = lines;
  process_id_ = process_id;
}

void WalMatch::sampled(const wal::Sample& sample, Time wall, SteadyTime now) {
  lost_covered_ = sample.snapshot && sample.snapshot->wal_file_sequence > 0 && sample.periods.empty() &&
                  sample.retained.files == 0 && sample.invalid.empty();
  has_wal_folder_ = sample.layout != wal::Layout::node || sample.has_wal_folder;
  const Mark mark{sample.newest_file, sample.snapshot ? sample.snapshot->wal_file_sequence : 0};
  if (sample.newest_file && wall - *sample.newest_file < kYoung) writes_seen_ = true;
  if (mark_ != mark) {
    writes_seen_ = writes_seen_ || mark_.has_value();
    unseen_since_.reset();
    unseen_lines_ = 0;
    unseen_answers_ = 0;
    mark_ = mark;
  }
  sampled_at_ = now;
}

std::string WalMatch::why_not(const std::optional<influxdb::NodeFacts>& facts, const std::string& version,
                              const std::string& build, const wal::NodeRules& rules) const {
  if (facts && facts->other_engine) return kOtherEngine;
  if (facts && facts->takes_writes == false) return kNoWriter;
  if (!has_wal_folder_ && !(facts && facts->takes_writes == true)) return kNoFolder;
  if (lost_covered_ && rules.kept_files > 0) {
    return "no WAL file is there, though InfluxDB keeps up to " + std::to_string(rules.kept_files) +
           " that its snapshots cover: they were removed, or the disk of wal/ is not mounted, and what else lay there "
           "is "
           "not known; where the server runs with --snapshotted-wal-files-to-keep 0, set influxdb.kept_files to 0";
  }
  // The first such answer may tell of lines whose file was there before it.
  if (unseen_answers_ > 1 && *sampled_at_ - *unseen_since_ > std::max(kAtLeast, kFlushes * rules.flush_interval)) {
    return "InfluxDB took " + count_of(unseen_lines_, "line") +
           " meanwhile, and no file of this WAL has changed: its storage engine keeps the WAL elsewhere, where it is "
           "not measured, or wal.directory is another node's; check that influxdb.url and wal.directory belong to the "
           "same server";
  }
  if (is_enterprise_with_two_engines(version, build) && !writes_seen_ && !(facts && facts->engine_known)) {
    return kPerhapsOtherEngine;
  }
  return {};
}

}  // namespace wal_exporter::control
