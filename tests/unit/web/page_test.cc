// The status page: its document, its assets, and what it asks for.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "support.h"
#include "web/assets.h"
#include "web/handler.h"
#include "web/landing.h"

namespace wal_exporter::web {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class Page : public testing::Test {
 protected:
  Response get(const std::string& target, std::vector<Header> headers = {}) {
    Request request;
    request.method = "GET";
    const auto mark = target.find('?');
    request.path = target.substr(0, mark);
    if (mark != std::string::npos) request.query = target.substr(mark + 1);
    request.version = "1.1";
    request.peer = "127.0.0.1";
    request.peer_user = 0;
    request.headers = std::move(headers);
    request.headers.push_back({"Host", "localhost:3002"});
    return handler_.handle(request, Users());
  }
  static std::string header(const Response& response, const std::string& name) {
    for (const auto& [key, value] : response.headers) {
      if (key == name) return value;
    }
    return "(absent)";
  }
  void publish(view::TargetView target) { world_.views.publish(view_of({std::move(target)})); }
  // Every address that the document names in this attribute.
  static std::set<std::string> addresses(const std::string& document, const std::string& attribute) {
    const std::string begin = attribute + "=\"";
    std::set<std::string> found;
    for (auto at = document.find(begin); at != std::string::npos; at = document.find(begin, at)) {
      at += begin.size();
      found.insert(document.substr(at, document.find('"', at) - at));
    }
    return found;
  }

  static std::size_t count(const std::string& document, const std::string& text) {
    std::size_t found = 0;
    for (auto at = document.find(text); at != std::string::npos; at = document.find(text, at + 1)) ++found;
    return found;
  }
  // An attribute such as onclick=.
  static bool has_handler(const std::string& document) {
    for (auto at = document.find(" on"); at != std::string::npos; at = document.find(" on", at + 1)) {
      const auto end = document.find_first_not_of("abcdefghijklmnopqrstuvwxyz", at + 3);
      if (end != std::string::npos && end > at + 3 && document[end] == '=') return true;
    }
    return false;
  }

  World world_;
  Handler handler_{world_.dependencies(), 1, 1};
};

TEST_F(Page, EscapesWhatIsNotItsOwn) {
  auto target = healthy_target("<script>alert(1)</script>\n\xFF");
  target.decision.why = "a & b \"quoted\" <img src=x onerror=alert(1)>";
  publish(target);
  const auto response = get("/");
  EXPECT_EQ(response.status, 200);
  EXPECT_THAT(response.content_type, StartsWith("text/html"));
  EXPECT_THAT(response.body, Not(HasSubstr("<script>")));
  EXPECT_THAT(response.body, Not(HasSubstr("<img")));
  EXPECT_THAT(response.body, HasSubstr("<bdi>&lt;script&gt;alert(1)&lt;/script&gt;\\n\\xff</bdi>"));
  EXPECT_THAT(response.body, HasSubstr("a &amp; b &quot;quoted&quot;"));
}

TEST_F(Page, SaysWithoutScriptsWhatIsKnown) {
  auto target = healthy_target("plant");
  target.forecast.replay_estimate_seconds = 67;
  target.paused = true;
  target.watch_degraded = true;
  target.watch_detail = "no inotify";
  target.not_shrinking = policy::NotShrinking{policy::Cause::idle, std::nullopt, std::nullopt, "nothing came for 2h"};
  publish(target);
  const auto body = get("/").body;
  EXPECT_THAT(body, HasSubstr("<span class=\"chip healthy\">healthy</span>"));
  EXPECT_THAT(body, HasSubstr("15 files (limit 30), 512.0 MiB (limit 1.0 GiB)"));
  EXPECT_THAT(body, HasSubstr("about 1m 7s"));
  EXPECT_THAT(body, HasSubstr("<time datetime=\"2026-11-23T09:30:00.000Z\">2026-11-23 09:30:00 UTC</time>"));
  EXPECT_THAT(body, HasSubstr("does not shrink (idle): nothing came for 2h; paused; watch degraded: no inotify"));
}

TEST_F(Page, SaysWithoutScriptsThatInfluxDBDoesNotAnswer) {
  auto target = healthy_target("plant");
  target.decision.why = "nothing to do";
  target.server = influxdb::ServerFacts{};
  target.server->error = "connection <refused>";
  publish(target);
  EXPECT_THAT(get("/").body, HasSubstr("nothing to do; InfluxDB does not answer: connection &lt;refused&gt;</bdi>"));
  target.server->up = true;
  publish(target);
  EXPECT_THAT(get("/").body, HasSubstr("<bdi>nothing to do</bdi>"));
}

TEST_F(Page, ACellIsOnePieceSoThatAPhoneDoesNotSplitIt) {
  auto target = healthy_target("plant");
  target.last_run = view::CheckpointRun{};
  target.last_run->outcome = influxdb::Outcome{};
  target.last_run->outcome->kind = influxdb::OutcomeKind::succeeded;
  publish(target);
  EXPECT_THAT(get("/").body,
              HasSubstr("<td data-name=\"Last checkpoint\"><span><time datetime=\"2026-11-23T09:30:00.000Z\">"
                        "2026-11-23 09:30:00 UTC</time>, succeeded</span></td>"));
  target.running = view::CheckpointRun{};
  target.running->started = kNow;
  publish(target);
  EXPECT_THAT(get("/").body, HasSubstr("<td data-name=\"Last checkpoint\"><span>running since <time"));
}

TEST_F(Page, ATargetThatWasNeverSeenIsUnknown) {
  view::TargetView target;
  target.name = "plant";
  target.error = "opening /wal: Permission denied";
  publish(target);
  const auto body = get("/").body;
  EXPECT_THAT(body, HasSubstr("<span class=\"chip unknown\">unknown</span>"));
  EXPECT_THAT(body, HasSubstr("not known yet"));
  EXPECT_THAT(body, HasSubstr("/wal: Permission denied"));
  EXPECT_THAT(body, HasSubstr(">never<"));
}

TEST_F(Page, ShowsThatItIsNotReadyAndThatAReloadFailed) {
  auto view = std::make_shared<view::View>(*world_.views.current());
  view->not_ready = {"plant: <first> look"};
  view->last_reload_successful = false;
  view->last_reload_error = "config.yml:3: unknown key \"x\"";
  world_.views.publish(view);
  const auto body = get("/").body;
  EXPECT_THAT(body, HasSubstr("plant: &lt;first&gt; look"));
  EXPECT_THAT(body, HasSubstr("config.yml:3: unknown key &quot;x&quot;"));
}

TEST_F(Page, LetsNothingRunThatIsNotItsOwnFile) {
  const auto response = get("/");
  EXPECT_EQ(header(response, "Content-Security-Policy"),
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
  EXPECT_EQ(header(response, "Referrer-Policy"), "no-referrer");
  // Nothing inline, which this policy would stop.
  EXPECT_THAT(response.body, Not(HasSubstr(" style=")));
  EXPECT_THAT(response.body, Not(HasSubstr("<style")));
  EXPECT_FALSE(has_handler(response.body));
  EXPECT_GT(count(response.body, "<script"), 0U);
  EXPECT_EQ(count(response.body, "<script"), count(response.body, "<script src=\"/assets/"));
}

TEST_F(Page, NamesNoOtherHost) {
  const auto body = get("/").body;
  auto named = addresses(body, "href");
  named.merge(addresses(body, "src"));
  EXPECT_GE(named.size(), 5);
  for (const auto& address : named) {
    EXPECT_TRUE(address.starts_with("data:") || address.starts_with("#") ||
                (address.starts_with("/") && !address.starts_with("//")))
        << address;
  }
}

TEST_F(Page, EachAssetItNamesIsThereAndStays) {
  const auto body = get("/").body;
  auto named = addresses(body, "href");
  named.merge(addresses(body, "src"));
  int found = 0;
  for (const auto& address : named) {
    if (!address.starts_with("/assets/")) continue;
    ++found;
    const auto response = get(address);
    EXPECT_EQ(response.status, 200) << address;
    EXPECT_GT(response.fixed_body.size(), 1000) << address;
    EXPECT_TRUE(response.body.empty()) << "a copy of " << address;
    EXPECT_EQ(response.content_type,
              address.ends_with(".css") ? "text/css; charset=utf-8" : "text/javascript; charset=utf-8");
    EXPECT_EQ(response.cache_control, "private, max-age=31536000, immutable");
    const auto etag = header(response, "ETag");
    EXPECT_THAT(address, HasSubstr(etag.substr(1, etag.size() - 2))) << "its address holds its hash";
    const auto again = get(address, {{"If-None-Match", etag}});
    EXPECT_EQ(again.status, 304);
    EXPECT_TRUE(again.fixed_body.empty());
    EXPECT_EQ(get(address, {{"If-None-Match", "\"other\""}}).status, 200);
  }
  EXPECT_EQ(found, 3);
  EXPECT_EQ(get("/assets/page.js").status, 404);
  EXPECT_EQ(get("/").cache_control, "no-store");
}

TEST_F(Page, ItsScriptIsWhole) {
  for (const auto& asset : assets()) {
    if (asset.name.starts_with("page-") && asset.name.ends_with(".js")) {
      EXPECT_TRUE(asset.bytes.starts_with("'use strict';\n(() => {\n"));
      EXPECT_TRUE(asset.bytes.ends_with("})();\n"));
    }
    EXPECT_EQ(asset.bytes.find("sourceMappingURL"), std::string_view::npos) << asset.name;
  }
}

TEST_F(Page, StatusSaysWhatThePageNeedsOfTheProcess) {
  auto view = std::make_shared<view::View>(*world_.views.current());
  view->started = kNow;
  view->not_ready = {"plant: first look"};
  view->last_reload_successful = false;
  view->last_reload_error = "config.yml:3";
  view->last_reload_changes = {"target a: added"};
  view->settings_warnings = {"config.yml:4: odd"};
  world_.views.publish(view);
  const auto body = Json::parse(get("/api/v1/status").body);
  EXPECT_EQ(body["page"], std::string(page_version()));
  EXPECT_THAT(get("/").body, HasSubstr("content=\"" + std::string(page_version()) + "\""));
  EXPECT_EQ(body["started"], "2026-11-23T10:00:00.000Z");
  EXPECT_EQ(body["ready"], false);
  EXPECT_EQ(body["waiting_for"][0], "plant: first look");
  EXPECT_EQ(body["reload"]["error"], "config.yml:3");
  EXPECT_EQ(body["reload"]["changes"], Json({"target a: added"}));
  EXPECT_EQ(body["reload"]["warnings"], Json({"config.yml:4: odd"}));
}

TEST_F(Page, SamplesComeOldestFirstWithNullWhereNothingWasKnown) {
  const auto body = Json::parse(get("/api/v1/targets/plant/samples").body);
  EXPECT_EQ(body["target"], "plant");
  EXPECT_EQ(body["samples"].size(), 6);
  EXPECT_EQ(body["samples"][0].dump(),
            R"({"time":"2026-11-23T09:55:00.000Z","pending_files":31,"pending_bytes":1000,"retained_files":2,)"
            R"("retained_bytes":5,"health":"warning"})");
  EXPECT_EQ(body["samples"][5]["health"], "unknown");
  EXPECT_TRUE(body["samples"][5]["pending_bytes"].is_null());
  EXPECT_EQ(Json::parse(get("/api/v1/targets/plant/samples?limit=2").body)["samples"].size(), 2);
  EXPECT_EQ(Json::parse(get("/api/v1/targets/plant/samples?since=2026-11-23T09:58:00Z").body)["samples"].size(), 3);
}

TEST_F(Page, SamplesRefuseWhatTheyDoNotUnderstand) {
  for (const auto* query : {"limit=0", "limit=2001", "since=", "since=yesterday", "since=1&since=2"}) {
    EXPECT_EQ(get(std::string("/api/v1/targets/plant/samples?") + query).status, 400) << query;
  }
  EXPECT_EQ(get("/api/v1/targets/nobody/samples").status, 404);
}

}  // namespace
}  // namespace wal_exporter::web
