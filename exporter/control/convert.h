// From settings to what the other folders take. Pure; safe from any thread.
#pragma once

#include "policy/engine.h"
#include "policy/forecast.h"
#include "settings/settings.h"
#include "wal/generation.h"
#include "wal/node_rules.h"
#include "wal/sample.h"
#include "wal/source.h"

namespace wal_exporter::control {

[[nodiscard]] wal::Integrity integrity_of(const settings::Target& target);

// The rules of a target whose InfluxDB is of `generation`; `node` counts for 3.x.
[[nodiscard]] policy::Rules rules_of(const settings::Target& target, wal::Generation generation,
                                     const wal::NodeRules& node);
[[nodiscard]] policy::ForecastRules forecast_rules_of(const settings::Target& target);

// Whether somebody paused, and whether it is a time to act: for `situation.now`.
void add_pause_and_windows(const settings::Target& target, const policy::Memory& memory, policy::Situation& situation);

}  // namespace wal_exporter::control
