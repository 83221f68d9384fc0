// Advice in words. The first lines are the older service's, word for word; what
// is known beyond them follows. Pure; safe from any thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "policy/cause.h"
#include "policy/decision.h"
#include "policy/health.h"
#include "wal/sample.h"

namespace wal_exporter::policy {

[[nodiscard]] std::vector<std::string> recommend(Health health, const wal::Sample& sample, const Decision& decision,
                                                 const std::optional<NotShrinking>& not_shrinking);

}  // namespace wal_exporter::policy
