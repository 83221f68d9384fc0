// RestartMethod: one way to restart InfluxDB.
//
// An instance is used by one thread at a time; a request to stop may come from any
// other. Every wait is bounded. Both functions end soon after a request to stop;
// what an engine was already told to do, it may go on doing, and the error says so.
#pragma once

#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "actions/options.h"
#include "base/clock.h"
#include "base/result.h"

namespace wal_exporter::actions {

class RestartMethod {
 public:
  virtual ~RestartMethod() = default;

  [[nodiscard]] virtual std::string_view name() const = 0;  // docker, systemd or command

  // Changes nothing: the thing exists, runs, and we may ask for it, as far as that
  // can be known before. The text says what would be done. An error says what
  // stands in the way, and the remedy; `conflict`: it does not run, and what
  // somebody stopped is not started.
  [[nodiscard]] virtual Result<std::string> check(const std::stop_token& stop) = 0;

  // Checks again, restarts, and sees that it runs anew. The text says what was done.
  [[nodiscard]] virtual Result<std::string> restart(const std::stop_token& stop) = 0;
};

// nullptr: no method is set.
[[nodiscard]] std::unique_ptr<RestartMethod> make_restart_method(const RestartOptions& options,
                                                                 std::shared_ptr<const Clock> clock);

}  // namespace wal_exporter::actions
