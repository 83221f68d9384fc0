// What happens often is told seldom, and nothing of it is lost.
#include "events/damper.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "support.h"

namespace wal_exporter::events {
namespace {

using namespace std::chrono_literals;
using Json = nlohmann::ordered_json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// A hook that is always delivered: what it sends, and when.
class Desk {
 public:
  void happens(const std::string& target, const std::string& to, Severity severity, Time when) {
    work(when);
    Event event = health_event(++id_, to, severity, when);
    event.target = target;
    queue_.push_back(std::move(event));
    work(when);
  }
  // Up to that time.
  void work(Time until) {
    while (true) {
      const auto due = damper_.due(queue_, now_);
      if (!due || *due > until) break;
      now_ = std::max(now_, *due);
      const std::vector<std::size_t> which = damper_.pick(queue_, now_);
      ASSERT_THAT(which, Not(IsEmpty())) << "due, and nothing to tell";
      std::vector<const Event*> events;
      for (const std::size_t i : which) events.push_back(&queue_[i]);
      told.push_back(summed_up(events));
      at.push_back(now_);
      damper_.told(events, now_);
      for (auto i = which.rbegin(); i != which.rend(); ++i) {
        queue_.erase(queue_.begin() + static_cast<std::ptrdiff_t>(*i));
      }
    }
    now_ = std::max(now_, until);
  }
  void restarts() {
    Damper again(12h, 500);
    again.restore(damper_.memory());
    damper_ = again;
  }

  std::vector<Event> told;
  std::vector<Time> at;

 private:
  Damper damper_{12h, 500};
  std::deque<Event> queue_;
  Time now_ = kNow;
  std::int64_t id_ = 0;
};

TEST(Damping, AFirstEventIsToldAtOnceAndAsItIs) {
  Desk desk;
  desk.happens("plant", "warning", Severity::warning, kNow);
  ASSERT_THAT(desk.told, SizeIs(1));
  EXPECT_EQ(desk.told[0].summary, "health -> warning");
  EXPECT_EQ(desk.at[0], kNow);
}

TEST(Damping, WhatIsUndoneWithinAMinuteIsSummedUp) {
  Desk desk;
  desk.happens("plant", "critical", Severity::critical, kNow);
  desk.happens("plant", "healthy", Severity::info, kNow + 10s);
  desk.happens("plant", "critical", Severity::critical, kNow + 20s);
  desk.happens("plant", "healthy", Severity::info, kNow + 30s);
  desk.work(kNow + 2h);
  ASSERT_THAT(desk.told, SizeIs(2));
  EXPECT_EQ(desk.at[1], kNow + 1min);
  EXPECT_EQ(desk.told[1].summary,
            "healthy 2 times, critical from 2026-01-30 10:30 UTC to 2026-01-30 10:30 UTC; last: health -> healthy");
  EXPECT_EQ(desk.told[1].severity, Severity::info);
  EXPECT_EQ(desk.told[1].id, 4);
  EXPECT_EQ(Json::parse(desk.told[1].detail)["summed_up"]["events"], 3);
}

TEST(Damping, AFastSawtoothIsAFewMessagesAnHourAndTheirCountsAreRight) {
  Desk desk;
  for (int minute = 0; minute < 240; ++minute) {
    desk.happens("plant", "critical", Severity::critical, kNow + minute * 1min);
    desk.happens("plant", "healthy", Severity::info, kNow + minute * 1min + 30s);
  }
  desk.work(kNow + 5h);
  const auto within = [&](Duration from, Duration to) {
    return std::count_if(desk.at.begin(), desk.at.end(), [&](Time at) { return at >= kNow + from && at < kNow + to; });
  };
  EXPECT_EQ(within(0h, 1h), 5);
  EXPECT_LE(within(1h, 2h), 2);
  EXPECT_LE(within(3h, 4h), 2);
  EXPECT_THAT(desk.told[2].summary, HasSubstr("critical 5 times, healthy 5 times"));
  // Each event is in one message, and only in one.
  std::uint64_t events = 0;
  for (const Event& event : desk.told) {
    const Json detail = Json::parse(event.detail);
    events += detail.contains("summed_up") ? detail["summed_up"]["events"].get<std::uint64_t>() : 1;
  }
  EXPECT_EQ(events, 480U);
}

TEST(Damping, WhatIsWorseThanAllThatWasToldDoesNotWait) {
  Desk desk;
  desk.happens("plant", "warning", Severity::warning, kNow);
  desk.happens("plant", "critical", Severity::critical, kNow + 5s);
  ASSERT_THAT(desk.told, SizeIs(2));
  EXPECT_EQ(desk.told[1].summary, "health -> critical");
  EXPECT_EQ(desk.at[1], kNow + 5s);
}

TEST(Damping, AQuietHourEndsIt) {
  Desk desk;
  for (int i = 0; i < 20; ++i) desk.happens("plant", "warning", Severity::warning, kNow + i * 1s);
  desk.work(kNow + 1h);
  ASSERT_THAT(desk.told, SizeIs(2));
  desk.happens("plant", "warning", Severity::warning, kNow + 3h);
  desk.happens("plant", "healthy", Severity::info, kNow + 3h + 70s);
  EXPECT_THAT(desk.at, ElementsAre(kNow, kNow + 1min, kNow + 3h, kNow + 3h + 70s));
}

TEST(Damping, AHundredTargetsAtOnceAreAHandfulOfMessages) {
  Desk desk;
  for (int i = 0; i < 100; ++i) {
    desk.happens("t" + std::to_string(100 + i), i < 97 ? "critical" : "warning",
                 i < 97 ? Severity::critical : Severity::warning, kNow + i * 10ms);
  }
  desk.work(kNow + 10min);
  ASSERT_THAT(desk.told, SizeIs(6));
  EXPECT_EQ(desk.told[5].target, "95 targets");
  EXPECT_EQ(desk.told[5].summary, "92 critical, 3 warning: t105, t106, t107, t108, t109 and 90 more");
  EXPECT_EQ(desk.told[5].severity, Severity::critical);
  EXPECT_THAT(Json::parse(desk.told[5].detail)["targets"], SizeIs(95));
}

TEST(Damping, OneTargetDoesNotHoldUpAnother) {
  Desk desk;
  for (int i = 0; i < 3; ++i) desk.happens("plant", "warning", Severity::warning, kNow + i * 1s);
  desk.happens("lab", "warning", Severity::warning, kNow + 5s);
  ASSERT_THAT(desk.told, SizeIs(2));
  EXPECT_EQ(desk.told[1].target, "lab");
}

TEST(Damping, ARestartBeginsNoNewPace) {
  Desk desk;
  desk.happens("plant", "critical", Severity::critical, kNow);
  desk.restarts();
  desk.happens("plant", "healthy", Severity::info, kNow + 10s);
  EXPECT_THAT(desk.told, SizeIs(1));
  desk.work(kNow + 1min);
  EXPECT_THAT(desk.told, SizeIs(2));
}

TEST(Damping, WhereTooMuchWaitsNothingDoes) {
  Damper damper(12h, 3);
  std::deque<Event> queue{health_event(1, "warning", Severity::warning)};
  damper.told({&queue[0]}, kNow);
  while (queue.size() < 4) queue.push_back(queue.back());
  EXPECT_EQ(damper.due(queue, kNow), kNow);
  EXPECT_THAT(damper.pick(queue, kNow), SizeIs(4));
}

TEST(Damping, AClockSetBackHoldsNothingUp) {
  Damper damper(12h, 500);
  const std::deque<Event> queue{health_event(1, "warning", Severity::warning)};
  damper.told({&queue[0]}, kNow);
  EXPECT_EQ(damper.due(queue, kNow - 24h), kNow - 24h);
  EXPECT_THAT(damper.pick(queue, kNow - 24h), SizeIs(1));
}

TEST(SummedUp, ACheckpointIsToldByItsEnd) {
  const auto checkpoint = [](std::int64_t id, const std::string& detail) {
    Event event = health_event(id, "", Severity::info);
    event.type = Type::checkpoint;
    event.summary = "checkpoint";
    event.detail = detail;
    return event;
  };
  const Event started = checkpoint(1, R"({"state":"started"})");
  const Event ended = checkpoint(2, R"({"state":"ended","outcome":"succeeded"})");
  const Event healthy = health_event(3, "healthy", Severity::info);
  EXPECT_EQ(summed_up({&started, &ended}).id, 2);
  EXPECT_EQ(summed_up({&started, &ended}).summary, "checkpoint");
  EXPECT_THAT(summed_up({&started, &ended, &healthy}).summary,
              HasSubstr("checkpoint succeeded, healthy from 2026-01-30 10:30 UTC"));
  EXPECT_EQ(summed_up({&ended, &healthy, &started}).type, Type::health);
}

}  // namespace
}  // namespace wal_exporter::events
