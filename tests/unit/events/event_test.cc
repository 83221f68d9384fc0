#include "events/event.h"

#include <gmock/gmock.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "events/bus.h"
#include "events/restart_step.h"
#include "paths.h"

namespace wal_exporter::events {
namespace {

using ::testing::ElementsAre;

TEST(EventType, NamesAreThoseOfTheOlderServiceAndTheRestart) {
  EXPECT_THAT(names_of(kTypes),
              ElementsAre("wal.health", "wal.checkpoint", "wal.restart_consideration", "wal.restart"));
}

TEST(EventType, EveryNameIsReadBackAndNothingElse) {
  for (const auto& [type, name] : kTypes) EXPECT_EQ(parse_type(to_string(type)), type);
  EXPECT_EQ(parse_type("wal.other"), std::nullopt);
  for (const auto& [severity, name] : kSeverities) EXPECT_EQ(parse_severity(to_string(severity)), severity);
  EXPECT_EQ(parse_severity("Warning"), std::nullopt);
}

TEST(EventSchema, NamesWhatTheTablesName) {
  std::ifstream file(std::string(tests::kSource) + "/exporter/events/schema/event.json");
  const auto schema = nlohmann::json::parse(file);
  EXPECT_EQ(schema.at("/properties/type/enum"_json_pointer), nlohmann::json(names_of(kTypes)));
  EXPECT_EQ(schema.at("/properties/severity/enum"_json_pointer), nlohmann::json(names_of(kSeverities)));
  EXPECT_EQ(schema.at("/properties/detail/properties/severity/enum"_json_pointer),
            nlohmann::json(names_of(kSeverities)));
  nlohmann::json steps;
  for (const auto& branch : schema.at("oneOf")) {
    if (branch.at("/properties/type/const"_json_pointer) != "wal.restart") continue;
    steps = branch.at("/properties/detail/properties/step/enum"_json_pointer);
  }
  EXPECT_EQ(steps, nlohmann::json(names_of(kRestartSteps)));
}

TEST(RestartSteps, AskForAPersonWhereInfluxdbIsNotUp) {
  EXPECT_EQ(severity_of(RestartStep::failed), Severity::critical);
  EXPECT_EQ(severity_of(RestartStep::refused), Severity::warning);
  EXPECT_EQ(severity_of(RestartStep::not_prepared), Severity::warning);
  EXPECT_EQ(severity_of(RestartStep::ready), Severity::info);
}

TEST(Event, StartsWithoutARowInTheAudit) {
  const Event event;
  EXPECT_EQ(event.id, 0);
  EXPECT_EQ(event.type, Type::health);
}

Event example() {
  Event event;
  event.id = 7;
  event.time = Time(std::chrono::seconds(1'769'769'000));
  event.target = "plant";
  event.type = Type::checkpoint;
  event.severity = Severity::warning;
  event.summary = "checkpoint failed";
  event.detail = R"({"state":"ended","reason":"critical"})";
  return event;
}

TEST(EventJson, HasTheFieldsOfTheSchemaInOrder) {
  EXPECT_EQ(to_json(example()).dump(),
            R"({"id":7,"time":"2026-01-30T10:30:00.000Z","target":"plant","type":"wal.checkpoint",)"
            R"("severity":"warning","summary":"checkpoint failed","detail":{"state":"ended","reason":"critical"}})");
}

TEST(EventJson, BytesThatAreNotUtf8AndADetailThatIsNoObjectStayValidJson) {
  Event event = example();
  event.target = "p\xff";
  event.summary = "\xc3";
  event.detail = "[1";
  const auto json = to_json(event);
  EXPECT_EQ(json["target"], "p\uFFFD");
  EXPECT_EQ(json["detail"].dump(), "{}");
  EXPECT_FALSE(json.dump().empty());
}

TEST(Bus, TellsEveryListenerUntilItUnsubscribes) {
  Bus bus;
  std::vector<std::int64_t> first;
  std::vector<std::int64_t> second;
  const auto one = bus.subscribe([&](const std::shared_ptr<const Event>& event) { first.push_back(event->id); });
  const auto two = bus.subscribe([&](const std::shared_ptr<const Event>& event) { second.push_back(event->id); });
  bus.publish(example());
  bus.unsubscribe(one);
  Event later = example();
  later.id = 8;
  bus.publish(later);
  bus.unsubscribe(two);
  bus.publish(later);
  EXPECT_THAT(first, ElementsAre(7));
  EXPECT_THAT(second, ElementsAre(7, 8));
}

}  // namespace
}  // namespace wal_exporter::events
