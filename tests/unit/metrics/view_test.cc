#include "view/view.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>
#include <thread>

namespace wal_exporter::view {
namespace {

using ::testing::ElementsAre;

TEST(Counters, EveryPairOfReasonAndOutcomeIsThereAtZero) {
  const Counters counters;
  EXPECT_EQ(counters.checkpoints.size(), 30U);
  for (const auto& [reason, name] : policy::kReasons) {
    for (const influxdb::OutcomeKind outcome : influxdb::kOutcomes) {
      EXPECT_EQ(counters.checkpoints.at({reason, outcome}), 0U);
    }
  }
}

TEST(Counters, EveryTypeOfEventIsThereAtZero) {
  const Counters counters;
  EXPECT_EQ(counters.events.size(), 4U);
  EXPECT_EQ(counters.events.at(events::Type::restart_consideration), 0U);
}

TEST(Histogram, AValueEqualToABoundBelongsToItsBucket) {
  Histogram histogram({1, 2});
  histogram.observe(1);
  histogram.observe(1.5);
  histogram.observe(2);
  histogram.observe(2.5);
  EXPECT_THAT(histogram.counts, ElementsAre(1U, 2U, 1U));
  EXPECT_EQ(histogram.sum, 7);
  EXPECT_EQ(histogram.total(), 4U);
}

TEST(Histogram, InfinityFallsIntoTheLastBucketAndNaNIsNotCounted) {
  Histogram histogram({1});
  histogram.observe(std::numeric_limits<double>::quiet_NaN());
  EXPECT_EQ(histogram.total(), 0U);
  EXPECT_EQ(histogram.sum, 0);
  histogram.observe(std::numeric_limits<double>::infinity());
  EXPECT_THAT(histogram.counts, ElementsAre(0U, 1U));
}

TEST(Histogram, WithoutBoundsHasOneBucket) {
  Histogram histogram;
  histogram.observe(42);
  EXPECT_THAT(histogram.counts, ElementsAre(1U));
}

TEST(ViewHolder, HoldsAnEmptyViewFromTheStart) {
  const ViewHolder holder;
  ASSERT_NE(holder.current(), nullptr);
  EXPECT_TRUE(holder.current()->targets.empty());
}

TEST(ViewHolder, AReaderKeepsItsViewWhileANewOneIsPublished) {
  ViewHolder holder;
  View first;
  first.last_reload_error = "first";
  holder.publish(std::make_shared<const View>(first));
  const std::shared_ptr<const View> held = holder.current();
  holder.publish(std::make_shared<const View>());
  EXPECT_EQ(held->last_reload_error, "first");
  EXPECT_EQ(holder.current()->last_reload_error, "");
}

TEST(ViewHolder, ReadersSeeViewsInTheOrderTheyWerePublished) {
  ViewHolder holder;
  std::thread publisher([&] {
    for (int i = 1; i <= 2000; ++i) {
      View view;
      view.started = Time(Duration(i));
      holder.publish(std::make_shared<const View>(std::move(view)));
    }
  });
  Time last{};
  while (last < Time(Duration(2000))) {
    const Time seen = holder.current()->started;
    ASSERT_GE(seen, last);
    last = seen;
  }
  publisher.join();
}

}  // namespace
}  // namespace wal_exporter::view
