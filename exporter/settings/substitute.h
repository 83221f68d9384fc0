// `${VAR}`, `${VAR:-default}` and `$$` inside one value. Pure but for the lookup;
// safe from any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "settings/load.h"

namespace wal_exporter::settings {

// The default stands in where VAR is not set or empty, as in a shell. `$$` is a
// dollar sign; a dollar sign before anything else is itself. What is filled in is
// not looked at again.
[[nodiscard]] Result<std::string> substitute(std::string_view text, const Environment& environment);

}  // namespace wal_exporter::settings
