// Chart: the points of the last day, for the status page, also across restarts of
// the exporter. One thread at a time.
#pragma once

#include <optional>
#include <vector>

#include "control/inputs.h"
#include "control/ledger.h"
#include "policy/health.h"
#include "view/samples.h"

namespace wal_exporter::control {

class Chart {
 public:
  // Restores what an earlier process kept. `interval`: between two samples; where
  // the last one is older than two of them, there is a gap.
  Chart(Ledger& ledger, Duration interval, Now now);

  void add(view::SamplePoint point) { samples_.add(std::move(point)); }
  // Nothing is known from here on.
  void gap(Time time) { samples_.add_gap(time); }
  [[nodiscard]] std::vector<view::SamplePoint> points(std::optional<Time> since, std::size_t limit) const {
    return samples_.points(since, limit);
  }
  // Every few minutes, each target at a moment of its own.
  void keep_now_and_then(Ledger& ledger, Now now);
  void keep(Ledger& ledger, Now now);

 private:
  view::SampleHistory samples_;
  std::optional<Time> kept_;  // the newest point on disk
  SteadyTime next_{};
};

}  // namespace wal_exporter::control
