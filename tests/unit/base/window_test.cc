#include "base/window.h"

#include <gtest/gtest.h>

#include "base/zone.h"

namespace wal_exporter {
namespace {

Time at(const char* text) {
  return parse_time(text).value();
}

Zone zone(const char* name) {
  const auto found = Zone::locate(name);
  EXPECT_TRUE(found) << (found ? "" : found.error().message);
  return found.value_or(Zone());
}

DailyWindow daily(const char* from, const char* to, const char* days = "1111111") {
  DailyWindow window;
  window.days = std::bitset<7>(days);  // from Saturday down to Sunday
  window.from = parse_time_of_day(from).value();
  window.to = parse_time_of_day(to).value();
  return window;
}

std::vector<Window> one(std::variant<DailyWindow, CronWindow, OnceWindow> when, const char* name = "UTC") {
  return {Window{std::move(when), zone(name)}};
}

CronWindow cron(const char* text, Duration length) {
  CronWindow window = parse_cron(text).value();
  window.length = length;
  return window;
}

TEST(Zone, AnUnknownNameIsToldWithTheRemedy) {
  const auto found = Zone::locate("Europe/Berln");
  ASSERT_FALSE(found);
  EXPECT_NE(found.error().message.find("'Europe/Berln' is not a time zone"), std::string::npos);
  EXPECT_NE(found.error().message.find("tzdata"), std::string::npos);
}

TEST(Zone, ATimeThatTheClockShowsTwiceIsItsFirstOrItsLastInstant) {
  const Zone berlin = zone("Europe/Berlin");
  const LocalTime local = parse_local_time("2026-10-25T02:30").value();
  EXPECT_EQ(berlin.to_time(local, Zone::Choose::first), at("2026-10-25T00:30:00Z"));
  EXPECT_EQ(berlin.to_time(local, Zone::Choose::last), at("2026-10-25T01:30:00Z"));
}

TEST(Zone, ATimeThatTheClockLeavesOutIsTheJump) {
  const Zone berlin = zone("Europe/Berlin");
  const LocalTime local = parse_local_time("2026-03-29T02:30").value();
  EXPECT_EQ(berlin.to_time(local, Zone::Choose::first), at("2026-03-29T01:00:00Z"));
}

TEST(DailyWindow, BeginsIncludedAndEndsExcluded) {
  const auto windows = one(daily("02:00", "04:00"));
  EXPECT_FALSE(is_inside(windows, at("2026-11-25T01:59:59Z")));
  EXPECT_TRUE(is_inside(windows, at("2026-11-25T02:00:00Z")));
  EXPECT_TRUE(is_inside(windows, at("2026-11-25T03:59:59Z")));
  EXPECT_FALSE(is_inside(windows, at("2026-11-25T04:00:00Z")));
}

TEST(DailyWindow, AcrossMidnightItBelongsToTheDayItBegan) {
  // Friday 22:00 to Saturday 06:00.
  const auto windows = one(daily("22:00", "06:00", "0100000"));
  EXPECT_FALSE(is_inside(windows, at("2026-11-27T21:59:59Z")));
  EXPECT_TRUE(is_inside(windows, at("2026-11-27T22:00:00Z")));
  EXPECT_TRUE(is_inside(windows, at("2026-11-28T05:59:59Z")));
  EXPECT_FALSE(is_inside(windows, at("2026-11-28T06:00:00Z")));
  EXPECT_FALSE(is_inside(windows, at("2026-11-28T22:00:00Z")));
}

TEST(DailyWindow, GoesByTheClockOfItsZone) {
  const auto windows = one(daily("22:00", "06:00"), "Europe/Berlin");
  EXPECT_FALSE(is_inside(windows, at("2026-11-25T20:59:59Z")));  // 21:59:59 in winter
  EXPECT_TRUE(is_inside(windows, at("2026-11-25T21:00:00Z")));
  EXPECT_FALSE(is_inside(windows, at("2026-07-25T19:59:59Z")));  // 21:59:59 in summer
  EXPECT_TRUE(is_inside(windows, at("2026-07-25T20:00:00Z")));
}

TEST(DailyWindow, TheNightOfASpringForwardIsAnHourShorter) {
  const auto windows = one(daily("22:00", "06:00"), "Europe/Berlin");
  const auto state = state_of(windows, at("2026-03-28T22:00:00Z"));
  EXPECT_TRUE(state.inside);
  EXPECT_EQ(state.until, at("2026-03-29T04:00:00Z"));
}

TEST(DailyWindow, TheNightOfAFallBackIsAnHourLonger) {
  const auto windows = one(daily("22:00", "06:00"), "Europe/Berlin");
  const auto state = state_of(windows, at("2026-10-24T21:00:00Z"));
  EXPECT_TRUE(state.inside);
  EXPECT_EQ(state.until, at("2026-10-25T05:00:00Z"));
}

TEST(DailyWindow, AnHourThatIsLeftOutOrComesTwiceIsFollowed) {
  const auto windows = one(daily("02:00", "03:00"), "Europe/Berlin");
  // Left out: 01:00Z is 03:00 already.
  EXPECT_FALSE(is_inside(windows, at("2026-03-29T00:59:59Z")));
  EXPECT_FALSE(is_inside(windows, at("2026-03-29T01:00:00Z")));
  // Twice: from the first 02:00 to the second 03:00.
  EXPECT_TRUE(is_inside(windows, at("2026-10-25T00:00:00Z")));
  EXPECT_TRUE(is_inside(windows, at("2026-10-25T01:59:59Z")));
  EXPECT_FALSE(is_inside(windows, at("2026-10-25T02:00:00Z")));
}

TEST(DailyWindow, OutsideItSaysWhenTheNextOneBegins) {
  const auto windows = one(daily("22:00", "23:00", "0000010"), "America/New_York");  // Mondays
  const auto state = state_of(windows, at("2026-11-25T12:00:00Z"));
  EXPECT_FALSE(state.inside);
  EXPECT_EQ(state.until, at("2026-12-01T03:00:00Z"));
}

TEST(DailyWindow, AWholeDayNeverEnds) {
  const auto windows = one(daily("00:00", "24:00"));
  const auto state = state_of(windows, at("2026-11-25T12:00:00Z"));
  EXPECT_TRUE(state.inside);
  EXPECT_TRUE(is_inside(windows, at("2026-11-26T00:00:00Z")));
}

TEST(CronWindow, LastsFromEveryTimeThatFits) {
  const auto windows = one(cron("30 2 * * sun", std::chrono::hours(2)));
  EXPECT_TRUE(is_inside(windows, at("2026-11-29T02:30:00Z")));
  EXPECT_TRUE(is_inside(windows, at("2026-11-29T04:29:59Z")));
  EXPECT_FALSE(is_inside(windows, at("2026-11-29T04:30:00Z")));
  EXPECT_FALSE(is_inside(windows, at("2026-11-28T02:30:00Z")));
}

TEST(CronWindow, ALongOneReachesOverDays) {
  const auto windows = one(cron("0 12 1 * *", std::chrono::hours(60)));
  EXPECT_TRUE(is_inside(windows, at("2026-12-03T23:59:59Z")));
  EXPECT_FALSE(is_inside(windows, at("2026-12-04T00:00:00Z")));
}

TEST(CronWindow, OverlappingOnesEndWithTheLast) {
  const auto windows = one(cron("*/30 2-3 * * *", std::chrono::minutes(45)));
  const auto state = state_of(windows, at("2026-11-25T02:10:00Z"));
  EXPECT_TRUE(state.inside);
  EXPECT_EQ(state.until, at("2026-11-25T04:15:00Z"));
}

TEST(CronWindow, ATimeThatComesTwiceBeginsTwice) {
  // Clocks are put back at 01:00Z from 03:00 to 02:00.
  const auto windows = one(cron("0 2-4 * * *", std::chrono::hours(1)), "Europe/Berlin");
  EXPECT_FALSE(is_inside(windows, at("2026-10-24T23:59:59Z")));
  for (const char* time : {"2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:30:00Z"}) {
    const auto state = state_of(windows, at(time));
    EXPECT_TRUE(state.inside) << time;
    EXPECT_EQ(state.until, at("2026-10-25T04:00:00Z")) << time;
  }
  EXPECT_EQ(state_of(windows, at("2026-10-24T20:00:00Z")).until, at("2026-10-25T00:00:00Z"));
  const auto minutely = one(cron("* * * * *", std::chrono::minutes(1)), "Europe/Berlin");
  EXPECT_TRUE(is_inside(minutely, at("2026-10-25T01:30:00Z")));
  // Between the two the clock shows 02:59, then 02:00 again.
  const auto short_one = one(cron("0 2 * * *", std::chrono::minutes(10)), "Europe/Berlin");
  EXPECT_FALSE(is_inside(short_one, at("2026-10-25T00:30:00Z")));
  EXPECT_EQ(state_of(short_one, at("2026-10-25T00:30:00Z")).until, at("2026-10-25T01:00:00Z"));
  EXPECT_TRUE(is_inside(short_one, at("2026-10-25T01:05:00Z")));
}

TEST(CronWindow, NamedDaysOfBothKindsAreEither) {
  const auto windows = one(cron("0 0 13 * fri", std::chrono::hours(1)));
  EXPECT_TRUE(is_inside(windows, at("2026-11-27T00:30:00Z")));  // a Friday
  EXPECT_TRUE(is_inside(windows, at("2026-12-13T00:30:00Z")));  // a 13th
  EXPECT_FALSE(is_inside(windows, at("2026-12-14T00:30:00Z")));
}

TEST(CronWindow, ReadsListsRangesStepsAndNames) {
  const CronWindow window = parse_cron("0,15-20,*/30 1-5/2 * jan,MAR mon-fri").value();
  EXPECT_TRUE(window.minutes[0] && window.minutes[15] && window.minutes[20] && window.minutes[30]);
  EXPECT_FALSE(window.minutes[21]);
  EXPECT_TRUE(window.hours[1] && window.hours[3] && window.hours[5]);
  EXPECT_FALSE(window.hours[2]);
  EXPECT_TRUE(window.months[1] && window.months[3]);
  EXPECT_FALSE(window.months[2]);
  EXPECT_EQ(window.week_days, std::bitset<7>("0111110"));
  EXPECT_TRUE(parse_cron("0 0 * * 7").value().week_days[0]);
}

TEST(CronWindow, WhatMakesNoSenseIsRefusedWithTheFieldAndItsRange) {
  for (const char* text : {"", "0 2 * *", "0 2 * * * *", "60 2 * * *", "0 24 * * *", "0 0 0 * *", "0 0 * 13 *",
                           "0 0 * * 8", "5-1 0 * * *", "*/0 0 * * *", "a 0 * * *", "0 0 * * mo", ", 0 * * *"}) {
    EXPECT_FALSE(parse_cron(text)) << text;
  }
  EXPECT_NE(parse_cron("60 2 * * *").error().message.find("minute '60' is not from 0 to 59"), std::string::npos);
}

TEST(CronWindow, ADateThatNeverComesIsRefused) {
  EXPECT_FALSE(parse_cron("0 0 30 feb *"));
  EXPECT_FALSE(parse_cron("0 0 31 apr,jun *"));
  EXPECT_TRUE(parse_cron("0 0 31 apr mon"));  // either day
}

TEST(CronWindow, TheLeapDayIsFoundYearsAhead) {
  const auto state = state_of(one(cron("0 0 29 feb *", std::chrono::hours(1))), at("2026-11-25T12:00:00Z"));
  EXPECT_EQ(state.until, at("2028-02-29T00:00:00Z"));
}

TEST(OnceWindow, HoldsFromItsBeginToItsEnd) {
  const OnceWindow once{parse_local_time("2026-12-01T22:00").value(), parse_local_time("2026-12-02T04:00").value()};
  const auto windows = one(once, "Europe/Berlin");
  EXPECT_EQ(state_of(windows, at("2026-11-25T12:00:00Z")).until, at("2026-12-01T21:00:00Z"));
  EXPECT_TRUE(is_inside(windows, at("2026-12-01T21:00:00Z")));
  EXPECT_FALSE(is_inside(windows, at("2026-12-02T03:00:00Z")));
  EXPECT_EQ(state_of(windows, at("2026-12-02T03:00:00Z")).until, std::nullopt);
}

TEST(Windows, NoneIsOutsideForGood) {
  const auto state = state_of({}, at("2026-11-25T12:00:00Z"));
  EXPECT_FALSE(state.inside);
  EXPECT_EQ(state.until, std::nullopt);
}

TEST(TimeOfDay, IsReadStrictly) {
  EXPECT_EQ(parse_time_of_day("00:00").value(), std::chrono::minutes(0));
  EXPECT_EQ(parse_time_of_day("24:00").value(), std::chrono::minutes(1440));
  for (const char* text : {"", "22", "22:0", "24:01", "25:00", "22:60", "-1:00", "22:00:00", "x"}) {
    EXPECT_FALSE(parse_time_of_day(text)) << text;
  }
}

TEST(LocalTime, IsReadStrictly) {
  for (const char* text : {"", "9999-12-31T23:59", "2650-01-01T00:00", "1700-01-01T00:00", "2026-12-01",
                           "2026-13-01T00:00", "2026-12-01T22:00Z", "2026-12-01T22:00+01:00"}) {
    EXPECT_FALSE(parse_local_time(text)) << text;
  }
}

}  // namespace
}  // namespace wal_exporter
