// Windows, maintenance and the token for alerts in the settings file.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support.h"

namespace wal_exporter::settings {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string maintenance(const std::string& window) {
  return target_with("  maintenance:\n  - " + window + "\n");
}

TEST(Windows, NoneUnlessWritten) {
  const Target t = read(target_with(""));
  EXPECT_TRUE(t.maintenance.empty());
  EXPECT_TRUE(t.checkpoint.windows.empty());
}

TEST(Windows, FromATimeOfTheDayToAnother) {
  const Target t = read(maintenance("{from: 22:00, to: 06:00, days: [sat, mon-tue], timezone: Europe/Berlin}"));
  ASSERT_EQ(t.maintenance.size(), 1U);
  const auto& daily = std::get<DailyWindow>(t.maintenance[0].when);
  EXPECT_EQ(daily.from, std::chrono::hours(22));
  EXPECT_EQ(daily.to, std::chrono::hours(6));
  EXPECT_EQ(daily.days, std::bitset<7>("1000110"));
  EXPECT_EQ(t.maintenance[0].zone.name(), "Europe/Berlin");
}

TEST(Windows, EveryDayInUtcUnlessTold) {
  const Target t = read(maintenance("{from: 01:00, to: 02:00}"));
  EXPECT_TRUE(std::get<DailyWindow>(t.maintenance[0].when).days.all());
  EXPECT_EQ(t.maintenance[0].zone, Zone());
}

TEST(Windows, ARangeOfDaysMayGoOverTheEndOfTheWeek) {
  const Target t = read(maintenance("{from: 01:00, to: 02:00, days: fri-mon}"));
  EXPECT_EQ(std::get<DailyWindow>(t.maintenance[0].when).days, std::bitset<7>("1100011"));
}

TEST(Windows, ByCronAndOnce) {
  const Target t =
      read(target_with("  checkpoint:\n    windows:\n    - {cron: '0 2 * * *', duration: 2h}\n"
                       "    - {from: 2026-12-01T22:00, to: 2026-12-02T04:00}\n"));
  ASSERT_EQ(t.checkpoint.windows.size(), 2U);
  EXPECT_EQ(std::get<CronWindow>(t.checkpoint.windows[0].when).length, Duration(std::chrono::hours(2)));
  EXPECT_TRUE(std::holds_alternative<OnceWindow>(t.checkpoint.windows[1].when));
}

TEST(Windows, WhatMakesNoSenseIsToldWithItsLine) {
  EXPECT_THAT(refusal(maintenance("{from: 22:00}")), StartsWith("a.yml:5: window.to: it is missing; write a window"));
  EXPECT_THAT(refusal(maintenance("{from: 22:00, to: 22:00}")), StartsWith("a.yml:5: window.to: the window is empty"));
  EXPECT_THAT(refusal(maintenance("{from: 22.00, to: 23:00}")), HasSubstr("'22.00' is not a time of the day"));
  EXPECT_THAT(refusal(maintenance("{from: 2026-12-01T22:00, to: 2026-12-01T21:00}")),
              HasSubstr("window.to: it is not after from"));
  EXPECT_THAT(refusal(maintenance("{from: 2026-12-01T22:00, to: 23:00}")), HasSubstr("'23:00' is not a date and time"));
  EXPECT_THAT(refusal(maintenance("{cron: '0 2 * *', duration: 1h}")), HasSubstr("it has 4 fields"));
  EXPECT_THAT(refusal(maintenance("{cron: '0 2 * * *'}")), HasSubstr("window.duration: it is missing"));
  EXPECT_THAT(refusal(maintenance("{cron: '0 2 * * *', duration: 8d}")), HasSubstr("window.duration"));
  EXPECT_THAT(refusal(maintenance("{cron: '0 2 * * *', duration: 1h, from: 22:00}")),
              HasSubstr("either cron and duration, or from and to"));
  EXPECT_THAT(refusal(maintenance("{from: 22:00, to: 23:00, duration: 1h}")),
              HasSubstr("only valid together with `cron`"));
  EXPECT_THAT(refusal(maintenance("{from: 22:00, to: 23:00, timezone: Berlin}")),
              HasSubstr("'Berlin' is not a time zone"));
  EXPECT_THAT(refusal(maintenance("{from: 22:00, to: 23:00, days: [someday]}")), HasSubstr("is not a day"));
  EXPECT_THAT(refusal(maintenance("{from: 22:00, until: 23:00}")), HasSubstr("unknown key 'until' in window"));
  EXPECT_THAT(refusal(target_with("  maintenance: daily\n")), HasSubstr("it is not a list"));
}

TEST(AlertsToken, IsAPathThatBeginsAtTheFolderOfTheFile) {
  const auto settings = parse("alerts: {token_file: t}\n" + target_with(""), "/etc/x/a.yml", no_environment());
  ASSERT_TRUE(settings);
  EXPECT_EQ(settings->alerts_token_file, "/etc/x/t");
  EXPECT_THAT(refusal("alerts: {token: s3cret}\n" + target_with("")),
              AllOf(HasSubstr("unknown key 'token' in alerts"), HasSubstr("alerts.token_file")));
}

TEST(Web, UsersByNameAndByUid) {
  const auto settings =
      parse("web: {local_users: [root, 4711], own_names: [WAL.example.com., db1]}\n" + target_with(""), "a.yml",
            no_environment());
  ASSERT_TRUE(settings) << settings.error().message;
  EXPECT_EQ(settings->web.local_users, (std::vector<LocalUser>{{"root", 0}, {"4711", 4711}}));
  EXPECT_EQ(settings->web.own_names, (std::vector<std::string>{"wal.example.com", "db1"}));
}

TEST(Web, WhatIsNoUserAndNoNameIsToldByLine) {
  for (const auto& [value, text] :
       {std::pair("local_users: [promtheus]", "a.yml:1: web.local_users: there is no user 'promtheus'"),
        std::pair("local_users: [4294967295]", "'4294967295' is no uid"),
        std::pair("local_users: ['']", "there is no user ''"),
        std::pair("own_names: ['https://a']", "'https://a' is not a host name"),
        std::pair("own_names: ['a:3002']", "'a:3002' is not a host name")}) {
    const auto settings = parse("web: {" + std::string(value) + "}\n" + target_with(""), "a.yml", no_environment());
    ASSERT_FALSE(settings) << value;
    EXPECT_THAT(settings.error().message, HasSubstr(text));
  }
}

}  // namespace
}  // namespace wal_exporter::settings
