// An HTTP request as a value, and the careful reading of its parts. Pure; safe
// from any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace wal_exporter::web {

struct Header {
  std::string name;  // as sent; compared without regard to case
  std::string value;
};

struct Request {
  std::string method;   // as sent: "GET"
  std::string path;     // still percent-encoded, without the query: "/api/v1/targets/a%2Fb"
  std::string query;    // still encoded, without the question mark
  std::string version;  // "1.0", "1.1"
  std::string peer;     // numeric address: "127.0.0.1", "::1", "::ffff:127.0.0.1"; "unix": over a Unix socket
  bool secure = false;  // over TLS
  // The user of the process at the other end, where the kernel knows it: over a Unix socket,
  // and over loopback for requests that change something.
  std::optional<std::uint32_t> peer_user;
  std::vector<Header> headers;
  std::string body;

  [[nodiscard]] bool is_over_tcp() const { return peer != "unix"; }
};

// Only the digits and letters of ASCII: a locale never changes what matches.
[[nodiscard]] bool equal_ignoring_case(std::string_view left, std::string_view right);

// All values sent under that name, in order.
[[nodiscard]] std::vector<std::string> header_values(const std::vector<Header>& headers, std::string_view name);

// %XX to bytes. An incomplete or wrong escape, or %00, is an error that says so.
// `plus_is_space`: as in a query.
[[nodiscard]] Result<std::string> percent_decode(std::string_view text, bool plus_is_space = false);

// "/a/b%2Fc" to {"a", "b/c"}; "/" to {}. A trailing or doubled slash gives an
// empty segment. The path must begin with a slash.
[[nodiscard]] Result<std::vector<std::string>> split_path(std::string_view path);

using Parameters = std::vector<std::pair<std::string, std::string>>;
[[nodiscard]] Result<Parameters> parse_query(std::string_view query);

// The value of a parameter; nullopt: not there. Given twice: an error.
[[nodiscard]] Result<std::optional<std::string>> parameter(const Parameters& parameters, std::string_view name);

// A whole number from 1 on; nullopt: it is none.
[[nodiscard]] std::optional<std::int64_t> parse_positive(const std::string& text);
// The value of a parameter that is a whole number from 1 to `most`; nullopt: not
// there. Anything else: an error that says what would be right.
[[nodiscard]] Result<std::optional<std::int64_t>> number_parameter(const Parameters& parameters,
                                                                   const std::string& name, std::int64_t most);

struct Credentials {
  std::string name;
  std::string password;
};
// From the value of an Authorization header; nullopt where it is not a well-formed Basic one.
[[nodiscard]] std::optional<Credentials> parse_basic(std::string_view authorization);

}  // namespace wal_exporter::web
