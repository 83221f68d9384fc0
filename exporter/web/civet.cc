#include "web/civet.h"

#include <exception>

#include "web/guard.h"
#include "web/peer_user.h"

namespace wal_exporter::web {
namespace {

std::string text_or_empty(const char* text) {
  return text != nullptr ? text : "";
}

// One byte at a time: CivetWeb's read returns only when all that was asked for
// has come or the client was silent for the whole timeout, so that a client that
// sends a byte every second would hold this thread for as long as it likes.
int read_byte(mg_connection* connection, char& byte) {
  return mg_read(connection, &byte, 1);
}

}  // namespace

Request read_request(const mg_connection* connection) {
  const mg_request_info& info = *mg_get_request_info(connection);
  Request request;
  request.method = text_or_empty(info.request_method);
  // decode_url is off, so that an escaped slash stays apart from a real one.
  request.path = text_or_empty(info.local_uri_raw);
  request.query = text_or_empty(info.query_string);
  request.version = text_or_empty(info.http_version);
  request.peer = info.remote_addr;
  if (is_changing(request.method) && is_loopback_address(request.peer)) {
    // CivetWeb does not tell our own address: taken to be the same as the client's, as it is of loopback
    // unless somebody asks by 127.0.0.2.
    const auto remote = socket_address(request.peer, static_cast<std::uint16_t>(info.remote_port));
    const auto local = socket_address(request.peer, static_cast<std::uint16_t>(info.server_port));
    if (remote && local) request.peer_user = peer_user(*remote, *local);
  }
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
  const bool chunked = mg_get_header(connection, "Transfer-Encoding") != nullptr;
  if (!chunked && info.content_length <= 0) return std::string();
  if (info.content_length > 0 && static_cast<unsigned long long>(info.content_length) > limit) return too_large();
  if (mg_get_header(connection, "Expect") != nullptr) mg_printf(connection, "HTTP/1.1 100 Continue\r\n\r\n");

  std::string body;
  char byte = 0;
  int read = 0;
  while ((read = read_byte(connection, byte)) == 1) {
    body += byte;
    if (body.size() > limit) return too_large();
    const auto earned = std::chrono::milliseconds(body.size() / kBytesPerMillisecond);
    if (clock.steady() - begin > timeout + earned) break;
  }
  // 0 means the end of the body. With a known length it can also mean that the connection was
  // closed too early, so the length decides.
  const bool whole = chunked ? read == 0 : body.size() == static_cast<std::size_t>(info.content_length);
  if (!whole) return tl::unexpected(BodyError{408, "the body did not come whole and in time"});
  return body;
}

void drain(mg_connection* connection, const Clock& clock, SteadyTime deadline) {
  char byte = 0;
  while (clock.steady() < deadline && read_byte(connection, byte) == 1) {
  }
}

void write_response(mg_connection* connection, const Response& response, Time now, bool head_only) {
  const bool fixed = !response.fixed_body.empty();
  std::string out = "HTTP/1.1 " + std::to_string(response.status) + " " + status_text(response.status) +
                    "\r\nDate: " + format_http_date(now) + "\r\nContent-Type: " + response.content_type;
  // A stream has no length; it ends with the connection.
  if (!response.stream) {
    out += "\r\nContent-Length: " + std::to_string(fixed ? response.fixed_body.size() : response.body.size());
  }
  out +=
      "\r\nConnection: close\r\nCache-Control: " + response.cache_control + "\r\nX-Content-Type-Options: nosniff\r\n";
  for (const auto& [name, value] : response.headers) out += name + ": " + value + "\r\n";
  out += "\r\n";
  if (!head_only && !fixed) out += response.body;
  if (mg_write(connection, out.data(), out.size()) <= 0 || head_only) return;
  if (fixed) mg_write(connection, response.fixed_body.data(), response.fixed_body.size());
  if (!response.stream) return;
  // No exception may reach CivetWeb. The client sees the stream end and connects again.
  try {
    while (const auto part = response.stream()) {
      if (!part->empty() && mg_write(connection, part->data(), part->size()) <= 0) return;
    }
  } catch (const std::exception&) {
    return;
  }
}

}  // namespace wal_exporter::web
