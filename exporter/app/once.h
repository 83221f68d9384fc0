// The command line's one-shot answers: --once, --explain and --healthcheck.
//
// The result alone goes to `out`; each call blocks for one sample, and one question
// to the server where a url is set.
#pragma once

#include <iosfwd>
#include <memory>

#include "app/flags.h"
#include "base/clock.h"
#include "base/log.h"
#include "settings/settings.h"

namespace wal_exporter::app {

// Judges what it sees, without hysteresis and without the two minutes of 3.x.
// Several targets: 2 if any is critical, else 3, 1, 0.
[[nodiscard]] int run_once(const settings::Settings& settings, const Flags& flags, std::shared_ptr<Clock> clock,
                           const Log& log, std::ostream& out);

// With what the state directory remembers (cooldown, backoff), where it can be read.
[[nodiscard]] int run_explain(const settings::Settings& settings, const Flags& flags, std::shared_ptr<Clock> clock,
                              const Log& log, std::ostream& out);

}  // namespace wal_exporter::app
