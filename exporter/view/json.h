// The JSON of the API and of `--once --format json`: one form for both.
//
// Every string in it is valid UTF-8 (bytes that are not become U+FFFD), so that
// dump() never throws. Pure; safe from any thread.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "view/commands.h"
#include "view/view.h"

namespace wal_exporter::view {

// The health that holds at `now`: nullopt (unknown) also where the sample has
// become too old since the view was made.
[[nodiscard]] std::optional<policy::Health> health_at(const TargetView& target, Time now);

// Why the health is unknown, for people; empty where it is known.
[[nodiscard]] std::string unknown_reason(const TargetView& target, Time now);

// What is left of the cooldown, whole milliseconds, rounded up; 0: it is over.
[[nodiscard]] std::int64_t cooldown_remaining_ms(const TargetView& target, Time now);

// One element of `targets`. The order of its first fields is part of the API (a test holds
// it); later additions follow. Times are RFC 3339 in UTC, sizes are bytes, unknown values are
// null. In `forecast` an eta is also null if the limit is not in sight (growth is then not
// null).
[[nodiscard]] nlohmann::ordered_json to_json(const TargetView& target, Time now);
// {"targets": [...]}
[[nodiscard]] nlohmann::ordered_json to_json(const View& view, Time now);
// `outcome`, `ended`, `message`, `duration_seconds` and `reclaimed` are null while it runs.
[[nodiscard]] nlohmann::ordered_json to_json(const CheckpointRun& run);
[[nodiscard]] nlohmann::ordered_json to_json(const state::AuditEntry& entry);
// The sample that an event rests on: sampled_at, pending, retained, snapshot, max_data_time.
[[nodiscard]] nlohmann::ordered_json event_sample_json(const wal::Sample& sample);
// Numbers are null where nothing was known.
[[nodiscard]] nlohmann::ordered_json to_json(const SamplePoint& point);
// [{"blocker": its name, "why": ...}]
[[nodiscard]] nlohmann::ordered_json to_json(const std::vector<policy::Blocked>& blockers);
// One flat object.
[[nodiscard]] nlohmann::ordered_json to_json(const CheckpointPlan& plan);
[[nodiscard]] nlohmann::ordered_json to_json(const PrepareRestartAnswer& answer);
[[nodiscard]] nlohmann::ordered_json to_json(const PauseAnswer& answer);
// Contains no secret: `receivers` is empty if the URL is one.
[[nodiscard]] nlohmann::ordered_json to_json(const events::HookStatus& hook);

}  // namespace wal_exporter::view
