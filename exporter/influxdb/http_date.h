// The Date header of HTTP. Pure; safe from any thread.
#pragma once

#include <optional>
#include <string_view>

#include "base/time.h"

namespace wal_exporter::influxdb {

// "Mon, 23 Nov 2026 01:47:40 GMT" (RFC 9110's IMF-fixdate, the only form that
// servers may send today); nullopt for anything else.
[[nodiscard]] std::optional<Time> parse_http_date(std::string_view text);

}  // namespace wal_exporter::influxdb
