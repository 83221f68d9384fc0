// What odd settings of an InfluxDB 3 server lead to, in words: each line holds the value
// and its effect. Pure; safe from any thread.
#pragma once

#include <string>
#include <vector>

#include "wal/node_rules.h"
#include "wal/sample.h"

namespace wal_exporter::policy {

// Snapshots too often or too late, flushes too rare. Empty: nothing is odd.
[[nodiscard]] std::vector<std::string> odd_rules(const wal::NodeRules& rules);

// No files are kept once they are snapshotted, or very many: what that takes on the disk of
// `sample`. Empty: nothing is odd.
[[nodiscard]] std::string odd_kept_files(const wal::NodeRules& rules, const wal::Sample& sample);

}  // namespace wal_exporter::policy
