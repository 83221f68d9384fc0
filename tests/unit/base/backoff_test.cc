#include "base/backoff.h"

#include <gtest/gtest.h>

#include <limits>

namespace wal_exporter {
namespace {

using std::chrono::seconds;

TEST(Backoff, DoublesWithEachFailureUpToTheLongest) {
  EXPECT_EQ(backoff(seconds(30), seconds(200), 1), seconds(30));
  EXPECT_EQ(backoff(seconds(30), seconds(200), 2), seconds(60));
  EXPECT_EQ(backoff(seconds(30), seconds(200), 3), seconds(120));
  EXPECT_EQ(backoff(seconds(30), seconds(200), 4), seconds(200));
  EXPECT_EQ(backoff(seconds(30), seconds(200), std::numeric_limits<std::uint64_t>::max()), seconds(200));
  EXPECT_EQ(backoff(seconds(30), seconds(200), 0), seconds(30));
}

TEST(Backoff, StaysInsideWhatCanBeCounted) {
  EXPECT_EQ(backoff(Duration::max(), Duration::max(), 9), Duration::max());
  EXPECT_EQ(backoff(Duration::max() / 2 + Duration(1), Duration::max(), 9), Duration::max());
  EXPECT_EQ(backoff(Duration::zero(), seconds(1), std::numeric_limits<std::uint64_t>::max()), Duration::zero());
  EXPECT_EQ(backoff(seconds(9), seconds(5), 1), seconds(5));
}

TEST(Backoff, SpreadsByJitterBetweenMinusOneAndOne) {
  EXPECT_EQ(backoff(seconds(10), seconds(60), 1, 0.2, 1), seconds(12));
  EXPECT_EQ(backoff(seconds(10), seconds(60), 1, 0.2, -1), seconds(8));
  EXPECT_EQ(backoff(seconds(10), seconds(60), 1, 0.2, 7), seconds(12));
}

}  // namespace
}  // namespace wal_exporter
