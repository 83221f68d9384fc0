#include "policy/blockers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace wal_exporter::policy {
namespace {

using testing::ElementsAre;
using testing::UnorderedElementsAre;

std::vector<Blocker> those(bool BlockerRow::*column) {
  std::vector<Blocker> out;
  for (const BlockerRow& row : kBlockers) {
    if (row.*column) out.push_back(row.value);
  }
  return out;
}

TEST(BlockerTable, ALoginLiftsWindows) {
  EXPECT_THAT(those(&BlockerRow::lifted_by_login), UnorderedElementsAre(Blocker::outside_window, Blocker::maintenance));
}

TEST(BlockerTable, APersonPassesOverTheWaitsAfterFailures) {
  EXPECT_THAT(those(&BlockerRow::passed_over), UnorderedElementsAre(Blocker::backoff, Blocker::breaker_open));
}

TEST(BlockerTable, WhatIsOverAfterAKnownTimeEndsByItself) {
  EXPECT_THAT(those(&BlockerRow::ends_by_itself),
              UnorderedElementsAre(Blocker::in_flight, Blocker::cooldown, Blocker::min_interval, Blocker::backoff,
                                   Blocker::breaker_open));
}

TEST(BlockerTable, ARestartIsHeldBackByWhatIsNotOfCheckpointsAlone) {
  EXPECT_THAT(those(&BlockerRow::holds_a_restart),
              UnorderedElementsAre(Blocker::in_flight, Blocker::outside_window, Blocker::maintenance, Blocker::paused,
                                   Blocker::sample_stale, Blocker::disk_headroom));
  EXPECT_THAT(those(&BlockerRow::passing), UnorderedElementsAre(Blocker::in_flight, Blocker::sample_stale));
}

TEST(Blocked, StandInTheOrderOfTheEnumAndTwoOfOneInTheOrderTheyCame) {
  std::vector<Blocked> blockers;
  add(blockers, {Blocker::paused, "c"});
  add(blockers, {Blocker::in_flight, "a"});
  add(blockers, {Blocker::in_flight, "b"});
  EXPECT_THAT(blockers, ElementsAre(Blocked{Blocker::in_flight, "a"}, Blocked{Blocker::in_flight, "b"},
                                    Blocked{Blocker::paused, "c"}));
  EXPECT_THAT(names(blockers), ElementsAre("in_flight", "in_flight", "paused"));
}

TEST(Explained, IsTheOneThatAPersonHasToKnowOf) {
  const Time now{};
  EXPECT_EQ(explain("31 files", {}), "31 files");
  EXPECT_EQ(explain("31 files",
                    {{Blocker::in_flight, "it runs"}, {Blocker::min_interval, "soon", now + std::chrono::hours(1)}}),
            "31 files; blocked by in_flight: it runs");
  EXPECT_EQ(explain("", {{Blocker::backoff, "long", now + std::chrono::minutes(9)},
                         {Blocker::breaker_open, "short", now + std::chrono::minutes(5)}}),
            "; blocked by backoff: long");
  EXPECT_EQ(
      explain("", {{Blocker::in_flight, "it runs"}, {Blocker::paused, "by alice"}, {Blocker::disk_headroom, "full"}}),
      "; blocked by paused: by alice; also blocked by disk_headroom");
}

}  // namespace
}  // namespace wal_exporter::policy
