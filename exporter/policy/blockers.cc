#include "policy/blockers.h"

#include <algorithm>
#include <utility>

namespace wal_exporter::policy {

void add(std::vector<Blocked>& blockers, Blocked more) {
  const auto after = std::find_if(blockers.begin(), blockers.end(),
                                  [&](const Blocked& other) { return other.blocker > more.blocker; });
  blockers.insert(after, std::move(more));
}

std::vector<Blocker> without_why(const std::vector<Blocked>& blockers) {
  std::vector<Blocker> out;
  for (const Blocked& blocked : blockers) out.push_back(blocked.blocker);
  return out;
}

std::vector<std::string_view> names(const std::vector<Blocker>& blockers) {
  std::vector<std::string_view> out;
  for (const Blocker blocker : blockers) out.push_back(to_string(blocker));
  return out;
}

std::vector<std::string_view> names(const std::vector<Blocked>& blockers) {
  return names(without_why(blockers));
}

const Blocked& deciding(const std::vector<Blocked>& blockers) {
  const auto rank = [](const Blocked& blocked) {
    const int kind = !traits(blocked.blocker).ends_by_itself ? 2 : blocked == Blocker::in_flight ? 1 : 0;
    return std::pair(kind, kind == 0 ? blocked.until : std::nullopt);
  };
  return *std::max_element(blockers.begin(), blockers.end(),
                           [&](const Blocked& one, const Blocked& other) { return rank(one) < rank(other); });
}

std::string explain(std::string about, const std::vector<Blocked>& blockers) {
  if (blockers.empty()) return about;
  const Blocked& first = deciding(blockers);
  about += "; blocked by " + std::string(to_string(first.blocker)) + ": " + first.why;
  std::string more;
  for (const Blocked& blocked : blockers) {
    if (blocked.blocker == first.blocker || traits(blocked.blocker).ends_by_itself) continue;
    more += (more.empty() ? "; also blocked by " : ", ") + std::string(to_string(blocked.blocker));
  }
  return about + more;
}

}  // namespace wal_exporter::policy
