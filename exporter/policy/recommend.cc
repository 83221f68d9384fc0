#include "policy/recommend.h"

#include "policy/gaps.h"

namespace wal_exporter::policy {

std::vector<std::string> recommend(Health health, const wal::Sample& sample, const Decision& decision,
                                   const std::optional<NotShrinking>& not_shrinking, const wal::ServerTraits& server,
                                   Health told) {
  const auto findings = wal::findings_of(sample, server);
  std::vector<std::string> out;
  switch (health) {
    case Health::healthy:
      if (findings.empty() && told == Health::healthy && sample.sequence_gaps == emptied_gaps(sample, server.version))
        out = {std::string(kOptimal), std::string(kContinue)};
      break;
    case Health::warning:
      out = {"Schedule checkpoint soon", "Monitor WAL growth rate", "Optimize write batching"};
      break;
    case Health::critical:
      out = {"Immediate checkpoint required", "Consider container restart if checkpoint fails",
             "Review write patterns and batch size"};
      // That advice would lose data, or the server.
      if (!findings.empty() && findings.front().effect >= wal::Effect::skipped) out.erase(out.begin() + 1);
      break;
  }
  for (const wal::Finding& finding : findings) out.push_back(describe(finding, server));
  if ((health != Health::healthy || decision.reason == Reason::critical) && !decision.blockers.empty()) {
    out.push_back("No checkpoint is started now: " + decision.explanation());
  }
  if (not_shrinking) out.push_back(advice(*not_shrinking));
  for (const std::string& note : sample.notes) out.push_back(note);
  return out;
}

}  // namespace wal_exporter::policy
