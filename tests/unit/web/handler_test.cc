#include "web/handler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "routes.h"

namespace wal_exporter::web {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

TEST_F(Routes, MetricsAreTextInTheFormatPrometheusReads) {
  const auto response = get("/metrics");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.content_type, "text/plain; version=0.0.4; charset=utf-8");
}

TEST_F(Routes, RequestsAreCountedUnderTheirPattern) {
  static_cast<void>(get("/api/v1/targets/plant"));
  static_cast<void>(get("/api/v1/targets/nobody"));
  static_cast<void>(get("/whatever/1"));
  static_cast<void>(get("/whatever/2"));
  const auto text = world_.metrics.requests().render();
  EXPECT_THAT(text, HasSubstr(R"(route="/api/v1/targets/{name}")"));
  EXPECT_THAT(text, HasSubstr(R"(route="unknown")"));
  EXPECT_THAT(text, Not(HasSubstr("nobody")));
  EXPECT_THAT(text, Not(HasSubstr("whatever")));
}

TEST_F(Routes, AnAddressIsMatchedWholeNotByItsBeginning) {
  for (const auto* target : {"/metricsx", "/metrics/", "/metrics/x", "//metrics", "/./metrics", "/wal-management",
                             "/wal-management/health/x", "/api/v1/targets/", "/api/v1/targets//history", "/METRICS"}) {
    EXPECT_EQ(get(target).status, 404) << target;
  }
}

TEST_F(Routes, NotFoundNamesWhatExists) {
  const auto response = get("/nowhere");
  EXPECT_EQ(response.status, 404);
  EXPECT_THAT(json(response)["error"].get<std::string>(), HasSubstr("/nowhere"));
  EXPECT_THAT(json(response)["routes"].get<std::vector<std::string>>(),
              testing::Contains("POST /wal-management/checkpoint"));
}

TEST_F(Routes, TheWrongMethodIsToldWithTheRightOnes) {
  const auto response = ask("PUT", "/metrics");
  EXPECT_EQ(response.status, 405);
  EXPECT_EQ(header(response, "Allow"), "GET, HEAD");
  EXPECT_EQ(header(get("/wal-management/checkpoint"), "Allow"), "POST");
  EXPECT_EQ(header(post("/metrics"), "Allow"), "GET, HEAD");
}

TEST_F(Routes, ABrokenEscapeIsABadRequest) {
  EXPECT_EQ(get("/api/v1/targets/%zz").status, 400);
  EXPECT_EQ(get("/api/v1/targets/a%00").status, 400);
  EXPECT_EQ(get("/wal-management/health?target=%").status, 400);
}

TEST_F(Routes, HealthyAsSoonAsItAnswers) {
  EXPECT_EQ(get("/-/healthy").status, 200);
}

TEST_F(Routes, ReadyNamesWhatItWaitsFor) {
  EXPECT_EQ(get("/-/ready").status, 200);
  auto view = std::make_shared<view::View>(*world_.views.current());
  view->not_ready = {"plant: first look", "plant: server"};
  world_.views.publish(view);
  const auto response = get("/-/ready");
  EXPECT_EQ(response.status, 503);
  EXPECT_THAT(json(response)["waiting_for"], ElementsAre("plant: first look", "plant: server"));
}

TEST_F(Routes, NotReadyBeforeTheFirstView) {
  world_.views.publish(std::make_shared<view::View>());
  EXPECT_EQ(get("/-/ready").status, 503);
  EXPECT_EQ(get("/wal-management/health").status, 503);
}

TEST_F(Routes, TargetsListsThemInOrder) {
  const auto body = json(get("/api/v1/targets"));
  EXPECT_EQ(body["targets"][0]["name"], "plant");
  EXPECT_EQ(body["targets"][1]["name"], "a/b \"c\"");
}

TEST_F(Routes, ATargetIsFoundByItsEncodedName) {
  EXPECT_EQ(json(get("/api/v1/targets/a%2Fb%20%22c%22"))["name"], "a/b \"c\"");
  EXPECT_EQ(get("/api/v1/targets/a/b").status, 404);
}

TEST_F(Routes, AnUnknownTargetIsToldWithTheNames) {
  for (const auto* target : {"/api/v1/targets/x", "/wal-management/health?target=x", "/wal-management/stats?target=",
                             "/api/v1/targets/x/history", "/api/v1/targets/x/checkpoints/1"}) {
    const auto response = get(target);
    EXPECT_EQ(response.status, 404) << target;
    EXPECT_THAT(json(response)["targets"], ElementsAre("plant", "a/b \"c\"")) << target;
  }
  EXPECT_EQ(post("/api/v1/targets/x/checkpoint").status, 404);
  EXPECT_EQ(post("/wal-management/checkpoint?target=x").status, 404);
  EXPECT_TRUE(world_.commands.asked().empty());
}

TEST_F(Routes, ANameThatIsNotUtf8IsStillAnsweredInJson) {
  const auto response = get("/api/v1/targets/%FF%FE");
  EXPECT_EQ(response.status, 404);
  EXPECT_TRUE(json(response)["error"].is_string());
}

TEST_F(Routes, TheSeedsHealthFieldForField) {
  const auto response = get("/wal-management/health");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(
      json(response).dump(),
      R"({"fileCount":15,"totalSizeGB":0.5,"lastCheckpoint":"2026-11-23T09:30:00.000Z",)"
      R"("healthStatus":"healthy","recommendations":["WAL health is optimal","Continue current write patterns"]})");
}

TEST_F(Routes, TheSeedsCheckpointStatusFieldForField) {
  EXPECT_EQ(
      json(get("/wal-management/checkpoint-status")).dump(),
      R"({"lastCheckpoint":"2026-11-23T09:30:00.000Z","canTrigger":true,"cooldownRemaining":0,"isProcessing":false})");
}

TEST_F(Routes, TheSeedsStatsFieldForField) {
  const auto body = json(get("/wal-management/stats"));
  EXPECT_THAT(keys(body), ElementsAre("fileCount", "totalSizeGB", "lastCheckpoint", "healthStatus", "recommendations",
                                      "checkpointStatus", "systemInfo"));
  EXPECT_EQ(body["systemInfo"].dump(), R"({"maxWALFiles":30,"maxWALSizeGB":1,"checkpointCooldownMs":300000})");
}

TEST_F(Routes, TheSeedsSizeGivesTheBytesBack) {
  auto target = healthy_target("plant");
  auto sample = std::make_shared<wal::Sample>(*target.sample);
  sample->pending.bytes = 123456789;
  target.sample = sample;
  publish(target);
  const double size = json(get("/wal-management/health"))["totalSizeGB"].get<double>();
  EXPECT_EQ(std::llround(size * static_cast<double>(kGiB)), 123456789);
}

TEST_F(Routes, NoCheckpointYetIsNull) {
  auto target = healthy_target("plant");
  target.last_checkpoint.reset();
  publish(target);
  EXPECT_TRUE(json(get("/wal-management/health"))["lastCheckpoint"].is_null());
}

TEST_F(Routes, TheCooldownIsCountedAtTheTimeOfTheRequest) {
  auto target = healthy_target("plant");
  target.cooldown_until = kNow + std::chrono::seconds(90);
  target.decision.blockers = {{policy::Blocker::cooldown, "too soon"}};
  publish(target);
  world_.clock.advance(std::chrono::seconds(30));
  auto body = json(get("/wal-management/checkpoint-status"));
  EXPECT_EQ(body["cooldownRemaining"], 60000);
  EXPECT_EQ(body["canTrigger"], false);
  world_.clock.advance(std::chrono::seconds(60));
  body = json(get("/wal-management/checkpoint-status"));
  EXPECT_EQ(body["cooldownRemaining"], 0);
  EXPECT_EQ(body["canTrigger"], true);
}

TEST_F(Routes, WhatBlocksOrRunsMeansItCanNotBeTriggered) {
  auto target = healthy_target("plant");
  target.decision.blockers = {{policy::Blocker::method_disabled, "none is set"}};
  publish(target);
  EXPECT_EQ(json(get("/wal-management/checkpoint-status"))["canTrigger"], false);
  target.decision.blockers = {};
  target.running = view::CheckpointRun{};
  publish(target);
  const auto body = json(get("/wal-management/checkpoint-status"));
  EXPECT_EQ(body["canTrigger"], false);
  EXPECT_EQ(body["isProcessing"], true);
}

TEST_F(Routes, AStaleSampleIs503WithTheReasonAndTheLastSample) {
  world_.clock.advance(std::chrono::minutes(4));
  EXPECT_EQ(get("/wal-management/health").status, 200) << "exactly at its end the sample counts";
  world_.clock.advance(std::chrono::seconds(1));
  for (const auto* target : {"/wal-management/health", "/wal-management/stats"}) {
    const auto response = get(target);
    EXPECT_EQ(response.status, 503) << target;
    const auto body = json(response);
    EXPECT_THAT(body["error"].get<std::string>(), HasSubstr("unknown"));
    EXPECT_EQ(body["fileCount"], 15);
    EXPECT_EQ(body["healthStatus"], "unknown");
  }
  const auto status = get("/wal-management/checkpoint-status");
  EXPECT_EQ(status.status, 503);
  EXPECT_EQ(json(status)["canTrigger"], false);
  EXPECT_EQ(json(get("/api/v1/targets/plant"))["health"], "unknown");
}

TEST_F(Routes, WithoutAnySampleItIs503WithTheError) {
  view::TargetView target;
  target.name = "plant";
  target.error = "opening /wal: Permission denied";
  publish(target);
  const auto response = get("/wal-management/health");
  EXPECT_EQ(response.status, 503);
  EXPECT_THAT(json(response)["error"].get<std::string>(), HasSubstr("/wal: Permission denied"));
  EXPECT_TRUE(json(response)["fileCount"].is_null());
}

TEST_F(Routes, HistoryIsPaged) {
  auto body = json(get("/api/v1/targets/plant/history?limit=2"));
  EXPECT_EQ(body["entries"][0]["id"], 5);
  EXPECT_EQ(body["entries"][0]["detail"]["action"], "none");
  EXPECT_EQ(body["next_before"], 4);
  body = json(get("/api/v1/targets/plant/history?limit=100&before=4"));
  EXPECT_EQ(body["entries"].size(), 3);
  EXPECT_TRUE(body["next_before"].is_null());
}

TEST_F(Routes, HistoryRefusesNumbersThatAreNone) {
  for (const auto* query : {"limit=0", "limit=1001", "limit=-1", "limit=1x", "limit=", "before=0", "before=x",
                            "before=99999999999999999999", "limit=1&limit=2"}) {
    EXPECT_EQ(get(std::string("/api/v1/targets/plant/history?") + query).status, 400) << query;
  }
  EXPECT_EQ(get("/api/v1/targets/plant/history?other=1").status, 200);
}

TEST_F(Routes, AHistoryThatCanNotBeReadSaysWhy) {
  world_.commands.broken = true;
  const auto response = get("/api/v1/targets/plant/history");
  EXPECT_EQ(response.status, 500);
  EXPECT_THAT(json(response)["error"].get<std::string>(), HasSubstr("damaged"));
}

TEST_F(Routes, ACheckpointIsFoundByItsId) {
  const auto body = json(get("/api/v1/targets/plant/checkpoints/7"));
  EXPECT_EQ(body["state"], "ended");
  EXPECT_EQ(body["outcome"], "succeeded");
  EXPECT_EQ(get("/api/v1/targets/plant/checkpoints/8").status, 404);
  EXPECT_EQ(get("/api/v1/targets/plant/checkpoints/x").status, 400);
}

TEST_F(Routes, ARunningCheckpointIsFoundToo) {
  auto target = healthy_target("plant");
  target.running = view::CheckpointRun{11, policy::Reason::critical, kNow, std::nullopt, std::nullopt};
  publish(target);
  const auto body = json(get("/api/v1/targets/plant/checkpoints/11"));
  EXPECT_EQ(body["state"], "running");
  EXPECT_TRUE(body["outcome"].is_null());
}

TEST_F(Routes, ASucceededCheckpointOnTheSeedsRoute) {
  const auto response = post("/wal-management/checkpoint");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(json(response).dump(),
            R"({"success":true,"timestamp":"2026-11-23T10:00:00.000Z",)"
            R"("message":"Checkpoint triggered successfully: reclaimed 3 files, 28.0 MiB in 1s"})");
  ASSERT_EQ(world_.commands.asked().size(), 1);
  const auto asked = world_.commands.asked().front();
  EXPECT_EQ(asked.target, "plant");
  EXPECT_EQ(asked.reason, policy::Reason::manual);
  EXPECT_EQ(asked.wait, std::chrono::seconds(30));
  EXPECT_EQ(asked.actor, "loopback");
  EXPECT_FALSE(asked.override_soft);
}

TEST_F(Routes, TheOutcomeDecidesTheStatus) {
  using influxdb::OutcomeKind;
  const std::pair<OutcomeKind, int> rows[] = {{OutcomeKind::succeeded, 200},
                                              {OutcomeKind::no_op, 200},
                                              {OutcomeKind::busy, 409},
                                              {OutcomeKind::failed, 502},
                                              {OutcomeKind::unverified, 502}};
  for (const auto& [kind, status] : rows) {
    world_.commands.answer(ended(kind, "what came of it"));
    for (const auto* target : {"/wal-management/checkpoint", "/api/v1/targets/plant/checkpoint"}) {
      const auto response = post(target);
      const auto body = json(response);
      EXPECT_EQ(response.status, status) << target << to_string(kind);
      EXPECT_EQ(body["success"], status == 200);
      EXPECT_EQ(body["timestamp"], "2026-11-23T10:00:00.000Z");
      EXPECT_EQ(body["message"], kind == OutcomeKind::succeeded
                                     ? "Checkpoint triggered successfully: reclaimed 3 files, 28.0 MiB in 1s"
                                     : "what came of it");
    }
  }
}

TEST_F(Routes, NothingPendingIsASuccess) {
  view::CheckpointAnswer answer;
  answer.state = view::CheckpointAnswer::State::no_op;
  world_.commands.answer(answer);
  const auto response = post("/api/v1/targets/plant/checkpoint");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(json(response)["success"], true);
  EXPECT_EQ(json(response)["state"], "no_op");
  EXPECT_EQ(json(response)["timestamp"], format_time(kNow));
}

TEST_F(Routes, ABlockerIs409WithItsName) {
  view::CheckpointAnswer answer;
  answer.state = view::CheckpointAnswer::State::blocked;
  answer.timestamp = kNow;
  answer.message = "No checkpoint was started: 3 files pending";
  answer.blockers = {{policy::Blocker::backoff, "until 10:05"}, {policy::Blocker::disk_headroom, "1 MiB free"}};
  world_.commands.answer(answer);
  const auto response = post("/wal-management/checkpoint");
  EXPECT_EQ(response.status, 409);
  const auto body = json(response);
  EXPECT_EQ(body["success"], false);
  EXPECT_EQ(body["error"], "blocked");
  EXPECT_EQ(body["blocker"], "disk_headroom") << "the one that does not end by itself";
  EXPECT_THAT(body["blockers"], ElementsAre("backoff", "disk_headroom"));
  EXPECT_EQ(body["message"], "No checkpoint was started: 3 files pending; blocked by disk_headroom: 1 MiB free");
  EXPECT_EQ(body["why"], "No checkpoint was started: 3 files pending");
  EXPECT_EQ(body["blocked_by"][1].dump(), R"({"blocker":"disk_headroom","why":"1 MiB free"})");
}

TEST_F(Routes, ARunningOneIs202WithALocation) {
  world_.commands.answer(FakeCommands::running());
  const auto response = post("/api/v1/targets/a%2Fb%20%22c%22/checkpoint?wait=1s");
  EXPECT_EQ(response.status, 202);
  EXPECT_EQ(header(response, "Location"), "/api/v1/targets/a%2Fb%20%22c%22/checkpoints/9");
  EXPECT_EQ(json(response)["state"], "running");
  EXPECT_EQ(json(response)["success"], true);
  EXPECT_EQ(world_.commands.asked().front().target, "a/b \"c\"");
  EXPECT_EQ(world_.commands.asked().front().wait, std::chrono::seconds(1));
}

TEST_F(Routes, ATargetThatIsGoneIs503) {
  world_.commands.answer(failure(ErrorKind::cancelled, "shutting down"));
  const auto response = post("/api/v1/targets/plant/checkpoint");
  EXPECT_EQ(response.status, 503);
  EXPECT_THAT(keys(json(response)), ElementsAre("success", "timestamp", "message", "error", "target", "state"));
  EXPECT_EQ(json(response)["message"], "shutting down");
  EXPECT_EQ(json(response)["state"], "gone");
}

TEST_F(Routes, ATargetThatIsGoneByTheTimeItIsAskedIs404) {
  world_.commands.answer(failure(ErrorKind::not_found, "there is no target named plant"));
  const auto response = post("/api/v1/targets/plant/checkpoint");
  EXPECT_EQ(response.status, 404);
  EXPECT_THAT(json(response)["targets"].get<std::vector<std::string>>(), ElementsAre("plant", "a/b \"c\""));
}

TEST_F(Routes, BadParametersOfACheckpointAre400) {
  for (const auto* query : {"wait=x", "wait=30", "wait=-1s", "wait=31m", "wait=", "wait=1s&wait=2s", "override=yes",
                            "override=", "override=TRUE"}) {
    const auto response = post(std::string("/wal-management/checkpoint?") + query);
    EXPECT_EQ(response.status, 400) << query;
    EXPECT_EQ(json(response)["success"], false);
    EXPECT_TRUE(json(response)["timestamp"].is_string());
    EXPECT_TRUE(json(response)["message"].is_string());
  }
  EXPECT_TRUE(world_.commands.asked().empty());
  EXPECT_EQ(post("/wal-management/checkpoint?wait=30m&other=x&override=false").status, 200);
}

TEST_F(Routes, OverrideNeedsALogin) {
  const auto response = post("/wal-management/checkpoint?override=true");
  EXPECT_EQ(response.status, 403);
  EXPECT_THAT(json(response)["remedy"].get<std::string>(), HasSubstr("--web.config.file"));
  EXPECT_TRUE(world_.commands.asked().empty());
  with_users();
  EXPECT_EQ(post("/wal-management/checkpoint?override=true", kLogin).status, 200);
  EXPECT_TRUE(world_.commands.asked().front().override_soft);
  EXPECT_EQ(world_.commands.asked().front().actor, "user alice");
}

TEST_F(Routes, TheGuardStandsBeforeEveryPost) {
  peer_ = "10.0.0.1";
  for (const auto* target : {"/wal-management/checkpoint", "/api/v1/targets/plant/checkpoint", "/-/reload"}) {
    const auto response = post(target);
    EXPECT_EQ(response.status, 403) << target;
    EXPECT_EQ(json(response)["success"], false);
    EXPECT_THAT(json(response)["error"].get<std::string>(), HasSubstr("10.0.0.1"));
    EXPECT_THAT(json(response)["remedy"].get<std::string>(), HasSubstr("users"));
  }
  EXPECT_TRUE(world_.commands.asked().empty());
  EXPECT_EQ(get("/wal-management/health").status, 200);
}

TEST_F(Routes, WithUsersEverythingButHealthyAndReadyNeedsALogin) {
  with_users();
  for (const auto* target : {"/", "/metrics", "/api/v1/targets", "/wal-management/health", "/nowhere", "/%zz"}) {
    const auto response = get(target);
    EXPECT_EQ(response.status, 401) << target;
    EXPECT_THAT(header(response, "WWW-Authenticate"), StartsWith("Basic realm="));
  }
  EXPECT_EQ(get("/-/healthy").status, 200);
  EXPECT_EQ(get("/-/ready").status, 200);
  EXPECT_EQ(post("/wal-management/checkpoint").status, 401);
  EXPECT_EQ(ask("GET", "/metrics", kLogin).status, 200);
  EXPECT_EQ(ask("GET", "/metrics", {{"Authorization", "Basic YWxpY2U6d3Jvbmc="}}).status, 401);
  EXPECT_EQ(post("/-/reload", kLogin).status, 200);
}

TEST_F(Routes, AScriptOfAPageIsToldThatALoginIsNeededWithoutABrowsersOwnQuestion) {
  with_users();
  const auto response = ask("GET", "/api/v1/targets", {{"X-Requested-With", "fetch"}});
  EXPECT_EQ(response.status, 401);
  EXPECT_EQ(header(response, "WWW-Authenticate"), R"(X-Basic realm="influxdb_wal_exporter", charset="UTF-8")");
}

TEST_F(Routes, AReloadSaysWhatItChanged) {
  const auto none = post("/-/reload");
  EXPECT_EQ(none.status, 200);
  EXPECT_EQ(json(none)["message"], "settings reloaded: nothing changed");
  EXPECT_EQ(json(none)["changes"], Json::array());
  world_.commands.reload_with(view::ReloadAnswer{{"target a: added", "target b: removed"}, {"config.yml:4: odd"}});
  const auto some = json(post("/-/reload"));
  EXPECT_EQ(some["message"], "settings reloaded: 2 changes");
  EXPECT_EQ(some["changes"], Json({"target a: added", "target b: removed"}));
  EXPECT_EQ(some["warnings"], Json({"config.yml:4: odd"}));
}

TEST_F(Routes, AReloadThatIsRefusedSaysEachMistakeOnce) {
  world_.commands.reload_with(failure(ErrorKind::invalid, "config.yml:3: unknown key \"x\"\nconfig.yml:7: odd"));
  const auto response = post("/-/reload");
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(json(response)["message"], "reload refused, previous settings stay in use: 2 mistakes");
  EXPECT_EQ(json(response)["error"], "invalid_settings");
  EXPECT_EQ(json(response)["mistakes"], Json({"config.yml:3: unknown key \"x\"", "config.yml:7: odd"}));
  EXPECT_EQ(response.body.find("config.yml:3"), response.body.rfind("config.yml:3"));
  world_.commands.reload_with(failure(ErrorKind::not_found, "opening settings file config.yml: No such file"));
  EXPECT_EQ(post("/-/reload").status, 400);
  world_.commands.reload_with(failure(ErrorKind::internal, "target plant could not be started: no memory"));
  const auto incomplete = post("/-/reload");
  EXPECT_EQ(incomplete.status, 500);
  EXPECT_EQ(json(incomplete)["message"], "reload incomplete: target plant could not be started: no memory");
  world_.commands.reload_with(failure(ErrorKind::conflict, "InfluxDB of target plant is being restarted"));
  const auto busy = post("/-/reload");
  EXPECT_EQ(busy.status, 409);
  EXPECT_EQ(json(busy)["error"], "conflict");
  EXPECT_EQ(busy.body.find("being restarted"), busy.body.rfind("being restarted"));
}

TEST_F(Routes, APlanIsOneFlatObjectAndTakesAMode) {
  const auto plan = json(get("/api/v1/targets/plant/checkpoint-plan?mode=at_once"));
  EXPECT_THAT(keys(plan),
              ElementsAre("target", "method", "mode", "goal", "points", "duration_seconds", "not_before",
                          "snapshot_budget_remaining", "rewrites", "blockers", "explanation", "why", "blocked_by"));
  EXPECT_EQ(plan["mode"], "at_once");
  EXPECT_EQ(json(get("/api/v1/targets/plant/checkpoint-plan"))["mode"], "patient");
  EXPECT_EQ(get("/api/v1/targets/plant/checkpoint-plan?mode=now").status, 400);
  EXPECT_EQ(get("/api/v1/targets/nobody/checkpoint-plan").status, 404);
}

TEST_F(Routes, PreparingARestartIs200OnlyWhereItIsSafe) {
  world_.commands.prepared.safe = true;
  world_.commands.prepared.message = "Safe to restart: nothing is pending";
  EXPECT_EQ(post("/api/v1/targets/plant/prepare-restart?max_wait=5s").status, 200);
  world_.commands.prepared.safe = false;
  EXPECT_EQ(post("/api/v1/targets/plant/prepare-restart").status, 502);
  world_.commands.prepared.blockers = {policy::Blocker::too_long};
  const auto blocked = post("/api/v1/targets/plant/prepare-restart");
  EXPECT_EQ(blocked.status, 409);
  EXPECT_EQ(json(blocked)["blockers"][0], "too_long");
  EXPECT_EQ(post("/api/v1/targets/plant/prepare-restart?max_wait=soon").status, 400);
}

TEST_F(Routes, TheControlTokenIsALoginFromThisMachineAlone) {
  with_users();
  users_.set_control_token("abc123");
  const auto ask_with = [&](const std::string& token) {
    return post("/api/v1/targets/plant/checkpoint", {{"Authorization", "Bearer " + token}}).status;
  };
  EXPECT_EQ(ask_with("abc123"), 200);
  EXPECT_EQ(ask_with("abc124"), 401);
  EXPECT_EQ(ask_with(""), 401);
  peer_ = "10.0.0.1";
  EXPECT_EQ(ask_with("abc123"), 401);
}

TEST_F(Routes, AfterBeingAbandonedNothingIsCounted) {
  handler_.abandon();
  static_cast<void>(get("/-/healthy"));
  EXPECT_THAT(world_.metrics.requests().render(), Not(HasSubstr("healthy")));
}

}  // namespace
}  // namespace wal_exporter::web
