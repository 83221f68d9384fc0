#include "web/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <future>
#include <nlohmann/json.hpp>
#include <thread>

#include "support.h"
#include "web/password.h"

namespace wal_exporter::web {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr Duration kTimeout = std::chrono::milliseconds(200);

class RunningServer : public testing::Test {
 protected:
  std::unique_ptr<Server> start(ServerOptions options = {}) {
    options.listen_addresses = {address_};
    options.client_timeout = client_timeout_;
    options.stop_timeout = stop_timeout_;
    auto server = Server::start(std::move(options), world_.dependencies());
    EXPECT_TRUE(server) << server.error().message;
    return server ? std::move(*server) : nullptr;
  }

  std::string address_ = "127.0.0.1:0";
  Duration client_timeout_ = kTimeout;
  Duration stop_timeout_ = std::chrono::seconds(30);  // a server left alone would outlive the world it uses
  World world_;
};

TEST_F(RunningServer, AnswersAScrape) {
  const auto server = start();
  const auto answer = ask(server->port(), "GET", "/metrics");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.headers.at("Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_EQ(answer.headers.at("Connection"), "close");
  EXPECT_EQ(answer.headers.at("Cache-Control"), "no-store");
  EXPECT_EQ(answer.headers.at("X-Content-Type-Options"), "nosniff");
  EXPECT_EQ(answer.headers.at("Content-Length"), std::to_string(answer.body.size()));
  EXPECT_THAT(answer.body, HasSubstr("# TYPE"));
}

TEST_F(RunningServer, HeadIsGetWithoutTheBody) {
  const auto server = start();
  const auto answer = ask(server->port(), "HEAD", "/-/healthy");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.headers.at("Content-Length"), "8");
  EXPECT_EQ(answer.body, "");
}

TEST_F(RunningServer, PathsArriveStillEncoded) {
  const auto server = start();
  EXPECT_EQ(ask(server->port(), "GET", "/api/v1/targets/a%2Fb%20%22c%22").status, 200);
  EXPECT_EQ(ask(server->port(), "GET", "/api/v1/targets/%zz").status, 400);
  EXPECT_EQ(ask(server->port(), "GET", "/metrics/../metrics").status, 404);
  EXPECT_EQ(ask(server->port(), "GET", "/wal-management/health?target=plant").status, 200);
}

TEST_F(RunningServer, NoFileIsEverServed) {
  const auto server = start();
  for (const auto* path : {"/etc/passwd", "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/CMakeLists.txt", "/."}) {
    EXPECT_EQ(ask(server->port(), "GET", path).status, 404) << path;
  }
}

TEST_F(RunningServer, WhatCivetWebRefusesIsJsonToo) {
  const auto server = start();
  for (const auto* request :
       {"GET /metrics HTTP/3.0\r\nHost: a\r\n\r\n", "rubbish\r\n\r\n", "GET metrics HTTP/1.1\r\n\r\n"}) {
    const auto answer = send_raw(server->port(), request);
    EXPECT_GE(answer.status, 400) << request;
    EXPECT_TRUE(nlohmann::json::parse(answer.body)["error"].is_string()) << answer.body;
  }
}

TEST_F(RunningServer, ARequestForNoAddressDoesNoHarm) {
  const auto server = start();
  EXPECT_THAT(send_raw(server->port(), "OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n").status, testing::AnyOf(400, 0));
  EXPECT_EQ(ask(server->port(), "GET", "/-/healthy").status, 200);
}

TEST_F(RunningServer, APreflightGetsNoLeave) {
  const auto server = start();
  const auto answer = ask(server->port(), "OPTIONS", "/wal-management/checkpoint",
                          "Origin: http://evil.example\r\nAccess-Control-Request-Method: POST\r\n");
  EXPECT_EQ(answer.status, 405);
  EXPECT_EQ(answer.headers.count("Access-Control-Allow-Origin"), 0);
}

TEST_F(RunningServer, AHugeHeaderIsRefused) {
  const auto server = start();
  const auto answer = ask(server->port(), "GET", "/metrics", "X: " + std::string(20000, 'x') + "\r\n");
  EXPECT_GE(answer.status, 400);
}

// CivetWeb keeps 64 headers and drops the rest in silence; among those could be
// the ones the guard looks for.
TEST_F(RunningServer, MoreHeadersThanTheGuardWouldSeeAreRefused) {
  const auto server = start();
  const auto status_with = [&](int dummies) {
    std::string request = "POST /-/reload HTTP/1.1\r\nHost: 127.0.0.1\r\n";
    for (int i = 0; i < dummies; ++i) request += "X-Dummy-" + std::to_string(i) + ": 1\r\n";
    return send_raw(server->port(), request + "X-Forwarded-For: 192.0.2.1\r\n\r\n").status;
  };
  EXPECT_EQ(status_with(3), 403);
  EXPECT_EQ(status_with(61), 403);
  for (const int dummies : {62, 63, 64, 200}) EXPECT_EQ(status_with(dummies), 431) << dummies;
}

TEST_F(RunningServer, APostWithASmallBodyIsTaken) {
  const auto server = start();
  EXPECT_EQ(ask(server->port(), "POST", "/wal-management/checkpoint", "Content-Length: 0\r\n").status, 200);
  EXPECT_EQ(send_raw(server->port(),
                     "POST /wal-management/checkpoint HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}")
                .status,
            200);
  EXPECT_EQ(send_raw(server->port(),
                     "POST /wal-management/checkpoint HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: "
                     "chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n")
                .status,
            411);
  EXPECT_EQ(world_.commands.asked().size(), 2);
}

TEST_F(RunningServer, ABodyOfOneMegabyteIsRefused) {
  const auto server = start();
  const auto answer = send_raw(server->port(),
                               "POST /wal-management/checkpoint HTTP/1.1\r\nHost: localhost\r\nContent-Length: "
                               "1048576\r\n\r\n" +
                                   std::string(1 << 20, 'x'));
  EXPECT_EQ(answer.status, 413);
  EXPECT_THAT(answer.body, HasSubstr("larger than 65536 bytes"));
  EXPECT_TRUE(world_.commands.asked().empty());
}

TEST_F(RunningServer, ABodyInChunksIsRefusedBeforeItIsRead) {
  client_timeout_ = std::chrono::seconds(30);
  const auto server = start();
  const auto answer = send_raw(server->port(),
                               "POST /wal-management/checkpoint HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: "
                               "chunked\r\n\r\n5");
  EXPECT_EQ(answer.status, 411);
  EXPECT_TRUE(world_.commands.asked().empty());
}

TEST_F(RunningServer, ABodyThatDoesNotComeTimesOut) {
  const auto server = start();
  const auto start = std::chrono::steady_clock::now();
  const auto answer = send_raw(server->port(),
                               "POST /wal-management/checkpoint HTTP/1.1\r\nHost: localhost\r\nContent-Length: "
                               "10\r\n\r\nabc");
  EXPECT_EQ(answer.status, 408);
  EXPECT_LT(std::chrono::steady_clock::now() - start, 25 * kTimeout);
  EXPECT_TRUE(world_.commands.asked().empty());
}

TEST_F(RunningServer, AClientThatWaitsForLeaveToSendGetsIt) {
  const auto server = start();
  Client client(server->port());
  client.send_text(
      "POST /wal-management/checkpoint HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: "
      "1\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(client.read_until([](const std::string& text) { return text.ends_with("\r\n\r\n"); }),
            "HTTP/1.1 100 Continue\r\n\r\n");
  client.send_text("x");
  const auto text = client.read_to_end().value_or("");
  EXPECT_THAT(text, testing::StartsWith("HTTP/1.1 200 OK"));
}

TEST_F(RunningServer, IdleConnectionsDoNotStarveAScrape) {
  client_timeout_ = std::chrono::seconds(10);
  const auto server = start();
  const Client one(server->port());
  const Client two(server->port());
  ASSERT_TRUE(one.connected() && two.connected());
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(ask(server->port(), "GET", "/metrics").status, 200);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
}

TEST_F(RunningServer, MoreIdleConnectionsThanThreadsOnlyDelayAScrape) {
  const auto server = start();
  std::vector<std::unique_ptr<Client>> idle;
  for (int i = 0; i < 10; ++i) idle.push_back(std::make_unique<Client>(server->port()));
  EXPECT_EQ(ask(server->port(), "GET", "/metrics").status, 200);
}

TEST_F(RunningServer, AHeaderThatDoesNotEndTimesOut) {
  const auto server = start();
  Client client(server->port());
  client.send_text("GET /metrics HTTP/1.1\r\nHost: local");
  const auto start = std::chrono::steady_clock::now();
  EXPECT_TRUE(client.read_to_end());
  EXPECT_LT(std::chrono::steady_clock::now() - start, 25 * kTimeout);
}

TEST_F(RunningServer, WaitingCheckpointsLeaveThreadsForScrapes) {
  ServerOptions options;
  options.threads = 6;
  const auto server = start(std::move(options));
  world_.commands.hold(true);
  std::vector<std::future<Answer>> waiting;
  for (int i = 0; i < 2; ++i) {
    waiting.push_back(std::async(std::launch::async,
                                 [port = server->port()] { return ask(port, "POST", "/wal-management/checkpoint"); }));
  }
  ASSERT_TRUE(world_.commands.wait_asked(2));
  // No place is left to wait in, so this one is answered while it runs.
  const auto third = ask(server->port(), "POST", "/wal-management/checkpoint?wait=10m");
  EXPECT_EQ(third.status, 202);
  EXPECT_EQ(third.headers.at("Location"), "/api/v1/targets/plant/checkpoints/9");
  EXPECT_EQ(ask(server->port(), "GET", "/metrics").status, 200);
  world_.commands.hold(false);
  for (auto& answer : waiting) EXPECT_EQ(answer.get().status, 200);
}

TEST_F(RunningServer, TheGuardSeesTheRealRequest) {
  const auto server = start();
  const auto port = server->port();
  EXPECT_EQ(send_raw(port, "POST /-/reload HTTP/1.0\r\nHost: localhost\r\n\r\n").status, 403);
  EXPECT_EQ(send_raw(port, "POST /-/reload HTTP/1.1\r\nHost: wal.example.com\r\n\r\n").status, 403);
  EXPECT_THAT(ask(port, "POST", "/-/reload", "Host: localhost\r\n").status, testing::AnyOf(400, 403))
      << "two Host headers";
  EXPECT_EQ(ask(port, "POST", "/-/reload", "Origin: http://evil.example\r\n").status, 403);
  EXPECT_EQ(ask(port, "POST", "/-/reload", "Origin: http://localhost\r\n").status, 200);
}

TEST_F(RunningServer, UsersCanBeChangedWhileItRuns) {
  const auto server = start();
  EXPECT_EQ(ask(server->port(), "GET", "/metrics").status, 200);
  const auto hash = hash_password("secret", "$2b$04$abcdefghijklmnopqrstuu").value();
  WebConfig config;
  config.users = Users({{"alice", hash}});
  ASSERT_TRUE(server->set_web_config(std::make_shared<const WebConfig>(std::move(config))));
  const auto refused = ask(server->port(), "GET", "/metrics");
  EXPECT_EQ(refused.status, 401);
  EXPECT_EQ(refused.headers.count("WWW-Authenticate"), 1);
  EXPECT_EQ(ask(server->port(), "GET", "/metrics", "Authorization: Basic YWxpY2U6c2VjcmV0\r\n").status, 200);
}

TEST_F(RunningServer, AllAddressesMeansLoopbackOfIpv4Too) {
  address_ = ":0";
  const auto server = start();
  EXPECT_EQ(ask(server->port(), "GET", "/-/healthy").status, 200);
  EXPECT_EQ(ask(server->port(), "POST", "/-/reload").status, 200) << "the peer is seen as loopback";
}

TEST_F(RunningServer, ATakenPortIsNamedWithTheRemedy) {
  const auto server = start();
  for (const auto& host : {"127.0.0.1", ""}) {
    ServerOptions options;
    options.listen_addresses = {std::string(host) + ":" + std::to_string(server->port())};
    const auto second = Server::start(std::move(options), world_.dependencies());
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().kind, ErrorKind::conflict);
    EXPECT_THAT(second.error().message, HasSubstr(":" + std::to_string(server->port())));
    EXPECT_THAT(second.error().message, HasSubstr("in use"));
    EXPECT_THAT(second.error().message, HasSubstr("--web.listen-address"));
  }
}

TEST_F(RunningServer, AnAddressThatIsNotOursIsNamed) {
  ServerOptions options;
  options.listen_addresses = {"192.0.2.1:0"};
  const auto server = Server::start(std::move(options), world_.dependencies());
  ASSERT_FALSE(server);
  EXPECT_THAT(server.error().message, HasSubstr("192.0.2.1:0"));
  EXPECT_THAT(server.error().message, HasSubstr("--web.listen-address"));
}

#ifdef WAL_EXPORTER_CIVETWEB_SYSTEM

TEST_F(RunningServer, WhatThisBuildLacksIsRefusedByName) {
  for (const auto* address : {"[::1]:0", "unix:/run/x.sock"}) {
    ServerOptions options;
    options.listen_addresses = {address};
    const auto server = Server::start(std::move(options), world_.dependencies());
    ASSERT_FALSE(server);
    EXPECT_THAT(server.error().message, testing::AllOf(HasSubstr(address), HasSubstr("WAL_EXPORTER_CIVETWEB")));
  }
}

#else

constexpr const char* kHealthy = "GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n";

TEST_F(RunningServer, SeveralAddressesOfEachKindAreOpened) {
  const std::string path = testing::TempDir() + "/several.sock";
  ServerOptions options;
  options.listen_addresses = {"127.0.0.1:0", "[::1]:0", "unix:" + path};
  options.unix_mode = 0600;
  {
    const auto server = Server::start(std::move(options), world_.dependencies());
    ASSERT_TRUE(server) << server.error().message;
    ASSERT_EQ((*server)->addresses().size(), 3U);
    EXPECT_THAT((*server)->addresses()[1], testing::StartsWith("[::1]:"));
    EXPECT_EQ((*server)->addresses()[2], "unix:" + path);
    struct stat there {};
    ASSERT_EQ(stat(path.c_str(), &there), 0);
    EXPECT_EQ(there.st_mode & 0777, 0600U);
    EXPECT_EQ(ask((*server)->port(), "GET", "/-/healthy").status, 200);
    Client client(path);
    client.send_text(kHealthy);
    EXPECT_EQ(parse_answer(client.read_answer().value_or("")).status, 200);
  }
  EXPECT_NE(access(path.c_str(), F_OK), 0) << "removed with the server";
}

TEST_F(RunningServer, ASocketThatNobodyHoldsAnyMoreIsReplacedAndOneThatIsHeldIsNot) {
  const std::string path = testing::TempDir() + "/left.sock";
  const auto options = [&] {
    ServerOptions made;
    made.listen_addresses = {"unix:" + path};
    return made;
  };
  unlink(path.c_str());
  {
    const Fd left(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    ASSERT_EQ(bind(left.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  }
  const auto server = Server::start(options(), world_.dependencies());
  ASSERT_TRUE(server) << server.error().message;
  const auto second = Server::start(options(), world_.dependencies());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, ErrorKind::conflict);
  (*server)->stop();
  std::ofstream(path) << "not a socket";
  const auto third = Server::start(options(), world_.dependencies());
  ASSERT_FALSE(third);
  EXPECT_THAT(third.error().message, HasSubstr("something else than a socket"));
  EXPECT_EQ(access(path.c_str(), F_OK), 0) << "a file of somebody else is left alone";
  unlink(path.c_str());
}

TEST_F(RunningServer, AConnectionTakesOneRequestAfterTheOther) {
  const auto server = start();
  Client client(server->port());
  for (int i = 0; i < 3; ++i) {
    client.send_text(kHealthy);
    const auto answer = parse_answer(client.read_answer().value_or(""));
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.headers.at("Connection"), "keep-alive");
  }
  // Several at once are answered in order.
  client.send_text(std::string(kHealthy) + "GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n" +
                   "POST /wal-management/checkpoint HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}" +
                   "GET /-/healthy HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  const auto text = client.read_to_end().value_or("");
  std::vector<std::string> statuses;
  for (std::size_t at = text.find("HTTP/1.1 "); at != std::string::npos; at = text.find("HTTP/1.1 ", at + 1)) {
    statuses.push_back(text.substr(at + 9, 3));
  }
  EXPECT_THAT(statuses, testing::ElementsAre("200", "404", "200", "200"));
}

TEST_F(RunningServer, AnOldClientMustAskForTheConnectionToStay) {
  const auto server = start();
  EXPECT_EQ(send_raw(server->port(), "GET /-/healthy HTTP/1.0\r\n\r\n").headers.at("Connection"), "close");
  EXPECT_EQ(
      send_raw(server->port(), "GET /-/healthy HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").headers.at("Connection"),
      "keep-alive");
}

TEST_F(RunningServer, AClientThatSendsNoMoreAfterItsRequestIsAnswered) {
  const auto server = start();
  Client client(server->port());
  client.send_text(kHealthy);
  client.send_no_more();
  EXPECT_THAT(client.read_to_end().value_or(""), HasSubstr("healthy"));
}

TEST_F(RunningServer, AClientThatSendsNoMoreGetsEveryAnswerItAskedFor) {
  const auto server = start();
  Client client(server->port());
  client.send_text(std::string(kHealthy) + kHealthy + kHealthy);
  client.send_no_more();
  const auto text = client.read_to_end().value_or("");
  std::size_t answers = 0;
  for (std::size_t at = text.find("HTTP/1.1 200"); at != std::string::npos; at = text.find("HTTP/1.1 200", at + 1))
    ++answers;
  EXPECT_EQ(answers, 3U);
}

TEST_F(RunningServer, TlsOnAPlainPortIsToldAtOnce) {
  client_timeout_ = std::chrono::seconds(30);
  const auto server = start();
  Client client(server->port());
  client.send_text("\x16\x03\x01");
  EXPECT_THAT(client.read_answer().value_or(""), HasSubstr("speaks plain HTTP"));
}

TEST_F(RunningServer, AnAddressThatIsGivenTwiceIsOurOwnMistake) {
  const auto server = start();
  const std::string port = std::to_string(server->port());
  server->stop();
  for (const auto& [first, second] : {std::pair{":" + port, ":" + port}, std::pair{":" + port, "127.0.0.1:" + port}}) {
    ServerOptions options;
    options.listen_addresses = {first, second};
    const auto twice = Server::start(std::move(options), world_.dependencies());
    ASSERT_FALSE(twice);
    EXPECT_EQ(twice.error().kind, ErrorKind::invalid) << twice.error().message;
    EXPECT_THAT(twice.error().message, HasSubstr("another --web.listen-address"));
  }
}

TEST_F(RunningServer, AHundredThatSendAByteNowAndThenHoldUpNobody) {
  client_timeout_ = std::chrono::seconds(2);
  const auto server = start();
  std::vector<std::unique_ptr<Client>> slow;
  for (int i = 0; i < 100; ++i) slow.push_back(std::make_unique<Client>(server->port()));
  const auto begin = std::chrono::steady_clock::now();
  std::size_t left = slow.size();
  Duration longest{};
  for (int i = 0; left > 0 && i < 60; ++i) {
    left = 0;
    for (const auto& client : slow) left += client->send_text("G") ? 1 : 0;
    const auto asked = std::chrono::steady_clock::now();
    EXPECT_EQ(ask(server->port(), "GET", "/-/healthy").status, 200);
    longest = std::max<Duration>(longest, std::chrono::steady_clock::now() - asked);
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  EXPECT_LT(longest, std::chrono::seconds(1));
  EXPECT_EQ(left, 0U) << "each is cut off, however regularly it sends";
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
}

TEST_F(RunningServer, ASlowReaderHoldsNoWorker) {
  ServerOptions options;
  options.threads = 3;
  const auto server = start(std::move(options));
  std::vector<std::unique_ptr<Client>> greedy;
  for (int i = 0; i < 10; ++i) {
    greedy.push_back(std::make_unique<Client>(server->port()));
    // More answers than the kernel takes for a client that reads none of them.
    std::string many;
    for (int request = 0; request < 200; ++request) many += "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    greedy.back()->send_text(many);
  }
  EXPECT_EQ(ask(server->port(), "GET", "/-/healthy").status, 200);
}

#endif

TEST_F(RunningServer, SignalsOfChildrenStayAsTheyWere) {
  struct sigaction before {};
  sigaction(SIGCHLD, nullptr, &before);
  const auto server = start();
  struct sigaction after {};
  sigaction(SIGCHLD, nullptr, &after);
  EXPECT_EQ(before.sa_handler, after.sa_handler);
}

TEST_F(RunningServer, StopsAtOnceAndFreesThePort) {
  const auto server = start();
  const Client idle(server->port());
  const auto begin = std::chrono::steady_clock::now();
  server->stop();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
  EXPECT_FALSE(Client(server->port()).connected());
  server->stop();
}

TEST_F(RunningServer, ARequestThatNeverEndsDoesNotHoldUpStopping) {
  stop_timeout_ = kTimeout;
  auto server = start();
  world_.commands.hold(true);
  Client client(server->port());
  client.send_text("POST /wal-management/checkpoint HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  ASSERT_TRUE(world_.commands.wait_asked(1));
  const auto begin = std::chrono::steady_clock::now();
  server.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5)) << "it blocks for up to 20 s";
  world_.commands.hold(false);
  EXPECT_TRUE(client.read_to_end());
  EXPECT_EQ(world_.commands.asked().size(), 1) << "also orders the abandoned thread before the end of the fake";
  EXPECT_THAT(world_.metrics.requests().render(), Not(HasSubstr("checkpoint")));
}

}  // namespace
}  // namespace wal_exporter::web
