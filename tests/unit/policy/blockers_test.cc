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

TEST(BlockerTable, ALoginLiftsFailuresAndWindows) {
  EXPECT_THAT(those(&BlockerRow::lifted_by_login), UnorderedElementsAre(Blocker::backoff, Blocker::breaker_open,
                                                                        Blocker::outside_window, Blocker::maintenance));
}

TEST(BlockerTable, WhatIsOverAfterAKnownTimeEndsByItself) {
  EXPECT_THAT(those(&BlockerRow::ends_by_itself),
              UnorderedElementsAre(Blocker::in_flight, Blocker::cooldown, Blocker::min_interval, Blocker::backoff,
                                   Blocker::breaker_open));
}

TEST(BlockerTable, AnAlertIsSentAgainForWhatIsSoonOver) {
  EXPECT_THAT(those(&BlockerRow::worth_a_retry),
              UnorderedElementsAre(Blocker::in_flight, Blocker::cooldown, Blocker::min_interval, Blocker::backoff,
                                   Blocker::server_unreachable, Blocker::sample_stale, Blocker::gen1_boundary));
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
  EXPECT_EQ(explain("31 files", blockers),
            "31 files; blocked by in_flight: a; blocked by in_flight: b; blocked by paused: c");
  EXPECT_THAT(names(blockers), ElementsAre("in_flight", "in_flight", "paused"));
}

}  // namespace
}  // namespace wal_exporter::policy
