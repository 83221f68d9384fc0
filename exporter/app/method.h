// Picks the checkpoint method of a target: `auto` by version, otherwise as set.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "app/convert.h"
#include "base/clock.h"
#include "base/log.h"
#include "influxdb/checkpoint_method.h"
#include "influxdb/nudge_plan.h"
#include "settings/settings.h"

namespace wal_exporter::app {

struct MethodChoice {
  std::string name;      // backup, nudge, http or none; empty: not known yet
  std::string disabled;  // why it can't be used, with the remedy; empty: it can
};

[[nodiscard]] MethodChoice choose_method(const settings::Target& target, const Version& version);

// What one run of a method that writes points goes by.
struct NudgeRun {
  influxdb::NudgeMode mode = influxdb::NudgeMode::patient;
  bool boundary_passed = false;  // as plan_nudge takes it
  wal::NodeRules rules;
  std::function<void(std::optional<std::uint64_t>, Time)> on_future_trigger;
};

// The method itself; nullptr where choose_method says that it is disabled.
[[nodiscard]] std::unique_ptr<influxdb::CheckpointMethod> make_method(const settings::Target& target,
                                                                      const Version& version, NudgeRun nudge,
                                                                      std::shared_ptr<wal::WalSource> source,
                                                                      std::shared_ptr<Clock> clock, const Log& log);

}  // namespace wal_exporter::app
