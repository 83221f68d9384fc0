// What Alertmanager's webhook sends, and the answer about the checkpoints it caused.
// Pure; safe from any thread.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "view/commands.h"
#include "web/response.h"

namespace wal_exporter::web {

struct ReceivedAlert {
  bool firing = false;
  std::string name;      // label alertname; may be empty
  std::string target;    // label target; empty: it names none
  std::string instance;  // its identity: fingerprint and start
};

// Alertmanager's webhook message, version 4: the alerts in it. Not JSON, or not of
// that form: an error of kind invalid that says where.
[[nodiscard]] Result<std::vector<ReceivedAlert>> parse_alerts(const std::string& body);

// "started", "no_op", "already_served" or "blocked".
[[nodiscard]] const char* to_string(view::AlertAnswer::State state);

}  // namespace wal_exporter::web
