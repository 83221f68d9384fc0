#include "wal/finding.h"

#include <algorithm>
#include <cstdio>
#include <optional>
#include <utility>

#include "base/text.h"
#include "wal/node_wal_file.h"

namespace wal_exporter::wal {
namespace {

using Version = std::array<int, 3>;

struct Row {
  InvalidReason value{};
  std::string_view name;  // what is wrong, after "1 file"
  Effect anywhere{};
  Effect newest{};   // the same as the newest file
  Effect failing{};  // with --wal-replay-fail-on-error
};

constexpr Effect kHarmless = Effect::harmless;
constexpr Effect kDoubtful = Effect::doubtful;
constexpr Effect kSkipped = Effect::skipped;
constexpr Effect kEnds = Effect::ends_at_write;
constexpr Effect kStops = Effect::stops_start;

constexpr std::array kRows{
    Row{InvalidReason::empty, "without content", kSkipped, kEnds, kStops},
    Row{InvalidReason::too_short, "cut short", kSkipped, kEnds, kStops},
    Row{InvalidReason::magic, "of an unknown format", kSkipped, kEnds, kStops},
    Row{InvalidReason::checksum, "with a wrong checksum", kSkipped, kEnds, kStops},
    Row{InvalidReason::unreadable, "that the exporter may not read", kDoubtful, kDoubtful, kDoubtful},
    Row{InvalidReason::times, "with impossible data times", kStops, kStops, kStops},
    Row{InvalidReason::doubled, "with a number that is taken or out of order", kStops, kStops, kStops},
    Row{InvalidReason::foreign, "of a foreign name", kDoubtful, kEnds, kDoubtful},
    Row{InvalidReason::older, "of an older format (InfluxDB 3.0 alpha)", kSkipped, kEnds, kStops},
    Row{InvalidReason::other_edition, "of another edition of InfluxDB", kStops, kStops, kStops},
    Row{InvalidReason::unopened, "that keeps its shard from being opened", kStops, kStops, kStops},
    Row{InvalidReason::snapshot, "of a snapshot with an impossible number", kSkipped, kSkipped, kSkipped},
    Row{InvalidReason::torn, "of a snapshot that can't be parsed", kStops, kStops, kStops},
    Row{InvalidReason::misnamed, "of a snapshot that says nothing usable", kDoubtful, kDoubtful, kDoubtful},
    Row{InvalidReason::newer, "of a newer format", kSkipped, kEnds, kStops},
    Row{InvalidReason::stray, "without WAL data", kHarmless, kHarmless, kStops},
};
static_assert(is_complete(kRows));

// A later server may read what these wrote; which one does is not known.
constexpr Version kLastThatReadsIdb3001Alone{3, 10, 999};
constexpr Version kFirstThatStopsAtOtherEditions{2, 7, 11};

std::optional<Version> version_of(const ServerTraits& server) {
  Version version{};
  if (std::sscanf(server.version.c_str(), "%d.%d.%d", &version[0], &version[1], &version[2]) < 2) return std::nullopt;
  return version;
}

constexpr std::string_view kMoveOut =
    "stop InfluxDB, move the file out of wal/ and keep it (renamed in there, it is read all the same), and see that "
    "`influxdb_wal_exporter --once` finds nothing more before the start";

std::string consequence(const Finding& finding, const ServerTraits& server) {
  if (finding.reason == InvalidReason::snapshot) {
    return "InfluxDB goes by it at its next start: it skips every WAL file up to that number, and those writes are "
           "lost";
  }
  if (finding.reason == InvalidReason::unopened) {
    return "InfluxDB starts without that shard: its data can't be read, and writes to it fail";
  }
  switch (finding.effect) {
    case Effect::stops_start:
      return server.fails_on_error &&
                     effect_of(finding.reason, finding.first.newest, {server.version, false}) != Effect::stops_start
                 ? "InfluxDB runs with --wal-replay-fail-on-error, so it will not start again"
                 : "InfluxDB will not start again";
    case Effect::ends_at_write:
      return std::string(finding.reason == InvalidReason::newer     ? "this InfluxDB does not read its newest WAL file"
                         : finding.reason == InvalidReason::foreign ? "the number that a write comes to is taken"
                                                                    : "the newest WAL file is damaged") +
             ", so InfluxDB will exit at its next write, and again after every start";
    case Effect::skipped:
      return "InfluxDB skips what it can't read when it replays, and those writes are lost";
    case Effect::doubtful:
      if (finding.reason == InvalidReason::unreadable) return "whether it is complete is not known";
      if (finding.reason == InvalidReason::misnamed) return "whether InfluxDB's next start uses it is not known";
      return "InfluxDB reads it at every start, whatever its name";
    case Effect::harmless:
    case Effect::count:
      break;
  }
  if (finding.reason == InvalidReason::newer) return "it is not judged, and the InfluxDB that wrote it reads it";
  return "InfluxDB skips it at every start";
}

std::string remedy(const Finding& finding) {
  if (to_string(finding.reason) == to_string(InvalidReason::snapshot)) {
    return "stop InfluxDB, move the file out of snapshots/ and keep it, and see that `influxdb_wal_exporter --once` "
           "finds "
           "nothing more before the start";
  }
  switch (finding.reason) {
    case InvalidReason::unreadable:
      return "let the exporter's user read it";
    case InvalidReason::newer:
      if (finding.effect == Effect::harmless) return "leave it there";
      return "start a version of InfluxDB that reads it, such as the one that wrote it";
    case InvalidReason::other_edition:
      return "start it with the edition that wrote it; or " + std::string(kMoveOut);
    case InvalidReason::times:
      if (!finding.is_cured_by_checkpoint) break;
      return "a checkpoint while InfluxDB still runs is the cure; where it is down, " + std::string(kMoveOut);
    default:
      break;
  }
  if (finding.effect == Effect::skipped) {
    return "don't restart InfluxDB: what it still has in memory is saved by a checkpoint; where it is down, copy the "
           "file away before the start";
  }
  return std::string(kMoveOut);
}

}  // namespace

Effect effect_of(InvalidReason reason, bool newest, const ServerTraits& server) {
  const auto version = version_of(server);
  if (reason == InvalidReason::newer && (!version || *version > kLastThatReadsIdb3001Alone)) return Effect::harmless;
  if (reason == InvalidReason::other_edition && version && *version < kFirstThatStopsAtOtherEditions) {
    return Effect::harmless;
  }
  const Row& row = row_of(kRows, reason);
  return std::max(
      {row.anywhere, newest ? row.newest : row.anywhere, server.fails_on_error ? row.failing : row.anywhere});
}

std::vector<Finding> findings_of(const Sample& sample, const ServerTraits& server) {
  std::vector<Finding> out;
  for (const auto* files : {&sample.invalid, &sample.unknown}) {
    for (const InvalidFile& file : *files) {
      const Effect effect = effect_of(file.reason, file.newest, server);
      const bool curable = file.reason == InvalidReason::times && parse_node_file_name(file.file).has_value();
      const auto same = std::find_if(out.begin(), out.end(), [&](const Finding& finding) {
        return finding.reason == file.reason && finding.effect == effect && finding.is_cured_by_checkpoint == curable;
      });
      if (same != out.end()) {
        ++same->files;
      } else {
        out.push_back(Finding{file.reason, effect, 1, file, curable});
      }
    }
  }
  std::stable_sort(out.begin(), out.end(), [](const Finding& a, const Finding& b) { return a.effect > b.effect; });
  return out;
}

std::string summary(const Finding& finding, const ServerTraits& server) {
  const bool one = finding.files == 1;
  return std::to_string(finding.files) + (one ? " file " : " files ") +
         std::string(row_of(kRows, finding.reason).name) + ": " + (one ? "" : "first ") +
         escape_control(finding.first.file) + (finding.first.detail.empty() ? "" : " (" + finding.first.detail + ")") +
         "; " + consequence(finding, server);
}

std::string describe(const Finding& finding, const ServerTraits& server) {
  return summary(finding, server) + ": " + remedy(finding);
}

}  // namespace wal_exporter::wal
