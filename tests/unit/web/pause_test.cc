#include <gmock/gmock.h>

#include "routes.h"

namespace wal_exporter::web {
namespace {

using ::testing::HasSubstr;

using Pause = Routes;

TEST_F(Pause, LastsAnHourUnlessToldOtherwise) {
  const auto response = post("/api/v1/targets/plant/pause");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(world_.commands.paused.back().length, Duration(std::chrono::hours(1)));
  EXPECT_EQ(world_.commands.paused.back().actor, "loopback");
  EXPECT_EQ(json(response)["paused"], true);
  EXPECT_EQ(json(response)["paused_until"], format_time(kNow + std::chrono::hours(1)));
}

TEST_F(Pause, TakesALengthOrAnEnd) {
  EXPECT_EQ(post("/api/v1/targets/plant/pause?for=90m").status, 200);
  EXPECT_EQ(world_.commands.paused.back().length, Duration(std::chrono::minutes(90)));
  EXPECT_EQ(post("/api/v1/targets/plant/pause?until=" + format_time(kNow + std::chrono::hours(5))).status, 200);
  EXPECT_EQ(world_.commands.paused.back().length, Duration(std::chrono::hours(5)));
}

TEST_F(Pause, WhatMakesNoSenseIsRefusedAndPausesNothing) {
  for (const auto& query :
       {std::string("for=0s"), std::string("for=31d"), std::string("for=x"), "until=" + format_time(kNow),
        "until=" + format_time(kNow + std::chrono::hours(24 * 31)), std::string("until=tomorrow"),
        std::string("length=2h"), "for=1h&until=" + format_time(kNow + std::chrono::hours(5))}) {
    EXPECT_EQ(post("/api/v1/targets/plant/pause?" + query).status, 400) << query;
  }
  EXPECT_EQ(post("/api/v1/targets/nobody/pause").status, 404);
  EXPECT_TRUE(world_.commands.paused.empty());
}

TEST_F(Pause, ResumeEndsIt) {
  const auto response = post("/api/v1/targets/plant/resume");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(world_.commands.paused.back().length, std::nullopt);
  EXPECT_EQ(json(response)["paused"], false);
  EXPECT_EQ(json(response)["paused_until"], nullptr);
}

TEST_F(Pause, IsGuardedAsEveryChange) {
  peer_ = "192.0.2.1";
  EXPECT_EQ(post("/api/v1/targets/plant/pause").status, 403);
  EXPECT_EQ(get("/api/v1/targets/plant/pause").status, 405);
}

}  // namespace
}  // namespace wal_exporter::web
