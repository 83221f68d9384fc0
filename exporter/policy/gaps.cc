#include "policy/gaps.h"

#include <algorithm>
#include <cstdio>

#include "base/bytes.h"
#include "base/time.h"
#include "wal/node_rules.h"

namespace wal_exporter::policy {
namespace {

// A snapshot takes more files than anybody removes one by one.
constexpr std::uint64_t kLeastRow = 20;

}  // namespace

std::optional<bool> leaves_every_manifest(const std::string& version) {
  int major = 0;
  int minor = 0;
  int patch = 0;
  if (std::sscanf(version.c_str(), "%d.%d.%d", &major, &minor, &patch) != 3) return std::nullopt;
  if (major != 3) return major > 3;
  switch (minor) {
    case 9:
      return patch >= 13;
    case 10:
      return patch >= 6;
    case 11:
      return patch >= 4;
    default:
      return minor > 11;
  }
}

std::uint64_t emptied_gaps(const wal::Sample& sample, const std::string& version) {
  const bool looks_like_one = sample.front_gap >= kLeastRow && sample.retained.files > 0;
  return leaves_every_manifest(version).value_or(!looks_like_one) ? 0 : sample.front_gap;
}

std::string describe_missing(std::uint64_t numbers) {
  return std::to_string(numbers) +
         (numbers == 1 ? " number is missing among the pending WAL files: its file was"
                       : " numbers are missing among the pending WAL files: their files were") +
         " removed by something other than InfluxDB. A restart skips them silently, and what only they held is "
         "lost; while InfluxDB runs, a checkpoint still saves it";
}

std::string describe_emptied(std::uint64_t numbers, const std::string& version) {
  return std::to_string(numbers) + (numbers == 1 ? " number is" : " numbers are") +
         " missing right behind the newest snapshot: probably a snapshot that had nothing to persist, of which "
         "InfluxDB "
         "before 3.9.13, 3.10.6 and 3.11.4 leaves no manifest, and nothing is lost" +
         (leaves_every_manifest(version) ? "" : "; a later one does, and then these files were removed by somebody");
}

bool leaves_what_is_kept(const wal::Sample& sample, std::optional<std::uint64_t> kept) {
  const std::uint64_t usual = wal::NodeRules{}.kept_files;
  const std::uint64_t covered = sample.snapshot ? sample.snapshot->wal_file_sequence : 0;
  const std::uint64_t shown = sample.retained.files < covered ? std::min(usual, sample.retained.files) : usual;
  return sample.periods.size() >= kept.value_or(shown);
}

std::string describe(const wal::Vanished& vanished, wal::Layout layout, bool under_server) {
  std::string out = extent_text(vanished.extent) + " of the WAL vanished that no checkpoint removed (last seen " +
                    format_time(vanished.last_seen) + "): ";
  switch (vanished.cause) {
    case wal::Vanished::Cause::directory:
      out += "its directory was removed, replaced or unmounted";
      break;
    case wal::Vanished::Cause::folders:
      out += "the folders of shards were removed, whose data is still there";
      break;
    case wal::Vanished::Cause::segments:
      out += "older files of the same shard are still there, and a checkpoint removes the oldest first";
      break;
    case wal::Vanished::Cause::files:
    case wal::Vanished::Cause::front:
      out += "no snapshot covers them";
      break;
  }
  const bool in_memory = layout == wal::Layout::node || vanished.cause == wal::Vanished::Cause::segments;
  if (!under_server) {
    out += "; a restart does not replay them, and whether InfluxDB has been running since is not known. If it has, ";
    out +=
        in_memory
            ? "what they held is in its memory alone: make a checkpoint before any restart"
            : "what they held is in its memory and in deleted files alone: make the missing folders of shards again, "
              "then persist with `influxd backup`, before any restart";
    return out + "; if it was stopped and somebody moved them, this ends with the next file that it writes";
  }
  if (in_memory) {
    return out +
           "; their data is in InfluxDB's memory alone until its next snapshot, and a restart before that loses it: "
           "make a checkpoint, then find out who removed them";
  }
  return out +
         "; InfluxDB still writes into the deleted files, and a restart loses what is in them alone: make the missing "
         "folders of shards again, then persist with `influxd backup`. A checkpoint before the folders are there stops "
         "all "
         "writes to the shard";
}

}  // namespace wal_exporter::policy
