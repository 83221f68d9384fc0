#include "events/event.h"

#include <gmock/gmock.h>

namespace walx::events {
namespace {

using ::testing::ElementsAre;

TEST(EventType, NamesAreThoseOfTheOlderService) {
  std::vector<std::string_view> names;
  for (const Type type : kTypes) names.push_back(to_string(type));
  EXPECT_THAT(names, ElementsAre("wal.health", "wal.checkpoint", "wal.restart_consideration", "wal.restart"));
}

TEST(Event, StartsWithoutARowInTheAudit) {
  const Event event;
  EXPECT_EQ(event.id, 0);
  EXPECT_EQ(event.type, Type::health);
}

}  // namespace
}  // namespace walx::events
