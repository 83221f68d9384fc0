// From settings to what the other folders take. Pure; safe from any thread.
#pragma once

#include <string>

#include "policy/engine.h"
#include "policy/forecast.h"
#include "settings/settings.h"
#include "wal/node_rules.h"
#include "wal/sample.h"
#include "wal/source.h"

namespace wal_exporter::control {

// "1", "2" or "3"; empty: not known.
using Version = std::string;

[[nodiscard]] Version fixed_version(const settings::Target& target);
[[nodiscard]] wal::Integrity integrity_of(const settings::Target& target);

// The rules of a target whose InfluxDB is of `version`; `node` counts for 3.x.
[[nodiscard]] policy::Rules rules_of(const settings::Target& target, const Version& version,
                                     const wal::NodeRules& node);
[[nodiscard]] policy::ForecastRules forecast_rules_of(const settings::Target& target);

// Whether somebody paused, and whether it is a time to act: for `situation.now`.
void add_pause_and_windows(const settings::Target& target, const policy::Memory& memory, policy::Situation& situation);

// `version: auto`, for the two layouts that look alike: by the server's version
// if that starts with 1. or 2., otherwise 2 if every database folder is 16 hex
// digits, else 1.
[[nodiscard]] Version version_of_segments(const std::string& server_version, bool bucket_ids);
// "1", "2" or "3" from "1.6.7", "v2.7.4", "3.10.0"; empty from anything else.
[[nodiscard]] Version major_version(const std::string& server_version);

}  // namespace wal_exporter::control
