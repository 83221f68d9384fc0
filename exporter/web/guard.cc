#include "web/guard.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <optional>

#include "base/text.h"
#include "http/address.h"
#include "web/own_names.h"
#include "web/peer_user.h"

namespace wal_exporter::web {
namespace {

constexpr const char* kConfigureUsers =
    "send it from the machine itself, straight to the exporter (curl -X POST http://127.0.0.1:3002/...), or configure "
    "users with --web.config.file and log in";
constexpr const char* kOwnNames =
    "use an IP address or the machine's host name, add the name to web.own_names in the settings, or configure users "
    "with --web.config.file";
constexpr const char* kOwnPage =
    "send it without an Origin header (as curl does) or from the exporter's own pages; a proxy in front must pass the "
    "Host header on (nginx: proxy_set_header Host $http_host and X-Forwarded-Proto $scheme)";

// Headers that may be sent once at most, because with two it is unclear which one counts.
constexpr auto kSingle = std::to_array<std::string_view>(
    {"Host", "Origin", "Referer", "Sec-Fetch-Site", "Authorization", "X-Forwarded-Proto"});

// What proxies, balancers and networks that deliver content add, in small letters; a program of this
// machine has no reason to. A name that ends in '-' stands for all that begin so.
constexpr auto kProxyMarks = std::to_array<std::string_view>(
    {"forwarded", "via", "cdn-loop", "proxy-connection", "x-forwarded", "x-forwarded-", "x-real-ip",
     // Whom a request is for, or from, by one proxy's name for it.
     "client-ip", "true-client-ip", "x-client-ip", "x-cluster-client-ip", "x-remote-ip", "x-remote-addr",
     "x-originating-ip", "x-proxyuser-ip", "proxy-client-ip", "wl-proxy-client-ip", "x-original-", "x-rewrite-url",
     "x-replaced-path", "x-scheme", "x-url-scheme", "front-end-https", "surrogate-capability", "remote-user",
     "x-remote-user", "x-auth-request-",
     // Cloudflare, Fly, Fastly, Azure, Envoy, App Engine and Google's balancer, AWS, DigitalOcean, Akamai, Imperva,
     // Varnish, IIS, Vercel, Netlify, Tailscale, HAProxy.
     "cf-", "fly-", "fastly-", "x-azure-", "x-arr-", "x-envoy-", "x-appengine-", "x-cloud-trace-context", "x-amzn-",
     "x-amz-cf-", "do-connecting-ip", "akamai-", "x-akamai-", "incap-client-ip", "x-varnish", "x-vercel-", "x-nf-",
     "tailscale-", "x-haproxy-", "cloudfront-", "x-goog-", "x-sucuri-", "ali-cdn-", "kong-", "x-consumer-", "x-ssl-",
     "x-host", "ngrok-"});

// What every browser sends with what a page asks for, and ordinary clients don't. A page can take some of
// it off, not all.
constexpr auto kBrowserMarks = std::to_array<std::string_view>(
    {"sec-", "origin", "referer", "cookie", "accept-language", "upgrade-insecure-requests", "priority"});

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
  const bool https = request.secure || (users_configured && single(request, "X-Forwarded-Proto") == "https");
  const std::string_view scheme = https ? "https://" : "http://";
  const std::uint16_t port = https ? 443 : 80;
  const auto host = single(request, "Host");
  if (!host || !lower_case(origin).starts_with(scheme)) return false;
  const auto theirs = normal_host(std::string_view(origin).substr(scheme.size()), port);
  return theirs && theirs == normal_host(*host, port);
}

// The first header that is one of `marks`.
template <std::size_t N>
std::optional<std::string> marked(const Request& request, const std::array<std::string_view, N>& marks) {
  for (const auto& header : request.headers) {
    const auto name = lower_case(header.name);
    for (const auto mark : marks) {
      if (mark.ends_with('-') ? name.starts_with(mark) : name == mark) return header.name;
    }
  }
  return std::nullopt;
}

// Scheme and authority of a URL: "http://host:3002".
std::string origin_of(const std::string& url) {
  const auto scheme_end = url.find("://");
  return scheme_end == std::string::npos ? url : url.substr(0, url.find_first_of("/?#", scheme_end + 3));
}

Verdict judge_page(const Request& request, bool users_configured) {
  if (const auto origin = single(request, "Origin"); origin && !is_own_origin(request, *origin, users_configured)) {
    return refuse("the request comes from another page: Origin is \"" + escape_control(*origin) + "\", not our own",
                  kOwnPage);
  }
  // Where an old browser sends no Origin with a form.
  if (const auto page = single(request, "Referer");
      page && !single(request, "Origin") && !is_own_origin(request, origin_of(*page), users_configured)) {
    return refuse("the request comes from another page: Referer is \"" + escape_control(*page) + "\", not our own",
                  kOwnPage);
  }
  const auto site = single(request, "Sec-Fetch-Site");
  if (site && *site != "none" && *site != "same-origin") {
    return refuse("the request comes from another page: Sec-Fetch-Site is \"" + escape_control(*site) + "\"", kOwnPage);
  }
  return {};
}

// Only refuses browsers: whoever scrapes by any name that leads here goes on doing so.
Verdict judge_name(const Request& request, const Access& access) {
  // With TLS it is the certificate that a browser holds against the name.
  if (request.secure || !request.is_over_tcp()) return {};
  const auto agent = single(request, "User-Agent").value_or("");
  const auto accepts = single(request, "Accept").value_or("");
  const bool by_browser = marked(request, kBrowserMarks) || agent.find("Mozilla/") != std::string::npos ||
                          accepts.find("text/html") != std::string::npos;
  const auto host = single(request, "Host");
  if (!by_browser || !host || is_own_name(*host, access.own_names)) return {};
  return {421,
          "a browser asked for \"" + escape_control(*host) +
              "\", which is not a name of this exporter: a page of anybody who owns that name could read the answer",
          kOwnNames};
}

// Those who may, for people.
std::string users_text(const std::vector<std::uint32_t>& users) {
  constexpr std::size_t kShown = 10;
  std::vector<std::string> out;
  for (const auto uid : users) {
    if (out.size() == kShown) break;
    out.push_back(user_text(uid));
  }
  if (users.size() > kShown) out.push_back("others");
  return join(out, ", ");
}

Verdict judge_user(const Request& request, const Access& access) {
  const auto may = [&](std::uint32_t uid) {
    return std::find(access.users.begin(), access.users.end(), uid) != access.users.end();
  };
  if (request.peer_user && may(*request.peer_user)) return {};
  const std::string those = "without users, changing requests are taken from programs of " + users_text(access.users);
  if (!request.peer_user) {
    return refuse(those +
                      "; whose this one is the kernel does not tell, as with one from a container, another network "
                      "namespace or another machine",
                  "run it on the machine itself as one of these, or configure users with --web.config.file and log in");
  }
  return refuse(those + "; this one is of " + user_text(*request.peer_user),
                "run it as one of these (sudo curl ...), add the user to web.local_users in the settings, or configure "
                "users with --web.config.file and log in");
}

Verdict judge_without_users(const Request& request, const Access& access) {
  if (!is_local(request)) {
    return refuse("without users, changing requests are taken from loopback only; this one came from " +
                      escape_control(request.peer),
                  kConfigureUsers);
  }
  const auto host = single(request, "Host");
  if (request.is_over_tcp() && (!host || !is_loopback_host(*host))) {
    return refuse("without users, changing requests must be sent to localhost, 127.x or [::1]; the Host header is " +
                      (host ? "\"" + escape_control(*host) + "\"" : std::string("missing")),
                  kConfigureUsers);
  }
  if (request.version != "1.1") {
    return refuse("without users, changing requests are taken over HTTP/1.1 only, because proxies speak HTTP/" +
                      escape_control(request.version),
                  kConfigureUsers);
  }
  if (const auto header = marked(request, kProxyMarks)) {
    return refuse(
        "without users, changing requests are not taken through a proxy; " + escape_control(*header) + " was sent",
        kConfigureUsers);
  }
  return judge_user(request, access);
}

}  // namespace

std::vector<std::uint32_t> process_users() {
  const std::uint32_t own = ::geteuid();
  return own == 0 ? std::vector<std::uint32_t>{0} : std::vector<std::uint32_t>{0, own};
}

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

bool is_local(const Request& request) {
  return !request.is_over_tcp() || is_loopback_address(request.peer);
}

bool is_loopback_host(std::string_view host) {
  const auto parts = http::parse_authority(host, 0);
  return parts && (equal_ignoring_case(parts->host, "localhost") || is_loopback_address(parts->host));
}

Verdict guard(const Request& request, const Access& access, bool users_configured, bool login_ok, bool open) {
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
  if (login_ok) return {};
  return changing ? judge_without_users(request, access) : judge_name(request, access);
}

}  // namespace wal_exporter::web
