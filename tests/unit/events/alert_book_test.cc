// The alerts that events make, and how Alertmanager is told.
#include "events/alert_book.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "support.h"

namespace wal_exporter::events {
namespace {

using namespace std::chrono_literals;
using Json = nlohmann::ordered_json;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAreArray;

Event checkpoint_event(std::int64_t id, const std::string& outcome, Time time = kNow) {
  Event event;
  event.id = id;
  event.time = time;
  event.target = "plant";
  event.type = Type::checkpoint;
  event.severity = outcome == "failed" || outcome == "unverified" ? Severity::warning : Severity::info;
  event.summary = "checkpoint " + outcome;
  event.detail = R"({"state":"ended","outcome":")" + outcome + R"("})";
  return event;
}

Event other_event(Type type, Severity severity) {
  Event event;
  event.id = 9;
  event.time = kNow;
  event.target = "plant";
  event.type = type;
  event.severity = severity;
  event.summary = "look";
  event.detail = "{}";
  return event;
}

// "name/severity" with a "+" where it is active at `now`.
std::vector<std::string> shown(const AlertBook& book, Time now = kNow) {
  std::vector<std::string> out;
  for (const Alert& alert : book.alerts()) {
    out.push_back(alert.name + "/" + std::string(to_string(alert.severity)) +
                  (!alert.ends || *alert.ends > now ? "+" : ""));
  }
  return out;
}

TEST(Alerts, AreSentAsAlertmanagerTakesThem) {
  AlertBook book({{"team", "db"}}, 1min);
  Event event = health_event(7, "critical", Severity::critical);
  event.detail = R"({"to":"critical","recommendations":["Immediate checkpoint required"]})";
  EXPECT_TRUE(book.apply(event, true));
  const Payload payload = book.payload(kNow + 30s);
  EXPECT_EQ(payload.method + " " + payload.path, "POST /api/v2/alerts");
  EXPECT_EQ(payload.body,
            R"([{"labels":{"team":"db","alertname":"InfluxDBWALHealth","target":"plant","severity":"critical",)"
            R"("source":"influxdb_wal_exporter"},"annotations":{"summary":"The WAL of InfluxDB is critical",)"
            R"("description":"health -> critical\nImmediate checkpoint required"},)"
            R"("startsAt":"2026-01-30T10:30:00.000Z","endsAt":"2026-01-30T10:34:30.000Z"}])");
}

TEST(Alerts, HealthyResolvesAtTheTimeOfItsEvent) {
  AlertBook book({}, 1min);
  EXPECT_TRUE(book.apply(health_event(1, "warning", Severity::warning), true));
  EXPECT_TRUE(book.apply(health_event(2, "healthy", Severity::info, kNow + 5min), true));
  EXPECT_THAT(shown(book, kNow + 5min), ElementsAre("InfluxDBWALHealth/warning"));
  const Json sent = Json::parse(book.payload(kNow + 6min).body);
  EXPECT_EQ(sent[0]["endsAt"], "2026-01-30T10:35:00.000Z");
}

TEST(Alerts, AnotherSeverityIsAnotherAlert) {
  AlertBook book({}, 1min);
  EXPECT_TRUE(book.apply(health_event(1, "warning", Severity::warning), true));
  EXPECT_TRUE(book.apply(health_event(2, "critical", Severity::critical, kNow + 1s), true));
  EXPECT_THAT(shown(book, kNow + 1s), ElementsAre("InfluxDBWALHealth/warning", "InfluxDBWALHealth/critical+"));
  // Back again: one alert of each severity, never the same twice.
  EXPECT_TRUE(book.apply(health_event(3, "warning", Severity::warning, kNow + 2s), true));
  EXPECT_THAT(shown(book, kNow + 2s), ElementsAre("InfluxDBWALHealth/critical", "InfluxDBWALHealth/warning+"));
}

TEST(Alerts, TheSameAgainKeepsItsStartAndTakesTheNewWords) {
  AlertBook book({}, 1min);
  EXPECT_TRUE(book.apply(health_event(1, "warning", Severity::warning), true));
  Event later = health_event(2, "warning", Severity::warning, kNow + 1min);
  later.summary = "more";
  EXPECT_TRUE(book.apply(later, true));
  ASSERT_EQ(book.alerts().size(), 1U);
  EXPECT_EQ(book.alerts()[0].starts, kNow);
  EXPECT_EQ(book.alerts()[0].description, "more");
}

TEST(Alerts, WhatIsBelowTheWantedSeverityOnlyResolves) {
  AlertBook book({}, 1min);
  EXPECT_FALSE(book.apply(health_event(1, "warning", Severity::warning), false));
  EXPECT_THAT(shown(book), IsEmpty());
  EXPECT_TRUE(book.apply(health_event(2, "critical", Severity::critical), true));
  EXPECT_TRUE(book.apply(health_event(3, "warning", Severity::warning), false));
  EXPECT_THAT(shown(book), ElementsAre("InfluxDBWALHealth/critical"));
}

TEST(Alerts, UnknownIsAnAlertOfItsOwnAndLeavesTheLastKnownOneActive) {
  AlertBook book({}, 1min);
  EXPECT_TRUE(book.apply(health_event(1, "critical", Severity::critical), true));
  EXPECT_TRUE(book.apply(health_event(2, "unknown", Severity::warning, kNow + 1s), true));
  EXPECT_THAT(shown(book, kNow + 1s), ElementsAre("InfluxDBWALHealth/critical+", "InfluxDBWALHealthUnknown/warning+"));
  const Json sent = Json::parse(book.payload(kNow + 1s).body);
  EXPECT_EQ(sent[1]["annotations"]["summary"], "The health of InfluxDB's WAL is unknown");
  // The same as before: it goes on since then.
  EXPECT_TRUE(book.apply(health_event(3, "critical", Severity::critical, kNow + 2s), true));
  EXPECT_THAT(shown(book, kNow + 2s), ElementsAre("InfluxDBWALHealth/critical+", "InfluxDBWALHealthUnknown/warning"));
  EXPECT_EQ(book.alerts()[0].starts, kNow);
}

TEST(Alerts, UnknownBelowTheWantedSeverityLeavesACriticalOneActive) {
  AlertBook book({}, 1min);
  EXPECT_TRUE(book.apply(health_event(1, "critical", Severity::critical), true));
  EXPECT_FALSE(book.apply(health_event(2, "unknown", Severity::warning, kNow + 1s), false));
  EXPECT_THAT(shown(book, kNow + 1s), ElementsAre("InfluxDBWALHealth/critical+"));
}

TEST(Alerts, EachKnownHealthEndsThatOfAnUnknownOne) {
  for (const auto& [to, severity] : {std::pair("healthy", Severity::info), std::pair("warning", Severity::warning)}) {
    AlertBook book({}, 1min);
    EXPECT_TRUE(book.apply(health_event(1, "critical", Severity::critical), true));
    EXPECT_TRUE(book.apply(health_event(2, "unknown", Severity::warning, kNow + 1s), true));
    EXPECT_TRUE(book.apply(health_event(3, to, severity, kNow + 2s), false)) << to;
    EXPECT_THAT(shown(book, kNow + 2s), ElementsAre("InfluxDBWALHealth/critical", "InfluxDBWALHealthUnknown/warning"))
        << to;
  }
}

TEST(Alerts, ACheckpointsFailureEndsWithTheNextSuccess) {
  AlertBook book({}, 1min);
  EXPECT_FALSE(book.apply(checkpoint_event(1, "succeeded"), true));
  EXPECT_TRUE(book.apply(checkpoint_event(2, "failed"), true));
  EXPECT_FALSE(book.apply(checkpoint_event(3, "busy"), true));
  EXPECT_THAT(shown(book), ElementsAre("InfluxDBWALCheckpointFailed/warning+"));
  EXPECT_TRUE(book.apply(checkpoint_event(4, "unverified", kNow + 1s), true));
  EXPECT_THAT(shown(book, kNow + 1s),
              ElementsAre("InfluxDBWALCheckpointFailed/warning", "InfluxDBWALCheckpointUnverified/warning+"));
  EXPECT_TRUE(book.apply(checkpoint_event(5, "no_op", kNow + 2s), true));
  EXPECT_THAT(shown(book, kNow + 2s),
              ElementsAre("InfluxDBWALCheckpointFailed/warning", "InfluxDBWALCheckpointUnverified/warning"));
}

TEST(Alerts, OneThatOnlyStartedSaysNothing) {
  AlertBook book({}, 1min);
  Event started = checkpoint_event(1, "succeeded");
  started.detail = R"({"state":"started"})";
  EXPECT_FALSE(book.apply(started, true));
}

TEST(Alerts, ThoseAboutARestartEndByThemselves) {
  AlertBook book({}, 1min);
  EXPECT_TRUE(book.apply(other_event(Type::restart_consideration, Severity::critical), true));
  EXPECT_TRUE(book.apply(other_event(Type::restart, Severity::warning), true));
  EXPECT_FALSE(book.apply(other_event(Type::restart, Severity::info), true));
  const Json sent = Json::parse(book.payload(kNow).body);
  EXPECT_EQ(sent[0]["labels"]["alertname"], "InfluxDBWALRestartConsidered");
  EXPECT_EQ(sent[0]["endsAt"], "2026-01-30T11:30:00.000Z");
  EXPECT_TRUE(book.apply(health_event(3, "healthy", Severity::info, kNow + 1min), true));
  EXPECT_THAT(shown(book, kNow + 1min),
              ElementsAre("InfluxDBWALRestartConsidered/critical", "InfluxDBWALRestart/warning+"));
}

TEST(Alerts, ARestartThatWentWellEndsThatOfOneThatDidNot) {
  AlertBook book({}, 1min);
  EXPECT_TRUE(book.apply(other_event(Type::restart, Severity::critical), true));
  Event step = other_event(Type::restart, Severity::info);
  step.detail = R"({"step":"restarted"})";
  EXPECT_FALSE(book.apply(step, true));
  step.detail = R"({"step":"ready"})";
  EXPECT_TRUE(book.apply(step, true));
  EXPECT_THAT(shown(book), ElementsAre("InfluxDBWALRestart/critical"));
}

TEST(Alerts, EndedOnesAreToldForAQuarterOfAnHour) {
  AlertBook book({}, 1min);
  EXPECT_TRUE(book.apply(health_event(1, "warning", Severity::warning), true));
  EXPECT_TRUE(book.apply(health_event(2, "healthy", Severity::info), true));
  book.forget(kNow + 15min);
  EXPECT_EQ(book.alerts().size(), 1U);
  book.forget(kNow + 15min + 1s);
  EXPECT_THAT(book.alerts(), IsEmpty());
}

TEST(Alerts, OfATargetThatIsGoneEnd) {
  AlertBook book({}, 1min);
  EXPECT_TRUE(book.apply(health_event(1, "warning", Severity::warning), true));
  EXPECT_FALSE(book.keep_targets({"plant"}, kNow));
  EXPECT_TRUE(book.keep_targets({"lab"}, kNow + 1s));
  EXPECT_THAT(shown(book, kNow + 1s), ElementsAre("InfluxDBWALHealth/warning"));
}

TEST(Alerts, OfATargetThatIsRemovedEndAndNoneBegins) {
  AlertBook book({}, 1min);
  EXPECT_TRUE(book.apply(health_event(1, "critical", Severity::critical), true));
  EXPECT_TRUE(book.apply(checkpoint_event(2, "failed"), true));
  EXPECT_TRUE(book.apply(health_event(3, "removed", Severity::warning, kNow + 1s), true));
  EXPECT_THAT(shown(book, kNow + 1s), ElementsAre("InfluxDBWALHealth/critical", "InfluxDBWALCheckpointFailed/warning"));
  // Back, and as it was.
  EXPECT_TRUE(book.apply(health_event(4, "critical", Severity::critical, kNow + 2s), true));
  EXPECT_EQ(book.alerts().back().starts, kNow + 2s);
  EXPECT_EQ(book.alerts().back().ends, std::nullopt);
}

TEST(Alerts, WhoseEndTheFilterWouldNotHearOfEnd) {
  AlertBook book({}, 1min);
  EXPECT_TRUE(book.apply(health_event(1, "warning", Severity::warning), true));
  HookFilter filter;
  filter.types = {Type::health};
  filter.targets = {"plant"};
  EXPECT_FALSE(book.keep_concerned(filter, kNow));
  filter.types = {Type::restart};
  EXPECT_TRUE(book.keep_concerned(filter, kNow + 1s));
  EXPECT_EQ(book.alerts().front().ends, kNow + 1s);
}

TEST(Alerts, ComeBackFromMemoryAsTheyWere) {
  AlertBook book({{"team", "db"}}, 1min);
  EXPECT_TRUE(book.apply(health_event(1, "critical", Severity::critical), true));
  EXPECT_TRUE(book.apply(other_event(Type::restart, Severity::warning), true));
  AlertBook again({{"team", "db"}}, 1min);
  again.restore(book.memory());
  EXPECT_EQ(again.alerts(), book.alerts());
  again.restore(Json::parse(R"([1,{"name":"x"},{"name":"x","severity":"odd","starts":"2026-01-30T10:30:00Z"}])"));
  EXPECT_THAT(again.alerts(), IsEmpty());
}

TEST(Alerts, EventsReadAgainFromAnEarlierPlaceChangeNothing) {
  const std::vector<Event> events = {
      health_event(1, "warning", Severity::warning), health_event(2, "critical", Severity::critical, kNow + 1s),
      checkpoint_event(3, "failed", kNow + 2s), checkpoint_event(4, "succeeded", kNow + 3s),
      health_event(5, "healthy", Severity::info, kNow + 4s)};
  AlertBook book({}, 1min);
  for (const Event& event : events) static_cast<void>(book.apply(event, true));
  const auto once = shown(book, kNow + 4s);
  EXPECT_EQ(once.size(), 3U);
  for (const Event& event : events) static_cast<void>(book.apply(event, true));
  EXPECT_THAT(shown(book, kNow + 4s), UnorderedElementsAreArray(once));
}

TEST(Alerts, HostileTextStaysTextAndIsCut) {
  AlertBook book({{"quote", "\"\n\xff"}}, 1min);
  Event event = health_event(1, "critical", Severity::critical);
  event.target = "\"plant\"\n<b>\xff";
  event.summary = hostile_text();
  EXPECT_TRUE(book.apply(event, true));
  const Json sent = Json::parse(book.payload(kNow).body);
  EXPECT_EQ(sent[0]["labels"]["target"], "\"plant\"\n<b>\uFFFD");
  EXPECT_EQ(sent[0]["labels"]["quote"], "\"\n\uFFFD");
  EXPECT_LT(sent[0]["annotations"]["description"].get<std::string>().size(), 8001U);
}

TEST(Alerts, AClockSetBackGivesNoEndBeforeTheStart) {
  AlertBook book({}, 1min);
  EXPECT_TRUE(book.apply(health_event(1, "warning", Severity::warning), true));
  EXPECT_TRUE(book.apply(health_event(2, "healthy", Severity::info, kNow - 1h), true));
  const Json sent = Json::parse(book.payload(kNow - 1h).body);
  EXPECT_EQ(sent[0]["endsAt"], sent[0]["startsAt"]);
}

}  // namespace
}  // namespace wal_exporter::events
