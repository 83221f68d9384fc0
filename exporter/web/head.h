// The head of an HTTP/1 request, read strictly: whatever two readers could understand in two ways is refused.
//
// RFC 9112 and 9110, with nothing that they only tolerate: lines end in CRLF, a header is NAME:VALUE on one
// line, a body has a Content-Length. What is accepted can be written anew with `to_text`, so that the next
// reader sees nothing but what was understood here. Pure; safe from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "web/request.h"

namespace wal_exporter::web {

inline constexpr std::size_t kMaxHeaders = 64;

struct Head {
  std::string method;   // a token, as sent: "GET"
  std::string target;   // "/path?query", still encoded; of an absolute one what follows its authority
  std::string version;  // "1.0", "1.1"
  std::vector<Header> headers;
  std::uint64_t content_length = 0;  // bytes of the body; at most 2^63 - 1
  bool keep_alive = false;           // whether the client wishes to send another request
  bool expects_continue = false;     // it waits for "100 Continue" before it sends the body
};

struct HeadRefusal {
  int status = 400;    // 400, 411, 417, 431, 501 or 505; the connection is of no use afterwards
  std::string reason;  // for people, on one line
};

// Bytes up to and including the empty line that ends the head; 0: it is not there yet. Lines that end in a
// bare LF count too, so that such a head is refused at once and not waited for. One empty line before the
// request line is part of the head.
[[nodiscard]] std::size_t head_size(std::string_view received);

// `bytes`: what head_size counted, and nothing after it.
[[nodiscard]] tl::expected<Head, HeadRefusal> read_head(std::string_view bytes);

// The head as any reader understands it: origin form, one line per header, one Content-Length.
[[nodiscard]] std::string to_text(const Head& head);

}  // namespace wal_exporter::web
