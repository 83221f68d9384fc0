#include "http/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <future>
#include <thread>

#include "unit/http/fake_server.h"

namespace wal_exporter::http {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::Not;
using tests::ClosedPort;
using tests::FakeServer;
using tests::Peer;
using tests::TempDir;

constexpr const char* kNoContent = "HTTP/1.1 204 No Content\r\nX-Influxdb-Version: 1.6.7\r\n\r\n";

Duration time_of(const std::function<void()>& action) {
  const auto begin = std::chrono::steady_clock::now();
  action();
  return std::chrono::steady_clock::now() - begin;
}

TEST(Client, GivesStatusHeadersInLowerCaseAndBody) {
  FakeServer server([](Peer& peer) {
    peer.read_request();
    peer.send("HTTP/1.1 404 Not Found\r\nX-One: a\r\nX-ONE:  b \r\nContent-Length: 5\r\n\r\nnot");
    peer.send(std::string_view("\0!", 2));
  });
  Client client;
  const auto answer = client.send({.url = server.url() + "/x"}, {});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->status, 404);
  EXPECT_EQ(answer->headers.at("x-one"), "b");
  EXPECT_EQ(answer->body, std::string("not\0!", 5));
}

TEST(Client, SendsMethodHeadersSecretAndBodyAsGiven) {
  std::promise<std::string> seen;
  FakeServer server([&](Peer& peer) {
    seen.set_value(peer.read_request());
    peer.send(kNoContent);
  });
  Client client;
  const auto answer = client.send({.method = "POST",
                                   .url = server.url() + "/write?db=a",
                                   .headers = {{"X-A", "1"}, {"X-Empty", ""}},
                                   .secret_header = "Authorization: Token s3cret",
                                   .body = std::string("a\0b\n", 4)},
                                  {});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->status, 204);
  const std::string request = seen.get_future().get();
  EXPECT_THAT(request, ::testing::StartsWith("POST /write?db=a HTTP/1.1\r\n"));
  EXPECT_THAT(request, HasSubstr("\r\nX-A: 1\r\n"));
  EXPECT_THAT(request, HasSubstr("\r\nX-Empty:\r\n"));
  EXPECT_THAT(request, HasSubstr("\r\nAuthorization: Token s3cret\r\n"));
  EXPECT_THAT(request, Not(HasSubstr("Content-Type")));
  EXPECT_THAT(request, Not(HasSubstr("Expect")));
  EXPECT_EQ(request.substr(request.find("\r\n\r\n") + 4), std::string("a\0b\n", 4));
}

TEST(Client, SendsAnEmptyPostWithALengthOfZero) {
  std::promise<std::string> seen;
  FakeServer server([&](Peer& peer) {
    seen.set_value(peer.read_request());
    peer.send(kNoContent);
  });
  Client client;
  ASSERT_TRUE(client.send({.method = "POST", .url = server.url()}, {}));
  EXPECT_THAT(seen.get_future().get(), HasSubstr("\r\nContent-Length: 0\r\n"));
}

TEST(Client, WorksAgainAfterANameThatWasNotFound) {
  FakeServer server([](Peer& peer) {
    peer.read_request();
    peer.send(kNoContent);
  });
  Client client;
  for (const char* url : {"http://no-such-host.invalid:1/", "http://127.0.0.1:99999/", "http://127.0.0.1:1/"}) {
    EXPECT_FALSE(client.send({.url = url}, {})) << url;
    const auto answer = client.send({.url = server.url()}, {});
    ASSERT_TRUE(answer) << url << ": " << answer.error().message;
    EXPECT_EQ(answer->status, 204);
  }
}

TEST(Client, WhereTheStatusIsEnoughALongOrSlowBodyOf2xxIsNotWaitedFor) {
  FakeServer server([](Peer& peer) {
    peer.read_request();
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\nX-A: 1\r\n\r\nfirst bytes");
    peer.read_request();  // until the client leaves
  });
  Client client;
  const auto answer = client.send({.method = "POST", .url = server.url(), .status_is_enough = true}, {});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->headers.at("x-a"), "1");
}

TEST(Client, WhereTheStatusIsEnoughTheBodyOfARefusalIsStillRead) {
  FakeServer server([](Peer& peer) {
    peer.read_request();
    peer.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 3\r\n\r\nwhy");
  });
  Client client;
  const auto answer = client.send({.method = "POST", .url = server.url(), .status_is_enough = true}, {});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->status, 400);
  EXPECT_EQ(answer->body, "why");
}

TEST(Client, DoesNotFollowARedirect) {
  FakeServer server([](Peer& peer) {
    peer.read_request();
    peer.send("HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n");
  });
  Client client;
  const auto answer = client.send({.url = server.url(), .secret_header = "Authorization: Token x"}, {});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->status, 302);
  EXPECT_EQ(answer->headers.at("location"), "/elsewhere");
  EXPECT_EQ(server.connections(), 1);
}

TEST(Client, TakesNoProxyFromTheEnvironment) {
  FakeServer server([](Peer& peer) {
    peer.read_request();
    peer.send(kNoContent);
  });
  const ClosedPort proxy;
  ASSERT_EQ(::setenv("http_proxy", ("http://" + proxy.address()).c_str(), 1), 0);
  ASSERT_EQ(::setenv("ALL_PROXY", ("http://" + proxy.address()).c_str(), 1), 0);
  Client client;
  const auto answer = client.send({.url = server.url()}, {});
  ::unsetenv("http_proxy");
  ::unsetenv("ALL_PROXY");
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->status, 204);
}

TEST(Client, SpeaksOverAUnixSocketAndKeepsTheHostOfTheUrl) {
  const TempDir dir;
  const std::string path = dir.path() / "in fluxdb.sock";
  std::promise<std::string> seen;
  FakeServer server(path, [&](Peer& peer) {
    seen.set_value(peer.read_request());
    peer.send(kNoContent);
  });
  Client client;
  const auto answer = client.send({.url = "http://localhost/ping", .unix_socket = path}, {});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_THAT(seen.get_future().get(), HasSubstr("GET /ping HTTP/1.1\r\nHost: localhost\r\n"));
}

TEST(Client, NamesAUnixSocketThatIsNotThere) {
  Client client;
  const auto answer = client.send({.url = "http://localhost/ping", .unix_socket = "/nowhere/influxdb.sock"}, {});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind, ErrorKind::not_found);
  EXPECT_THAT(answer.error().message, HasSubstr("/nowhere/influxdb.sock"));
}

TEST(Client, RefusesAPathTooLongForAUnixSocket) {
  Client client;
  const auto answer = client.send({.url = "http://localhost/", .unix_socket = "/" + std::string(108, 'x')}, {});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind, ErrorKind::invalid);
  EXPECT_THAT(answer.error().message, HasSubstr("longer than 107 bytes"));
}

TEST(Client, RefusedConnectionIsUnavailableAndNamesTheAddress) {
  const ClosedPort port;
  Client client;
  const auto answer = client.send({.url = "http://user:pa55@" + port.address() + "/ping?token=s3cret"}, {});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind, ErrorKind::unavailable);
  EXPECT_THAT(answer.error().message, HasSubstr("GET http://" + port.address() + "/ping: "));
  EXPECT_THAT(answer.error().message, HasSubstr("(Connection refused)"));
  EXPECT_THAT(answer.error().message, Not(HasSubstr("pa55")));
  EXPECT_THAT(answer.error().message, Not(HasSubstr("s3cret")));
}

TEST(Client, HttpsToAPortThatSpeaksHttpIsNamed) {
  FakeServer server([](Peer& peer) {
    static_cast<void>(peer.read_until("\x16"));  // the first byte of a TLS handshake
    peer.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
  });
  Client client;
  const auto answer = client.send({.url = "https" + server.url().substr(4)}, {});
  ASSERT_FALSE(answer);
  EXPECT_THAT(answer.error().message, HasSubstr("does not speak TLS; write http:// in place of https://"));
}

TEST(Client, EndsAtItsTimeoutWhenTheServerHangs) {
  FakeServer server([](Peer& peer) { peer.hang(); });
  Client client;
  Result<Response> answer;
  const auto took = time_of([&] { answer = client.send({.url = server.url(), .timeout = milliseconds(60)}, {}); });
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind, ErrorKind::timeout);
  EXPECT_THAT(answer.error().message,
              HasSubstr("connected, but no complete answer within 60ms: the server hangs or is overloaded"));
  EXPECT_GE(took, milliseconds(55));
  EXPECT_LT(took, seconds(2));
}

TEST(Client, EndsWithin200MillisecondsOfARequestToStop) {
  std::promise<void> asked;
  FakeServer server([&](Peer& peer) {
    peer.read_request();
    asked.set_value();
    peer.hang();
  });
  std::stop_source stop;
  auto answer = std::async(std::launch::async, [&] {
    Client client;
    return client.send({.url = server.url()}, stop.get_token());
  });
  asked.get_future().wait();
  const auto took = time_of([&] {
    stop.request_stop();
    answer.wait();
  });
  const auto result = answer.get();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, ErrorKind::cancelled);
  EXPECT_LT(took, milliseconds(200));
}

TEST(Client, SendsNothingOnceStopped) {
  FakeServer server([](Peer& peer) { peer.send(kNoContent); });
  std::stop_source stop;
  stop.request_stop();
  Client client;
  const auto answer = client.send({.url = server.url()}, stop.get_token());
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind, ErrorKind::cancelled);
  EXPECT_EQ(server.connections(), 0);
}

TEST(Client, RefusesABodyOneByteOverTheLimitAndTakesOneAtIt) {
  FakeServer server([](Peer& peer) {
    peer.read_request();
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\nConnection: close\r\n\r\n0123456789");
  });
  Client client;
  const auto fits = client.send({.url = server.url(), .max_response_bytes = 10}, {});
  ASSERT_TRUE(fits) << fits.error().message;
  EXPECT_EQ(fits->body, "0123456789");
  const auto over = client.send({.url = server.url(), .max_response_bytes = 9}, {});
  ASSERT_FALSE(over);
  EXPECT_EQ(over.error().kind, ErrorKind::corrupt);
  EXPECT_THAT(over.error().message, HasSubstr("larger than 9 bytes"));
}

TEST(Client, RefusesEndlessHeaders) {
  FakeServer server([](Peer& peer) {
    peer.read_request();
    peer.send("HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 80; ++i) peer.send("X-" + std::to_string(i) + ": " + std::string(1000, 'x') + "\r\n");
    peer.hang();
  });
  Client client;
  const auto answer = client.send({.url = server.url(), .timeout = seconds(5)}, {});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind, ErrorKind::corrupt);
  EXPECT_THAT(answer.error().message, HasSubstr("headers are larger than"));
}

TEST(Client, AnAnswerThatIsNotHttpIsCorrupt) {
  FakeServer server([](Peer& peer) {
    peer.read_request();
    peer.send("220 mail.example ESMTP\r\n");
  });
  Client client;
  const auto answer = client.send({.url = server.url()}, {});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind, ErrorKind::corrupt);
}

TEST(Client, AnAnswerCutShortIsCorrupt) {
  FakeServer server([](Peer& peer) {
    peer.read_request();
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
  });
  Client client;
  const auto answer = client.send({.url = server.url()}, {});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind, ErrorKind::corrupt);
}

TEST(Client, AServerThatHangsUpIsUnavailable) {
  FakeServer server([](Peer& peer) { peer.read_request(); });
  Client client;
  const auto answer = client.send({.url = server.url()}, {});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind, ErrorKind::unavailable);
}

TEST(Client, RefusesLineBreaksInHeadersWithoutShowingTheirValues) {
  FakeServer server([](Peer& peer) { peer.send(kNoContent); });
  Client client;
  for (const Request& request : {
           Request{.url = server.url(), .headers = {{"X-A", "s3cret\r\nX-B: 1"}}},
           Request{.url = server.url(), .headers = {{"X-A", "s3cret\n"}}},
           Request{.url = server.url(), .secret_header = "Authorization: s3cret\r\nX: 1"},
           Request{.url = server.url(), .secret_header = std::string("Authorization: s3cret\0x", 23)},
           Request{.url = server.url(), .secret_header = "s3cret without a name"},
           Request{.url = server.url(), .headers = {{"X A", "s3cret"}}},
           Request{.method = "GET / HTTP/1.1\r\nX:", .url = server.url()},
           Request{.url = server.url() + "/a b"},
           Request{.url = server.url() + "/a\r\nX: 1"},
           Request{.url = "ftp://127.0.0.1/"},
           Request{.url = "file:///etc/passwd"},
       }) {
    const auto answer = client.send(request, {});
    ASSERT_FALSE(answer) << request.url;
    EXPECT_EQ(answer.error().kind, ErrorKind::invalid) << answer.error().message;
    EXPECT_THAT(answer.error().message, Not(HasSubstr("s3cret")));
    EXPECT_THAT(answer.error().message, Not(HasSubstr("\n")));
  }
  EXPECT_EQ(server.connections(), 0);
}

TEST(Client, SaysNothingOfAUrlThatIsShownAsSomethingElse) {
  const ClosedPort closed;
  Client client;
  for (const std::string& url :
       {"http://" + closed.address() + "/s3cret", std::string("http://s3cret.invalid/"), std::string("s3cret"),
        std::string("http://h/s3 cret"), std::string("http://[s3cret]/")}) {
    const auto answer = client.send({.url = url, .shown_url = "its URL"}, {});
    ASSERT_FALSE(answer) << url;
    EXPECT_THAT(answer.error().message, ::testing::StartsWith("GET its URL: "));
    EXPECT_THAT(answer.error().message, Not(HasSubstr("s3")));
    EXPECT_THAT(answer.error().message, Not(HasSubstr("127.0.0.1")));
  }
}

TEST(Client, NeverSendsAPostASecondTimeWhenAKeptConnectionIsDead) {
  // The second request on one connection is read and not answered.
  FakeServer server([](Peer& peer) {
    peer.read_request();
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    peer.forget();
    peer.read_request();
  });
  Client client;
  ASSERT_TRUE(client.send({.url = server.url()}, {}));
  const auto answer = client.send({.method = "POST", .url = server.url(), .timeout = milliseconds(100)}, {});
  // It went out on a connection of its own, which waits behind the kept one.
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind, ErrorKind::timeout);
}

TEST(Client, CanBeUsedAgainAfterEveryKindOfEnd) {
  int count = 0;
  FakeServer server([&](Peer& peer) {
    peer.read_request();
    if (count++ == 0) return;
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
  });
  Client client;
  EXPECT_FALSE(client.send({.method = "POST", .url = server.url(), .body = "x"}, {}));
  EXPECT_FALSE(client.send({.url = "nonsense"}, {}));
  Client moved = std::move(client);
  const auto answer = moved.send({.url = server.url()}, {});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->body, "ok");
}

TEST(Client, ManyThreadsCanEachStartTheirFirstOne) {
  FakeServer server([](Peer& peer) {
    peer.read_request();
    peer.send("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
  });
  std::vector<std::thread> threads;
  std::atomic<int> good{0};
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      Client client;
      const auto answer = client.send({.url = server.url()}, {});
      if (answer && answer->status == 204) ++good;
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(good, 8);
}

TEST(RetryAfter, IsSecondsOrADate) {
  const Time now = std::chrono::system_clock::from_time_t(1'792'843'195);  // 2026-10-24T11:59:55Z
  const auto asked = [&](const std::string& value) { return retry_after({503, {{"retry-after", value}}, ""}, now); };
  EXPECT_EQ(asked("120"), std::chrono::seconds(120));
  EXPECT_EQ(asked("0"), std::chrono::seconds(0));
  EXPECT_EQ(asked("Sat, 24 Oct 2026 12:00:00 GMT"), std::chrono::seconds(5));
  EXPECT_EQ(asked("Sat, 24 Oct 2026 11:00:00 GMT"), std::chrono::seconds(0));
  EXPECT_EQ(asked("99999999999999999999"), Duration(std::chrono::hours(24 * 365)));
  EXPECT_EQ(asked("Fri, 31 Dec 9999 23:59:59 GMT"), Duration(std::chrono::hours(24 * 365)));
  for (const char* nonsense : {"", "-1", "1.5", "soon", "12 s", "\xff"}) {
    EXPECT_EQ(asked(nonsense), std::nullopt) << nonsense;
  }
  EXPECT_EQ(retry_after({503, {}, ""}, now), std::nullopt);
}

std::optional<Time> date_of_text(const std::string& text) {
  return date_of({200, {{"date", text}}, ""});
}

TEST(HttpDate, ReadsTheFormOfRfc9110) {
  EXPECT_EQ(date_of_text("Mon, 23 Nov 2026 01:46:34 GMT"), Time(std::chrono::seconds(1'795'398'394)));
  EXPECT_EQ(date_of_text("Thu, 01 Jan 1970 00:00:00 GMT"), Time{});
}

TEST(HttpDate, RefusesTheRest) {
  for (const char* text :
       {"", "Mon, 23 Nov 2026 01:46:34 UTC", "Mon, 23 Foo 2026 01:46:34 GMT", "Mon, 31 Feb 2026 01:46:34 GMT",
        "Mon, 23 Nov 2026 24:46:34 GMT", "Mon, 23 Nov 2026 01:60:34 GMT", "Mon, 23 Nov 9999 01:46:34 GMT",
        "Mon, 2x Nov 2026 01:46:34 GMT", "Monday, 23-Nov-26 01:46:34 GMT", "Mon, 00 Nov 2026 01:46:34 GMT"}) {
    EXPECT_EQ(date_of_text(text), std::nullopt) << text;
  }
  EXPECT_EQ(date_of({200, {}, ""}), std::nullopt);
}

}  // namespace
}  // namespace wal_exporter::http
