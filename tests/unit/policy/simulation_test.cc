// An hour of a target's life, second by second: a sample every two minutes, a
// decision every second, checkpoints that take one second.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <utility>
#include <vector>

#include "target.h"

namespace wal_exporter::policy {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Started = std::pair<int, Reason>;  // second, why

class Hour {
 public:
  // Files written by each second since the server was started; 10 MiB each.
  explicit Hour(std::function<std::uint64_t(int)> written) : written_(std::move(written)) {
    target.memory = after_schedule({}, kStart);
  }

  // `server_works`: whether a checkpoint started in that second empties the WAL.
  void run(const std::function<bool(int)>& server_works, int until = 3600) {
    for (int now = 0; now < until; ++now) step(now, server_works);
  }

  Target target;
  std::function<Duration(int)> wall = [](int second) { return seconds(second); };
  std::vector<Started> started;
  std::vector<int> considered;

 private:
  [[nodiscard]] wal::Sample see(int second) const {
    const std::uint64_t files = written_(second) - emptied_;
    wal::Sample sample = sample_of({files, files * 10 * kMiB}, wall(second));
    if (files > 0) sample.oldest_pending = sample.taken_at - seconds(second - emptied_at_);
    return sample;
  }

  void finish(int second, const std::function<bool(int)>& server_works) {
    const auto [start, reason] = started.back();
    const bool works = server_works(start);
    if (works) {
      emptied_ = written_(second);
      emptied_at_ = second;
    }
    const wal::Sample after = see(second);
    const bool still = judge(after.pending, resolve(target.rules.thresholds, after)).worse() == Health::critical;
    target.end({.reason = reason, .success = works, .still_critical = still}, wall(second));
    target.situation.in_flight = false;
    target.look(after);
  }

  void step(int second, const std::function<bool(int)>& server_works) {
    const Duration now = wall(second);
    if (target.situation.in_flight) finish(second, server_works);
    if (second % 120 == 0) target.look(see(second));
    const Decision decision = target.decide(now);
    target.memory = after_decision(target.memory, decision, kStart + now);
    if (restart_consideration(target.rules, target.memory, kStart + now)) {
      considered.push_back(second);
      target.memory = after_restart_considered(target.memory);
    }
    if (decision.action == Action::checkpoint) {
      started.emplace_back(second, *decision.reason);
      target.start(now);
      target.situation.in_flight = true;
    }
    if (schedule_due(target.rules, target.memory, kStart + now) &&
        (decision.action == Action::checkpoint || !decision.reason)) {
      target.memory = after_schedule(target.memory, kStart + now);
    }
  }

  std::function<std::uint64_t(int)> written_;
  std::uint64_t emptied_ = 0;
  int emptied_at_ = 0;
};

const auto kAlways = [](int) { return true; };
const auto kNever = [](int) { return false; };

TEST(Simulation, AnIdleServerIsLeftAlone) {
  Hour hour([](int) { return 0; });
  hour.run(kAlways);
  EXPECT_THAT(hour.started, IsEmpty());
  EXPECT_THAT(hour.considered, IsEmpty());
}

TEST(Simulation, ASlowWriterIsServedByTheSchedule) {
  // One file a minute: 10 files after 10 min are neither half of 30 nor older
  // than the schedule, 20 after 20 min are.
  Hour hour([](int second) { return static_cast<std::uint64_t>(second / 60); });
  hour.run(kAlways);
  EXPECT_THAT(hour.started, ElementsAre(Started{1200, Reason::scheduled}, Started{2400, Reason::scheduled}));
}

TEST(Simulation, AFastWriterIsCheckpointedOnWarningAsTheCooldownAllows) {
  // One file in 7 s: 34 at the sample after 4 min. Every later warning is seen
  // after the cooldown, at a sample; the schedule's half is reached sooner where
  // it falls between.
  Hour hour([](int second) { return static_cast<std::uint64_t>(second / 7); });
  hour.run(kAlways);
  ASSERT_FALSE(hour.started.empty());
  EXPECT_EQ(hour.started.front(), (Started{240, Reason::warning}));
  for (std::size_t i = 1; i < hour.started.size(); ++i) {
    EXPECT_GE(hour.started[i].first - hour.started[i - 1].first, 301);
    EXPECT_LE(hour.started[i].first - hour.started[i - 1].first, 361);
    EXPECT_NE(hour.started[i].second, Reason::critical);
  }
}

TEST(Simulation, AFloodIsCheckpointedWithoutWaitingForTheCooldown) {
  // One file a second: critical at every sample, each a fresh one.
  Hour hour([](int second) { return static_cast<std::uint64_t>(second); });
  hour.run(kAlways, 600);
  EXPECT_THAT(hour.started, ElementsAre(Started{120, Reason::critical}, Started{240, Reason::critical},
                                        Started{360, Reason::critical}, Started{480, Reason::critical}));
  EXPECT_THAT(hour.considered, IsEmpty());
}

TEST(Simulation, AServerThatDoesNotEmptyItsWalIsTriedLessAndLessAndARestartConsideredOnce) {
  Hour hour([](int) { return 100; });
  hour.run(kNever);
  // Spacing 60 s, then backoffs of 60, 120 and 240 s, then the breaker.
  EXPECT_THAT(hour.started, ElementsAre(Started{0, Reason::critical}, Started{60, Reason::critical},
                                        Started{121, Reason::critical}, Started{242, Reason::critical},
                                        Started{483, Reason::critical}, Started{2284, Reason::critical}));
  // 15 min blocked since the breaker opened at 484 s.
  EXPECT_THAT(hour.considered, ElementsAre(1384));
}

TEST(Simulation, AServerThatRecoversClosesTheBreakerAndTheNextEpisodeCountsAgain) {
  Hour hour([](int second) { return second < 3000 ? 100U : 200U; });
  hour.run([](int second) { return second > 2000 && second < 3000; }, 3600 + 1200);
  const auto late =
      std::find_if(hour.started.begin(), hour.started.end(), [](const Started& s) { return s.first >= 3000; });
  ASSERT_NE(late, hour.started.end());
  EXPECT_EQ(*(late - 1), (Started{2284, Reason::critical}));
  EXPECT_EQ(*late, (Started{3000, Reason::critical}));
  EXPECT_EQ((late + 1)->first, 3060);
  EXPECT_THAT(hour.considered, ElementsAre(1384, 3484 + 900));
}

TEST(Simulation, AClockSetBackByADayStopsNothing) {
  Hour hour([](int second) { return static_cast<std::uint64_t>(second / 7); });
  hour.wall = [](int second) { return seconds(second) - (second >= 1000 ? hours(24) : hours(0)); };
  hour.run(kAlways);
  ASSERT_GE(hour.started.size(), 9U);
  for (std::size_t i = 1; i < hour.started.size(); ++i) {
    EXPECT_LE(hour.started[i].first - hour.started[i - 1].first, 720) << i;
  }
  EXPECT_GT(hour.started.back().first, 3000);
}

TEST(Simulation, NothingIsStartedWhilePausedAndAllOfItAfterwards) {
  Hour hour([](int) { return 40; });
  hour.target.situation.paused = true;
  hour.run(kAlways, 1200);
  EXPECT_THAT(hour.started, IsEmpty());
  hour.target.situation.paused = false;
  hour.run(kAlways, 1);
  EXPECT_THAT(hour.started, ElementsAre(Started{0, Reason::warning}));
}

}  // namespace
}  // namespace wal_exporter::policy
