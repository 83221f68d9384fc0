// World: one run of the simulation: all models, our process, and what must hold, from
// one seed. One thread.
#pragma once

#include <cstdint>
#include <memory>

#include "context.h"
#include "disk.h"
#include "exporter.h"
#include "faults.h"
#include "invariants.h"
#include "scenario.h"
#include "store.h"

namespace wal_exporter::simulation {

class World {
 public:
  World(std::uint64_t seed, bool prints);

  // Throws Violation.
  void run(Duration length);

  [[nodiscard]] std::uint64_t hash() const { return context_.log.hash(); }
  [[nodiscard]] const Exporter& exporter() const { return exporter_; }
  [[nodiscard]] const Invariants& invariants() const { return invariants_; }
  [[nodiscard]] const Scenario& scenario() const { return scenario_; }

 private:
  void write();
  void next_write();
  void next_burst();
  void next_probe();
  void next_weather();

  Context context_;
  Scenario scenario_;
  Disk disk_;
  std::shared_ptr<SimulatedStore> store_ = std::make_shared<SimulatedStore>();
  Invariants invariants_;
  std::unique_ptr<SegmentServer> segments_;
  std::unique_ptr<NodeServer> node_;
  Exporter exporter_;
  Faults faults_;
  bool storm_ = false;
  SteadyTime burst_until_{};
  SteadyTime silent_until_{};
};

}  // namespace wal_exporter::simulation
