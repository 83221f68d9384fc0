// --prepare-restart: asks the running exporter, found by its control file, to
// bring what a restart would replay to the minimum; where none runs, does it
// itself. For systemd's ExecStop, upgrade scripts and pipelines.
#pragma once

#include <iosfwd>
#include <memory>

#include "app/flags.h"
#include "base/clock.h"
#include "base/log.h"
#include "settings/settings.h"

namespace wal_exporter::app {

// 0 only when it is safe to go on with every target asked for.
[[nodiscard]] int run_prepare_restart(const settings::Settings& settings, const Flags& flags,
                                      std::shared_ptr<Clock> clock, const Log& log, std::ostream& out);

}  // namespace wal_exporter::app
