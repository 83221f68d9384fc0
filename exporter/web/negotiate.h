// What a client takes, by its headers Accept and Accept-Encoding with their weights (RFC 9110,
// section 12), and what it is sent then. What can't be understood asks for nothing.
//
// Pure; safe from any thread.
#pragma once

#include <vector>

#include "metrics/openmetrics.h"
#include "web/request.h"
#include "web/response.h"

namespace wal_exporter::web {

// OpenMetrics where it is asked for by name, and no less than the text format. Whoever takes
// neither gets the text, as from other exporters.
[[nodiscard]] metrics::Format wanted_format(const std::vector<Header>& headers);

// Whether gzip is taken, and no less than what is not compressed.
[[nodiscard]] bool takes_gzip(const std::vector<Header>& headers);

// Compresses what is worth it where gzip is taken, and says in Vary what the answer depends
// on. Streams, and what is compressed already or lies in the program, are
// left as they are.
void compress(const Request& request, Response& response);

}  // namespace wal_exporter::web
