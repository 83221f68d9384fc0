// Reads requests from CivetWeb and writes answers, and works around its traps. Each function is called by the worker
// thread of the connection.
#pragma once

#include <civetweb.h>

#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "web/request.h"
#include "web/response.h"

namespace wal_exporter::web {

// Everything but the body.
[[nodiscard]] Request read_request(mg_connection* connection);

// The body, where one was announced. An error's `status` is 411 (sent in chunks, which no request needs), 413 (more
// than `limit` bytes) or 408 (not all of it within `timeout`, which grows by a second for each 64 KiB that came).
struct BodyError {
  int status = 400;
  std::string message;
};
[[nodiscard]] tl::expected<std::string, BodyError> read_body(mg_connection* connection, std::size_t limit,
                                                             const Clock& clock, Duration timeout);

// `head_only`: as for a HEAD request. `stay`: another request may follow on the connection.
[[nodiscard]] std::string answer_text(const Response& response, Time now, bool head_only, bool stay);

// A stream's parts go out as they come; the connection ends with it. `hold`: as of send_answer().
void write_response(mg_connection* connection, const Response& response, Time now, bool head_only, bool stay,
                    Duration hold = {});

}  // namespace wal_exporter::web
