#include "policy/odd_rules.h"

#include <algorithm>
#include <cmath>

#include "base/bytes.h"
#include "base/text.h"
#include "policy/budget.h"

namespace wal_exporter::policy {
namespace {

constexpr Duration kRareFlush = std::chrono::minutes(1);
constexpr Duration kQuickFlush = std::chrono::milliseconds(100);
constexpr Duration kLateSnapshot = std::chrono::hours(6);
constexpr std::uint64_t kManyKept = 10'000;

// Of `files` flushes; odd settings make it longer than a Duration can be.
Duration time_of(const wal::NodeRules& rules, std::uint64_t files) {
  constexpr double kLongest = 100.0 * 366 * 86'400;
  const double seconds = to_seconds(rules.flush_interval) * static_cast<double>(files);
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(std::min(seconds, kLongest)));
}

}  // namespace

std::vector<std::string> odd_rules(const wal::NodeRules& rules) {
  std::vector<std::string> out;
  const std::string size = std::to_string(rules.snapshot_size);
  const std::string flush = format_duration(rules.flush_interval);
  const std::string both = "wal-snapshot-size " + size + " and wal-flush-interval " + flush + ": ";
  if (snapshots_too_often(rules)) {
    std::string line = both;
    if (rules.flush_interval < kQuickFlush) {
      line +=
          "up to " + std::to_string(std::llround(1 / to_seconds(rules.flush_interval))) + " WAL files a second, and ";
    }
    out.push_back(line + "3 x snapshot_size x flush_interval (" +
                  format_duration_rough(time_of(rules, rules.all_goal())) + ") is less than gen1_duration (" +
                  format_duration(rules.gen1_duration) +
                  "): so many snapshots hide older data after a restart; raise --wal-snapshot-size or "
                  "--wal-flush-interval");
  }
  if (rules.flush_interval > kRareFlush) {
    out.push_back("wal-flush-interval " + flush + ": up to " + flush +
                  " of writes are in memory alone, and lost when the server is killed; writers that wait for their "
                  "answer wait as long; lower it to seconds");
  }
  if (const Duration late = time_of(rules, rules.row_goal()); late > kLateSnapshot) {
    out.push_back(
        both + "it takes " + count_of(rules.row_goal(), "file") + ", and so " + format_duration_rough(late) +
        " at least, until the server snapshots, and a restart replays all of them; lower --wal-snapshot-size");
  }
  return out;
}

std::string odd_kept_files(const wal::NodeRules& rules, const wal::Sample& sample) {
  const std::string flag = "snapshotted-wal-files-to-keep " + std::to_string(rules.kept_files) + ": ";
  if (rules.kept_files == 0) return flag + "WAL files are deleted as soon as a snapshot covers them";
  if (rules.kept_files < kManyKept) return {};
  std::string line = flag + "so many WAL files stay on disk after a snapshot covers them";
  const wal::Extent& known = sample.retained.files > 0 ? sample.retained : sample.pending;
  if (known.files > 0) {
    constexpr double kMost = 9e18;
    const double bytes =
        static_cast<double>(known.bytes) / static_cast<double>(known.files) * static_cast<double>(rules.kept_files);
    line += ", about " + format_bytes(static_cast<std::uint64_t>(std::min(bytes, kMost))) + " in all (" +
            format_bytes(sample.retained.bytes) + " so far)";
  }
  return line + "; the default is 300";
}

}  // namespace wal_exporter::policy
