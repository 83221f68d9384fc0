// Advice in words. The first lines are the older service's, word for word; what
// is known beyond them follows. Pure; safe from any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy/cause.h"
#include "policy/decision.h"
#include "policy/health.h"
#include "wal/sample.h"

namespace wal_exporter::policy {

// All that there is to say where nothing is wrong.
inline constexpr std::string_view kOptimal = "WAL health is optimal";
inline constexpr std::string_view kContinue = "Continue current write patterns";

// `health`: by the limits alone; what else was found in the WAL speaks for itself. `told`:
// the health that is told of the target.
[[nodiscard]] std::vector<std::string> recommend(Health health, const wal::Sample& sample, const Decision& decision,
                                                 const std::optional<NotShrinking>& not_shrinking,
                                                 const wal::ServerTraits& server = {}, Health told = Health::healthy);

}  // namespace wal_exporter::policy
