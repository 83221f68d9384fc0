// Picks the checkpoint method of a target: `auto` by version, otherwise as set.
#pragma once

#include <memory>
#include <string>

#include "app/convert.h"
#include "base/clock.h"
#include "base/log.h"
#include "influxdb/method.h"
#include "settings/settings.h"

namespace walx::app {

struct MethodChoice {
  std::string name;      // backup, nudge, http or none; empty: not known yet
  std::string disabled;  // why it can't be used, with the remedy; empty: it can
};

[[nodiscard]] MethodChoice choose_method(const settings::Target& target, const Version& version);

// The method itself; nullptr where choose_method says that it is disabled.
[[nodiscard]] std::unique_ptr<influxdb::CheckpointMethod> make_method(const settings::Target& target,
                                                                      const Version& version,
                                                                      std::shared_ptr<wal::WalSource> source,
                                                                      std::shared_ptr<Clock> clock, const Log& log);

}  // namespace walx::app
