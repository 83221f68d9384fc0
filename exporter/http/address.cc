#include "http/address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

#include "base/text.h"

namespace wal_exporter::http {
namespace {

bool is_v6(std::string_view host) {
  const std::string address(host.substr(0, host.find('%')));
  in6_addr parsed{};
  return ::inet_pton(AF_INET6, address.c_str(), &parsed) == 1;
}

// Names, IPv4 addresses, and names in other scripts (their bytes are above 0x7F).
bool is_name(std::string_view host) {
  return host.size() <= 253 && std::all_of(host.begin(), host.end(), [](char c) {
           return is_letter_or_digit(c) || c == '.' || c == '-' || c == '_' || static_cast<unsigned char>(c) >= 0x80;
         });
}

}  // namespace

Result<Authority> parse_authority(std::string_view text, std::uint16_t least_port) {
  const auto bad = [](const char* why) { return failure(ErrorKind::invalid, why); };
  const bool bracket = text.starts_with('[');
  if (!bracket && is_v6(text)) return bad("an IPv6 address needs brackets, as in [::1]:8088");
  const std::size_t end = text.find(bracket ? ']' : ':');
  if (bracket && end == std::string_view::npos) return bad("the ']' of its IPv6 address is missing");
  Authority out{std::string(bracket ? text.substr(1, end - 1) : text.substr(0, end)), {}};
  if (bracket && !is_v6(out.host)) return bad("not a valid IPv6 address in [ ]");
  if (out.host.empty()) return bad("its host is missing");
  if (!bracket && !is_name(out.host)) return bad("its host has characters that no host has");
  const std::string_view rest = text.substr(std::min(bracket ? end + 1 : end, text.size()));
  if (rest.empty()) return out;
  const auto [last, code] = std::from_chars(rest.data() + 1, rest.data() + rest.size(), out.port.emplace());
  if (rest[0] != ':' || code != std::errc() || last != rest.data() + rest.size() || out.port < least_port) {
    return bad("its port is not a number from 1 to 65535");
  }
  return out;
}

std::string printable_url(const std::string& url) {
  std::string shown = url.substr(0, url.find_first_of("?#"));
  const auto scheme = shown.find("://");
  const auto begin = scheme == std::string::npos ? 0 : scheme + 3;
  // Cuts at the last '@', even if a password holds a slash. That may hide too much, but never
  // shows a part of a secret.
  const auto at = shown.rfind('@');
  if (at != std::string::npos && at >= begin) {
    shown.erase(begin, at + 1 - begin);
  } else if (shown.find('/', begin) == std::string::npos && url.find('@', begin) != std::string::npos) {
    shown.erase(begin);  // the cut at '?' or '#' was inside a password
    shown += "...";
  }
  return escape_control(shown);
}

Result<UrlParts> parse_url(const std::string& url) {
  const auto wrong = [&](std::string_view why) {
    return failure(ErrorKind::invalid, "URL " + printable_url(url) + ": " + std::string(why) +
                                           "; right would be http://127.0.0.1:8086 or unix:///run/influxdb.sock");
  };
  constexpr std::string_view kUnix = "unix://";
  if (url.starts_with(kUnix)) {
    const std::string path = url.substr(kUnix.size());
    if (!path.starts_with('/')) return wrong("the path of a Unix socket must be absolute");
    return UrlParts{"http://localhost", path};
  }
  const bool known = url.starts_with("http://") || url.starts_with("https://");
  if (!known) return wrong("it begins with none of http://, https:// and unix://");
  if (url.find_first_of("?#") != std::string::npos) return wrong("a base URL has no query and no fragment");
  std::string base = url;
  while (base.ends_with('/')) base.pop_back();
  if (base.size() <= std::string_view("https:/").size() && base.ends_with(':')) return wrong("the host is missing");
  return UrlParts{std::move(base), {}};
}

}  // namespace wal_exporter::http
