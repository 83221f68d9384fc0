#include <gmock/gmock.h>

#include "routes.h"

namespace wal_exporter::web {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

using Events = Routes;

std::vector<std::int64_t> ids(const Json& body) {
  std::vector<std::int64_t> out;
  for (const auto& event : body["events"]) out.push_back(event["id"].get<std::int64_t>());
  return out;
}

TEST_F(Events, AreNewestFirstAndPaged) {
  const auto first = json(get("/api/v1/events?limit=2"));
  EXPECT_THAT(ids(first), ElementsAre(5, 4));
  EXPECT_EQ(first["next_before"], 4);
  const auto last = json(get("/api/v1/events?limit=10&before=3"));
  EXPECT_THAT(ids(last), ElementsAre(2, 1));
  EXPECT_EQ(last["next_before"], nullptr);
  EXPECT_THAT(keys(last["events"][0]), ElementsAre("id", "time", "target", "type", "severity", "summary", "detail"));
}

TEST_F(Events, AreFilteredByTargetAndType) {
  EXPECT_EQ(get("/api/v1/events?target=plant&type=wal.checkpoint").status, 200);
  EXPECT_EQ(world_.commands.asked_for.target, "plant");
  EXPECT_EQ(world_.commands.asked_for.type, events::Type::checkpoint);
}

TEST_F(Events, WhatMakesNoSenseIsToldWithWhatWouldBeRight) {
  EXPECT_EQ(get("/api/v1/events?target=nobody").status, 404);
  const auto response = get("/api/v1/events?type=health");
  EXPECT_EQ(response.status, 400);
  EXPECT_THAT(json(response)["error"].get<std::string>(),
              HasSubstr("wal.health, wal.checkpoint, wal.restart_consideration, wal.restart"));
  EXPECT_EQ(get("/api/v1/events?limit=0").status, 400);
  EXPECT_EQ(get("/api/v1/events?limit=1001").status, 400);
  EXPECT_EQ(get("/api/v1/events/stream?last_event_id=x").status, 400);
  world_.commands.broken = true;
  EXPECT_EQ(get("/api/v1/events").status, 500);
}

TEST_F(Events, AStreamBeginsWithWhatComesNext) {
  const auto response = get("/api/v1/events/stream");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.content_type, "text/event-stream; charset=utf-8");
  EXPECT_THAT(response.body, StartsWith("retry: "));
  ASSERT_TRUE(response.stream);
  EXPECT_EQ(response.stream(), "");
  world_.commands.newest = 6;
  const auto part = response.stream().value();
  EXPECT_THAT(part, StartsWith("id: 6\nevent: wal.health\ndata: {\"id\":6,"));
  // A line break in a text never ends the message.
  EXPECT_THAT(part, HasSubstr(R"(warning\nsecond line)"));
  EXPECT_EQ(response.stream(), "");
}

TEST_F(Events, AStreamGoesOnAfterTheLastEventThatWasSeen) {
  for (const auto& response :
       {ask("GET", "/api/v1/events/stream", {{"Last-Event-ID", "3"}}), get("/api/v1/events/stream?last_event_id=3")}) {
    const auto part = response.stream().value();
    EXPECT_THAT(part, StartsWith("id: 4\n"));
    EXPECT_THAT(part, HasSubstr("\n\nid: 5\n"));
    break;  // there is one place
  }
}

TEST_F(Events, AnIdFromBeforeTheStateWasMadeAnewIsNotWaitedFor) {
  const auto response = ask("GET", "/api/v1/events/stream", {{"Last-Event-ID", "900"}});
  EXPECT_EQ(response.stream(), "");
  world_.commands.newest = 6;
  EXPECT_THAT(response.stream().value(), StartsWith("id: 6\n"));
}

TEST_F(Events, ASilentStreamSaysNowAndThenThatItIsThere) {
  const auto response = get("/api/v1/events/stream");
  EXPECT_EQ(response.stream(), "");
  world_.clock.advance(std::chrono::seconds(6));
  EXPECT_EQ(response.stream(), ": still here\n\n");
  EXPECT_EQ(response.stream(), "");
}

TEST_F(Events, AStreamMoreThanThereArePlacesIsRefusedAndAFreedPlaceServesTheNext) {
  {
    const auto held = get("/api/v1/events/stream");
    ASSERT_TRUE(held.stream);
    const auto refused = get("/api/v1/events/stream");
    EXPECT_EQ(refused.status, 503);
    EXPECT_EQ(header(refused, "Retry-After"), "10");
    EXPECT_FALSE(refused.stream);
  }
  EXPECT_EQ(get("/api/v1/events/stream").status, 200);
}

TEST_F(Events, AStreamEndsWhenTheExporterShutsDown) {
  const auto response = get("/api/v1/events/stream");
  world_.commands.broken = true;
  EXPECT_EQ(response.stream(), std::nullopt);
}

TEST_F(Events, AStreamEndsAfterAQuarterOfAnHourSoThatALoginIsShownAgain) {
  const auto response = get("/api/v1/events/stream");
  world_.clock.advance(std::chrono::minutes(15));
  EXPECT_EQ(response.stream(), std::nullopt);
}

TEST_F(Events, AStreamNeedsALoginWhereUsersAreConfigured) {
  with_users();
  EXPECT_EQ(get("/api/v1/events/stream").status, 401);
  EXPECT_EQ(ask("GET", "/api/v1/events/stream", kLogin).status, 200);
}

}  // namespace
}  // namespace wal_exporter::web
