// One row of the audit. Value type: safe from any thread.
#pragma once

#include <cstdint>
#include <string>

#include "base/time.h"

namespace wal_exporter::state {

struct AuditEntry {
  std::int64_t id = 0;  // growing; given by Store::append()
  Time time{};
  std::string target;
  std::string kind;     // decision, pause, resume, or the type of an event: wal.health, ...
  std::string summary;  // one line for people
  std::string detail;   // a JSON object
};

}  // namespace wal_exporter::state
