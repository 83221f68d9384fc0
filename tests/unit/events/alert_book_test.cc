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
using ::testing::HasSubstr;
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
  event.id = 0;  // applied however often
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
  event.detail = R"({"to":"critical","replay":{"files":75,"text":"75 files, 3.5 GiB, about 2m 30s"},)"
                 R"("next":"Checkpoint held: paused","recommendations":["Immediate checkpoint required"]})";
  EXPECT_TRUE(book.apply(event, true));
  const Payload payload = book.payload(kNow + 30s);
  EXPECT_EQ(payload.method + " " + payload.path, "POST /api/v2/alerts");
  EXPECT_EQ(
      payload.body,
      R"([{"labels":{"team":"db","alertname":"InfluxDBWALHealth","target":"plant","severity":"critical",)"
      R"("source":"influxdb_wal_exporter"},"annotations":{"summary":"The WAL of InfluxDB is critical",)"
      R"("description":"health -> critical\nImmediate checkpoint required","replay":"75 files, 3.5 GiB, about 2m 30s",)"
      R"("next":"Checkpoint held: paused","resolved":"No news from the exporter since 2026-01-30 10:30 UTC: the alert )"
      R"(has run out, and nobody knows whether its cause is over.","runbook_url":"/rules/runbooks/InfluxDBWALCritical.md",)"
      R"("dashboard_url":"/d/influxdb-wal-target?var-target=plant"},)"
      R"("startsAt":"2026-01-30T10:30:00.000Z","endsAt":"2026-01-31T10:30:30.000Z"}])");
}

std::string resolved(const AlertBook& book, Time now) {
  return Json::parse(book.payload(now).body).at(0)["annotations"]["resolved"];
}

TEST(Alerts, TheTextOfAnEndNeverSaysThatAllIsWell) {
  AlertBook book({}, 1min);
  EXPECT_TRUE(book.apply(health_event(1, "critical", Severity::critical), true));
  EXPECT_THAT(resolved(book, kNow + 3h), HasSubstr("No news from the exporter since 2026-01-30 13:30 UTC"));
  EXPECT_TRUE(book.apply(health_event(2, "healthy", Severity::info, kNow + 4h), true));
  EXPECT_EQ(resolved(book, kNow + 4h), "The WAL of InfluxDB was critical.");
}

// Each minute critical and healthy again: an alert, its end, and then one that stays.
TEST(Alerts, OneThatComesAndGoesIsHeld) {
  AlertBook book({}, 1min);
  std::vector<std::string> told;
  std::string before;
  for (int minute = 0; minute < 60; ++minute) {
    const Time now = kNow + minute * 1min;
    const bool critical = minute % 2 == 0;
    book.apply(health_event(minute + 1, critical ? "critical" : "healthy",
                            critical ? Severity::critical : Severity::info, now),
               true);
    book.forget(now);
    const std::string shows = shown(book, now).at(0);
    if (shows != before) told.push_back(shows);
    before = shows;
  }
  EXPECT_THAT(told,
              ElementsAre("InfluxDBWALHealth/critical+", "InfluxDBWALHealth/critical", "InfluxDBWALHealth/critical+"));
  const Json sent = Json::parse(book.payload(kNow + 1h).body);
  EXPECT_THAT(sent[0]["annotations"]["description"].get<std::string>(),
              HasSubstr("It has fired 30 times since 2026-01-30 10:30 UTC"));
  EXPECT_EQ(sent[0]["endsAt"], "2026-01-30T11:59:00.000Z");  // half an hour after the last end
  EXPECT_EQ(resolved(book, kNow + 1h),
            "The WAL of InfluxDB was critical. It fired 30 times since 2026-01-30 10:30 UTC.");
  EXPECT_THAT(shown(book, kNow + 89min), ElementsAre("InfluxDBWALHealth/critical"));
  // More than an hour later it is another trouble.
  EXPECT_TRUE(book.apply(health_event(99, "critical", Severity::critical, kNow + 150min), true));
  EXPECT_EQ(book.alerts().front().times, 1U);
}

TEST(Alerts, AHeldOneIsTakenUpAgainWhileTheOtherSeverityEnds) {
  AlertBook book({}, 1min);
  for (int round = 0; round < 3; ++round) {
    const Time now = kNow + round * 3min;
    book.apply(health_event(3 * round + 1, "warning", Severity::warning, now), true);
    book.apply(health_event(3 * round + 2, "critical", Severity::critical, now + 1min), true);
    book.apply(health_event(3 * round + 3, "healthy", Severity::info, now + 2min), true);
  }
  EXPECT_TRUE(book.apply(health_event(10, "warning", Severity::warning, kNow + 9min), true));
  // Critical ends half an hour after it was so, the warning not before something ends it.
  for (const Alert& alert : book.alerts()) {
    EXPECT_EQ(alert.ends.has_value(), alert.severity == Severity::critical);
    EXPECT_LE(alert.ends.value_or(kNow), kNow + 39min);
  }
}

TEST(Alerts, TheWatchdogIsToldAllTheTimeAndEndsSoon) {
  AlertBook book({{"instance", "host:3002"}}, 1min, /*watchdog=*/true);
  EXPECT_TRUE(book.tells(kNow));
  static_cast<void>(book.payload(kNow));
  const Json sent = Json::parse(book.payload(kNow + 1h).body);
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(
      sent[0]["labels"].dump(),
      R"({"instance":"host:3002","alertname":"InfluxDBWALWatchdog","severity":"none","source":"influxdb_wal_exporter"})");
  EXPECT_EQ(sent[0]["startsAt"], "2026-01-30T10:30:00.000Z");
  EXPECT_EQ(sent[0]["endsAt"], "2026-01-30T11:34:00.000Z");
  EXPECT_THAT(sent[0]["annotations"]["resolved"].get<std::string>(),
              HasSubstr("No news from the exporter since 2026-01-30 11:30 UTC"));
}

TEST(Alerts, ATargetThatLeavesIsToldAsLeavingAndComesBackWithItsAlert) {
  AlertBook book({}, 1min);
  EXPECT_TRUE(book.apply(health_event(1, "critical", Severity::critical), true));
  EXPECT_TRUE(book.keep_targets({"lab"}, kNow + 1min));
  EXPECT_THAT(resolved(book, kNow + 1min),
              HasSubstr("was removed from the exporter's settings while this alert was active: nothing has cured it"));
  // What comes only now begins nothing; that it left is told once.
  EXPECT_FALSE(book.apply(checkpoint_event(2, "failed", kNow + 2min), true));
  EXPECT_FALSE(book.apply(health_event(3, "removed", Severity::warning, kNow + 2min), true));
  EXPECT_FALSE(book.tells(kNow + 1h));
  book.forget(kNow + 48h);
  AlertBook again({}, 1min);
  again.restore(book.memory());
  EXPECT_TRUE(again.keep_targets({"lab", "plant"}, kNow + 48h));
  EXPECT_THAT(shown(again, kNow + 48h), ElementsAre("InfluxDBWALHealth/critical+"));
  EXPECT_EQ(again.alerts().front().starts, kNow + 48h);
  // One whose cause ended meanwhile stays away.
  EXPECT_TRUE(again.keep_targets({"lab"}, kNow + 49h));
  again.apply(health_event(4, "healthy", Severity::info, kNow + 49h), true);
  EXPECT_FALSE(again.keep_targets({"plant"}, kNow + 50h));
  EXPECT_THAT(shown(again, kNow + 50h), ElementsAre("InfluxDBWALHealth/critical"));
}

TEST(Alerts, AFirstContactTellsOnlyWhatIsActive) {
  AlertBook book({}, 1min);
  EXPECT_TRUE(book.apply(checkpoint_event(1, "failed"), true));
  EXPECT_TRUE(book.apply(checkpoint_event(2, "succeeded", kNow + 1min), true));
  EXPECT_TRUE(book.apply(health_event(3, "critical", Severity::critical, kNow + 2min), true));
  book.begin(kNow + 3min);
  EXPECT_THAT(shown(book, kNow + 3min), ElementsAre("InfluxDBWALHealth/critical+"));
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
  EXPECT_TRUE(book.tells(kNow + 15min));
  EXPECT_FALSE(book.tells(kNow + 15min + 1s));
  EXPECT_EQ(book.payload(kNow + 16min).body, "[]");
  // Whether it comes back is seen for an hour.
  book.forget(kNow + 1h);
  EXPECT_EQ(book.alerts().size(), 1U);
  book.forget(kNow + 1h + 1s);
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
