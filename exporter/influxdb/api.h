// What all that talk to a server's HTTP API share: where it is, with which token,
// and what its refusals say. Free functions; safe from any thread.
#pragma once

#include <string>

#include "base/result.h"
#include "http/client.h"
#include "influxdb/options.h"

namespace wal_exporter::influxdb {

// Limits on the body of an answer: the first for answers that are always short, the second
// for those whose length depends on the user's data.
inline constexpr std::size_t kMaxAnswerBytes = 64 * 1024;
inline constexpr std::size_t kMaxLongAnswerBytes = 1024 * 1024;

// A request for `path` (with its query) below the base URL of the settings, which
// may be a Unix socket. `scheme`: Bearer or Token; without a token no header is
// sent. The timeout holds for the whole exchange.
[[nodiscard]] Result<http::Request> api_request(const std::string& url, const std::string& path,
                                                const std::string& scheme, const std::string& token, Duration timeout);

// Likewise, with the login of a 1.x: "user:password" in its token file, which up to 1.7 is taken as Basic
// alone, or a JWT.
[[nodiscard]] Result<http::Request> v1_request(const Endpoint& server, const std::string& path, Duration timeout);

// No file: no token. Errors name the file and the setting.
[[nodiscard]] Result<std::string> read_token(const std::string& token_file);

// For messages: the status and, short and on one line, what the server said:
// "422 (Adding a new database would exceed limit of 5 databases)".
[[nodiscard]] std::string status_text(const http::Response& response);

// The remedy where the status means the same at every API: 401, 403, 404, 3xx and
// 5xx; empty for others.
[[nodiscard]] std::string remedy_for(int status, bool token_sent);

}  // namespace wal_exporter::influxdb
