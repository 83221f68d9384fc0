#include "events/event.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <vector>

#include "events/bus.h"

namespace wal_exporter::events {
namespace {

using ::testing::ElementsAre;

TEST(EventType, NamesAreThoseOfTheOlderServiceAndTheRestart) {
  std::vector<std::string_view> names;
  for (const Type type : kTypes) names.push_back(to_string(type));
  EXPECT_THAT(names, ElementsAre("wal.health", "wal.checkpoint", "wal.restart_consideration", "wal.restart"));
}

TEST(EventType, EveryNameIsReadBackAndNothingElse) {
  for (const Type type : kTypes) EXPECT_EQ(parse_type(to_string(type)), type);
  EXPECT_EQ(parse_type("wal.other"), std::nullopt);
  for (const Severity severity : kSeverities) EXPECT_EQ(parse_severity(to_string(severity)), severity);
  EXPECT_EQ(parse_severity("Warning"), std::nullopt);
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
