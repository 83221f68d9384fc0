#include "influxdb/node_facts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "servers/server_process.h"
#include "unit/http/fake_server.h"

namespace wal_exporter::influxdb {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using tests::ClosedPort;
using tests::FakeServer;
using tests::Peer;
using tests::recorded_answer;

std::string answer(const std::string& body, const std::string& status = "200 OK") {
  return "HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}
std::string node(const std::string& id, const std::string& state, const std::string& flags) {
  std::string escaped;
  for (const char c : flags) escaped += c == '"' ? std::string("\\\"") : std::string(1, c);
  return R"({"node_id":")" + id + R"(","state":")" + state + R"(","cli_params":")" + escaped + "\"}";
}

class AskNode : public ::testing::Test {
 protected:
  NodeFacts ask(const std::string& nodes, const std::string& generations, const std::string& node_id = "n1",
                const std::string& token = "t") {
    FakeServer server([&](Peer& peer) {
      while (true) {
        peer.forget();
        const std::string request = peer.read_request();
        if (request.empty()) return;
        requests_.push_back(request);
        peer.send(request.find("system.nodes") != std::string::npos ? nodes : generations);
      }
    });
    http::Client client;
    return ask_node(client, server.url(), token, node_id, seconds(5), {});
  }

  const std::string gen1_ = recorded_answer("v3-query-gen1.txt");
  std::vector<std::string> requests_;  // read once the server that writes it is gone
};

TEST_F(AskNode, TheRecordedServerSaysItsSettings) {
  // The recorded answers are chunked on the wire; here they end with the connection.
  const std::string nodes = recorded_answer("v3-query-nodes.txt");
  const auto body = nodes.substr(nodes.find("\r\n\r\n") + 4);
  const auto facts = ask(answer(body), answer(gen1_.substr(gen1_.find("\r\n\r\n") + 4)));
  EXPECT_EQ(facts.snapshot_size, 20U);
  EXPECT_EQ(facts.flush_interval, milliseconds(100));
  EXPECT_EQ(facts.gen1_duration, minutes(10));
  EXPECT_EQ(facts.kept_files, 300U);  // left at its default
  EXPECT_EQ(facts.lookback, seconds(2'630'016));
  EXPECT_THAT(facts.problems, IsEmpty());
  ASSERT_EQ(requests_.size(), 2U);
  EXPECT_THAT(requests_[0], ::testing::StartsWith("GET /api/v3/query_sql?db=_internal&format=json&q=SELECT%20node_id"));
  EXPECT_THAT(requests_[0], HasSubstr("Authorization: Bearer t\r\n"));
}

TEST_F(AskNode, The311NamesCountBeforeTheOldOnes) {
  const auto facts = ask(answer("[" +
                                node("n1", "running",
                                     R"({"wal-files-per-snapshot":"50","wal-snapshot-size":"20",)"
                                     R"("wal-flush-interval":"30s","snapshotted-wal-files-to-keep":"10",)"
                                     R"("gen1-lookback-duration":"30days"})") +
                                "]"),
                         answer(R"([{"level":2,"duration_seconds":1200},{"level":1,"duration_seconds":60}])"));
  EXPECT_EQ(facts.snapshot_size, 50U);
  EXPECT_EQ(facts.flush_interval, seconds(30));
  EXPECT_EQ(facts.kept_files, 10U);
  EXPECT_EQ(facts.lookback, hours(24 * 30));
  EXPECT_EQ(facts.gen1_duration, minutes(1));
  EXPECT_THAT(facts.problems, IsEmpty());
}

TEST_F(AskNode, TheUpgradedEngineOfEnterpriseIsKnownByItsFlag) {
  const auto is_other = [&](const std::string& flags) {
    return ask(answer("[" + node("n1", "running", flags) + "]"), answer("[]")).other_engine;
  };
  EXPECT_TRUE(is_other(R"({"upgrade-pacha-tree":"true"})"));
  EXPECT_TRUE(is_other(R"({"upgrade_pacha_tree":true})"));
  EXPECT_TRUE(is_other(R"({"use-pacha-tree":""})"));  // as it was called in the preview
  EXPECT_FALSE(is_other(R"({"upgrade-pacha-tree":"false"})"));
  EXPECT_FALSE(is_other(R"({"wal-snapshot-size":"50"})"));
}

TEST_F(AskNode, WhetherItTakesWritesIsItsModeAndOnlyOurOwnRowTells) {
  const auto takes = [&](const std::string& mode, const std::string& name = "n1") {
    return ask(answer(R"([{"node_id":")" + name + R"(","state":"running","cli_params":"{}")" +
                      (mode.empty() ? "" : R"(,"mode":)" + mode) + "}]"),
               answer("[]"))
        .takes_writes;
  };
  EXPECT_EQ(takes(R"(["core"])"), true);
  EXPECT_EQ(takes(R"(["ingest","query"])"), true);
  EXPECT_EQ(takes(R"("all")"), true);
  EXPECT_EQ(takes(R"(["query"])"), false);
  EXPECT_EQ(takes(R"(["compact","process"])"), false);
  EXPECT_EQ(takes(""), std::nullopt);
  EXPECT_EQ(takes(R"(["query"])", "n2"), std::nullopt);
}

// New clusters have it without a flag.
TEST_F(AskNode, TheUpgradedEngineOfEnterpriseIsKnownByItsTables) {
  struct Known {
    bool other_engine = false;
    bool known = false;
    std::size_t requests = 0;
  };
  const auto ask_with = [&](const std::string& build, const std::string& version, const std::string& tables,
                            const std::string& flags = "{}") {
    requests_.clear();
    ServerFacts said;
    said.build = build;
    said.version = version;
    NodeFacts facts;
    {
      FakeServer server([&](Peer& peer) {
        while (true) {
          peer.forget();
          const std::string request = peer.read_request();
          if (request.empty()) return;
          requests_.push_back(request);
          peer.send(request.find("system.nodes") != std::string::npos ? answer("[" + node("n1", "running", flags) + "]")
                    : request.find("information_schema") != std::string::npos ? tables
                                                                              : answer("[]"));
        }
      });
      http::Client client;
      facts = ask_node(client, server.url(), "t", "n1", seconds(5), {}, said);
    }
    return Known{facts.other_engine, facts.engine_known, requests_.size()};
  };
  const std::string some = answer(R"([{"table_name":"pt_ingest_wal"},{"table_name":"pt_shards"}])");
  const auto expect = [](const Known& known, bool other_engine, bool engine_known, std::size_t requests) {
    EXPECT_EQ(known.other_engine, other_engine);
    EXPECT_EQ(known.known, engine_known);
    EXPECT_EQ(known.requests, requests);
  };
  expect(ask_with("Enterprise", "3.11.2", some), true, true, 3);
  EXPECT_THAT(requests_[2], HasSubstr("table_name%20LIKE%20%27pt_%25%27"));
  expect(ask_with("Enterprise", "3.12.0", answer("[]")), false, true, 3);
  expect(ask_with("Enterprise", "3.10.0", some), true, true, 3);
  expect(ask_with("", "3.11.0", some), true, true, 3);
  expect(ask_with("Enterprise", "3.11.2", answer("no", "400 Bad Request")), false, false, 3);
  expect(ask_with("Enterprise", "3.10.6", answer("no", "400 Bad Request")), false, false, 3);
  // Nothing to ask.
  expect(ask_with("Core", "3.12.1", some), false, false, 2);
  expect(ask_with("Enterprise", "3.9.13", some), false, false, 2);
  expect(ask_with("Enterprise", "3.11.2", some, R"({"upgrade-pacha-tree":"true"})"), true, true, 2);
}

TEST_F(AskNode, WhetherAStartFailsOnErrorsIsAFlag) {
  const auto fails = [&](const std::string& flags) {
    return ask(answer("[" + node("n1", "running", flags) + "]"), answer("[]")).fails_on_error;
  };
  EXPECT_EQ(fails("{}"), false);
  EXPECT_EQ(fails(R"({"wal-replay-fail-on-error":"true"})"), true);
  EXPECT_EQ(fails(R"({"wal-replay-fail-on-error":true})"), true);
  EXPECT_EQ(fails(R"({"wal-replay-fail-on-error":""})"), true);
  EXPECT_EQ(fails(R"({"wal-replay-fail-on-error":"false"})"), false);
}

TEST_F(AskNode, FlagsLeftAtTheirDefaultsAreKnown) {
  const auto facts = ask(answer("[" + node("n1", "running", "{}") + "]"), answer("[]"));
  EXPECT_EQ(facts.snapshot_size, 600U);
  EXPECT_EQ(facts.flush_interval, seconds(1));
  EXPECT_EQ(facts.kept_files, 300U);
  EXPECT_EQ(facts.gen1_duration, std::nullopt);
  EXPECT_THAT(facts.problems, ElementsAre(HasSubstr("set influxdb.gen1_duration instead")));
}

TEST_F(AskNode, OfSeveralNodesTheNamedOneElseTheOnlyRunningOne) {
  const std::string three = "[" + node("n1", "stopped", R"({"wal-snapshot-size":"1"})") + "," +
                            node("n2", "running", R"({"wal-snapshot-size":"2"})") + "," +
                            node("n3", "stopped", R"({"wal-snapshot-size":"3"})") + "]";
  const auto gen1 = answer(R"([{"level":1,"duration_seconds":600}])");
  EXPECT_EQ(ask(answer(three), gen1, "n3").snapshot_size, 3U);
  EXPECT_EQ(ask(answer(three), gen1, "").snapshot_size, 2U);
  EXPECT_EQ(ask(answer(three), gen1, "elsewhere").snapshot_size, 2U);
}

TEST_F(AskNode, SeveralRunningNodesAndNoneOfOursIsAProblemThatNamesThem) {
  const auto facts = ask(answer("[" + node("a", "running", "{}") + "," + node("b", "running", "{}") + "]"),
                         answer(R"([{"level":1,"duration_seconds":600}])"), "c");
  EXPECT_EQ(facts.snapshot_size, std::nullopt);
  EXPECT_EQ(facts.gen1_duration, minutes(10));
  EXPECT_THAT(facts.problems, ElementsAre(AllOf(HasSubstr("the nodes a, b, not one named c"),
                                                HasSubstr("set influxdb.node_id to the one that writes this WAL"))));
}

TEST_F(AskNode, ValuesThatAreNotUnderstoodAreProblemsAndTheOthersStillCount) {
  const auto facts = ask(answer("[" +
                                node("n1", "running",
                                     R"({"wal-snapshot-size":"*******",)"
                                     R"("wal-flush-interval":"soon"})") +
                                "]"),
                         answer(R"([{"level":1,"duration_seconds":600}])"));
  EXPECT_EQ(facts.snapshot_size, std::nullopt);
  EXPECT_EQ(facts.flush_interval, std::nullopt);
  EXPECT_EQ(facts.kept_files, 300U);
  ASSERT_EQ(facts.problems.size(), 2U);
  EXPECT_THAT(facts.problems[1], HasSubstr("--wal-flush-interval is \"soon\", which is not understood"));
  EXPECT_THAT(facts.problems[1], HasSubstr("set influxdb.snapshot_size"));
}

TEST_F(AskNode, AValueThatCannotBeUsedIsSaid) {
  const auto problems = [&](const std::string& flags, const std::string& gen1 = "600") {
    const auto facts = ask(answer("[" + node("n1", "running", flags) + "]"),
                           answer(R"([{"level":1,"duration_seconds":)" + gen1 + "}]"));
    EXPECT_EQ(facts.snapshot_size.value_or(600), 600U) << flags;
    EXPECT_EQ(facts.flush_interval.value_or(seconds(1)), seconds(1)) << flags;
    return facts.problems;
  };
  EXPECT_THAT(
      problems(R"({"wal-snapshot-size":"0"})"),
      ElementsAre(HasSubstr("the server's --wal-snapshot-size is \"0\", which would make each flush a snapshot")));
  EXPECT_THAT(problems(R"({"wal-files-per-snapshot":0})"), ElementsAre(HasSubstr("--wal-files-per-snapshot is \"0\"")));
  EXPECT_THAT(problems(R"({"wal-snapshot-size":"100MB"})"),
              ElementsAre(HasSubstr("\"100MB\", which is not understood")));
  EXPECT_THAT(problems(R"({"wal-snapshot-size":"18446744073709551615"})"),
              ElementsAre(HasSubstr("more than any server")));
  EXPECT_THAT(problems(R"({"wal-flush-interval":"0s"})"), ElementsAre(HasSubstr("--wal-flush-interval is \"0s\"")));
  EXPECT_THAT(problems(R"({"wal-flush-interval":"2years"})"), ElementsAre(HasSubstr("longer than a year")));
  EXPECT_THAT(problems(R"({"snapshotted-wal-files-to-keep":"-5"})"), ElementsAre(HasSubstr("\"-5\"")));
  EXPECT_THAT(problems("{}", "0"), ElementsAre(HasSubstr("gen1 duration is 0 seconds, which can't be")));
  EXPECT_THAT(problems("{}", R"("10m")"), ElementsAre(HasSubstr("gen1 duration is \"10m\" seconds")));
}

TEST_F(AskNode, WithoutTheRightTokenItAsksOnceAndNamesTheRemedy) {
  const auto facts = ask(recorded_answer("v3-health-unauthorized.txt"), gen1_);
  EXPECT_EQ(facts.snapshot_size, std::nullopt);
  ASSERT_EQ(facts.problems.size(), 1U);
  EXPECT_THAT(facts.problems[0], HasSubstr("answered 401 (the request was not authenticated)"));
  EXPECT_THAT(facts.problems[0], HasSubstr("check the content of influxdb.token_file; it has to be an admin token"));
  EXPECT_EQ(requests_.size(), 1U);
  EXPECT_THAT(ask(recorded_answer("v3-health-unauthorized.txt"), gen1_, "n1", "").problems[0],
              HasSubstr("the server wants a token: set influxdb.token_file"));
  EXPECT_THAT(ask(answer("", "403 Forbidden"), gen1_).problems[0], HasSubstr("the token may not do this"));
}

TEST_F(AskNode, AServerThatDoesNotKnowTheTablesIsAskedForTheOtherOneToo) {
  const auto facts = ask(recorded_answer("v3-query-checkpoint.txt"), answer(R"([{"level":1,"duration_seconds":300}])"));
  EXPECT_EQ(facts.gen1_duration, minutes(5));
  EXPECT_THAT(facts.problems, ElementsAre(HasSubstr("(system.nodes): it answered 400 (SQL error: ParserError")));
  EXPECT_THAT(ask(answer("Not found", "404 Not Found"), answer("[]")).problems[0],
              HasSubstr("answered 404 (Not found)"));
}

TEST_F(AskNode, RubbishIsAProblemAndNeverACrash) {
  for (const char* body : {"", "hello", "{}", "[1]", "[{}]", R"([{"node_id":7,"state":"running","cli_params":null}])",
                           R"([{"node_id":"n1","cli_params":"{"}])", R"([{"node_id":"n1","cli_params":"[]"}])"}) {
    const auto facts = ask(answer(body), answer(body));
    EXPECT_EQ(facts.snapshot_size, std::nullopt) << body;
    EXPECT_EQ(facts.gen1_duration, std::nullopt) << body;
    EXPECT_EQ(facts.problems.size(), 2U) << body;
  }
}

TEST_F(AskNode, NobodyThereIsOneProblem) {
  const ClosedPort closed;
  http::Client client;
  const auto facts = ask_node(client, "http://" + closed.address(), "", "n1", seconds(5), {});
  EXPECT_THAT(facts.problems, ElementsAre(HasSubstr("Connection refused")));
}

TEST(AskTestServer, BothSpellingsOfTheFlagsAreRead) {
  for (const char* version : {"3.10.0", "3.11.2"}) {
    const tests::TempDir directory;
    tests::ServerProcess server(
        "influxdb3.py", {"--data-dir", directory.path(), "--node-id", "n1", "--token", "t", "--version", version,
                         "--wal-snapshot-size", "20", "--wal-flush-interval", "30s", "--gen1-duration", "5m"});
    http::Client client;
    const auto facts = ask_node(client, server.url(), "t", "n1", seconds(5), {});
    EXPECT_EQ(facts.snapshot_size, 20U) << version;
    EXPECT_EQ(facts.flush_interval, seconds(30));
    EXPECT_EQ(facts.gen1_duration, minutes(5));
    EXPECT_EQ(facts.kept_files, 300U);
    EXPECT_THAT(facts.problems, IsEmpty());
  }
}

TEST(ParseServerDuration, TakesWhatTheServerTakes) {
  EXPECT_EQ(parse_server_duration("100ms"), milliseconds(100));
  EXPECT_EQ(parse_server_duration("1s"), seconds(1));
  EXPECT_EQ(parse_server_duration("10m"), minutes(10));
  EXPECT_EQ(parse_server_duration("1h 30m"), minutes(90));
  EXPECT_EQ(parse_server_duration("1h30m"), minutes(90));
  EXPECT_EQ(parse_server_duration("1month"), seconds(2'630'016));
  EXPECT_EQ(parse_server_duration("1M"), seconds(2'630'016));
  EXPECT_EQ(parse_server_duration("30days"), hours(720));
  EXPECT_EQ(parse_server_duration("2 weeks"), hours(336));
  EXPECT_EQ(parse_server_duration("0"), Duration::zero());
}

TEST(ParseServerDuration, RefusesAnythingElse) {
  for (const char* text : {"", " ", "5", "s", "1x", "-1s", "1.5h", "1s,", "99999999999y", "300y", "\xFF", "1 "}) {
    EXPECT_EQ(parse_server_duration(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace wal_exporter::influxdb
