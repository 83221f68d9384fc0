// What a decision rests on, put together from the parts of a target. Pure; one
// thread at a time.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "control/inputs.h"
#include "control/node.h"
#include "influxdb/method_kind.h"
#include "policy/engine.h"

namespace wal_exporter::control {

struct Parts;

// `auto` by what the directory or the server shows, otherwise as set.
[[nodiscard]] influxdb::MethodChoice method_of(const Parts& parts);

// `mode`: how a nudge would go about it; an unasked one never waits for a boundary.
[[nodiscard]] policy::Situation situation_of(const Parts& parts, Asker asker, influxdb::NudgeMode mode, Now now);

// The plan of a nudge and what forbids it; nullopt: the method is another, or nothing
// is known of the WAL.
[[nodiscard]] std::optional<NudgeOutlook> outlook_of(const Parts& parts, Asker asker, influxdb::NudgeMode mode,
                                                     Now now);

// All that is pending lies in shards whose snapshots fail, which are left alone until then;
// nullopt: there is something to ask for.
[[nodiscard]] std::optional<Time> shards_wait_until(const Parts& parts, Now now);

// The last sample is too old, or was never taken.
[[nodiscard]] bool is_stale(const Parts& parts, Now now);
// The last sample went well and is not too old.
[[nodiscard]] bool is_fresh(const Parts& parts, Now now);

// Whoever needs to know what is there now waits so long for a sample that began after
// it asked, at the most.
inline constexpr Duration kFreshSampleWithin = std::chrono::seconds(10);

// The sample of that number has not ended, or what it means is not known yet: the
// server has not answered its first question, or an empty directory waits for its word.
[[nodiscard]] bool awaits_sample(const Parts& parts, std::uint64_t number);

// What an event advises: what is about the server's settings is for the view alone.
[[nodiscard]] std::vector<std::string> advice_of(const Parts& parts);

// For the detail of an event: what a restart would replay ("replay"), and what this exporter
// does next ("next"), with points in time and no spans, because it is read hours later.
[[nodiscard]] nlohmann::ordered_json foresight_of(const Parts& parts, Now now);

// 1.x, where it is allowed: the shards that InfluxDB keeps a file of open, and, of the plans for
// them, those that still hold.
[[nodiscard]] std::vector<wal::ShardKey> kept_open_shards(const Parts& parts);
[[nodiscard]] std::vector<influxdb::RewritePlan> rewrite_plans(const Parts& parts);
// Of these, the points that the next run writes again.
[[nodiscard]] std::vector<influxdb::Rewrite> planned_rewrites(const Parts& parts);

}  // namespace wal_exporter::control
