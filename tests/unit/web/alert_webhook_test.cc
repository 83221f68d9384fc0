#include "web/alert_webhook.h"

#include <gmock/gmock.h>

#include "routes.h"

namespace wal_exporter::web {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using State = view::AlertAnswer::State;

std::string alert(const std::string& target, const std::string& status = "firing",
                  const std::string& fingerprint = "f1") {
  return R"({"status":")" + status + R"(","labels":{"alertname":"InfluxDBWALCritical","target":")" + target +
         R"("},"annotations":{},"startsAt":"2026-01-30T10:00:00Z","endsAt":"0001-01-01T00:00:00Z","fingerprint":")" +
         fingerprint + R"("})";
}

std::string message(const std::string& alerts) {
  return R"({"version":"4","groupKey":"{}","status":"firing","receiver":"exporter","alerts":[)" + alerts + "]}";
}

class Alerts : public Routes {
 protected:
  Alerts() {
    users_.set_alerts_token("t0ken");
    peer_ = "192.0.2.7";
    body_ = message(alert("plant"));
  }
  Response send(const std::string& token = "t0ken", std::vector<Header> headers = {}) {
    headers.push_back({"Authorization", "Bearer " + token});
    return post("/api/v1/alerts", std::move(headers));
  }
};

TEST_F(Alerts, StartACheckpointOfTheTargetTheyName) {
  const auto response = send();
  EXPECT_EQ(response.status, 200);
  ASSERT_EQ(world_.commands.alerts.size(), 1U);
  EXPECT_EQ(world_.commands.alerts[0].target, "plant");
  EXPECT_EQ(world_.commands.alerts[0].alert, "InfluxDBWALCritical");
  EXPECT_THAT(world_.commands.alerts[0].instances, ElementsAre("f1@2026-01-30T10:00:00Z"));
  EXPECT_EQ(json(response)["results"][0]["action"], "started");
  EXPECT_EQ(json(response)["results"][0]["checkpoint"], 9);
}

TEST_F(Alerts, OfOneTargetAreServedByOneCheckpoint) {
  body_ = message(alert("plant") + "," + alert("plant", "firing", "f2") + "," + alert("a/b \\\"c\\\""));
  EXPECT_EQ(send().status, 200);
  ASSERT_EQ(world_.commands.alerts.size(), 2U);
  EXPECT_EQ(world_.commands.alerts[0].target, "a/b \"c\"");
  EXPECT_EQ(world_.commands.alerts[1].instances.size(), 2U);
}

TEST_F(Alerts, AreOffUntilATokenIsSet) {
  users_ = Users();
  peer_ = "127.0.0.1";
  const auto response = send("");
  EXPECT_EQ(response.status, 403);
  EXPECT_THAT(json(response)["remedy"].get<std::string>(), HasSubstr("alerts.token_file"));
  EXPECT_THAT(world_.commands.alerts, IsEmpty());
}

TEST_F(Alerts, NeedTheirOwnTokenAndNoOther) {
  with_users();
  users_.set_alerts_token("t0ken");
  users_.set_control_token("control");
  peer_ = "127.0.0.1";
  for (const auto& response : {send("wrong"), send("control"), send(""), post("/api/v1/alerts", kLogin),
                               post("/api/v1/alerts"), send("t0ken", {{"Authorization", "Bearer t0ken"}})}) {
    EXPECT_TRUE(response.status == 401 || response.status == 403) << response.status;
    EXPECT_EQ(json(response)["success"], false);
  }
  EXPECT_THAT(world_.commands.alerts, IsEmpty());
  EXPECT_EQ(header(send("wrong"), "WWW-Authenticate"), R"(Bearer realm="influxdb_wal_exporter alerts")");
}

TEST_F(Alerts, TokenOpensNothingElse) {
  EXPECT_EQ(post("/api/v1/targets/plant/checkpoint", {{"Authorization", "Bearer t0ken"}}).status, 403);
  EXPECT_EQ(post("/-/reload", {{"Authorization", "Bearer t0ken"}}).status, 403);
}

TEST_F(Alerts, FromAForeignPageAreRefused) {
  EXPECT_EQ(send("t0ken", {{"Origin", "http://evil.example"}}).status, 403);
  EXPECT_EQ(send("t0ken", {{"Sec-Fetch-Site", "cross-site"}}).status, 403);
}

TEST_F(Alerts, ThatAreResolvedAskForNothing) {
  body_ = message(alert("plant", "resolved"));
  EXPECT_EQ(send().status, 200);
  EXPECT_THAT(world_.commands.alerts, IsEmpty());
}

// A target that left the settings; Alertmanager would count a 404 as a failed notification.
TEST_F(Alerts, ThatNameNoTargetOfOursNeedNothingAndAreToldWithTheNames) {
  body_ = message(alert("office") + "," + alert(""));
  const auto response = send();
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(json(response)["success"], true);
  EXPECT_EQ(json(response)["message"], "no alert in it names a target that is watched here: nothing to do");
  EXPECT_THAT(json(response)["targets"].get<std::vector<std::string>>(), ElementsAre("plant", "a/b \"c\""));
  body_ = message(alert("office") + "," + alert("plant"));
  EXPECT_EQ(send().status, 200);
  EXPECT_EQ(json(send())["unknown"][0]["target"], "office");
}

TEST_F(Alerts, WithoutTheLabelTargetAreAMistakeOfTheSettings) {
  body_ = message(alert(""));
  const auto response = send();
  EXPECT_EQ(response.status, 404);
  EXPECT_EQ(json(response)["error"], "no alert in it has the label target");
}

// It would ask again within a second, at each group interval, and log a warning each time.
TEST_F(Alerts, ThatAreHeldBackAreAnsweredSoThatAlertmanagerDoesNotAskAgain) {
  for (const policy::Blocker blocker : {policy::Blocker::in_flight, policy::Blocker::backoff, policy::Blocker::paused,
                                        policy::Blocker::server_unreachable}) {
    const std::string why = "No checkpoint was started; blocked by " + std::string(policy::to_string(blocker));
    world_.commands.alert_answer = view::AlertAnswer{State::blocked, why, {blocker}, std::nullopt};
    const auto response = send();
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(header(response, "Retry-After"), "(absent)");
    EXPECT_EQ(json(response)["message"], why);
    EXPECT_EQ(json(response)["results"][0]["action"], "blocked");
    EXPECT_EQ(json(response)["results"][0]["blockers"][0], policy::to_string(blocker));
  }
}

TEST_F(Alerts, ThatCouldNotBeAskedForAreSentAgain) {
  world_.commands.alert_answer = failure(ErrorKind::cancelled, "shutting down");
  EXPECT_EQ(send().status, 503);
  EXPECT_EQ(json(send())["results"][0]["action"], "gone");
  EXPECT_EQ(json(send())["results"][0]["message"], "shutting down");
}

TEST_F(Alerts, WhatHasHadItsCheckpointOrNeedsNoneIsASuccess) {
  for (const State state : {State::already_served, State::no_op}) {
    world_.commands.alert_answer = view::AlertAnswer{state, "fine", {}, std::nullopt};
    const auto response = send();
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(json(response)["results"][0]["action"], to_string(state));
  }
}

class BadMessage : public testing::TestWithParam<const char*> {};

TEST_P(BadMessage, IsRefusedAndSaysWhatItShouldBe) {
  const auto alerts = parse_alerts(GetParam());
  ASSERT_FALSE(alerts);
  EXPECT_THAT(alerts.error().message, HasSubstr("not a message of Alertmanager's webhook (version 4): "));
}

INSTANTIATE_TEST_SUITE_P(
    Bodies, BadMessage,
    testing::Values("", "{", "[]", "null", "{}", R"({"version":"3","alerts":[]})", R"({"version":"4"})",
                    R"({"version":"4","alerts":{}})", R"({"version":"4","alerts":[7]})",
                    R"({"version":"4","alerts":[{"status":"firing"}]})",
                    R"({"version":"4","alerts":[{"status":"new","labels":{},"startsAt":"x"}]})",
                    R"({"version":"4","alerts":[{"status":"firing","labels":{}}]})",
                    R"({"version":"4","alerts":[{"status":"firing","labels":[],"startsAt":"x"}]})",
                    R"({"version":"4","alerts":[{"status":"firing","labels":{"a":[1]},"startsAt":"x"}]})",
                    R"({"version":"4","alerts":[{"status":"firing","labels":{"a":7},"startsAt":"x"}]})"));

TEST(ParseAlerts, ALabelThatIsNestedDeeplyIsRefusedBeforeItIsWalkedThrough) {
  const std::string deep(250'000, '[');
  const auto alerts = parse_alerts(R"({"version":"4","alerts":[{"status":"firing","labels":{"a":)" + deep +
                                   std::string(250'000, ']') + R"(},"startsAt":"x"}]})");
  EXPECT_FALSE(alerts);
}

TEST(ParseAlerts, WithoutAFingerprintLabelsOfAnyLengthAreNotKept) {
  EXPECT_FALSE(parse_alerts(R"({"version":"4","alerts":[{"status":"firing","labels":{"target":")" +
                            std::string(5000, 'x') + R"("},"startsAt":"x"}]})"));
}

TEST_F(Alerts, ALargeMessageIsReadOfWhoeverHasTheTokenAlone) {
  Request request;
  request.path = "/api/v1/alerts";
  EXPECT_EQ(Handler::body_limit(request, users_), 64U * 1024);
  request.headers = {{"Authorization", "Bearer t0ken"}};
  EXPECT_EQ(Handler::body_limit(request, users_), 512U * 1024);
  request.path = "/-/reload";
  EXPECT_EQ(Handler::body_limit(request, users_), 64U * 1024);
}

TEST(ParseAlerts, WithoutAFingerprintTheLabelsTellThemApart) {
  const auto alerts =
      parse_alerts(R"({"version":"4","alerts":[{"status":"firing","labels":{"target":"a"},"startsAt":"x"},)"
                   R"({"status":"firing","labels":{"target":"b"},"startsAt":"x"}]})");
  ASSERT_TRUE(alerts);
  EXPECT_NE(alerts->at(0).instance, alerts->at(1).instance);
}

}  // namespace
}  // namespace wal_exporter::web
