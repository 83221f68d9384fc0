#include "policy/recommend.h"

#include <algorithm>
#include <functional>

namespace wal_exporter::policy {

std::vector<std::string> recommend(Health health, const wal::Sample& sample, const Decision& decision,
                                   const std::optional<NotShrinking>& not_shrinking) {
  std::vector<std::string> out;
  switch (health) {
    case Health::healthy:
      out = {"WAL health is optimal", "Continue current write patterns"};
      break;
    case Health::warning:
      out = {"Schedule checkpoint soon", "Monitor WAL growth rate", "Optimize write batching"};
      break;
    case Health::critical:
      out = {"Immediate checkpoint required", "Consider container restart if checkpoint fails",
             "Review write patterns and batch size"};
      break;
  }
  if (health != Health::healthy && !decision.blockers.empty()) {
    out.push_back("No checkpoint is started now: " + decision.explanation());
  }
  if (not_shrinking) {
    out.push_back("The WAL does not shrink (" + std::string(to_string(not_shrinking->cause)) +
                  "): " + not_shrinking->detail);
  }
  if (sample.newest_file_damaged) {
    out.push_back(
        "The newest WAL file is damaged: InfluxDB will end itself at its next write, and at every start after it; stop "
        "it, copy the file away, move it aside, then start it");
  }
  const auto unreadable = [](const wal::InvalidFile& file) { return file.reason == wal::InvalidReason::unreadable; };
  const auto describe = [](const wal::InvalidFile& file) {
    return file.file + " (" + std::string(to_string(file.reason)) + (file.detail.empty() ? "" : ": " + file.detail) +
           ")";
  };
  const auto damaged = std::find_if_not(sample.invalid.begin(), sample.invalid.end(), unreadable);
  if (damaged != sample.invalid.end()) {
    const auto count = std::count_if(sample.invalid.begin(), sample.invalid.end(), std::not_fn(unreadable));
    out.push_back(std::to_string(count) + (count == 1 ? " file" : " files") +
                  " of the WAL can't be replayed in full, first " + describe(*damaged) +
                  ": copy it away and look at it before the next restart, which passes over what it can't read");
  }
  const auto closed = std::find_if(sample.invalid.begin(), sample.invalid.end(), unreadable);
  if (closed != sample.invalid.end()) {
    out.push_back("The exporter may not read every WAL file, so it can't tell whether they are whole: first " +
                  describe(*closed));
  }
  for (const std::string& note : sample.notes) out.push_back(note);
  return out;
}

}  // namespace wal_exporter::policy
