// --healthcheck: does the exporter that runs here answer?
#pragma once

#include <iosfwd>

#include "app/flags.h"

namespace wal_exporter::app {

// Asks over the control socket, or each address of --web.listen-address where that is given. Prints
// a line for each; 0 where all are healthy, else 1. 5 s each at most. Over https an address's
// certificate is not checked: nothing secret is sent, and it is hardly for 127.0.0.1.
[[nodiscard]] int run_healthcheck(const Flags& flags, std::ostream& out);

}  // namespace wal_exporter::app
