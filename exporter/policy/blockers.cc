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

std::string explain(std::string about, const std::vector<Blocked>& blockers) {
  for (const Blocked& blocked : blockers) {
    about += "; blocked by " + std::string(to_string(blocked.blocker)) + ": " + blocked.why;
  }
  return about;
}

}  // namespace wal_exporter::policy
