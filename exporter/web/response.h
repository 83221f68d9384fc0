// An HTTP answer as a value. Pure; safe from any thread.
#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.h"

namespace wal_exporter::web {

using Json = nlohmann::ordered_json;

struct Response {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  // Sent in place of `body` unless empty: bytes that outlive every answer, so they are not copied.
  std::string_view fixed_body;
  std::string cache_control = "no-store";
  std::vector<std::pair<std::string, std::string>> headers;  // beyond those every answer has
  // Held until the answer is made: a seat among those that may be answered at once.
  std::shared_ptr<const void> seat;
  // If set, called after `body` was sent for one part after the other, until it returns nullopt
  // or the client is gone. May block for one second per call.
  std::function<std::optional<std::string>()> stream;
};

// Never throws: bytes that are not UTF-8 become U+FFFD.
[[nodiscard]] Response json_response(int status, const Json& body);

// {"error": reason, "remedy": remedy, ...extra}; an empty remedy is left out.
[[nodiscard]] Response error_response(int status, const std::string& reason, const std::string& remedy = {},
                                      const Json& extra = Json::object());

[[nodiscard]] Response text_response(int status, std::string content_type, std::string body);

// The value of a Retry-After header: whole seconds, at least 1.
[[nodiscard]] std::string retry_seconds(Duration after);

// Adds each, in place of one of that name.
void set_headers(Response& response, const std::vector<std::pair<std::string, std::string>>& headers);

[[nodiscard]] const char* status_text(int status);

}  // namespace wal_exporter::web
