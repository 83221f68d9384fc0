// Reads requests from CivetWeb and writes answers to it, and works around its traps. Each
// function is called by the worker thread of the connection.
#pragma once

#include <civetweb.h>

#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "web/request.h"
#include "web/response.h"

namespace wal_exporter::web {

// Everything but the body.
[[nodiscard]] Request read_request(const mg_connection* connection);

// The body, where one was announced or is sent in chunks. An error's `status` is
// 413 (more than `limit` bytes) or 408 (not all of it within `timeout`, which grows
// by a second for each 64 KiB that came).
struct BodyError {
  int status = 400;
  std::string message;
};
[[nodiscard]] tl::expected<std::string, BodyError> read_body(mg_connection* connection, std::size_t limit,
                                                             const Clock& clock, Duration timeout);

// Takes what is still coming in until `deadline`, so that closing does not reset
// the connection before the client has read the answer.
void drain(mg_connection* connection, const Clock& clock, SteadyTime deadline);

// Head and body in one write, a fixed body in a second one. `head_only`: as for a HEAD request.
void write_response(mg_connection* connection, const Response& response, Time now, bool head_only);

}  // namespace wal_exporter::web
