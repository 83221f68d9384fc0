#include "influxdb/api.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/json.h"
#include "base/secrets.h"
#include "base/text.h"
#include "http/address.h"

namespace wal_exporter::influxdb {
namespace {

constexpr std::size_t kMaxShownBytes = 200;

// Both generations answer JSON: "error" in 3.x, "message" in 2.x. 3.x adds what
// was wrong with which line of a write.
[[nodiscard]] std::string said(const std::string& body) {
  const auto json = nlohmann::json::parse(body, nullptr, false);
  if (!json.is_object()) return json.is_discarded() ? body : std::string();
  std::string out;
  for (const char* name : {"error", "message"}) {
    if (out.empty()) out = text_of(json, name);
  }
  const auto data = json.find("data");
  if (data != json.end() && data->is_array() && !data->empty()) {
    if (const auto detail = text_of(data->front(), "error_message"); !detail.empty()) out += ": " + detail;
  }
  return out;
}

}  // namespace

Result<http::Request> api_request(const std::string& url, const std::string& path, const std::string& scheme,
                                  const std::string& token, Duration timeout) {
  const auto target = http::parse_url(url);
  if (!target) return failure(target.error().kind, "influxdb.url: " + target.error().message);
  http::Request request;
  request.url = target->url + path;
  request.unix_socket = target->unix_socket;
  if (!token.empty()) request.secret_header = "Authorization: " + scheme + " " + token;
  request.timeout = timeout;
  request.connect_timeout = std::min(request.connect_timeout, timeout);
  return request;
}

Result<http::Request> v1_request(const Endpoint& server, const std::string& path, Duration timeout) {
  const auto login = read_token(server.token_file);
  if (!login) return tl::unexpected<Error>(login.error());
  const bool is_basic = login->find(':') != std::string::npos;
  return api_request(server.url, path, is_basic ? "Basic" : "Bearer", is_basic ? to_base64(*login) : *login, timeout);
}

Result<std::string> read_token(const std::string& token_file) {
  if (token_file.empty()) return std::string();
  auto token = read_secret(token_file, "influxdb.token_file");
  return token;
}

std::string status_text(const http::Response& response) {
  std::string answer = said(response.body);
  answer.erase(answer.find_last_not_of(" \r\n") + 1);
  const std::string text = foreign_text(answer, kMaxShownBytes);
  const std::string status = std::to_string(response.status);
  return text.empty() ? status : status + " (" + text + ")";
}

std::string remedy_for(int status, bool token_sent) {
  if (status == 401) {
    return token_sent ? "the server does not know this token: check the content of influxdb.token_file"
                      : "the server wants a token: set influxdb.token_file";
  }
  if (status == 403) return "the token may not do this: give influxdb.token_file a token with more rights";
  if (status == 404) return "check that influxdb.url is the address of an InfluxDB of this version, without a path";
  if (status >= 300 && status < 400) {
    return "redirects are not followed, a token would travel with them: set influxdb.url to the address it leads to";
  }
  if (status >= 500) return "check InfluxDB's log and the free space of its disk";
  return {};
}

}  // namespace wal_exporter::influxdb
