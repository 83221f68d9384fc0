// The steps of a restart of InfluxDB that the exporter makes: `step` in the detail
// of an event of type restart. One table; value types, safe from any thread.
#pragma once

#include <array>
#include <string_view>

#include "base/table.h"
#include "events/event.h"

namespace wal_exporter::events {

enum class RestartStep {
  preparing,     // the checkpoint before it
  prepared,      // nothing is left to replay
  not_prepared,  // something is
  restarting,    // InfluxDB is told to restart
  restarted,     // that was done
  ready,         // InfluxDB answers again: the end
  refused,       // forbidden, or held back until something ends
  failed,        // could not be made, or InfluxDB is not up: the end
  dry_run,       // all but the act: the end
  count
};

struct RestartStepRow {
  RestartStep value{};
  std::string_view name;
  // A step that went as meant asks for nothing; InfluxDB that is not up again does.
  Severity severity = Severity::info;
};
inline constexpr std::array kRestartSteps{RestartStepRow{RestartStep::preparing, "preparing"},
                                          RestartStepRow{RestartStep::prepared, "prepared"},
                                          RestartStepRow{RestartStep::not_prepared, "not_prepared", Severity::warning},
                                          RestartStepRow{RestartStep::restarting, "restarting"},
                                          RestartStepRow{RestartStep::restarted, "restarted"},
                                          RestartStepRow{RestartStep::ready, "ready"},
                                          RestartStepRow{RestartStep::refused, "refused", Severity::warning},
                                          RestartStepRow{RestartStep::failed, "failed", Severity::critical},
                                          RestartStepRow{RestartStep::dry_run, "dry_run"}};
static_assert(is_complete(kRestartSteps));

[[nodiscard]] constexpr std::string_view to_string(RestartStep step) {
  return row_of(kRestartSteps, step).name;
}
[[nodiscard]] constexpr Severity severity_of(RestartStep step) {
  return row_of(kRestartSteps, step).severity;
}

}  // namespace wal_exporter::events
