#include "control/server_clock.h"

#include <gtest/gtest.h>

namespace wal_exporter::control {
namespace {

using namespace std::chrono_literals;

class ServerClocks : public ::testing::Test {
 protected:
  // An answer every 15 s. Returns the offset after it.
  Duration hear(std::optional<Duration> measured) {
    now_.steady += 15s;
    clock_.take(measured, now_);
    return clock_.offset(now_);
  }

  ServerClock clock_;
  Now now_{Time{} + 1h, SteadyTime{} + 1h};
};

TEST_F(ServerClocks, AreOursUntilTheServerSaidItsTime) {
  EXPECT_EQ(hear(std::nullopt), 0s);
  EXPECT_EQ(hear(-17min), -17min);
}

TEST_F(ServerClocks, DoNotFlickerByASecond) {
  EXPECT_EQ(hear(1s), 0s);
  EXPECT_EQ(hear(-1s), 0s);
  EXPECT_EQ(hear(2s), 0s) << "a second answer has to agree";
  EXPECT_EQ(hear(3s), 3s);
  EXPECT_EQ(hear(2s), 3s);
}

TEST_F(ServerClocks, ThatJumpOnceAreTakenForALateAnswer) {
  EXPECT_EQ(hear(8min), 8min);
  EXPECT_EQ(hear(-3h), 8min);
  EXPECT_EQ(hear(8min), 8min);
  EXPECT_EQ(hear(-3h), 8min) << "once again, not twice in a row";
  EXPECT_EQ(hear(-3h), -3h);
}

TEST_F(ServerClocks, AreRememberedForADay) {
  EXPECT_EQ(hear(20min), 20min);
  now_.steady += 24h - 15s;
  EXPECT_EQ(hear(std::nullopt), 20min);
  EXPECT_EQ(hear(std::nullopt), 0s);
  EXPECT_EQ(hear(5min), 5min) << "as at the first time";
}

}  // namespace
}  // namespace wal_exporter::control
