#include "web/guard.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <ostream>
#include <utility>

#include "base/text.h"
#include "web/own_names.h"

namespace wal_exporter::web {
namespace {

Request sent(std::string method, std::string version, std::string peer, std::vector<Header> headers) {
  return {std::move(method),  "/", "", std::move(version), std::move(peer), /*secure=*/false, /*peer_user=*/0,
          std::move(headers), ""};
}

const Access kAccess{{0, 4711}, {"db1", "db1.example.com"}};

// A request as curl sends it on the machine itself.
Request local_post() {
  return sent("POST", "1.1", "127.0.0.1", {{"Host", "127.0.0.1:3002"}});
}

Request with(Request request, const std::string& name, const std::string& value) {
  request.headers.push_back({name, value});
  return request;
}

Request with_host(Request request, const std::string& host) {
  request.headers = {{"Host", host}};
  return request;
}

Request from(Request request, const std::string& peer) {
  request.peer = peer;
  return request;
}

Request over(Request request, const std::string& version) {
  request.version = version;
  return request;
}

Request of_user(Request request, std::optional<std::uint32_t> user) {
  request.peer_user = user;
  return request;
}

Request over_unix(Request request) {
  request.peer = "unix";
  request.headers = {{"Host", "localhost"}};
  return request;
}

Request over_tls(Request request) {
  request.secure = true;
  return request;
}

Request as(Request request, const std::string& method) {
  request.method = method;
  return request;
}

enum class Logins { none, logged_in, not_logged_in };

struct Row {
  const char* name;
  Request request;
  Logins users;
  int status;
  const char* in_reason;
};

std::ostream& operator<<(std::ostream& out, const Row& row) {
  return out << row.name;
}

class Guard : public testing::TestWithParam<Row> {};

TEST_P(Guard, Decides) {
  const auto& row = GetParam();
  const auto verdict = guard(row.request, kAccess, row.users != Logins::none, row.users == Logins::logged_in);
  EXPECT_EQ(verdict.status, row.status) << verdict.reason;
  EXPECT_NE(verdict.reason.find(row.in_reason), std::string::npos) << verdict.reason;
  EXPECT_EQ(verdict.remedy.empty(), row.status == 200);
}

const Row kRows[] = {
    {"LocalPost", local_post(), Logins::none, 200, ""},
    {"LocalPostToLocalhost", with_host(local_post(), "localhost:3002"), Logins::none, 200, ""},
    {"LocalPostToUpperCaseLocalhost", with_host(local_post(), "LOCALHOST"), Logins::none, 200, ""},
    {"LocalPostToIpv6", with_host(from(local_post(), "::1"), "[::1]:3002"), Logins::none, 200, ""},
    {"MappedPeer", from(local_post(), "::ffff:127.0.0.1"), Logins::none, 200, ""},
    {"OtherLoopbackPeer", from(local_post(), "127.1.2.3"), Logins::none, 200, ""},
    {"ForeignPeer", from(local_post(), "192.168.1.7"), Logins::none, 403, "192.168.1.7"},
    {"ForeignMappedPeer", from(local_post(), "::ffff:10.0.0.1"), Logins::none, 403, "10.0.0.1"},
    {"PeerThatIsNoAddress", from(local_post(), ""), Logins::none, 403, "loopback"},
    {"HostOfTheWorld", with_host(local_post(), "wal.example.com"), Logins::none, 403, "wal.example.com"},
    {"HostThatLooksLocal", with_host(local_post(), "127.0.0.1.evil.example"), Logins::none, 403, "Host"},
    {"HostThatBeginsLocal", with_host(local_post(), "localhost.evil.example"), Logins::none, 403, "Host"},
    {"HostWithNoPortDigits", with_host(local_post(), "localhost:x"), Logins::none, 403, "Host"},
    {"HostUnbracketedIpv6", with_host(local_post(), "::1"), Logins::none, 403, "Host"},
    {"HostThatIsANumber", with_host(local_post(), "2130706433"), Logins::none, 403, "Host"},
    {"HostWithAnEscape", with_host(local_post(), "%6cocalhost"), Logins::none, 403, "Host"},
    {"HostWithAUser", with_host(local_post(), "localhost@evil.example"), Logins::none, 403, "Host"},
    {"HostEmpty", with_host(local_post(), ""), Logins::none, 403, "Host"},
    {"HostMissing", sent("POST", "1.1", "127.0.0.1", {}), Logins::none, 403, "missing"},
    {"HostTwice", with(local_post(), "host", "localhost"), Logins::none, 403, "Host was sent more than once"},
    {"Http10", over(local_post(), "1.0"), Logins::none, 403, "HTTP/1.1"},
    {"Http2", over(local_post(), "2"), Logins::none, 403, "HTTP/1.1"},
    {"Forwarded", with(local_post(), "Forwarded", "for=1.2.3.4"), Logins::none, 403, "Forwarded"},
    {"XForwardedFor", with(local_post(), "X-Forwarded-For", "127.0.0.1"), Logins::none, 403, "X-Forwarded-For"},
    {"XForwardedAnything", with(local_post(), "x-forwarded-server", "a"), Logins::none, 403, "x-forwarded-server"},
    {"XRealIp", with(local_post(), "X-Real-IP", "127.0.0.1"), Logins::none, 403, "X-Real-IP"},
    {"Via", with(local_post(), "VIA", "1.1 squid"), Logins::none, 403, "VIA"},
    {"OwnOrigin", with(local_post(), "Origin", "http://127.0.0.1:3002"), Logins::none, 200, ""},
    {"OwnOriginInUpperCase", with(local_post(), "Origin", "HTTP://127.0.0.1:3002"), Logins::none, 200, ""},
    {"OwnOriginDefaultPort", with(with_host(local_post(), "localhost"), "Origin", "http://localhost:80"), Logins::none,
     200, ""},
    {"OriginOtherPort", with(local_post(), "Origin", "http://127.0.0.1:8080"), Logins::none, 403, "8080"},
    {"OriginOtherName", with(local_post(), "Origin", "http://localhost:3002"), Logins::none, 403, "localhost"},
    {"OriginOtherScheme", with(local_post(), "Origin", "https://127.0.0.1:3002"), Logins::none, 403, "https"},
    {"OriginNull", with(local_post(), "Origin", "null"), Logins::none, 403, "null"},
    {"OriginEmpty", with(local_post(), "Origin", ""), Logins::none, 403, "Origin"},
    {"OriginWithPath", with(local_post(), "Origin", "http://127.0.0.1:3002/x"), Logins::none, 403, "Origin"},
    {"OriginWithUser", with(local_post(), "Origin", "http://127.0.0.1:3002@evil"), Logins::none, 403, "Origin"},
    {"OriginTwice", with(with(local_post(), "Origin", "http://127.0.0.1:3002"), "Origin", "http://evil"), Logins::none,
     403, "more than once"},
    {"FetchSiteNone", with(local_post(), "Sec-Fetch-Site", "none"), Logins::none, 200, ""},
    {"FetchSiteSameOrigin", with(local_post(), "Sec-Fetch-Site", "same-origin"), Logins::none, 200, ""},
    {"FetchSiteSameSite", with(local_post(), "Sec-Fetch-Site", "same-site"), Logins::none, 403, "same-site"},
    {"FetchSiteCrossSite", with(local_post(), "sec-fetch-site", "cross-site"), Logins::none, 403, "cross-site"},
    {"OwnReferer", with(local_post(), "Referer", "http://127.0.0.1:3002/x?y"), Logins::none, 200, ""},
    {"OtherReferer", with(local_post(), "Referer", "http://evil.example/127.0.0.1:3002"), Logins::none, 403,
     "evil.example"},
    {"RefererThatBeginsOwn", with(local_post(), "Referer", "http://127.0.0.1:3002.evil.example/"), Logins::none, 403,
     "Referer"},
    {"RefererThatIsNoUrl", with(local_post(), "Referer", "about:client"), Logins::none, 403, "Referer"},
    {"OwnOriginDecidesBeforeReferer",
     with(with(local_post(), "Origin", "http://127.0.0.1:3002"), "Referer", "http://127.0.0.1:3002/"), Logins::none,
     200, ""},
    {"RefererTwice", with(with(local_post(), "Referer", "http://127.0.0.1:3002/"), "Referer", "http://evil/"),
     Logins::none, 403, "more than once"},
    {"HttpOriginOverTls", over_tls(with(local_post(), "Origin", "http://127.0.0.1:3002")), Logins::none, 403, "Origin"},
    {"HttpsOriginOverTls", over_tls(with(local_post(), "Origin", "https://127.0.0.1:3002")), Logins::none, 200, ""},

    {"ConfiguredUser", of_user(local_post(), 4711), Logins::none, 200, ""},
    {"OtherUser", of_user(local_post(), 4712), Logins::none, 403, "this one is of uid 4712"},
    {"UserThatIsNotTold", of_user(local_post(), std::nullopt), Logins::none, 403, "the kernel does not tell"},
    {"OtherUserWithALogin", of_user(local_post(), 4712), Logins::logged_in, 200, ""},
    {"RootThroughUnixSocket", over_unix(local_post()), Logins::none, 200, ""},
    {"RootThroughUnixSocketAndAnyHost", with_host(over_unix(local_post()), "wal.example.com"), Logins::none, 200, ""},
    {"OtherUserThroughUnixSocket", of_user(over_unix(local_post()), 33), Logins::none, 403, "(uid 33)"},
    {"ProxyThroughUnixSocket", with(over_unix(local_post()), "X-Forwarded-For", "a"), Logins::none, 403,
     "X-Forwarded-For"},

    {"PutIsGuardedToo", as(from(local_post(), "10.0.0.1"), "PUT"), Logins::none, 403, "loopback"},
    {"OptionsIsGuardedToo", as(from(local_post(), "10.0.0.1"), "OPTIONS"), Logins::none, 403, "loopback"},

    {"GetFromAnywhere", sent("GET", "1.0", "10.0.0.1", {{"Via", "x"}, {"Origin", "http://evil"}}), Logins::none, 200,
     ""},
    {"ScrapeByAnyName",
     sent("GET", "1.1", "10.0.0.1",
          {{"Host", "wal.evil.example:3002"},
           {"User-Agent", "Prometheus/2.42.0"},
           {"Accept", "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"},
           {"Accept-Encoding", "gzip"}}),
     Logins::none, 200, ""},
    {"CurlByAnyName",
     sent("GET", "1.1", "10.0.0.1", {{"Host", "evil.example"}, {"User-Agent", "curl/7.88"}, {"Accept", "*/*"}}),
     Logins::none, 200, ""},
    {"ReboundPageWithAgent",
     sent("GET", "1.1", "127.0.0.1", {{"Host", "evil.example:3002"}, {"User-Agent", "Mozilla/5.0"}}), Logins::none, 421,
     "evil.example:3002"},
    {"ReboundPageThatSaysItIsPrometheus",
     sent("GET", "1.1", "127.0.0.1",
          {{"Host", "evil.example:3002"}, {"User-Agent", "Prometheus/2.42.0"}, {"Accept-Language", "en"}}),
     Logins::none, 421, "evil.example"},
    {"ReboundDocument", sent("GET", "1.1", "127.0.0.1", {{"Host", "evil.example"}, {"Accept", "text/html,*/*"}}),
     Logins::none, 421, "evil.example"},
    {"ReboundPageWithFetchMarks",
     sent("HEAD", "1.1", "127.0.0.1", {{"Host", "evil.example"}, {"Sec-Fetch-Mode", "cors"}}), Logins::none, 421,
     "evil.example"},
    {"BrowserByOwnName", sent("GET", "1.1", "10.0.0.1", {{"Host", "DB1.example.com:3002"}, {"Referer", "a"}}),
     Logins::none, 200, ""},
    {"BrowserByAddress", sent("GET", "1.1", "10.0.0.1", {{"Host", "10.0.0.9:3002"}, {"User-Agent", "Mozilla/5.0"}}),
     Logins::none, 200, ""},
    {"BrowserOverTls",
     over_tls(sent("GET", "1.1", "10.0.0.1", {{"Host", "evil.example"}, {"User-Agent", "Mozilla/5.0"}})), Logins::none,
     200, ""},
    {"BrowserWithLogin", sent("GET", "1.1", "10.0.0.1", {{"Host", "evil.example"}, {"User-Agent", "Mozilla/5.0"}}),
     Logins::logged_in, 200, ""},
    {"HeadFromAnywhere", sent("HEAD", "1.1", "10.0.0.1", {{"Host", "wal.example.com"}}), Logins::none, 200, ""},
    {"GetWithoutLogin", as(local_post(), "GET"), Logins::not_logged_in, 401, "login"},
    {"GetWithLogin", as(from(local_post(), "10.0.0.1"), "GET"), Logins::logged_in, 200, ""},
    {"GetWithTwoLogins", with(with(as(local_post(), "GET"), "Authorization", "Basic a"), "authorization", "Basic b"),
     Logins::not_logged_in, 403, "Authorization was sent more than once"},

    {"PostWithoutLoginEvenLocal", local_post(), Logins::not_logged_in, 401, "login"},
    {"PostWithLoginFromAfar", with_host(from(local_post(), "10.0.0.1"), "wal.example.com"), Logins::logged_in, 200, ""},
    {"PostWithLoginThroughNginx", with(over(local_post(), "1.0"), "X-Forwarded-For", "10.0.0.1"), Logins::logged_in,
     200, ""},
    {"PostWithLoginFromAForeignPage", with(local_post(), "Origin", "http://evil.example"), Logins::logged_in, 403,
     "evil.example"},
    {"PostWithLoginFromNullOrigin", with(local_post(), "Origin", "null"), Logins::logged_in, 403, "null"},
    {"PostWithLoginCrossSite", with(local_post(), "Sec-Fetch-Site", "cross-site"), Logins::logged_in, 403,
     "cross-site"},
    {"OwnPageBehindTlsProxy",
     sent("POST", "1.0", "127.0.0.1",
          {{"Host", "wal.example.com"}, {"X-Forwarded-Proto", "https"}, {"Origin", "https://wal.example.com"}}),
     Logins::logged_in, 200, ""},
    {"HttpPageBehindTlsProxy",
     sent("POST", "1.0", "127.0.0.1",
          {{"Host", "wal.example.com"}, {"X-Forwarded-Proto", "https"}, {"Origin", "http://wal.example.com"}}),
     Logins::logged_in, 403, "Origin"},
};

INSTANTIATE_TEST_SUITE_P(Table, Guard, testing::ValuesIn(kRows),
                         [](const testing::TestParamInfo<Row>& row) { return row.param.name; });

// One of what each adds to a request by its defaults.
TEST(Guard, NamesTheMarkOfAProxy) {
  for (const auto* name : {"X-Forwarded-For",
                           "X-Forwarded-Host",
                           "X-Forwarded-Server",  // Apache, Caddy, HAProxy, Traefik
                           "X-Real-Ip",
                           "X-Forwarded-Port",
                           "X-Replaced-Path",  // Traefik, ingress-nginx
                           "x-envoy-expected-rq-timeout-ms",
                           "x-envoy-external-address",  // Envoy
                           "CF-Connecting-IP",
                           "CF-Ray",
                           "CDN-Loop",
                           "True-Client-IP",  // Cloudflare, Akamai
                           "X-Amzn-Trace-Id",
                           "X-Amz-Cf-Id",
                           "X-Cloud-Trace-Context",  // AWS, Google
                           "X-Appengine-Country",
                           "X-Azure-Ref",
                           "X-Azure-ClientIP",
                           "X-ARR-SSL",
                           "Fly-Client-IP",
                           "Fastly-Client-IP",
                           "X-Client-IP",
                           "X-Cluster-Client-IP",
                           "X-Original-URL",
                           "X-Original-Forwarded-For",
                           "Forwarded",
                           "Via",
                           "Tailscale-User-Login",
                           "Proxy-Connection",
                           "DO-Connecting-IP",
                           "X-Forwarded"}) {
    const auto verdict = guard(with(local_post(), name, "a"), kAccess, false, false);
    EXPECT_EQ(verdict.status, 403) << name;
    EXPECT_NE(verdict.reason.find(name), std::string::npos) << verdict.reason;
  }
}

TEST(Guard, TakesTheControlTokenWhoeverSendsIt) {
  EXPECT_EQ(guard(of_user(local_post(), std::nullopt), kAccess, false, /*login_ok=*/true).status, 200);
}

TEST(OwnName, IsOneThatNobodyElseCanMakeLeadHere) {
  const std::vector<std::string> names = {"db1.example.com"};
  for (const auto* host :
       {"localhost", "localhost:3002", "LOCALHOST.", "a.localhost", "127.0.0.1:3002", "[::1]", "[fe80::1]:3002",
        "10.0.0.1", "db1.example.com", "DB1.Example.Com.:3002", "wal-exporter", "wal_exporter:3002", "db1.local",
        "db1.internal:3002", "nas.home.arpa", "wal.monitoring.svc.cluster.local"}) {
    EXPECT_TRUE(is_own_name(host, names)) << host;
  }
  for (const auto* host :
       {"", "evil.example", "db1.example.com.evil.example", "x.db1.example.com", "localhost.evil.example",
        "127.0.0.1.evil.example", "1.2.3.4.5", "local.example.", "a@localhost", "::1", "evil.example:x"}) {
    EXPECT_FALSE(is_own_name(host, names)) << host;
  }
}

TEST(OwnName, OfTheMachineIsItsHostName) {
  std::array<char, 256> host{};
  ASSERT_EQ(::gethostname(host.data(), host.size() - 1), 0);
  const auto names = machine_names();
  ASSERT_FALSE(names.empty());
  EXPECT_EQ(names.front(), lower_case(host.data()));
}

TEST(GuardOpenRoute, NeedsNoLoginToRead) {
  EXPECT_EQ(guard(as(local_post(), "GET"), kAccess, true, false, /*open=*/true).status, 200);
}

TEST(GuardOpenRoute, NeedsALoginToChange) {
  EXPECT_EQ(guard(local_post(), kAccess, true, false, /*open=*/true).status, 401);
}

TEST(Guard403, NamesTheRemedyOfConfiguringUsers) {
  EXPECT_NE(guard(from(local_post(), "10.0.0.1"), kAccess, false, false).remedy.find("--web.config.file"),
            std::string::npos);
}

}  // namespace
}  // namespace wal_exporter::web
