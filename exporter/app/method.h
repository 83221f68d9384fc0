// Makes the checkpoint method of a target, ready to run.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/log.h"
#include "control/method_choice.h"
#include "influxdb/checkpoint_method.h"
#include "influxdb/nudge_plan.h"
#include "settings/settings.h"
#include "wal/source.h"

namespace wal_exporter::app {

// What one run of a method that writes points goes by.
struct NudgeRun {
  influxdb::NudgeMode mode = influxdb::NudgeMode::patient;
  bool boundary_passed = false;  // as plan_nudge takes it
  wal::NodeRules rules;
  std::function<void(std::optional<std::uint64_t>, Time)> on_future_trigger;
};

// The method itself; nullptr where choose_method says that it is disabled.
[[nodiscard]] std::unique_ptr<influxdb::CheckpointMethod> make_method(const settings::Target& target,
                                                                      wal::Generation generation, NudgeRun nudge,
                                                                      std::shared_ptr<wal::WalSource> source,
                                                                      std::shared_ptr<Clock> clock, const Log& log);

}  // namespace wal_exporter::app
