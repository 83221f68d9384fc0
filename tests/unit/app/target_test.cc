// Targets on the threads of a process: that what hangs delays nobody but who waits for it,
// and that everybody gets an answer. The clock stands still until a test moves it.
#include "app/target.h"

#include <gmock/gmock.h>

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>
#include <mutex>
#include <thread>

#include "state/lock.h"
#include "unit/http/fake_server.h"
#include "unit/wal/node_tree.h"

namespace wal_exporter::app {
namespace {

using namespace std::chrono_literals;
using policy::Blocker;
using ::testing::Contains;
using ::testing::HasSubstr;
using wal_exporter::tests::FakeServer;
using wal_exporter::tests::Peer;
using wal_exporter::tests::TempDir;
using CheckpointState = view::CheckpointAnswer::State;

std::size_t threads_of_this_process() {
  return static_cast<std::size_t>(
      std::distance(std::filesystem::directory_iterator("/proc/self/task"), std::filesystem::directory_iterator()));
}

class OnThreads : public ::testing::Test {
 protected:
  OnThreads() {
    settings_.name = "plant";
    settings_.influxdb.version = wal::Generation::v1;
    settings_.wal.directory = folder_.path() / "wal";
    settings_.watch = false;
    settings_.rules.schedule.reset();
    settings_.rules.min_free_bytes = 0;
    settings_.checkpoint.method = influxdb::Method::http;
    settings_.checkpoint.http.emplace();
    settings_.checkpoint.http->path = "/checkpoint";
    settings_.influxdb.timeout = 1h;
    std::filesystem::create_directories(folder_.path() / "state");
    put("db/autogen/1/_00001.wal");
  }
  ~OnThreads() override {
    release();
    targets_.clear();
    machinery_.pool->stop(SteadyTime::max());
  }

  void put(const std::string& file) const {
    const auto path = settings_.wal.directory / file;
    std::filesystem::create_directories(path.parent_path());
    // One whole entry.
    std::ofstream(path, std::ios::binary) << std::string("\x01\x00\x00\x03\xE3", 5) << std::string(995, 'x');
  }

  Target& start() {
    Services services{machinery_,
                      store_,
                      null_log(),
                      folder_.path() / "state",
                      [this] {
                        const std::lock_guard lock(mutex_);
                        changed_.notify_all();
                      },
                      nullptr};
    targets_.push_back(std::make_unique<Target>(settings_, std::move(services)));
    return *targets_.back();
  }
  // After the first sample.
  Target& start_known() {
    Target& target = start();
    until([&] { return target.view()->sample != nullptr; });
    return target;
  }
  // Waits for a view of any target with which that holds.
  template <class Condition>
  void until(const Condition& holds) {
    std::unique_lock lock(mutex_);
    ASSERT_TRUE(changed_.wait_for(lock, 1min, holds));
  }
  // Nothing that is submitted from here on begins: all directories and servers hang.
  void hang() {
    std::promise<void> begun;
    machinery_.pool->submit([this, &begun](const std::stop_token&) {
      begun.set_value();
      hanging_.wait();
    });
    begun.get_future().wait();
  }
  void release() {
    if (!std::exchange(released_, true)) release_.set_value();
  }

  view::CheckpointCommand command(Duration wait) const {
    view::CheckpointCommand command;
    command.target = settings_.name;
    command.wait = wait;
    command.actor = "test";
    return command;
  }

  TempDir folder_;
  settings::Target settings_;
  std::shared_ptr<ManualClock> clock_ = std::make_shared<ManualClock>(SystemClock().now());
  std::shared_ptr<state::Store> store_ = state::memory_store(10'000);
  std::mutex mutex_;
  std::condition_variable changed_;
  std::promise<void> release_;
  std::shared_future<void> hanging_ = release_.get_future().share();
  bool released_ = false;
  // One job at a time, however long it takes.
  Machinery machinery_ = [this] {
    Machinery machinery = Machinery::of_process(clock_);
    machinery.pool = std::make_shared<Pool>(1, clock_, /*slow_after=*/24h);
    return machinery;
  }();
  std::vector<std::unique_ptr<Target>> targets_;
};

TEST_F(OnThreads, ATargetSamplesAndShowsIt) {
  Target& target = start_known();
  const auto view = target.view();
  EXPECT_EQ(view->sample->pending.files, 1U);
  EXPECT_EQ(view->health, policy::Health::healthy);
  EXPECT_EQ(target.not_ready(), "");
  EXPECT_EQ(target.samples(std::nullopt, 10).size(), 1U);
  clock_->advance(2min);
  until([&] { return target.view()->counters.samples == 2; });
}

TEST_F(OnThreads, ADirectoryThatHangsDelaysNoOtherAnswer) {
  Target& target = start_known();
  hang();
  clock_->advance(2min);  // a sample is due, and never begins
  EXPECT_TRUE(target.pause({"plant", 1h, "alice"}).has_value());
  EXPECT_TRUE(target.view()->paused) << "who has the answer sees it";
  EXPECT_THAT(target.plan(false).blockers, Contains(Blocker::paused));
  EXPECT_EQ(target.run(1), std::nullopt);
  EXPECT_EQ(target.samples(std::nullopt, 10).size(), 1U);
}

TEST_F(OnThreads, AProbeTakesASampleUnlessOneHasJustEnded) {
  Target& target = start_known();
  const auto first = target.view()->sample->taken_at;
  put("db/autogen/1/_00002.wal");
  auto probe = target.probe(1min);
  EXPECT_TRUE(probe.in_time);
  EXPECT_EQ(probe.target->sample->taken_at, first) << "samples have a second between them";
  clock_->advance(2s);
  probe = target.probe(1min);
  EXPECT_TRUE(probe.in_time);
  EXPECT_EQ(probe.target->sample->taken_at, first + 2s);
  EXPECT_EQ(probe.target->sample->pending.files, 2U);
}

TEST_F(OnThreads, AProbeOfADirectoryThatHangsTellsWhatIsKnownInTime) {
  Target& target = start_known();
  clock_->advance(2s);
  hang();
  auto probe = std::async(std::launch::async, [&] { return target.probe(5s); });
  EXPECT_EQ(probe.wait_for(50ms), std::future_status::timeout);
  for (int i = 0; i < 1000 && probe.wait_for(5ms) != std::future_status::ready; ++i) clock_->advance(1s);
  const auto answer = probe.get();
  EXPECT_FALSE(answer.in_time);
  EXPECT_EQ(answer.target->sample->pending.files, 1U);
}

TEST_F(OnThreads, WhoAsksWhileADirectoryHangsIsAnsweredInTime) {
  Target& target = start_known();
  EXPECT_TRUE(target.pause({"plant", 1h, "alice"}).has_value());
  hang();
  auto answer = std::async(std::launch::async, [&] { return target.checkpoint(command(1min)); });
  // The moment at which it asks is not known: the time goes on until it is answered.
  for (int i = 0; i < 1000 && answer.wait_for(5ms) != std::future_status::ready; ++i) clock_->advance(1s);
  EXPECT_EQ(answer.get().value().state, CheckpointState::blocked);
}

TEST_F(OnThreads, AServerThatHangsDelaysNoOtherAnswer) {
  machinery_.pool = std::make_shared<Pool>(4, clock_);
  FakeServer server([](Peer& peer) { peer.hang(); });
  settings_.influxdb.url = server.url();
  Target& target = start_known();
  EXPECT_EQ(target.not_ready(), "plant: InfluxDB has not answered yet");
  EXPECT_TRUE(target.pause({"plant", 1h, "alice"}).has_value());
  clock_->advance(2min);
  until([&] { return target.view()->counters.samples == 2; });
  target.stop();
}

TEST_F(OnThreads, AnotherTargetGoesOnWhileTheServerOfOneHangs) {
  machinery_.pool = std::make_shared<Pool>(2, clock_);
  FakeServer server([](Peer& peer) { peer.hang(); });
  settings_.influxdb.url = server.url();
  start_known();
  settings_.influxdb.url.clear();
  settings_.name = "other";
  Target& other = start_known();
  for (std::uint64_t i = 2; i < 5; ++i) {
    clock_->advance(2min);
    until([&] { return other.view()->counters.samples == i; });
  }
}

TEST_F(OnThreads, ACheckpointOfAServerThatHangsEndsWithItsTarget) {
  machinery_.pool = std::make_shared<Pool>(4, clock_);
  std::atomic<bool> asked = false;
  FakeServer server([&](Peer& peer) {
    const std::string request = peer.read_request();
    if (!request.starts_with("POST ")) {
      return peer.send("HTTP/1.1 204 No Content\r\nX-Influxdb-Version: 1.6.7\r\nConnection: close\r\n\r\n");
    }
    asked = true;
    peer.hang();
  });
  settings_.influxdb.url = server.url();
  Target& target = start_known();
  EXPECT_EQ(target.checkpoint(command(0s)).value().state, CheckpointState::running);
  EXPECT_TRUE(target.view()->running.has_value()) << "who has the answer sees it";
  target.stop();
  const auto run = target.view()->last_run;
  ASSERT_TRUE(run.has_value());
  EXPECT_EQ(run->outcome->kind, influxdb::OutcomeKind::failed);
  state::EventQuery query;
  query.kind = "wal.checkpoint";
  EXPECT_EQ(store_->events(query).value().size(), 2U) << "its start and its end are told";
}

TEST_F(OnThreads, AStopWaitsForNoLongerThanItMay) {
  FakeServer server([](Peer& peer) {
    peer.read_request();
    peer.send("HTTP/1.1 204 No Content\r\nX-Influxdb-Version: 1.6.7\r\nConnection: close\r\n\r\n");
  });
  settings_.influxdb.url = server.url();
  Target& target = start_known();
  until([&] { return target.view()->server.has_value(); });
  hang();
  // It starts by the last sample when the next one does not come, and its own job never begins.
  auto answer = std::async(std::launch::async, [&] { return target.checkpoint(command(24h)); });
  for (int i = 0; i < 1000 && !target.view()->running; ++i) {
    clock_->advance(1s);
    answer.wait_for(5ms);
  }
  ASSERT_TRUE(target.view()->running.has_value());
  auto stopped = std::async(std::launch::async, [&] { target.stop(clock_->steady() + 14s); });
  EXPECT_EQ(stopped.wait_for(50ms), std::future_status::timeout) << "a checkpoint is given its time";
  clock_->advance(14s);
  stopped.get();
  EXPECT_EQ(answer.get().error().kind, ErrorKind::cancelled) << "who waits is answered all the same";
}

TEST_F(OnThreads, WhoWaitsForASampleIsAnsweredWhenTheTargetStops) {
  Target& target = start_known();
  hang();
  auto checkpoint = std::async(std::launch::async, [&] { return target.checkpoint(command(1min)); });
  auto prepared = std::async(std::launch::async, [&] {
    return target.prepare_restart({"plant", 1min, "test", false, false});
  });
  auto alerted = std::async(std::launch::async, [&] { return target.alert({"plant", "WalTooLarge", {"a"}}); });
  target.stop();
  EXPECT_EQ(checkpoint.get().error().kind, ErrorKind::cancelled);
  EXPECT_EQ(prepared.get().message, "Not safe: the exporter is shutting down");
  EXPECT_EQ(alerted.get().error().kind, ErrorKind::cancelled);
}

TEST_F(OnThreads, AfterTheStopEverythingIsAnsweredAndNothingDone) {
  Target& target = start_known();
  target.stop();
  EXPECT_EQ(target.checkpoint(command(1min)).error().kind, ErrorKind::cancelled);
  EXPECT_EQ(target.checkpoint(command(1min)).error().message,
            "The exporter is shutting down or its settings for this target have changed");
  EXPECT_FALSE(target.prepare_restart({"plant", 1min, "test", false, false}).safe);
  EXPECT_EQ(target.alert({"plant", "WalTooLarge", {"a"}}).error().kind, ErrorKind::cancelled);
  EXPECT_FALSE(target.pause({"plant", 1h, "alice"}).has_value());
  EXPECT_EQ(target.plan(false).target, "plant");
  EXPECT_EQ(target.run(1), std::nullopt);
  const auto view = target.view();
  clock_->advance(10min);
  EXPECT_EQ(target.view(), view);
  target.stop();
}

TEST_F(OnThreads, WhatIsKeptNowAndThenIsKeptAtTheEnd) {
  start_known().stop();
  targets_.clear();
  clock_->advance(1min);
  Target& next = start_known();
  EXPECT_EQ(next.samples(std::nullopt, 10).size(), 2U) << "the point of the one before, and its own";
  EXPECT_TRUE(store_->get("plant", "samples").value().has_value());
}

TEST_F(OnThreads, ACheckpointWhileAnotherProcessActsOnTheTargetIsBusy) {
  FakeServer server([](Peer& peer) {
    peer.read_request();
    peer.send("HTTP/1.1 204 No Content\r\nX-Influxdb-Version: 1.6.7\r\nConnection: close\r\n\r\n");
  });
  settings_.influxdb.url = server.url();
  Target& target = start_known();
  const auto lock = state::TargetLock::acquire(folder_.path() / "state", "plant");
  ASSERT_TRUE(lock.has_value());
  const auto answer = target.checkpoint(command(1min)).value();
  ASSERT_TRUE(answer.run.has_value());
  EXPECT_EQ(answer.run->outcome->kind, influxdb::OutcomeKind::busy);
  EXPECT_EQ(target.run(answer.run->id)->outcome->kind, influxdb::OutcomeKind::busy);
}

// A restart of this process must not take the point for the user's data.
TEST_F(OnThreads, ANudgesPointOfTheFutureIsOnDiskBeforeItIsWritten) {
  machinery_ = Machinery::of_process(std::make_shared<SystemClock>());
  const auto node = folder_.path() / "node0";
  std::filesystem::create_directories(node / "wal");
  for (std::uint64_t number = 1; number <= 2; ++number) {
    wal::write_all(node / "wal" / wal::node_file_name(number), wal::wal_file(number));
  }
  std::promise<std::string> kept;
  bool written = false;
  FakeServer server([&](Peer& peer) {
    const std::string request = peer.read_request();
    if (request.starts_with("POST /api/v3/write_lp") && !std::exchange(written, true)) {
      kept.set_value(store_->get("plant", "policy").value().value_or(""));
    }
    const bool ping = request.starts_with("GET /ping");
    const std::string body = R"({"version":"3.10.0","revision":"x","process_id":"a"})";
    peer.send(ping ? "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: " + std::to_string(body.size()) +
                         "\r\n\r\n" + body
                   : std::string("HTTP/1.1 500 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"));
  });
  settings_.wal.directory = node;
  settings_.influxdb.version = wal::Generation::v3;
  settings_.influxdb.url = server.url();
  settings_.influxdb.snapshot_size = 2;
  settings_.influxdb.flush_interval = 1s;
  settings_.influxdb.gen1_duration = 10min;
  settings_.influxdb.timeout = 5s;
  settings_.checkpoint.method = influxdb::Method::nudge;
  settings_.checkpoint.nudge.enabled = true;
  Target& target = start();
  auto asked = command(1min);
  asked.at_once = true;
  const auto answer = target.checkpoint(asked).value();
  ASSERT_EQ(answer.state, CheckpointState::ended) << answer.message;
  ASSERT_TRUE(written) << answer.message;
  EXPECT_THAT(kept.get_future().get(), HasSubstr("own_trigger_time"));
  targets_.clear();  // before the server
}

TEST_F(OnThreads, AHundredTargetsHaveFewThreads) {
  machinery_ = Machinery::of_process(clock_);
  const std::size_t before = threads_of_this_process();
  for (int i = 0; i < 100; ++i) {
    settings_.name = "plant" + std::to_string(i);
    start();
  }
  until([&] {
    return std::all_of(targets_.begin(), targets_.end(), [](const auto& target) { return target->view()->sample; });
  });
  EXPECT_LE(threads_of_this_process(), before + 12);
  clock_->advance(2min);
  until([&] {
    return std::all_of(targets_.begin(), targets_.end(),
                       [](const auto& target) { return target->view()->counters.samples >= 2; });
  });
  EXPECT_LE(threads_of_this_process(), before + 12);
}

}  // namespace
}  // namespace wal_exporter::app
