// The older service's API, field for field, as JSON. Pure; safe from any thread.
//
// Sizes are GiB under the old names (`totalSizeGB`), rounded to 10 decimals. While
// the health is unknown `healthStatus` is "unknown", the numbers are those of the
// last sample (null where there was none), and the caller answers 503.
#pragma once

#include "base/time.h"
#include "view/view.h"
#include "web/response.h"

namespace wal_exporter::web {

// fileCount, totalSizeGB, lastCheckpoint, healthStatus, recommendations
[[nodiscard]] Json seed_health(const view::TargetView& target, Time now);
// lastCheckpoint, canTrigger, cooldownRemaining (ms), isProcessing. canTrigger is true if an
// automatic checkpoint could start now.
[[nodiscard]] Json seed_checkpoint_status(const view::TargetView& target, Time now);
// health's fields, checkpointStatus {...}, systemInfo {maxWALFiles, maxWALSizeGB, checkpointCooldownMs}
[[nodiscard]] Json seed_stats(const view::TargetView& target, Time now);

}  // namespace wal_exporter::web
