// An hour of a target's life: a sample every two minutes, checkpoints that take one
// second.
#include <gmock/gmock.h>

#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "unit/control/bench.h"

namespace wal_exporter::control {
namespace {

using namespace std::chrono_literals;
using policy::Reason;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Started = std::pair<int, Reason>;  // second, why

class Hour {
 public:
  // Files written by each second since the server was started; 10 MiB each.
  explicit Hour(std::function<std::uint64_t(int)> written) : written_(std::move(written)) {
    bench.settings.rules.sample_interval = 2min;
    bench.settings.rules.schedule = 10min;
    bench.settings.checkpoint.method = influxdb::Method::backup;
    bench.settings.influxdb.backup_address = "127.0.0.1:8088";
    bench.answers.checkpoints = false;
    bench.during = [this](const Effect& effect) {
      if (const auto* run = std::get_if<RunCheckpoint>(&effect)) started.emplace_back(second_, run->reason);
      see();
    };
  }

  // `server_works`: whether a checkpoint started in that second empties the WAL.
  void run(const std::function<bool(int)>& server_works, int until = 3599) {
    see();
    if (second_ == 0) bench.start();
    while (second_ < until) {
      ++second_;
      see();
      bench.pass(1s);
      bench.set_wall(kBenchStart + wall(second_));
      const bool ends = bench.open().checkpoint && started.back().first < second_;
      if (ends) finish(server_works(started.back().first));
      if (bench.control().restart_considerations() > considered.size()) considered.push_back(second_);
    }
  }

  Bench bench;
  std::function<Duration(int)> wall = [](int second) { return std::chrono::seconds(second); };
  std::vector<Started> started;
  std::vector<int> considered;

 private:
  void see() {
    const std::uint64_t files = written_(second_) - emptied_;
    wal::Sample sample;
    sample.pending = {files, files * 10 * kMiB};
    sample.filesystem_avail_bytes = 100 * kGiB;
    if (files > 0) sample.oldest_pending = bench.now().wall - std::chrono::seconds(second_ - emptied_at_);
    bench.wal = std::move(sample);
  }

  void finish(bool works) {
    if (works) {
      emptied_ = written_(second_);
      emptied_at_ = second_;
      see();
    }
    bench.end_checkpoint(works ? influxdb::OutcomeKind::succeeded : influxdb::OutcomeKind::unverified);
  }

  std::function<std::uint64_t(int)> written_;
  int second_ = 0;
  std::uint64_t emptied_ = 0;
  int emptied_at_ = 0;
};

const auto kAlways = [](int) { return true; };
const auto kNever = [](int) { return false; };

TEST(AnHour, OfAnIdleServerLeavesItAlone) {
  Hour hour([](int) { return 0; });
  hour.run(kAlways);
  EXPECT_THAT(hour.started, IsEmpty());
  EXPECT_THAT(hour.considered, IsEmpty());
}

TEST(AnHour, OfASlowWriterIsServedByTheSchedule) {
  // One file a minute: 10 files after 10 min are neither half of 30 nor older
  // than the schedule, 20 after 20 min are.
  Hour hour([](int second) { return static_cast<std::uint64_t>(second / 60); });
  hour.run(kAlways);
  EXPECT_THAT(hour.started, ElementsAre(Started{1200, Reason::scheduled}, Started{2400, Reason::scheduled}));
}

TEST(AnHour, OfAFastWriterIsCheckpointedOnWarningAsTheCooldownAllows) {
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

TEST(AnHour, OfAFloodIsCheckpointedWithoutWaitingForTheCooldown) {
  // One file a second: critical at every sample, each a fresh one.
  Hour hour([](int second) { return static_cast<std::uint64_t>(second); });
  hour.run(kAlways, 599);
  EXPECT_THAT(hour.started, ElementsAre(Started{120, Reason::critical}, Started{240, Reason::critical},
                                        Started{360, Reason::critical}, Started{480, Reason::critical}));
  EXPECT_THAT(hour.considered, IsEmpty());
}

TEST(AnHour, OfAServerThatDoesNotEmptyItsWalIsTriedLessAndLessAndARestartConsideredOnce) {
  Hour hour([](int) { return 100; });
  hour.run(kNever);
  // Spacing 60 s, then backoffs of 60, 120 and 240 s, then the breaker.
  EXPECT_THAT(hour.started, ElementsAre(Started{0, Reason::critical}, Started{60, Reason::critical},
                                        Started{121, Reason::critical}, Started{242, Reason::critical},
                                        Started{483, Reason::critical}, Started{2284, Reason::critical}));
  // 15 min blocked since the breaker opened at 484 s.
  EXPECT_THAT(hour.considered, ElementsAre(1384));
}

TEST(AnHour, OfAServerThatRecoversClosesTheBreakerAndTheNextEpisodeCountsAgain) {
  Hour hour([](int second) { return second < 3000 ? 100U : 200U; });
  hour.run([](int second) { return second > 2000 && second < 3000; }, 3600 + 1199);
  const auto late =
      std::find_if(hour.started.begin(), hour.started.end(), [](const Started& s) { return s.first >= 3000; });
  ASSERT_NE(late, hour.started.end());
  EXPECT_EQ(*(late - 1), (Started{2284, Reason::critical}));
  EXPECT_EQ(*late, (Started{3000, Reason::critical}));
  EXPECT_EQ((late + 1)->first, 3060);
  EXPECT_THAT(hour.considered, ElementsAre(1384, 3484 + 900));
}

TEST(AnHour, WithAClockSetBackByADayStopsNothing) {
  Hour hour([](int second) { return static_cast<std::uint64_t>(second / 7); });
  hour.wall = [](int second) { return std::chrono::seconds(second) - (second >= 1000 ? 24h : 0h); };
  hour.run(kAlways);
  ASSERT_GE(hour.started.size(), 9U);
  for (std::size_t i = 1; i < hour.started.size(); ++i) {
    EXPECT_LE(hour.started[i].first - hour.started[i - 1].first, 720) << i;
  }
  EXPECT_GT(hour.started.back().first, 3000);
}

TEST(AnHour, NothingIsStartedWhilePausedAndAllOfItAfterwards) {
  Hour hour([](int) { return 40; });
  hour.bench.answers.samples = false;
  hour.bench.start();
  EXPECT_TRUE(hour.bench.pause(1h).has_value());
  hour.bench.answers.samples = true;
  hour.bench.give_sample();
  hour.bench.pass(20min);
  EXPECT_THAT(hour.started, IsEmpty());
  EXPECT_TRUE(hour.bench.pause(std::nullopt).has_value());
  EXPECT_THAT(hour.started, ElementsAre(Started{0, Reason::warning}));
}

}  // namespace
}  // namespace wal_exporter::control
