// ServerClock: how far InfluxDB's clock is from ours, as its answers say. A value; one
// thread at a time.
//
// Data is dated by the server's clock and by its writers, so what is the past, the future
// and a boundary of data is told by that clock. It is kept as an offset: where the server
// runs on this machine, both clocks are set together.
#pragma once

#include <optional>

#include "base/time.h"
#include "control/inputs.h"

namespace wal_exporter::control {

class ServerClock {
 public:
  // `measured`: the server's clock minus ours; nullopt: it did not say. Known to the
  // second, so less than 2 s is no change; a larger one counts once a second answer agrees,
  // because an answer may come late or out of a cache.
  void take(std::optional<Duration> measured, Now now);

  // Zero until the server said its time, and again a day after it said so last.
  [[nodiscard]] Duration offset(Now now) const;

 private:
  Duration offset_{};
  std::optional<Duration> unconfirmed_;
  std::optional<SteadyTime> heard_;
};

}  // namespace wal_exporter::control
