#include "web/response.h"

#include <algorithm>

#include "base/text.h"

namespace wal_exporter::web {

Response json_response(int status, const Json& body) {
  Response response;
  response.status = status;
  response.body = body.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  return response;
}

Response error_response(int status, const std::string& reason, const std::string& remedy, const Json& extra) {
  Json body;
  body["error"] = to_valid_utf8(reason);
  if (!remedy.empty()) body["remedy"] = to_valid_utf8(remedy);
  body.update(extra);
  return json_response(status, body);
}

Response text_response(int status, std::string content_type, std::string body) {
  Response response;
  response.status = status;
  response.content_type = std::move(content_type);
  response.body = std::move(body);
  return response;
}

std::string retry_seconds(Duration after) {
  return std::to_string(std::max<std::int64_t>(1, std::chrono::ceil<std::chrono::seconds>(after).count()));
}

void set_headers(Response& response, const std::vector<std::pair<std::string, std::string>>& headers) {
  for (const auto& [name, value] : headers) {
    std::erase_if(response.headers, [&name = name](const auto& header) { return header.first == name; });
    response.headers.emplace_back(name, value);
  }
}

const char* status_text(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 202:
      return "Accepted";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 411:
      return "Length Required";
    case 413:
      return "Content Too Large";
    case 417:
      return "Expectation Failed";
    case 421:
      return "Misdirected Request";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Unknown";
  }
}

}  // namespace wal_exporter::web
