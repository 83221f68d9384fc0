#include "web/civet.h"

#include <exception>

#include "web/transport.h"

namespace wal_exporter::web {
namespace {

std::string text_or_empty(const char* text) {
  return text != nullptr ? text : "";
}

}  // namespace

Request read_request(mg_connection* connection) {
  const mg_request_info& info = *mg_get_request_info(connection);
  Request request;
  request.method = text_or_empty(info.request_method);
  // decode_url is off, so that an escaped slash stays apart from a real one.
  request.path = text_or_empty(info.local_uri_raw);
  request.query = text_or_empty(info.query_string);
  request.version = text_or_empty(info.http_version);
  describe_client(connection, request);
  for (int i = 0; i < info.num_headers; ++i) {
    const auto& header = info.http_headers[i];
    request.headers.push_back({text_or_empty(header.name), text_or_empty(header.value)});
  }
  return request;
}

tl::expected<std::string, BodyError> read_body(mg_connection* connection, std::size_t limit, const Clock& clock,
                                               Duration timeout) {
  // A client may take longer for a large body, as long as it sends at this rate or faster.
  constexpr std::size_t kBytesPerMillisecond = 64;
  const SteadyTime begin = clock.steady();
  const mg_request_info& info = *mg_get_request_info(connection);
  const auto too_large = [limit] {
    return tl::unexpected(BodyError{413, "the body is larger than " + std::to_string(limit) + " bytes"});
  };
  if (mg_get_header(connection, "Transfer-Encoding") != nullptr) {
    return tl::unexpected(BodyError{411, "a body needs a Content-Length; none is taken in chunks"});
  }
  if (info.content_length <= 0) return std::string();
  if (static_cast<unsigned long long>(info.content_length) > limit) return too_large();
  if (mg_get_header(connection, "Expect") != nullptr) send_continue(connection);

  // One byte at a time: CivetWeb's read returns only when all that was asked for has come or the client was silent
  // for the whole timeout, so that a client that sends a byte every second would hold this thread for as long as it
  // likes.
  std::string body;
  char byte = 0;
  const auto size = static_cast<std::size_t>(info.content_length);
  while (body.size() < size && mg_read(connection, &byte, 1) == 1) {
    body += byte;
    const auto earned = std::chrono::milliseconds(body.size() / kBytesPerMillisecond);
    if (clock.steady() - begin > timeout + earned) break;
  }
  if (body.size() != size) return tl::unexpected(BodyError{408, "the body did not come whole and in time"});
  return body;
}

std::string answer_text(const Response& response, Time now, bool head_only, bool stay) {
  const bool fixed = !response.fixed_body.empty();
  std::string out = "HTTP/1.1 " + std::to_string(response.status) + " " + status_text(response.status) +
                    "\r\nDate: " + format_http_date(now) + "\r\nContent-Type: " + response.content_type;
  // A stream has no length; it ends with the connection.
  if (!response.stream) {
    out += "\r\nContent-Length: " + std::to_string(fixed ? response.fixed_body.size() : response.body.size());
  }
  out += std::string("\r\nConnection: ") + (stay ? "keep-alive" : "close") +
         "\r\nCache-Control: " + response.cache_control + "\r\nX-Content-Type-Options: nosniff\r\n";
  for (const auto& [name, value] : response.headers) out += name + ": " + value + "\r\n";
  out += "\r\n";
  if (!head_only && !fixed) out += response.body;
  return out;
}

void write_response(mg_connection* connection, const Response& response, Time now, bool head_only, bool stay,
                    Duration hold) {
  const bool streams = response.stream && !head_only;
  auto text = answer_text(response, now, head_only, stay && !response.stream);
  if (!streams) {
    return send_answer(connection, std::move(text), head_only ? std::string_view() : response.fixed_body,
                       stay && !response.stream, hold);
  }
  // No exception may reach CivetWeb. The client sees the stream end and connects again.
  try {
    if (!send_part(connection, text)) return;
    while (const auto part = response.stream()) {
      if (!send_part(connection, *part)) return;
    }
  } catch (const std::exception&) {
    return;
  }
}

}  // namespace wal_exporter::web
