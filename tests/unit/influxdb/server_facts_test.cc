#include "influxdb/server_facts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "unit/http/fake_server.h"

namespace wal_exporter::influxdb {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::Not;
using tests::ClosedPort;
using tests::FakeServer;
using tests::Peer;
using tests::recorded_answer;
using tests::TempDir;

// Mon, 23 Nov 2026 01:46:34 GMT
const Time kRecorded = Time(seconds(1795398394));

class AskServer : public ::testing::Test {
 protected:
  static constexpr const char* kV1 =
      "HTTP/1.1 204 No Content\r\nX-Influxdb-Build: OSS\r\nX-Influxdb-Version: 1.6.7~rc0\r\n"
      "Date: Mon, 23 Nov 2026 01:46:34 GMT\r\n\r\n";

  // By path; anything else is 404.
  FakeServer::Handler answers(std::map<std::string, std::string> by_path) {
    return [this, by_path](Peer& peer) {
      while (true) {
        peer.forget();
        const std::string request = peer.read_request();
        if (request.empty()) return;
        last_request_ = request;
        const auto begin = request.find(' ') + 1;
        const auto found = by_path.find(request.substr(begin, request.find(' ', begin) - begin));
        peer.send(found == by_path.end() ? "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n" : found->second);
      }
    };
  }
  ServerFacts ask(const std::string& url, const std::string& token = "") {
    http::Client client;
    return ask_server(client, url, token, seconds(5), clock_, {});
  }

  ManualClock clock_{kRecorded + milliseconds(700)};
  std::string last_request_;  // read once the server that writes it is gone
};

TEST_F(AskServer, Version1AnswersPingWithoutABody) {
  FakeServer server(answers({{"/ping", kV1}}));
  const auto facts = ask(server.url());
  EXPECT_TRUE(facts.up);
  EXPECT_EQ(facts.version, "1.6.7~rc0");
  EXPECT_EQ(facts.build, "OSS");
  EXPECT_EQ(facts.process_id, "");
  EXPECT_EQ(facts.error, "");
  EXPECT_EQ(facts.clock_offset, Duration::zero());
  EXPECT_EQ(facts.asked_at, kRecorded + milliseconds(700));
}

TEST_F(AskServer, Version2CallsItselfDev) {
  FakeServer server(answers({{"/ping",
                              "HTTP/1.1 204 No Content\r\nX-Influxdb-Build: OSS\r\nX-Influxdb-Version: dev\r\n"
                              "Date: Mon, 23 Nov 2026 01:47:40 GMT\r\n\r\n"}}));
  const auto facts = ask(server.url());
  EXPECT_TRUE(facts.up);
  EXPECT_EQ(facts.version, "dev");
}

TEST_F(AskServer, HealthCountsWherePingIsNotServed) {
  FakeServer server(answers({{"/health", recorded_answer("v2-health.txt")}}));
  const auto facts = ask(server.url());
  EXPECT_TRUE(facts.up) << facts.error;
  EXPECT_EQ(facts.version, "dev");
}

TEST_F(AskServer, Version3TellsVersionBuildAndProcess) {
  FakeServer server(answers({{"/ping", recorded_answer("v3-ping.txt")}}));
  const auto facts = ask(server.url() + "/");
  EXPECT_TRUE(facts.up) << facts.error;
  EXPECT_EQ(facts.version, "3.10.0-nightly");
  EXPECT_EQ(facts.build, "Core");
  EXPECT_EQ(facts.process_id, "c59416b0-1f49-4c34-a13b-0e90f22cc2ba");
  EXPECT_EQ(facts.clock_offset, Duration::zero());
}

TEST_F(AskServer, Version3ThatWantsATokenIsUp) {
  const auto unauthorized = recorded_answer("v3-health-unauthorized.txt");
  FakeServer server(answers({{"/ping", unauthorized}, {"/health", unauthorized}}));
  const auto facts = ask(server.url());
  EXPECT_TRUE(facts.up);
  EXPECT_EQ(facts.version, "");
  EXPECT_EQ(facts.error, "");
  EXPECT_TRUE(facts.clock_offset.has_value());
}

TEST_F(AskServer, SendsTheTokenAndNeverShowsIt) {
  {
    FakeServer server(answers({{"/ping", "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"}}));
    const auto facts = ask(server.url(), "s3cret");
    EXPECT_FALSE(facts.up);
    EXPECT_THAT(facts.error, HasSubstr("/ping answered 500"));
    EXPECT_THAT(facts.error, Not(HasSubstr("s3cret")));
  }
  EXPECT_THAT(last_request_, HasSubstr("\r\nAuthorization: Token s3cret\r\n"));
}

TEST_F(AskServer, AFailingHealthIsDown) {
  FakeServer server(answers({{"/health", "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"}}));
  const auto facts = ask(server.url());
  EXPECT_FALSE(facts.up);
  EXPECT_THAT(facts.error, HasSubstr("/health answered 503"));
}

TEST_F(AskServer, ARedirectIsDownAndSaysWhatToDo) {
  const std::string moved = "HTTP/1.1 301 Moved\r\nLocation: https://x/\r\nContent-Length: 0\r\n\r\n";
  FakeServer server(answers({{"/ping", moved}, {"/health", moved}}));
  const auto facts = ask(server.url());
  EXPECT_FALSE(facts.up);
  EXPECT_THAT(facts.error, HasSubstr("set influxdb.url to the address it leads to"));
}

TEST_F(AskServer, AnotherServiceIsDown) {
  FakeServer server(answers({}));
  const auto facts = ask(server.url());
  EXPECT_FALSE(facts.up);
  EXPECT_FALSE(facts.port_closed) << "somebody answers";
  EXPECT_THAT(facts.error, HasSubstr("/ping answered 404; check that influxdb.url"));
}

TEST_F(AskServer, RefusedIsDownAndNamesTheAddress) {
  const ClosedPort port;
  const auto facts = ask("http://" + port.address());
  EXPECT_FALSE(facts.up);
  EXPECT_TRUE(facts.port_closed);
  EXPECT_THAT(facts.error, HasSubstr("http://" + port.address() + "/ping"));
  EXPECT_EQ(facts.clock_offset, std::nullopt);
}

TEST_F(AskServer, WhoHangsUpIsDownAndAsGoodAsClosed) {
  FakeServer server([](Peer& peer) { peer.reset(); });
  const auto facts = ask(server.url());
  EXPECT_FALSE(facts.up);
  EXPECT_TRUE(facts.port_closed) << facts.error;
}

TEST_F(AskServer, AUrlThatIsNoneIsDown) {
  const auto facts = ask("localhost:8086");
  EXPECT_FALSE(facts.up);
  EXPECT_THAT(facts.error, HasSubstr("unix:///run/influxdb.sock"));
}

TEST_F(AskServer, SpeaksOverAUnixSocket) {
  const TempDir dir;
  const std::string path = dir.path() / "influxdb.sock";
  {
    FakeServer server(path, answers({{"/ping", kV1}}));
    EXPECT_TRUE(ask("unix://" + path).up);
  }
  EXPECT_THAT(last_request_, HasSubstr("\r\nHost: localhost\r\n"));
}

TEST_F(AskServer, TellsHowFarTheServersClockIsOff) {
  FakeServer server(answers({{"/ping", kV1}}));
  clock_.set_wall(kRecorded - seconds(90) + milliseconds(999));
  EXPECT_EQ(ask(server.url()).clock_offset, seconds(90));
  clock_.set_wall(kRecorded + std::chrono::hours(2));
  EXPECT_EQ(ask(server.url()).clock_offset, -std::chrono::hours(2));
}

TEST_F(AskServer, HalfOfTheRoundTripIsTakenOff) {
  FakeServer server([this](Peer& peer) {
    peer.read_request();
    clock_.advance(seconds(20));
    peer.send(kV1);
  });
  clock_.set_wall(kRecorded - seconds(10) + milliseconds(500));
  EXPECT_EQ(ask(server.url()).clock_offset, Duration::zero());
}

TEST_F(AskServer, WhatTheServerSaysOfItselfIsKeptShortAndOnOneLine) {
  FakeServer server(answers({{"/ping", "HTTP/1.1 200 OK\r\nX-Influxdb-Version: 1\t\xff" + std::string(500, 'x') +
                                           "\r\nContent-Length: 9\r\n\r\n[1, 2, 3]"}}));
  const auto facts = ask(server.url());
  EXPECT_TRUE(facts.up);
  EXPECT_THAT(facts.version, ::testing::StartsWith("1\\t\xEF\xBF\xBDxxx"));
  EXPECT_LT(facts.version.size(), 100U);
}

}  // namespace
}  // namespace wal_exporter::influxdb
