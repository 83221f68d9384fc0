// The nudge against the 3.x test server, which follows the server's rules.
#include "influxdb/nudge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "influxdb/run_observer.h"
#include "servers/server_process.h"
#include "unit/http/fake_server.h"
#include "wal/node_source.h"

namespace wal_exporter::influxdb {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::Not;
using tests::FastClock;
using tests::ServerProcess;
using tests::TempDir;

// 20 s before a multiple of G = 1 min.
const Time kBoundary = Time(seconds(1795398060));
const Time kStart = kBoundary - seconds(20);

// Calls `then` with the number of pending files before each sample of a run.
class Interfering final : public wal::WalSource {
 public:
  Interfering(std::shared_ptr<wal::WalSource> source, std::function<void(std::size_t)> then)
      : source_(std::move(source)), then_(std::move(then)) {}
  Result<std::shared_ptr<const wal::Sample>> take_sample(std::stop_token stop) override {
    auto sample = source_->take_sample(stop);
    if (sample) then_((*sample)->periods.size());
    return source_->take_sample(stop);
  }

 private:
  std::shared_ptr<wal::WalSource> source_;
  std::function<void(std::size_t)> then_;
};

// Keeps the first sample that was taken through it.
class FirstLook final : public wal::WalSource {
 public:
  explicit FirstLook(std::shared_ptr<wal::WalSource> source) : source_(std::move(source)) {}
  Result<std::shared_ptr<const wal::Sample>> take_sample(std::stop_token stop) override {
    auto sample = source_->take_sample(stop);
    if (sample && first_ == nullptr) first_ = *sample;
    return sample;
  }
  [[nodiscard]] const std::shared_ptr<const wal::Sample>& first() const { return first_; }

 private:
  std::shared_ptr<wal::WalSource> source_;
  std::shared_ptr<const wal::Sample> first_;
};

class Nudge : public ::testing::Test {
 protected:
  void start(std::uint64_t snapshot_size = 20, std::vector<std::string> more = {"--without-auth"}) {
    std::vector<std::string> arguments = {"--data-dir",
                                          directory_.path(),
                                          "--node-id",
                                          "n1",
                                          "--gen1-duration",
                                          "1m",
                                          "--wal-flush-interval",
                                          "1ms",
                                          "--snapshot-delay",
                                          "1ms",
                                          "--wal-snapshot-size",
                                          std::to_string(snapshot_size)};
    arguments.insert(arguments.end(), more.begin(), more.end());
    server_.emplace("influxdb3.py", arguments);
    wal::NodeOptions node;
    node.directory = directory_.path() / "n1";
    source_ = wal::make_node_source(node, clock_, null_log());
    options_.url = server_->url();
    options_.rules.snapshot_size = snapshot_size;
    options_.rules.gen1_duration = minutes(1);
    options_.rules.flush_interval = milliseconds(1);
    options_.proof_timeout = minutes(20);  // of the fast clock
    options_.max_duration = hours(3);
    options_.on_future_trigger = [this](std::optional<std::uint64_t> number, Time date) {
      if (!number) announced_.push_back(date);
      if (number) told_.emplace_back(*number, date);
    };
  }
  // A file each.
  void write(int count, Time time, const std::string& database = "plant") {
    for (int i = 0; i < count; ++i) {
      const auto answer = server_->send("POST", server_->url() + "/api/v3/write_lp?precision=nanosecond&db=" + database,
                                        "pump flow=1 " + std::to_string(time.time_since_epoch().count()), token_);
      EXPECT_EQ(answer.status, 204) << answer.body;
    }
  }
  Outcome run() { return make_nudge(options_, source_, clock_, null_log())->run({}, stop_.get_token()); }
  wal::Sample look() {
    const auto sample = source_->take_sample({});
    EXPECT_TRUE(sample) << sample.error().message;
    return sample ? **sample : wal::Sample{};
  }
  std::uint64_t points() { return server_->counters()["points"].value("wal_checkpoint", std::uint64_t{0}); }
  NudgePlan plan() {
    return plan_nudge(look(), options_.rules, options_.mode, options_.boundary_passed, clock_->now()).value();
  }
  // Blocks until `done`; false after 20 s.
  bool until(const std::function<bool()>& done) {
    SystemClock real;
    Pause pause;
    const SteadyTime end = real.steady() + seconds(20);
    while (!done()) {
      if (real.steady() > end) return false;
      pause.until(real.steady() + milliseconds(1), real, {});
    }
    return true;
  }

  TempDir directory_;
  std::shared_ptr<Clock> clock_ = std::make_shared<FastClock>(kStart, 100);
  std::optional<ServerProcess> server_;
  std::shared_ptr<wal::WalSource> source_;
  NudgeOptions options_;
  std::string token_;
  std::stop_source stop_;
  std::vector<std::pair<std::uint64_t, Time>> told_;
  std::vector<Time> announced_;  // before the trigger was sent
};

// 40 s ahead of ours the boundary has passed at the start, 40 s before it has by our clock.
TEST_F(Nudge, GoesByTheClockOfTheServer) {
  start();
  clock_ = std::make_shared<FastClock>(kStart, 1);
  write(12, kStart + seconds(15));
  options_.clock_offset = seconds(40);
  options_.max_duration = seconds(10);
  options_.on_future_trigger = [](std::optional<std::uint64_t>, Time) { ADD_FAILURE() << "a date in the future"; };
  const Outcome outcome = run();
  EXPECT_EQ(outcome.kind, OutcomeKind::succeeded) << outcome.message;
  EXPECT_EQ(outcome.steps, 18U);
  ASSERT_EQ(look().periods.size(), 1U);
  EXPECT_GE(look().periods[0].max_time, kStart + seconds(40)) << "the last point, by the server's clock";
}

TEST_F(Nudge, PatientWritesExactlyThePlanAndLeavesOneFile) {
  start();
  write(12, kStart);
  clock_ = std::make_shared<FastClock>(kStart, 20);  // a second until the boundary
  options_.max_points = plan().points;
  const auto outcome = run();
  EXPECT_EQ(outcome.kind, OutcomeKind::succeeded) << outcome.message;
  EXPECT_EQ(outcome.steps, 18U);
  EXPECT_EQ(points(), 18U);
  EXPECT_EQ(outcome.reclaimed.files, 12U);
  EXPECT_GT(outcome.reclaimed.bytes, 12U * 64);
  EXPECT_LT(outcome.started, kBoundary);
  EXPECT_GE(outcome.started + outcome.elapsed, kBoundary);
  const auto after = look();
  ASSERT_EQ(after.periods.size(), 1U);
  EXPECT_GE(after.periods[0].max_time, kBoundary);
  EXPECT_LT(after.periods[0].max_time, clock_->now());  // nothing is dated in the future
  EXPECT_EQ(told_.size() + announced_.size(), 0U);
  EXPECT_THAT(outcome.message, HasSubstr("covered by snapshot 1, 18 of 18 points written, 1 file pending"));
}

TEST_F(Nudge, AfterAPatientOneTheNextNaturalSnapshotComesWhenItWouldHave) {
  start();
  write(12, kStart);
  ASSERT_EQ(run().kind, OutcomeKind::succeeded);
  // On a busy machine the fast clock may have passed kBoundary before the plan was made.
  const auto periods = look().periods;
  ASSERT_EQ(periods.size(), 1U);
  const Time boundary = std::chrono::floor<minutes>(*periods[0].max_time);
  write(28, boundary + seconds(30));
  write(1, boundary + minutes(1));  // the 30th pending file, of the next minute
  EXPECT_TRUE(until([&] { return look().snapshot->sequence == 2; }));
}

TEST_F(Nudge, DataOfAnEarlierMinuteNeedsNoWait) {
  start();
  write(29, kStart - minutes(5));
  options_.boundary_passed = true;
  const auto outcome = run();
  EXPECT_EQ(outcome.kind, OutcomeKind::succeeded) << outcome.message;
  EXPECT_EQ(outcome.steps, 1U);
  EXPECT_EQ(points(), 1U);
  EXPECT_EQ(look().periods.size(), 1U);
}

TEST_F(Nudge, WithThePassedBoundaryNewerFilesStay) {
  start();
  write(10, kStart - minutes(5));
  write(3, kStart);
  options_.boundary_passed = true;
  clock_ = std::make_shared<FastClock>(kStart, 1);  // the boundary does not pass on the way
  const auto outcome = run();
  EXPECT_EQ(outcome.kind, OutcomeKind::succeeded) << outcome.message;
  EXPECT_EQ(outcome.reclaimed.files, 10U);
  EXPECT_EQ(outcome.steps, 17U);
}

TEST_F(Nudge, WithThePassedBoundaryAndOnlyNewDataItIsNoOp) {
  start();
  write(3, kStart);
  options_.boundary_passed = true;
  clock_ = std::make_shared<FastClock>(kStart, 1);
  const auto outcome = run();
  EXPECT_EQ(outcome.kind, OutcomeKind::no_op);
  EXPECT_THAT(outcome.message, HasSubstr("nothing to do yet"));
  EXPECT_EQ(points(), 0U);
}

TEST_F(Nudge, NothingPendingIsNoOp) {
  start();
  const auto outcome = run();
  EXPECT_EQ(outcome.kind, OutcomeKind::no_op) << outcome.message;
  EXPECT_EQ(outcome.message, "nothing is pending");
  EXPECT_EQ(server_->counters()["writes"], 0);
}

TEST_F(Nudge, AtOnceWith600WritesExactlyThePlanSaysWhereItsLastPointIsAndWhatItCosts) {
  start(600);
  clock_ = std::make_shared<FastClock>(kStart, 1);
  write(50, kStart);
  options_.mode = NudgeMode::at_once;
  const auto outcome = run();
  EXPECT_EQ(outcome.kind, OutcomeKind::succeeded) << outcome.message;
  EXPECT_EQ(outcome.steps, 850U);
  EXPECT_EQ(points(), 850U);
  EXPECT_EQ(outcome.reclaimed.files, 50U);
  const auto after = look();
  ASSERT_EQ(after.periods.size(), 1U);
  EXPECT_EQ(after.periods[0].number, 900U);
  ASSERT_EQ(told_.size(), 1U);
  EXPECT_EQ(announced_, std::vector<Time>{kBoundary});
  EXPECT_EQ(told_[0].first, 900U);
  EXPECT_EQ(told_[0].second, kBoundary);
  EXPECT_THAT(outcome.message, HasSubstr("waits for data dated 2026-11-23T01:42:00.000Z or later"));
}

TEST_F(Nudge, AtOnceDelaysTheNextNaturalSnapshot) {
  start();
  clock_ = std::make_shared<FastClock>(kStart, 1);
  write(12, kStart);
  options_.mode = NudgeMode::at_once;
  ASSERT_EQ(run().kind, OutcomeKind::succeeded);
  write(28, kStart);
  write(5, kBoundary + seconds(1));  // would have taken 28 files: but the own last point is in front
  EXPECT_EQ(server_->counters()["snapshots"], 1);
  EXPECT_EQ(look().periods.size(), 34U);
  write(1, kBoundary + minutes(1));
  EXPECT_TRUE(until([&] { return look().snapshot->sequence == 2; }));
}

TEST_F(Nudge, FutureDataIsPassedAtThreeTimesSAndNothingStaysPending) {
  start();
  write(3, kStart);
  write(1, kStart + hours(6));
  write(2, kStart);
  const auto outcome = run();
  EXPECT_EQ(outcome.kind, OutcomeKind::succeeded) << outcome.message;
  EXPECT_EQ(outcome.steps, 54U);
  EXPECT_EQ(points(), 54U);
  EXPECT_EQ(outcome.reclaimed.files, 6U);
  EXPECT_EQ(look().periods.size(), 0U);
  EXPECT_EQ(told_.size() + announced_.size(), 0U);
}

TEST_F(Nudge, WithLiveWritersNeverMorePointsThanThePlanAndAllOfTheStartIsCovered) {
  start();
  for (const NudgeMode mode : {NudgeMode::patient, NudgeMode::at_once}) {
    const Time now = clock_->now();
    write(12, now);
    options_.mode = mode;
    const auto planned = plan();
    // The run's own first sample decides what it has to cover: the writer goes on.
    const auto inner = source_;
    const auto start_of_run = std::make_shared<FirstLook>(inner);
    source_ = start_of_run;
    std::jthread writer([&](const std::stop_token& stop) {
      while (!stop.stop_requested()) write(1, clock_->now());
    });
    const auto outcome = run();
    writer.request_stop();
    writer.join();
    source_ = inner;
    EXPECT_EQ(outcome.kind, OutcomeKind::succeeded) << to_string(mode) << ": " << outcome.message;
    EXPECT_LE(outcome.steps, planned.points);
    ASSERT_NE(start_of_run->first(), nullptr);
    const auto& at_start = start_of_run->first()->periods;
    ASSERT_FALSE(at_start.empty());
    EXPECT_GE(look().snapshot->wal_file_sequence, planned.cover_to);
    EXPECT_GE(look().snapshot->wal_file_sequence, at_start.back().number);
    EXPECT_EQ(outcome.reclaimed.files, at_start.size());
  }
}

TEST_F(Nudge, LiveWritersThatReleaseTheFrontBeforeAFutureFileEndItAsFailed) {
  start();
  write(20, kStart - minutes(5));
  write(1, kStart + hours(6));
  int looks = 0;
  // A point of another writer, once 35 files are pending: takes the 20 in front.
  const auto inner = source_;
  source_ = std::make_shared<Interfering>(inner, [&](std::size_t pending) {
    if (pending < 35 || looks++ > 0) return;
    write(1, kStart);
    EXPECT_TRUE(until([&] { return (*inner->take_sample({}))->snapshot.has_value(); }));
  });
  const auto outcome = run();
  EXPECT_EQ(outcome.kind, OutcomeKind::failed) << outcome.message;
  EXPECT_EQ(outcome.reclaimed.files, 20U);
  EXPECT_EQ(outcome.steps, 14U);
  EXPECT_EQ(points(), 14U);
  EXPECT_THAT(outcome.message, HasSubstr("snapshotted part of the files by itself"));
  EXPECT_THAT(outcome.message, HasSubstr("(14 of 39 points written, 16 files pending); of what was there, 20 files"));
}

TEST_F(Nudge, ThroughTheUrlOfAnotherServerIsUnverifiedAfterOnePoint) {
  start();
  write(12, kStart - minutes(5));
  TempDir other;
  ServerProcess another("influxdb3.py", {"--data-dir", other.path(), "--node-id", "n1", "--gen1-duration", "1m",
                                         "--wal-flush-interval", "1ms", "--without-auth"});
  options_.url = another.url();
  options_.proof_timeout = seconds(20);
  const auto outcome = run();
  EXPECT_EQ(outcome.kind, OutcomeKind::unverified) << outcome.message;
  EXPECT_EQ(outcome.steps, 1U);
  EXPECT_EQ(another.counters()["points"].value("wal_checkpoint", std::uint64_t{0}), 1U);
  EXPECT_THAT(outcome.message, HasSubstr("check that influxdb.url and wal.directory belong to the same server"));
  EXPECT_EQ(points(), 0U);
}

TEST_F(Nudge, TooManyPointsOrTooLongWritesNothing) {
  start();
  write(12, kStart);
  options_.max_points = 17;
  auto outcome = run();
  EXPECT_EQ(outcome.kind, OutcomeKind::failed);
  EXPECT_THAT(outcome.message, ::testing::StartsWith("too_long: 12 files pending, goal 30: 18 points"));
  EXPECT_THAT(outcome.message, HasSubstr("allowed are 17 points"));
  options_.max_points = 2000;
  options_.max_duration = milliseconds(17);
  outcome = run();
  EXPECT_EQ(outcome.kind, OutcomeKind::failed);
  EXPECT_THAT(outcome.message, ::testing::StartsWith("too_long: "));
  EXPECT_EQ(outcome.steps, 0U);
  EXPECT_EQ(points(), 0U);
}

TEST_F(Nudge, RefusalsNameTheRemedyAndWhatWasDone) {
  start(20, {"--token", "right"});
  token_ = "right";
  write(12, kStart - minutes(5));
  const auto token_file = directory_.path() / "token";
  options_.token_file = token_file;

  auto outcome = run();
  EXPECT_EQ(outcome.kind, OutcomeKind::failed);
  EXPECT_THAT(outcome.message, HasSubstr("influxdb.token_file"));

  ASSERT_TRUE(write_file_atomically(token_file, "wrong\n", 0600));
  outcome = run();
  EXPECT_EQ(outcome.kind, OutcomeKind::failed);
  EXPECT_THAT(outcome.message,
              HasSubstr("401 (the request was not authenticated); the server does not know this token"));
  EXPECT_THAT(outcome.message, HasSubstr("(0 of 18 points written, 12 files pending)"));
  EXPECT_THAT(outcome.message, Not(HasSubstr("wrong")));

  ASSERT_TRUE(write_file_atomically(token_file, "right\n", 0600));
  options_.database = "_x";
  EXPECT_THAT(run().message, HasSubstr("400 (db name did not start with a number or letter); check"));

  options_.database = "sixth";
  for (const char* name : {"b", "c", "d", "e"}) write(1, kStart - minutes(5), name);
  outcome = run();
  EXPECT_EQ(outcome.kind, OutcomeKind::failed);
  EXPECT_THAT(outcome.message, HasSubstr("422 (Adding a new database would exceed limit of 5 databases)"));
  EXPECT_THAT(outcome.message, HasSubstr("set checkpoint.nudge.database to one that exists"));

  options_.database = "plant";
  server_->tell("fail-writes?count=1");
  outcome = run();
  EXPECT_EQ(outcome.kind, OutcomeKind::failed);
  EXPECT_THAT(outcome.message, HasSubstr("answered 500 (error writing wal file"));
  EXPECT_THAT(outcome.message, HasSubstr("check InfluxDB's log"));
  EXPECT_EQ(run().kind, OutcomeKind::succeeded);  // what went wrong before does not stay
}

TEST_F(Nudge, NamesThatNeedEscapesAreWritten) {
  start();
  write(28, kStart - minutes(5));
  options_.database = "a-b/c";
  options_.table = "my table,of=points";
  const auto outcome = run();
  EXPECT_EQ(outcome.kind, OutcomeKind::succeeded) << outcome.message;
  options_.table = "#comment";
  EXPECT_THAT(run().message, HasSubstr("checkpoint.nudge.table: \"#comment\" can't be the name of a table"));
}

TEST_F(Nudge, AServerThatIsKilledMidwayFailsWithWhatWasDone) {
  start(600);
  write(12, kStart - hours(1));
  auto outcome = std::async(std::launch::async, [&] { return run(); });
  EXPECT_TRUE(until([&] { return look().periods.size() >= 15; }));
  server_->kill();
  const auto ended = outcome.get();
  EXPECT_EQ(ended.kind, OutcomeKind::failed);
  EXPECT_THAT(ended.message, HasSubstr("whether this point was still written is not known"));
  EXPECT_THAT(ended.message, HasSubstr(std::to_string(ended.steps) + " of 888 points written"));
  EXPECT_GE(ended.steps, 2U);
  EXPECT_LT(ended.steps, 888U);

  const auto again = run();
  EXPECT_EQ(again.kind, OutcomeKind::failed);
  EXPECT_THAT(again.message, HasSubstr("check that InfluxDB runs"));
  EXPECT_EQ(again.steps, 0U);
}

TEST_F(Nudge, StopsWhileItWaitsForTheBoundary) {
  start();
  write(12, kStart);
  int looks = 0;
  source_ = std::make_shared<Interfering>(source_, [&](std::size_t pending) {
    if (pending == 29 && ++looks == 2) stop_.request_stop();
  });
  clock_ = std::make_shared<FastClock>(kStart, 4);
  const auto ended = run();
  EXPECT_EQ(ended.kind, OutcomeKind::failed);
  EXPECT_EQ(ended.message, "stopped after 17 of 18 points, 29 files pending");
  EXPECT_EQ(ended.steps, 17U);
  EXPECT_LT(ended.elapsed, seconds(20));
}

TEST_F(Nudge, StopsWhileTheServerIsSilent) {
  start();
  write(12, kStart);
  server_->tell("hang?value=true");
  auto outcome = std::async(std::launch::async, [&] { return run(); });
  EXPECT_TRUE(until([&] { return server_->counters()["requests"] == 13; }));
  stop_.request_stop();
  EXPECT_EQ(outcome.get().message, "stopped after 0 of 18 points, 12 files pending");
}

TEST_F(Nudge, AServerThatHangsFailsAtTheWriteLimit) {
  start();
  write(12, kStart - minutes(5));
  server_->tell("hang?value=true");
  options_.write_timeout = milliseconds(100);
  const auto outcome = run();
  EXPECT_EQ(outcome.kind, OutcomeKind::failed);
  EXPECT_THAT(outcome.message, HasSubstr("POST " + server_->url() + "/api/v3/write_lp: "));
  EXPECT_THAT(outcome.message, HasSubstr("(0 of 18 points written"));
}

TEST_F(Nudge, AStalledServerIsUnverified) {
  start();
  write(28, kStart - minutes(5));
  server_->tell("stall?value=true");
  options_.proof_timeout = seconds(20);
  const auto outcome = run();
  EXPECT_EQ(outcome.kind, OutcomeKind::unverified) << outcome.message;
  EXPECT_EQ(outcome.steps, 2U);
  EXPECT_THAT(outcome.message, HasSubstr("made no snapshot that covers WAL file 28 within 20s"));
  EXPECT_THAT(outcome.message, HasSubstr("(2 of 2 points written, 30 files pending)"));
}

}  // namespace
}  // namespace wal_exporter::influxdb
