#include "settings/forms.h"

#include <algorithm>

#include "base/text.h"
#include "http/address.h"
#include "settings/reader.h"

namespace wal_exporter::settings {
namespace {

constexpr std::string_view kUrlForm = "write http://host:port, https://host:port or unix:///path/to/socket";
constexpr std::string_view kAddressForm = "write host:port, such as 127.0.0.1:8088 or [::1]:8088";

tl::unexpected<Error> bad(std::string text) {
  return failure(ErrorKind::invalid, std::move(text));
}

bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), is_control);
}

}  // namespace

Result<std::string> check_url(std::string_view url) {
  const std::string form(kUrlForm);
  const std::size_t separator = url.find("://");
  if (separator == std::string_view::npos) {
    // Something like user:password@host may stand here: not repeated.
    return bad("it does not begin with http://, https:// or unix://; " + form);
  }
  if (has_control(url) || url.find(' ') != std::string_view::npos) return bad("it holds white space; " + form);
  const std::string scheme = lower_case(url.substr(0, separator));
  std::string_view rest = url.substr(separator + 3);
  if (scheme == "unix") {
    if (!rest.starts_with('/')) return bad("its socket is not an absolute path; write unix:///path/to/socket");
    constexpr std::size_t kLongestSocketPath = 107;  // sockaddr_un
    if (rest.size() > kLongestSocketPath || rest.size() < 2) {
      return bad("its socket path is not 2 to 107 bytes long; write unix:///path/to/socket");
    }
    return scheme + "://" + std::string(rest);
  }
  if (scheme != "http" && scheme != "https") return bad("its scheme is not http, https or unix; " + form);
  const std::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
  if (authority.find('@') != std::string_view::npos) {
    return bad("it has a user or password in it; take that out and put the secret into token_file");
  }
  if (rest.find_first_of("?#") != std::string_view::npos) return bad("it has a query or fragment; leave it out");
  const auto parts = http::parse_authority(authority);
  if (!parts) return bad(parts.error().message + "; " + form);
  while (rest.ends_with('/')) rest.remove_suffix(1);
  return scheme + "://" + std::string(rest);
}

Result<void> check_address(std::string_view address) {
  const std::string form(kAddressForm);
  if (address.find("://") != std::string_view::npos) {
    return bad("an address has no scheme such as http:// in front; " + form);
  }
  const auto parts = http::parse_authority(address);
  if (!parts) return bad(shown(address) + " is not an address: " + parts.error().message + "; " + form);
  if (!parts->port) return bad(shown(address) + " is not an address: its port is missing; " + form);
  return {};
}

Result<void> check_target_name(std::string_view name) {
  constexpr std::size_t kLongest = 200;
  if (name.empty()) return bad("it is empty; give the target a name");
  if (name.size() > kLongest) {
    return bad("it is " + std::to_string(name.size()) + " bytes long; write at most " + std::to_string(kLongest));
  }
  if (name == "." || name == "..") return bad("it means a folder in every address; give the target another name");
  if (to_valid_utf8(name) != name) return bad("it is not UTF-8; write the name in UTF-8");
  if (name.find('\0') != std::string_view::npos) return bad("it holds a zero byte; leave that out");
  return {};
}

Result<void> check_database(std::string_view name) {
  constexpr std::size_t kLongest = 64;
  if (name.empty() || !is_letter_or_digit(name.front())) {
    return bad(shown(name) + " does not begin with a letter or a digit; InfluxDB takes no other database names");
  }
  if (name.size() > kLongest) return bad("it is longer than 64 bytes; write a shorter name");
  if (has_control(name)) return bad(shown(name) + " holds a control character; leave that out");
  return {};
}

Result<void> check_table(std::string_view name) {
  if (name.empty() || name.front() == '_') {
    return bad(shown(name) + " is empty or begins with an underscore; begin the table's name with a letter");
  }
  if (has_control(name)) return bad(shown(name) + " holds a control character; leave that out");
  return {};
}

Result<void> check_http_method(std::string_view method) {
  constexpr std::size_t kLongest = 20;
  const bool capitals =
      std::all_of(method.begin(), method.end(), [](char c) { return (c >= 'A' && c <= 'Z') || c == '-'; });
  if (method.empty() || method.size() > kLongest || !capitals) {
    return bad(shown(method) + " is not an HTTP method; write one in capitals, such as GET or POST");
  }
  return {};
}

Result<void> check_http_path(std::string_view path) {
  if (!path.starts_with('/')) {
    return bad("it does not begin with '/'; write the part after the host, such as /api/checkpoint");
  }
  const bool odd = std::any_of(path.begin(), path.end(), [](char c) { return is_control(c) || c == ' ' || c == '#'; });
  if (odd) return bad("it holds white space or '#'; percent-encode them, as %20 and %23");
  return {};
}

Result<void> check_http_header(std::string_view name, std::string_view value, std::string_view remedy) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";  // RFC 9110, token
  const bool token = !name.empty() && std::all_of(name.begin(), name.end(), [&](char c) {
    return is_letter_or_digit(c) || kMarks.find(c) != std::string_view::npos;
  });
  if (!token) return bad(shown(name) + " is not the name of a header; write letters, digits and '-'");
  const std::string plain = lower_case(name);
  if (plain == "authorization" || plain == "proxy-authorization" || plain == "cookie") {
    return bad("'" + plain + "' carries a secret, and secrets are never in this file; " + std::string(remedy));
  }
  if (plain == "content-length" || plain == "transfer-encoding" || plain == "connection") {
    return bad("'" + plain + "' follows from the request itself; leave it out");
  }
  if (has_control(value))
    return bad("the value of '" + plain + "' holds a line break or control character; leave it out");
  return {};
}

}  // namespace wal_exporter::settings
