// The JSON of the API and of `--once --format json`: one form for both.
// Pure; safe from any thread.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "view/commands.h"
#include "view/view.h"

namespace walx::view {

// One element of `targets` as design.md lists its fields. Times RFC 3339 UTC,
// sizes bytes; what is not known is null.
[[nodiscard]] nlohmann::ordered_json to_json(const TargetView& target, Time now);
// {"targets": [...]}
[[nodiscard]] nlohmann::ordered_json to_json(const View& view, Time now);
[[nodiscard]] nlohmann::ordered_json to_json(const CheckpointRun& run);
[[nodiscard]] nlohmann::ordered_json to_json(const HistoryEntry& entry);

}  // namespace walx::view
