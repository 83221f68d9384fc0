// What every model of a run shares: chance, time and the log of the run. One thread.
#pragma once

#include <string_view>

#include "random.h"
#include "run_log.h"
#include "schedule.h"

namespace wal_exporter::simulation {

struct Context {
  Context(std::uint64_t seed, bool prints, Time start) : random(seed), schedule(start), log(prints) {}

  void note(std::string_view what, std::string_view detail = {}) {
    log.add(schedule.steady(), schedule.wall(), what, detail);
  }

  Random random;
  Schedule schedule;
  RunLog log;
};

}  // namespace wal_exporter::simulation
