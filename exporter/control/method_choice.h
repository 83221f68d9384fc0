// Which checkpoint method a target uses: `auto` by generation, otherwise as set. Pure;
// safe from any thread.
#pragma once

#include <string>

#include "settings/settings.h"

namespace wal_exporter::control {

struct MethodChoice {
  std::string name;      // backup, nudge, http or none; empty: not known yet
  std::string disabled;  // why it can't be used, with the remedy; empty: it can
};

[[nodiscard]] MethodChoice choose_method(const settings::Target& target, wal::Generation generation);

}  // namespace wal_exporter::control
