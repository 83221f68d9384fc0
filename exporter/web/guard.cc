#include "web/guard.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <optional>

#include "base/text.h"
#include "http/address.h"

namespace wal_exporter::web {
namespace {

constexpr const char* kConfigureUsers =
    "send it from the machine itself, straight to the exporter (curl -X POST http://127.0.0.1:3002/...), or configure "
    "users with --web.config.file and log in";
constexpr const char* kOwnPage =
    "send it without an Origin header (as curl does) or from the exporter's own pages; a proxy in front must pass the "
    "Host header on (nginx: proxy_set_header Host $http_host and X-Forwarded-Proto $scheme)";

// Headers that may be sent once at most, because with two it is unclear which one counts.
constexpr std::array<std::string_view, 5> kSingle = {"Host", "Origin", "Sec-Fetch-Site", "Authorization",
                                                     "X-Forwarded-Proto"};

Verdict refuse(std::string reason, std::string remedy) {
  return {403, std::move(reason), std::move(remedy)};
}

std::optional<std::string> single(const Request& request, std::string_view name) {
  auto values = header_values(request.headers, name);
  if (values.empty()) return std::nullopt;
  return std::move(values.front());
}

// "HOST:80" and "host" are one origin over http.
std::optional<std::string> normal_host(std::string_view text, std::uint16_t default_port) {
  const auto parts = http::parse_authority(text, 0);
  if (!parts) return std::nullopt;
  return lower_case(parts->host) + ":" + std::to_string(parts->port.value_or(default_port));
}

bool is_own_origin(const Request& request, const std::string& origin, bool users_configured) {
  // Behind a proxy that does TLS the page's origin is https. A foreign page can't
  // add this header, and without users it is refused anyway.
  const bool https = users_configured && single(request, "X-Forwarded-Proto") == "https";
  const std::string_view scheme = https ? "https://" : "http://";
  const std::uint16_t port = https ? 443 : 80;
  const auto host = single(request, "Host");
  if (!host || !lower_case(origin).starts_with(scheme)) return false;
  const auto theirs = normal_host(std::string_view(origin).substr(scheme.size()), port);
  return theirs && theirs == normal_host(*host, port);
}

// The first header that only proxies set. With one, a request from loopback may come from
// anywhere.
std::optional<std::string> forwarding_header(const Request& request) {
  for (const auto& header : request.headers) {
    const auto name = lower_case(header.name);
    if (name == "forwarded" || name == "x-real-ip" || name == "via" || name.starts_with("x-forwarded-")) {
      return header.name;
    }
  }
  return std::nullopt;
}

Verdict judge_page(const Request& request, bool users_configured) {
  if (const auto origin = single(request, "Origin"); origin && !is_own_origin(request, *origin, users_configured)) {
    return refuse("the request comes from another page: Origin is \"" + escape_control(*origin) + "\", not our own",
                  kOwnPage);
  }
  const auto site = single(request, "Sec-Fetch-Site");
  if (site && *site != "none" && *site != "same-origin") {
    return refuse("the request comes from another page: Sec-Fetch-Site is \"" + escape_control(*site) + "\"", kOwnPage);
  }
  return {};
}

Verdict judge_without_users(const Request& request) {
  if (!is_loopback_address(request.peer)) {
    return refuse("without users, changing requests are taken from loopback only; this one came from " +
                      escape_control(request.peer),
                  kConfigureUsers);
  }
  const auto host = single(request, "Host");
  if (!host || !is_loopback_host(*host)) {
    return refuse("without users, changing requests must be sent to localhost, 127.x or [::1]; the Host header is " +
                      (host ? "\"" + escape_control(*host) + "\"" : std::string("missing")),
                  kConfigureUsers);
  }
  if (request.version != "1.1") {
    return refuse("without users, changing requests are taken over HTTP/1.1 only, because proxies speak HTTP/" +
                      escape_control(request.version),
                  kConfigureUsers);
  }
  if (const auto header = forwarding_header(request)) {
    return refuse(
        "without users, changing requests are not taken through a proxy; " + escape_control(*header) + " was sent",
        kConfigureUsers);
  }
  return {};
}

}  // namespace

bool is_changing(std::string_view method) {
  return method != "GET" && method != "HEAD";
}

bool is_loopback_address(const std::string& address) {
  in_addr v4{};
  if (inet_pton(AF_INET, address.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6{};
  if (inet_pton(AF_INET6, address.c_str(), &v6) != 1) return false;
  if (IN6_IS_ADDR_V4MAPPED(&v6)) return v6.s6_addr[12] == 127;
  return IN6_IS_ADDR_LOOPBACK(&v6);
}

bool is_loopback_host(std::string_view host) {
  const auto parts = http::parse_authority(host, 0);
  return parts && (equal_ignoring_case(parts->host, "localhost") || is_loopback_address(parts->host));
}

Verdict guard(const Request& request, bool users_configured, bool login_ok, bool open) {
  for (const auto name : kSingle) {
    if (header_values(request.headers, name).size() > 1) {
      return refuse("the header " + std::string(name) + " was sent more than once", "send it once");
    }
  }
  const bool changing = is_changing(request.method);
  if (changing) {
    if (auto verdict = judge_page(request, users_configured); !verdict.allowed()) return verdict;
  }
  if (users_configured) {
    if (login_ok || (open && !changing)) return {};
    return {401, "a login is needed, or the one sent is not right",
            "log in with a user of the file given as --web.config.file (curl -u NAME:PASSWORD ...)"};
  }
  return changing ? judge_without_users(request) : Verdict{};
}

}  // namespace wal_exporter::web
