// Faults: what goes wrong around the target in a storm, and the people and alert
// senders who ask for things meanwhile. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "exporter.h"

namespace wal_exporter::simulation {

class Faults {
 public:
  Faults(const Surroundings& around, Exporter& exporter);

  // From now on things go wrong and people ask, until calm().
  void storm();
  // All that was wrong is mended: InfluxDB runs, our process runs, nobody asks.
  void calm();

  // Somebody else may have other settings by now.
  [[nodiscard]] const settings::Target& settings() const { return settings_; }

 private:
  void next_fault();
  void next_request();
  void fault_of_machine();
  void fault_of_server();
  void fault_of_exporter();
  void request();
  void alert();
  void set_clock();
  // Later, where it is still the same storm.
  void later(Duration after, std::function<void()> what);
  [[nodiscard]] SteadyTime for_a_while(Duration mean);

  Surroundings around_;
  Exporter& exporter_;
  settings::Target settings_;
  std::uint64_t storm_ = 0;
  std::uint64_t alerts_ = 0;
  std::string firing_;  // an alert that is sent again until it was served; empty: none
};

}  // namespace wal_exporter::simulation
