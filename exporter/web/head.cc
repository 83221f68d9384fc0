#include "web/head.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>
#include <utility>

#include "base/text.h"
#include "http/address.h"

namespace wal_exporter::web {
namespace {

constexpr std::string_view kLineEnd = "\r\n";
constexpr std::string_view kTokenMarks = "!#$%&'*+-.^_`|~";

tl::unexpected<HeadRefusal> refuse(int status, std::string reason) {
  return tl::unexpected(HeadRefusal{status, std::move(reason)});
}

// What a client sent, short enough for a message.
std::string shown(std::string_view text) {
  constexpr std::size_t kLongest = 80;
  return "\"" + escape_control(text.substr(0, kLongest)) + (text.size() > kLongest ? "...\"" : "\"");
}

bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return is_letter_or_digit(c) || kTokenMarks.find(c) != std::string_view::npos;
  });
}

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

bool is_visible(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
}

// The value of a header may hold tabs, and bytes above ASCII.
bool is_field_value(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return c == '\t' || (byte >= ' ' && byte != 0x7F);
  });
}

// The parts of all values sent under that name, which may be lists with commas.
std::vector<std::string> list_of(const std::vector<Header>& headers, std::string_view name) {
  std::vector<std::string> out;
  for (const auto& value : header_values(headers, name)) {
    std::string_view rest = value;
    while (!rest.empty()) {
      const auto comma = std::min(rest.find(','), rest.size());
      if (const auto part = trim(rest.substr(0, comma)); !part.empty()) out.push_back(lower_case(part));
      rest.remove_prefix(std::min(comma + 1, rest.size()));
    }
  }
  return out;
}

bool contains(const std::vector<std::string>& list, std::string_view word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

// Without the line end.
std::optional<std::string_view> next_line(std::string_view& rest) {
  const auto end = rest.find(kLineEnd);
  if (end == std::string_view::npos) return std::nullopt;
  const auto line = rest.substr(0, end);
  rest.remove_prefix(end + kLineEnd.size());
  return line;
}

// "HTTP/1.1" to "1.1".
tl::expected<std::string, HeadRefusal> read_version(std::string_view text) {
  constexpr std::string_view kPrefix = "HTTP/";
  const auto number = text.substr(std::min(kPrefix.size(), text.size()));
  if (!text.starts_with(kPrefix) || number.size() != 3 || !is_digit(number[0]) || number[1] != '.' ||
      !is_digit(number[2])) {
    return refuse(400, "the request line does not end in HTTP/1.1 or HTTP/1.0 but in " + shown(text));
  }
  if (number == "1.0" || number == "1.1") return std::string(number);
  return refuse(505, "HTTP/" + std::string(number) + " is not spoken here; use HTTP/1.1");
}

struct Target {
  std::string path_and_query;
  std::string authority;  // of an absolute target
};

tl::expected<Target, HeadRefusal> read_target(std::string_view text) {
  if (!is_visible(text) || text.find('#') != std::string_view::npos) {
    return refuse(400, "the address has characters that must be escaped: " + shown(text));
  }
  if (text.starts_with('/')) return Target{std::string(text), {}};
  const auto scheme_end = text.find("://");
  const auto scheme = lower_case(text.substr(0, std::min(scheme_end, text.size())));
  if (scheme != "http" && scheme != "https") return refuse(400, "the address is not a path: " + shown(text));
  const auto rest = text.substr(scheme_end + 3);
  const auto path = std::min(rest.find_first_of("/?"), rest.size());
  Target target{std::string(rest.substr(path)), std::string(rest.substr(0, path))};
  if (!http::parse_authority(target.authority, 0)) return refuse(400, "the address has no valid host: " + shown(text));
  if (!target.path_and_query.starts_with('/')) target.path_and_query.insert(0, 1, '/');
  return target;
}

tl::expected<Head, HeadRefusal> read_request_line(std::string_view line, std::string& authority) {
  const auto first = line.find(' ');
  const auto last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) {
    return refuse(400, "the request line is not METHOD ADDRESS HTTP/1.1 but " + shown(line));
  }
  Head head;
  head.method = line.substr(0, first);
  if (!is_token(head.method)) return refuse(400, "not a method: " + shown(head.method));
  auto version = read_version(line.substr(last + 1));
  if (!version) return tl::unexpected(version.error());
  head.version = std::move(*version);
  auto target = read_target(line.substr(first + 1, last - first - 1));
  if (!target) return tl::unexpected(target.error());
  head.target = std::move(target->path_and_query);
  authority = std::move(target->authority);
  constexpr std::array<std::string_view, 7> kMethods = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"};
  if (std::find(kMethods.begin(), kMethods.end(), head.method) == kMethods.end()) {
    return refuse(501, "the method " + shown(head.method) + " is not known here; use GET, HEAD or POST");
  }
  return head;
}

tl::expected<Header, HeadRefusal> read_header(std::string_view line) {
  if (line.front() == ' ' || line.front() == '\t') {
    return refuse(400, "a header goes on over several lines: " + shown(line));
  }
  const auto colon = line.find(':');
  if (colon == std::string_view::npos) return refuse(400, "a header has no colon: " + shown(line));
  const auto name = line.substr(0, colon);
  // A space before the colon too: what some readers skip, others take as part of the name.
  if (!is_token(name)) return refuse(400, "not the name of a header: " + shown(name));
  const auto value = trim(line.substr(colon + 1));
  if (!is_field_value(value)) return refuse(400, "the header " + shown(name) + " has control characters");
  return Header{std::string(name), std::string(value)};
}

std::optional<HeadRefusal> read_host(const Head& head, const std::string& authority) {
  const auto hosts = header_values(head.headers, "Host");
  if (hosts.size() > 1) return HeadRefusal{400, "the header Host was sent more than once"};
  if (hosts.empty()) {
    if (head.version == "1.0") return std::nullopt;
    return HeadRefusal{400, "the header Host is missing"};
  }
  const auto& host = hosts.front();
  // Empty is right for a client that knows no name, such as a health check by address.
  if (!host.empty() && !http::parse_authority(host, 0)) {
    return HeadRefusal{400, "the header Host is not a host: " + shown(host)};
  }
  if (!authority.empty() && !equal_ignoring_case(authority, host)) {
    return HeadRefusal{400,
                       "the address and the header Host name two hosts: " + shown(authority) + " and " + shown(host)};
  }
  return std::nullopt;
}

std::optional<HeadRefusal> read_length(Head& head) {
  const auto lengths = header_values(head.headers, "Content-Length");
  const auto codings = header_values(head.headers, "Transfer-Encoding");
  if (!codings.empty()) {
    if (!lengths.empty()) return HeadRefusal{400, "both Content-Length and Transfer-Encoding were sent"};
    if (head.version == "1.0") return HeadRefusal{400, "Transfer-Encoding was sent with HTTP/1.0"};
    const bool chunked = codings.size() == 1 && equal_ignoring_case(codings.front(), "chunked");
    if (!chunked) return HeadRefusal{501, "the transfer coding " + shown(codings.front()) + " is not known here"};
    return HeadRefusal{411, "a body in chunks is not taken; send it with Content-Length"};
  }
  for (const auto& length : lengths) {
    std::uint64_t value = 0;
    const auto [end, code] = std::from_chars(length.data(), length.data() + length.size(), value);
    const bool whole = !length.empty() && is_digit(length.front()) && end == length.data() + length.size();
    constexpr auto kMost = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    if (code != std::errc() || !whole || value > kMost) {
      return HeadRefusal{400, "Content-Length is not a number of bytes: " + shown(length)};
    }
    if (length != lengths.front()) return HeadRefusal{400, "Content-Length was sent with two values"};
    head.content_length = value;
  }
  return std::nullopt;
}

std::optional<HeadRefusal> read_wishes(Head& head) {
  const bool newer = head.version == "1.1";
  const auto connection = list_of(head.headers, "Connection");
  head.keep_alive = !contains(connection, "close") && (newer || contains(connection, "keep-alive"));
  const auto expected = list_of(head.headers, "Expect");
  for (const auto& expectation : expected) {
    if (expectation != "100-continue") return HeadRefusal{417, "cannot do what Expect asks for: " + shown(expectation)};
  }
  head.expects_continue = newer && !expected.empty();
  return std::nullopt;
}

}  // namespace

std::size_t head_size(std::string_view received) {
  std::size_t at = received.starts_with(kLineEnd) ? kLineEnd.size() : 0;
  if (at > 0 && received.substr(at).starts_with(kLineEnd)) return at + kLineEnd.size();
  while ((at = received.find('\n', at)) != std::string_view::npos) {
    ++at;
    const auto rest = received.substr(at);
    if (rest.starts_with('\n')) return at + 1;
    if (rest.starts_with(kLineEnd)) return at + kLineEnd.size();
  }
  return 0;
}

tl::expected<Head, HeadRefusal> read_head(std::string_view bytes) {
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (bytes[i] == '\0') return refuse(400, "the head has a NUL byte");
    const bool line_feed_follows = i + 1 < bytes.size() && bytes[i + 1] == '\n';
    const bool after_return = i > 0 && bytes[i - 1] == '\r';
    if ((bytes[i] == '\r' && !line_feed_follows) || (bytes[i] == '\n' && !after_return)) {
      return refuse(400, "a line ends in CR or LF alone, not in CRLF");
    }
  }
  if (bytes.starts_with(kLineEnd)) bytes.remove_prefix(kLineEnd.size());
  const auto request_line = next_line(bytes);
  if (!request_line) return refuse(400, "there is no request line");
  std::string authority;
  auto head = read_request_line(*request_line, authority);
  if (!head) return head;
  for (;;) {
    const auto line = next_line(bytes);
    if (!line) return refuse(400, "the head does not end in an empty line");
    if (line->empty()) break;
    auto header = read_header(*line);
    if (!header) return tl::unexpected(header.error());
    if (head->headers.size() == kMaxHeaders) {
      return refuse(431, "there are more than " + count_of(kMaxHeaders, "header"));
    }
    head->headers.push_back(std::move(*header));
  }
  if (!bytes.empty()) return refuse(400, "the head goes on after its empty line");
  if (auto refused = read_host(*head, authority)) return tl::unexpected(*std::move(refused));
  if (auto refused = read_length(*head)) return tl::unexpected(*std::move(refused));
  if (auto refused = read_wishes(*head)) return tl::unexpected(*std::move(refused));
  return head;
}

std::string to_text(const Head& head) {
  std::string out = head.method + " " + head.target + " HTTP/" + head.version + "\r\n";
  bool length_written = false;
  for (const auto& [name, value] : head.headers) {
    const bool is_length = equal_ignoring_case(name, "Content-Length");
    if (is_length && std::exchange(length_written, true)) continue;
    out += name + ": " + value + "\r\n";
  }
  return out + "\r\n";
}

}  // namespace wal_exporter::web
