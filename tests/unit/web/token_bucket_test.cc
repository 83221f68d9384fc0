#include "web/token_bucket.h"

#include <gtest/gtest.h>

#include "web/rate_limit.h"

namespace wal_exporter::web {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Rate kThreeAndOneASecond{seconds(1), 3};
const SteadyTime kStart{seconds(1000)};

TEST(TokenBucket, GivesItsBurstAndThenOneEachInterval) {
  TokenBucket bucket;
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(bucket.take(kThreeAndOneASecond, kStart));
  EXPECT_FALSE(bucket.take(kThreeAndOneASecond, kStart));
  EXPECT_EQ(bucket.until_next(kThreeAndOneASecond, kStart), seconds(1));
  EXPECT_FALSE(bucket.take(kThreeAndOneASecond, kStart + milliseconds(999)));
  EXPECT_TRUE(bucket.take(kThreeAndOneASecond, kStart + seconds(1)));
  EXPECT_FALSE(bucket.take(kThreeAndOneASecond, kStart + seconds(1)));
}

TEST(TokenBucket, NeverHoldsMoreThanItsBurst) {
  TokenBucket bucket;
  EXPECT_TRUE(bucket.take(kThreeAndOneASecond, kStart));
  EXPECT_FALSE(bucket.full(kStart));
  const SteadyTime later = kStart + seconds(100);
  EXPECT_TRUE(bucket.full(later));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(bucket.take(kThreeAndOneASecond, later));
  EXPECT_FALSE(bucket.take(kThreeAndOneASecond, later));
}

TEST(TokenBucket, WhatIsPutBackCanBeTakenAgain) {
  TokenBucket bucket;
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(bucket.take(kThreeAndOneASecond, kStart));
  bucket.put_back(kThreeAndOneASecond);
  EXPECT_TRUE(bucket.take(kThreeAndOneASecond, kStart));
  EXPECT_FALSE(bucket.take(kThreeAndOneASecond, kStart));
}

TEST(RateLimit, TheLargestThereMayBeDoesNotOverflow) {
  RateLimit limit({std::chrono::hours(1), 1'000'000});
  EXPECT_TRUE(limit.take(kStart));
  EXPECT_EQ(limit.until_next(kStart), Duration::zero());
}

}  // namespace
}  // namespace wal_exporter::web
