#include "web/web_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/tls1.h>

#include "web/password.h"

namespace wal_exporter::web {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;

constexpr const char* kFile = "/etc/exporter/web.yml";
const std::string kTls = "tls_server_config:\n  cert_file: c.pem\n  key_file: keys/k.pem\n";

std::string cheap_hash(const std::string& password) {
  return hash_password(password, "$2b$04$abcdefghijklmnopqrstuu").value();
}
std::string user(const std::string& name, const std::string& hash) {
  return "basic_auth_users:\n  " + name + ": \"" + hash + "\"\n";
}

WebConfig read(const std::string& yaml) {
  auto config = WebConfig::parse(yaml, kFile);
  EXPECT_TRUE(config) << config.error().message;
  return config ? *std::move(config) : WebConfig();
}
std::string refusal(const std::string& yaml) {
  const auto config = WebConfig::parse(yaml, "web.yml");
  return config ? "not refused" : config.error().message;
}

TEST(WebConfig, EmptyMeansNothing) {
  for (const auto* yaml : {"", "# nothing\n", "{}\n", "tls_server_config: {}\n", "http_server_config:\n",
                           "tls_server_config: {cert_file: '', client_auth_type: '', cipher_suites: []}\n",
                           "rate_limit:\n", "rate_limit: {interval: 0, burst: 0}\n"}) {
    const auto config = read(yaml);
    EXPECT_FALSE(config.users.configured()) << yaml;
    EXPECT_FALSE(config.tls) << yaml;
    EXPECT_EQ(config.rate_limit, nullptr) << yaml;
    EXPECT_THAT(config.files, ElementsAre(kFile)) << yaml;
  }
}

TEST(WebConfig, PathsAreRelativeToItsFolder) {
  const auto config = read(kTls + "  client_ca_file: /ca.pem\n  client_auth_type: RequireAndVerifyClientCert\n");
  EXPECT_EQ(config.tls->cert_file, "/etc/exporter/c.pem");
  EXPECT_EQ(config.tls->key_file, "/etc/exporter/keys/k.pem");
  EXPECT_EQ(config.tls->client_ca_file, "/ca.pem");
  EXPECT_THAT(config.files, ElementsAre(kFile, "/etc/exporter/c.pem", "/etc/exporter/keys/k.pem", "/ca.pem"));
  EXPECT_EQ(WebConfig::parse(kTls, "web.yml")->tls->cert_file, "c.pem");
}

TEST(WebConfig, TlsIsFromVersion12To13UnlessItSaysOtherwise) {
  EXPECT_EQ(read(kTls).tls->min_version, TLS1_2_VERSION);
  EXPECT_EQ(read(kTls).tls->max_version, TLS1_3_VERSION);
  EXPECT_TRUE(read(kTls).tls->prefer_server_cipher_suites);
  const auto config = read(kTls + "  min_version: TLS13\n  prefer_server_cipher_suites: false\n");
  EXPECT_EQ(config.tls->min_version, TLS1_3_VERSION);
  EXPECT_FALSE(config.tls->prefer_server_cipher_suites);
}

TEST(WebConfig, ClientAuthIsWhatGoCallsIt) {
  const auto of = [](const std::string& type) {
    return read(kTls + "  client_auth_type: " + type + "\n").tls->client_auth;
  };
  EXPECT_EQ(of("NoClientCert"), ClientAuth::none);
  EXPECT_EQ(of("RequestClientCert"), ClientAuth::request);
  EXPECT_EQ(of("RequireAnyClientCert"), ClientAuth::require_any);
  EXPECT_EQ(of("RequireClientCert"), ClientAuth::require_any);
  EXPECT_EQ(of("VerifyClientCertIfGiven"), ClientAuth::verify_if_given);
  EXPECT_EQ(of("RequireAndVerifyClientCert"), ClientAuth::require_and_verify);
  EXPECT_THAT(refusal(kTls + "  client_auth_type: Require\n"),
              HasSubstr("web.yml:4: tls_server_config.client_auth_type"));
}

TEST(WebConfig, SuitesAndCurvesAreGosNames) {
  const auto config = read(kTls +
                           "  cipher_suites:\n    - TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256\n"
                           "    - TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256\n"
                           "    - TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256\n"
                           "  curve_preferences: [X25519, CurveP256]\n");
  EXPECT_THAT(config.tls->cipher_suites, ElementsAre("ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"));
  EXPECT_THAT(config.tls->curves, ElementsAre("X25519", "P-256"));
  EXPECT_THAT(config.notes, IsEmpty());
}

TEST(WebConfig, WeakOrUnknownSuitesAndCurvesAreRefusedByNameAndLine) {
  EXPECT_THAT(refusal(kTls + "  cipher_suites:\n    - TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256\n"
                             "    - TLS_RSA_WITH_AES_128_GCM_SHA256\n"),
              HasSubstr("web.yml:6: tls_server_config.cipher_suites: TLS_RSA_WITH_AES_128_GCM_SHA256 is weak"));
  EXPECT_THAT(refusal(kTls + "  cipher_suites: [ECDHE-RSA-AES128-GCM-SHA256]\n"), HasSubstr("web.yml:4:"));
  EXPECT_THAT(refusal(kTls + "  curve_preferences: [P-256]\n"), HasSubstr("web.yml:4:"));
}

TEST(WebConfig, SuitesOfTls13CannotBeChosenButAloneTheyLeaveTls13) {
  const std::string one = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256";
  const auto both = read(kTls + "  cipher_suites: [TLS_AES_128_GCM_SHA256, " + one + "]\n");
  EXPECT_THAT(both.tls->cipher_suites, ElementsAre("ECDHE-RSA-AES128-GCM-SHA256"));
  EXPECT_EQ(both.tls->min_version, TLS1_2_VERSION);
  EXPECT_THAT(both.notes, ElementsAre(HasSubstr("can't be chosen")));
  const auto alone = read(kTls + "  cipher_suites: [TLS_AES_128_GCM_SHA256]\n");
  EXPECT_EQ(alone.tls->min_version, TLS1_3_VERSION) << "Go would refuse TLS 1.2, too";
  EXPECT_THAT(refusal(kTls + "  max_version: TLS12\n  cipher_suites: [TLS_AES_128_GCM_SHA256]\n"),
              HasSubstr("no client could connect"));
}

TEST(WebConfig, WhatContradictsItselfIsRefused) {
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {"tls_server_config:\n  key_file: k\n", "web.yml:1: tls_server_config: cert_file (or cert) is missing"},
      {"tls_server_config:\n  cert_file: c\n", "web.yml:1: tls_server_config: key_file (or key) is missing"},
      {"tls_server_config:\n  min_version: TLS12\n", "cert_file (or cert) is missing"},
      {kTls + "  cert: x\n", "web.yml:2: tls_server_config: both cert and cert_file are set"},
      {kTls + "  client_ca_file: ca\n", "web.yml:4: tls_server_config: client_ca_file is set, and no client"},
      {kTls + "  client_auth_type: VerifyClientCertIfGiven\n  client_allowed_sans: [a]\n",
       "web.yml:5: tls_server_config: client_allowed_sans takes effect only"},
      {kTls + "  client_allowed_sans: []\n", "web.yml:4: tls_server_config.client_allowed_sans is empty"},
      {kTls + "  min_version: TLS13\n  max_version: TLS12\n", "web.yml:4: tls_server_config: min_version is above"},
      {kTls + "  min_version: TLS10\n", "web.yml:4: tls_server_config.min_version: TLS10 is not spoken here"},
      {kTls + "  max_version: TLS11\n", "web.yml:4: tls_server_config.max_version: TLS11 is not spoken here"},
      {kTls + "  min_version: SSL3\n", "\"SSL3\" is no version of TLS"},
      {kTls + "  ca_file: x\n", "web.yml:4: unknown key \"ca_file\" in tls_server_config"},
      {kTls + "  prefer_server_cipher_suites: 2\n", "web.yml:4: tls_server_config.prefer_server_cipher_suites must be"},
      {"tls_server_config: [a]\n", "web.yml:1: tls_server_config must be a map"},
      {"tls_server_config:\n  cert_file: [a]\n", "web.yml:2: tls_server_config.cert_file must be a text"},
  };
  for (const auto& [yaml, said] : wrong) EXPECT_THAT(refusal(yaml), HasSubstr(said)) << yaml;
}

TEST(WebConfig, EveryMistakeIsTold) {
  const auto message = refusal("rate_limit:\n  burts: 1\nhttp_server_config:\n  http3: true\nx: y\n");
  EXPECT_THAT(message, HasSubstr("web.yml:2: unknown key \"burts\" in rate_limit"));
  EXPECT_THAT(message, HasSubstr("web.yml:4: unknown key \"http3\" in http_server_config"));
  EXPECT_THAT(message, HasSubstr("web.yml:5: unknown key \"x\""));
}

TEST(WebConfig, HeadersAreThoseOfTheToolkit) {
  const std::string begin = "http_server_config:\n  headers:\n    ";
  const auto config = read(begin +
                           "X-Frame-Options: deny\n    Strict-Transport-Security: max-age=60\n"
                           "    X-XSS-Protection: ''\n    X-Content-Type-Options: nosniff\n");
  EXPECT_THAT(config.headers,
              ElementsAre(Pair("X-Frame-Options", "deny"), Pair("Strict-Transport-Security", "max-age=60")));
  EXPECT_THAT(refusal(begin + "X-Frame-Options: DENY\n"),
              HasSubstr("web.yml:3: http_server_config.headers.X-Frame-Options must be deny or sameorigin"));
  EXPECT_THAT(refusal(begin + "X-Content-Type-Options: sniff\n"), HasSubstr("must be nosniff"));
  EXPECT_THAT(refusal(begin + "Server: me\n"), HasSubstr("web.yml:3: http_server_config.headers.Server can't be set"));
  EXPECT_THAT(refusal(begin + "Content-Security-Policy: \"a\\r\\nSet-Cookie: b\"\n"), HasSubstr("on one line"));
}

TEST(WebConfig, Http2IsTakenAndSaidNotToBeThere) {
  for (const std::string value : {"false", "NO", "off"}) {
    EXPECT_THAT(read("http_server_config:\n  http2: " + value + "\n").notes, IsEmpty()) << value;
  }
  EXPECT_THAT(
      read("http_server_config:\n  http2: true\n").notes,
      ElementsAre("/etc/exporter/web.yml:2: http_server_config.http2: there is no HTTP/2 here; clients get HTTP/1.1"));
  EXPECT_THAT(refusal("http_server_config:\n  http2: perhaps\n"), HasSubstr("true or false"));
}

TEST(WebConfig, RateLimitHasAnIntervalAndABurst) {
  const auto limit = read("rate_limit:\n  interval: 100ms\n  burst: 20\n").rate_limit;
  ASSERT_NE(limit, nullptr);
  EXPECT_EQ(limit->rate(), (Rate{std::chrono::milliseconds(100), 20}));
  for (const auto* wrong : {"interval: 1s", "burst: 5", "interval: 1s, burst: 0", "interval: 5, burst: 1",
                            "interval: -1s, burst: 1", "interval: 2h, burst: 1", "interval: 1s, burst: 1.5",
                            "interval: 1s, burst: -1", "interval: 1s, burst: 9999999999999999999"}) {
    EXPECT_THAT(refusal("rate_limit: {" + std::string(wrong) + "}\n"), HasSubstr("web.yml:1: rate_limit.")) << wrong;
  }
}

TEST(WebConfig, AnythingButBcryptIsRefusedAndNotShown) {
  for (const auto* value :
       {"secret", "$1$salt$x", "$6$rounds=5000$x$y", "$2b$10$short", "$2x$10$abcdefghijklmnopqrstuu"}) {
    const auto message = refusal("basic_auth_users:\n  alice: \"" + std::string(value) + "\"\n");
    EXPECT_THAT(message, HasSubstr("web.yml:2:"));
    EXPECT_THAT(message, HasSubstr("not a bcrypt hash"));
    EXPECT_THAT(message, Not(HasSubstr(value)));
  }
}

TEST(WebConfig, ACostThatWouldHangIsRefused) {
  auto hash = cheap_hash("secret");
  hash.replace(4, 2, "20");
  EXPECT_THAT(refusal(user("alice", hash)), HasSubstr("cost 20"));
}

TEST(WebConfig, ANameThatCouldNeverLogInIsRefused) {
  for (const auto* name : {"\"a:b\"", "\"\"", "\"a\\nb\""}) {
    EXPECT_THAT(refusal(user(name, cheap_hash("x"))), HasSubstr("could never log in")) << name;
  }
}

TEST(WebConfig, DoubledKeysAreRefused) {
  const auto hash = cheap_hash("x");
  EXPECT_EQ(refusal("basic_auth_users:\n  a: \"" + hash + "\"\n  a: \"" + hash + "\"\n"),
            "web.yml:3: the key 'a' is there twice, first on line 2; keep one of them");
  EXPECT_EQ(refusal("http_server_config: {}\nhttp_server_config: {}\n"),
            "web.yml:2: the key 'http_server_config' is there twice, first on line 1; keep one of them");
}

TEST(WebConfig, AnEmptyListOfUsersIsRefused) {
  for (const auto* yaml : {"basic_auth_users:\n", "basic_auth_users: {}\n", "basic_auth_users: [a]\n"}) {
    EXPECT_THAT(refusal(yaml), HasSubstr("at least one user")) << yaml;
  }
}

TEST(WebConfig, RubbishIsRefusedWithItsLine) {
  EXPECT_THAT(refusal("a: b\n  c: [\n"), HasSubstr("web.yml:2: not valid YAML"));
  EXPECT_THAT(refusal("[1]\n"), HasSubstr("must be a map"));
  EXPECT_THAT(refusal("{}\n---\n{}\n"), HasSubstr("web.yml:2: a second document begins here"));
}

TEST(WebConfig, AMissingFileIsNamed) {
  const auto config = WebConfig::load("/nonexistent/web.yml", Time{});
  ASSERT_FALSE(config);
  EXPECT_THAT(config.error().message, HasSubstr("/nonexistent/web.yml"));
}

TEST(WebConfig, NeitherLoginsNorTlsAreLostWhileItRuns) {
  const auto nothing = read("");
  const auto users = read(user("alice", cheap_hash("x")));
  const auto tls = read(kTls);
  EXPECT_THAT(users.refusal_of(nothing), HasSubstr("no users any more"));
  EXPECT_THAT(tls.refusal_of(nothing), HasSubstr("no TLS any more"));
  EXPECT_EQ(nothing.refusal_of(users), "");
  EXPECT_EQ(users.refusal_of(users), "");
  EXPECT_EQ(tls.refusal_of(tls), "");
}

TEST(WebConfig, TellsWhatChangedAndKeepsTheBucketOfALimitThatDidNot) {
  const auto before = read("rate_limit: {interval: 1s, burst: 2}\n");
  auto same = read("rate_limit: {interval: 1s, burst: 2}\n");
  auto other = read("rate_limit: {interval: 1s, burst: 3}\nhttp_server_config: {headers: {X-XSS-Protection: 1}}\n");
  EXPECT_THAT(before.changes_to(same), IsEmpty());
  EXPECT_THAT(before.changes_to(other), ElementsAre("web.config.file: http_server_config.headers changed",
                                                    "web.config.file: rate_limit changed"));
  same.go_on_from(before);
  other.go_on_from(before);
  EXPECT_EQ(same.rate_limit, before.rate_limit);
  EXPECT_NE(other.rate_limit, before.rate_limit);
}

}  // namespace
}  // namespace wal_exporter::web
