// One request of a hook, against servers that answer what the test says.
#include "events/sender.h"

#include <gmock/gmock.h>

#include <atomic>

#include "events/signature.h"
#include "support.h"
#include "unit/http/fake_server.h"

namespace wal_exporter::events {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;
using tests::ClosedPort;
using tests::FakeServer;
using tests::Peer;
using tests::TempDir;
using Verdict = Attempt::Verdict;

std::string file_in(const TempDir& folder, const std::string& name, const std::string& content) {
  const std::string path = (folder.path() / name).string();
  EXPECT_TRUE(write_file_atomically(path, content, 0600).has_value());
  return path;
}

std::string answer(const std::string& status, const std::string& body = {}, const std::string& headers = {}) {
  return "HTTP/1.1 " + status + "\r\n" + headers + "Content-Length: " + std::to_string(body.size()) +
         "\r\nConnection: close\r\n\r\n" + body;
}

HookConfig webhook(const std::string& url) {
  HookConfig config;
  config.name = "any";
  config.urls = {url};
  return config;
}

Payload json(const std::string& body) {
  return {"POST", "", {{"Content-Type", "application/json"}}, body};
}

Attempt sent(const HookConfig& config, Duration timeout = 10s) {
  Sender sender(config);
  return sender.send(0, json("{\"id\":7}"), kNow, timeout, {});
}

Attempt answered(const std::string& text, HookConfig config = {}) {
  FakeServer server([&](Peer& peer) {
    peer.read_request();
    peer.send(text);
  });
  if (config.url_file.empty()) config.urls = {server.url()};
  return sent(config);
}

TEST(Sender, SendsTheBodyItsHeadersAndTheSignature) {
  const TempDir folder;
  std::string request;
  FakeServer server([&](Peer& peer) {
    request = peer.read_request();
    peer.send(answer("204 No Content"));
  });
  HookConfig config = webhook(server.url() + "/in/");
  config.hmac_secret_file = file_in(folder, "hmac", "secret\n");
  EXPECT_EQ(sent(config).verdict, Verdict::delivered);
  EXPECT_THAT(request, HasSubstr("POST /in/ HTTP/1.1\r\n"));
  EXPECT_THAT(request, HasSubstr("Content-Type: application/json\r\n"));
  EXPECT_THAT(request, HasSubstr("X-Influxdb-Wal-Timestamp: 1769769000\r\n"));
  EXPECT_THAT(request,
              HasSubstr("X-Influxdb-Wal-Signature: " + *sign_body("secret", "1769769000", "{\"id\":7}") + "\r\n"));
  EXPECT_THAT(request, HasSubstr("\r\n\r\n{\"id\":7}"));
}

TEST(Sender, SaysWhoWeAreInEachOfTheThreeWays) {
  const TempDir folder;
  std::string request;
  FakeServer server([&](Peer& peer) {
    request = peer.read_request();
    peer.send(answer("200 OK"));
  });
  HookConfig config = webhook(server.url());
  config.login.bearer_token_file = file_in(folder, "token", "abc\n");
  EXPECT_EQ(sent(config).verdict, Verdict::delivered);
  EXPECT_THAT(request, HasSubstr("Authorization: Bearer abc\r\n"));
  config.login = {"", "Aladdin", file_in(folder, "password", "open sesame"), ""};
  EXPECT_EQ(sent(config).verdict, Verdict::delivered);
  EXPECT_THAT(request, HasSubstr("Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n"));
  config.login = {"", "", "", file_in(folder, "header", "X-Api-Key: k1\n")};
  EXPECT_EQ(sent(config).verdict, Verdict::delivered);
  EXPECT_THAT(request, HasSubstr("X-Api-Key: k1\r\n"));
}

TEST(Sender, SpeaksOverAUnixSocket) {
  const TempDir folder;
  const std::string path = (folder.path() / "s").string();
  std::string request;
  FakeServer server(path, [&](Peer& peer) {
    request = peer.read_request();
    peer.send(answer("200 OK"));
  });
  Sender sender(webhook("unix://" + path));
  EXPECT_EQ(sender.send(0, {"POST", "/in", {}, "x"}, kNow, 10s, {}).verdict, Verdict::delivered);
  EXPECT_THAT(request, HasSubstr("POST /in HTTP/1.1\r\n"));
}

TEST(Sender, AChangedSecretCountsAtTheNextRequest) {
  const TempDir folder;
  std::string request;
  FakeServer server([&](Peer& peer) {
    request = peer.read_request();
    peer.send(answer("200 OK"));
  });
  HookConfig config = webhook(server.url());
  config.login.bearer_token_file = file_in(folder, "token", "old");
  Sender sender(config);
  EXPECT_EQ(sender.send(0, json("1"), kNow, 10s, {}).verdict, Verdict::delivered);
  file_in(folder, "token", "new");
  EXPECT_EQ(sender.send(0, json("1"), kNow, 10s, {}).verdict, Verdict::delivered);
  EXPECT_THAT(request, HasSubstr("Bearer new\r\n"));
}

TEST(Sender, TheStatusSaysWhetherTryingAgainCanHelp) {
  for (const auto* status : {"200 OK", "202 Accepted", "204 No Content"}) {
    EXPECT_EQ(answered(answer(status)).verdict, Verdict::delivered) << status;
  }
  // The first three: a secret that is being changed, an ingress without what is behind it.
  for (const auto* status : {"401 Who", "403 No", "404 Where", "408 Timeout", "429 Slow down", "500 Oops", "502 Bad",
                             "503 No", "504 Late"}) {
    EXPECT_EQ(answered(answer(status)).verdict, Verdict::failed) << status;
  }
  for (const auto* status : {"301 There", "302 There", "400 Bad", "405 Not so", "410 Gone", "413 Big", "422 Odd"}) {
    EXPECT_EQ(answered(answer(status)).verdict, Verdict::refused) << status;
  }
}

TEST(Sender, TheMessageSaysWhoAnsweredWhat) {
  const Attempt attempt = answered(answer("400 Bad Request", "no \"text\" field\n" + std::string(500, 'x')));
  EXPECT_THAT(attempt.message, HasSubstr("POST http://127.0.0.1:"));
  EXPECT_THAT(attempt.message, HasSubstr(": answered 400: no \"text\" field\\nxxx"));
  EXPECT_LT(attempt.message.size(), 300U);
  EXPECT_THAT(answered(answer("302 Found", "", "Location: http://example.com/\r\n")).message,
              HasSubstr("which is not followed"));
}

TEST(Sender, RetryAfterIsHeardUpToAnHour) {
  const auto pause = [](const std::string& value) {
    return answered(answer("429 Slow down", "", "Retry-After: " + value + "\r\n")).retry_after;
  };
  EXPECT_EQ(pause("7"), Duration(7s));
  EXPECT_EQ(pause("86400"), Duration(1h));
  EXPECT_EQ(pause("99999999999999999999"), Duration(1h));
  EXPECT_EQ(pause("-1"), std::nullopt);
  EXPECT_EQ(pause("Fri, 31 Dec 1999 23:59:59 GMT"), Duration(0s));
  EXPECT_EQ(pause("Fri, 31 Dec 2100 23:59:59 GMT"), Duration(1h));
}

TEST(Sender, NoAnswerIsAFailureWithinItsTime) {
  const ClosedPort closed;
  const Attempt refused = sent(webhook("http://" + closed.address()));
  EXPECT_EQ(refused.verdict, Verdict::failed);
  EXPECT_THAT(refused.message, HasSubstr("Connection refused"));
  FakeServer silent([](Peer& peer) { peer.hang(); });
  const Attempt late = sent(webhook(silent.url()), 50ms);
  EXPECT_EQ(late.verdict, Verdict::failed);
  EXPECT_THAT(late.message, HasSubstr("no complete answer within 50ms"));
}

TEST(Sender, NoSecretIsInAnyMessage) {
  const TempDir folder;
  const ClosedPort closed;
  const std::string path = "/services/T0/B0/sEcReT";
  const auto slack = [&](const std::string& address) {
    HookConfig config;
    config.type = HookType::slack;
    config.url_file = file_in(folder, "url", "http://" + address + path + "?key=sEcReT\n");
    return config;
  };
  // The receiver says it all again.
  FakeServer echo([&](Peer& peer) { peer.send(answer("404 Not Found", peer.read_request())); });
  FakeServer garbage([&](Peer& peer) { peer.send("no HTTP at all: " + peer.read_request()); });
  std::vector<std::string> messages = {sent(slack(echo.address())).message, sent(slack(garbage.address())).message,
                                       sent(slack(closed.address())).message,
                                       sent(slack("sEcReT.host.invalid:1")).message};
  // Not even the host, where the whole URL is the secret.
  for (const std::string& message : messages) EXPECT_THAT(message, Not(HasSubstr("127.0.0.1")));
  HookConfig bearer = webhook(echo.url());
  bearer.login.bearer_token_file = file_in(folder, "token", "sEcReT");
  messages.push_back(sent(bearer).message);
  for (const auto* url : {"sEcReT", "ftp://sEcReT", "https://sEcReT@host/", "https:///sEcReT", "https://h/sEc ReT"}) {
    HookConfig config;
    config.type = HookType::slack;
    config.url_file = file_in(folder, "odd", url);
    messages.push_back(sent(config).message);
    messages.push_back(Sender(config).check().error().message);
  }
  for (const std::string& message : messages) {
    EXPECT_FALSE(message.empty());
    EXPECT_THAT(message, Not(HasSubstr("sEcReT")));
    EXPECT_THAT(message, Not(HasSubstr("B0")));
  }
}

TEST(Sender, AFileThatCantBeReadIsSaidAtTheCheckAndTriedAgainLater) {
  const TempDir folder;
  HookConfig config = webhook("http://127.0.0.1:1");
  config.hmac_secret_file = (folder.path() / "gone").string();
  EXPECT_THAT(Sender(config).check().error().message, HasSubstr("hmac_secret_file " + config.hmac_secret_file));
  EXPECT_EQ(sent(config).verdict, Verdict::failed);
  config.hmac_secret_file = file_in(folder, "empty", "\n");
  EXPECT_THAT(Sender(config).check().error().message, HasSubstr("is empty"));
  config = webhook("http://127.0.0.1:1");
  config.login.header_file = file_in(folder, "header", "no header");
  EXPECT_THAT(Sender(config).check().error().message, HasSubstr("not of the form 'Name: value'"));
}

TEST(SchemeAndHost, IsAllThatIsShownOfAUrl) {
  EXPECT_EQ(scheme_and_host("https://host:8443/a/secret/path"), "https://host:8443");
  EXPECT_EQ(scheme_and_host("https://user:password@host/x?key=1"), "https://host");
  EXPECT_EQ(scheme_and_host("unix:///run/x.sock"), "unix:///run/x.sock");
}

}  // namespace
}  // namespace wal_exporter::events
