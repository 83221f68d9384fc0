// How it goes with a hook: what is shown of it. Value type: safe from any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "events/hook.h"

namespace wal_exporter::events {

struct HookStatus {
  std::string name;
  HookType type = HookType::webhook;
  std::vector<std::string> receivers;  // scheme and host of each; empty where the URL is a secret
  std::uint64_t deliveries = 0;        // events
  std::uint64_t failures = 0;          // requests
  std::uint64_t dropped = 0;           // events
  std::uint64_t queue_length = 0;      // events
  std::string last_error;              // kept when it works again; empty: never failed
  std::optional<Time> last_error_at;
  std::optional<Time> last_success;
};

}  // namespace wal_exporter::events
