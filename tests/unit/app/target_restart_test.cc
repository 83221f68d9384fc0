// A target whose WAL stays critical, with a clock that the test moves: when a restart
// of InfluxDB is considered, what comes of it, and that it comes once.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "app/target.h"
#include "state/lock.h"
#include "unit/http/fake_server.h"

namespace wal_exporter::app {
namespace {

using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using wal_exporter::tests::FakeServer;
using wal_exporter::tests::Peer;
using wal_exporter::tests::TempDir;

// 2026-01-01T00:00:00Z
constexpr Time kRestartStart{std::chrono::seconds(1'767'225'600)};
constexpr Duration kInterval = 1min;

// A disk that gets full.
class FullStore final : public state::Store {
 public:
  explicit FullStore(std::shared_ptr<state::Store> store) : store_(std::move(store)) {}
  Result<std::optional<std::string>> get(const std::string& target, const std::string& key) override {
    return store_->get(target, key);
  }
  Result<void> put(const std::string& target, const std::string& key, const std::string& value) override {
    if (full) return failure(ErrorKind::unavailable, "no space left");
    return store_->put(target, key, value);
  }
  Result<std::int64_t> append(const state::AuditEntry& entry) override { return store_->append(entry); }
  Result<std::vector<state::AuditEntry>> history(const std::string& target, std::optional<std::int64_t> before,
                                                 std::size_t limit) override {
    return store_->history(target, before, limit);
  }
  Result<std::vector<state::AuditEntry>> events(const state::EventQuery& query) override {
    return store_->events(query);
  }
  Result<std::int64_t> newest_id() override { return store_->newest_id(); }

  std::atomic<bool> full = false;

 private:
  std::shared_ptr<state::Store> store_;
};

class TargetRestart : public ::testing::Test {
 protected:
  TargetRestart()
      : server_([this](Peer& peer) {
          const std::string asked = peer.read_request();
          if (closed_) return peer.reset();
          if (asked.starts_with("POST ")) {
            ++checkpoints_;
            if (started_ && on_preparation_ && shown().state == "preparing") on_preparation_();
          }
          if (!up_ || asked.starts_with("POST ")) {
            return peer.send("HTTP/1.1 500 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
          }
          peer.send("HTTP/1.1 204 No Content\r\nX-Influxdb-Version: 1.6.7\r\nConnection: close\r\n\r\n");
        }) {
    settings_.name = "plant";
    settings_.influxdb.version = settings::Version::v1;
    settings_.influxdb.url = server_.url();
    settings_.wal.directory = folder_.path() / "wal";
    settings_.sampling.interval = kInterval;
    settings_.sampling.watch = false;
    settings_.thresholds.max_files = 1;
    settings_.checkpoint.method = settings::Method::none;
    settings_.checkpoint.schedule.reset();
    settings_.checkpoint.min_free_bytes = 0;
    settings_.restart.enabled = true;
    settings_.restart.unprepared = true;
    settings_.restart.max_per_day = 10;
    settings_.restart.method = settings::RestartMethod::command;
    command("echo x >>" + path("ran"));
    std::filesystem::create_directories(state_);
    grow();
  }

  [[nodiscard]] std::string path(const std::string& name) const { return (folder_.path() / name).string(); }
  void command(const std::string& text) {
    std::ofstream(path("restart")) << "#!/bin/sh\n" << text << "\n";
    ::chmod(path("restart").c_str(), 0755);
    settings_.restart.command.arguments = {path("restart")};
  }
  void grow() {
    for (int shard = 1; shard <= 5; ++shard) {
      const auto folder = settings_.wal.directory / "db" / "autogen" / std::to_string(shard);
      std::filesystem::create_directories(folder);
      std::ofstream(folder / "_00001.wal") << std::string(1000, 'x');
    }
  }
  void shrink() { std::filesystem::remove_all(settings_.wal.directory / "db"); }

  void start() {
    auto store = state::open_store(state_, 10'000);
    ASSERT_TRUE(store.has_value());
    store_ = std::make_shared<FullStore>(*std::move(store));
    target_ = std::make_unique<Target>(settings_, Services{clock_, store_, null_log(), state_,
                                                           [this] {
                                                             if (started_ && on_change_) on_change_();
                                                           },
                                                           nullptr, watches_});
    until([&] { return target_->view()->health.has_value(); }, "the first look");
    ASSERT_EQ(target_->view()->health, policy::Health::critical);
    started_ = true;
  }

  template <class Condition>
  void until(const Condition& holds, const std::string& what) {
    const auto deadline = std::chrono::steady_clock::now() + 1min;
    while (!holds()) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline)
          << "not within a minute: " << what << "; steps " << ::testing::PrintToString(steps());
      ::poll(nullptr, 0, 5);
    }
  }
  // Moves the clock, and lets the target look, and end what it began, as it goes. What
  // has no end without more time is left after a while.
  void pass(Duration time, Duration step = 15s) {
    for (Duration passed{}; passed < time; passed += step) {
      clock_->advance(step);
      const auto settled = [&] {
        const auto view = target_->view();
        return clock_->now() - view->sample->taken_at < kInterval && !view->running;
      };
      const auto deadline = std::chrono::steady_clock::now() + 5s;
      while (!settled() && std::chrono::steady_clock::now() < deadline) ::poll(nullptr, 0, 2);
    }
  }
  // Moves the clock until a step of that name was told.
  void pass_until(const std::string& step) {
    until(
        [&] {
          const auto told = steps();
          if (std::find(told.begin(), told.end(), step) != told.end()) return true;
          pass(5s, 5s);
          return false;
        },
        step);
  }

  std::vector<nlohmann::json> events(const std::string& kind) {
    std::vector<nlohmann::json> out;
    const auto entries = store_->history("plant", std::nullopt, 10'000);
    for (const state::AuditEntry& entry : entries.value()) {
      if (entry.kind == kind) out.insert(out.begin(), nlohmann::json::parse(entry.detail));
    }
    return out;
  }
  // Of the newest.
  std::string summary_of(const std::string& kind) {
    const auto entries = store_->history("plant", std::nullopt, 10'000);
    for (const state::AuditEntry& entry : entries.value()) {
      if (entry.kind == kind) return entry.summary;
    }
    return {};
  }
  std::vector<std::string> steps() {
    std::vector<std::string> out;
    for (const auto& detail : events("wal.restart")) out.push_back(detail.at("step"));
    return out;
  }
  // Three checkpoints that fail, then the restart's own.
  void with_checkpoints() {
    settings_.checkpoint.method = settings::Method::http;
    settings_.checkpoint.http.emplace();
    settings_.checkpoint.http->path = "/checkpoint";
  }
  [[nodiscard]] std::size_t considered() const { return target_->view()->counters.restart_considerations; }
  [[nodiscard]] long runs() const {
    std::ifstream in(path("ran"));
    return std::count(std::istreambuf_iterator<char>(in), {}, '\n');
  }
  [[nodiscard]] view::RestartView shown() const { return target_->view()->restart; }

  TempDir folder_;
  const std::filesystem::path state_ = folder_.path() / "state";
  std::atomic<bool> up_ = true;
  std::atomic<bool> closed_ = false;
  std::atomic<int> checkpoints_ = 0;  // requests for one, all of them refused
  std::atomic<bool> started_ = false;
  std::atomic<bool> once_ = true;  // what the two below may do once
  std::atomic<int> over_ = 0;
  std::atomic<int> held_ = 0;
  std::function<void()> on_preparation_;  // while the restart's own checkpoint is asked for
  std::function<void()> on_change_;       // of the view; with the target's lock held
  FakeServer server_;
  settings::Target settings_;
  std::shared_ptr<ManualClock> clock_ = std::make_shared<ManualClock>(kRestartStart);
  std::shared_ptr<wal::WatchHub> watches_ = std::make_shared<wal::WatchHub>(std::make_shared<Pool>(1, clock_));
  std::shared_ptr<FullStore> store_;
  std::unique_ptr<Target> target_;
};

TEST_F(TargetRestart, IsMadeAfterAQuarterOfAnHourBlockedAndOncePerEpisode) {
  start();
  pass(14min);
  EXPECT_EQ(considered(), 0U);
  EXPECT_THAT(steps(), IsEmpty());
  pass_until("ready");
  EXPECT_THAT(steps(), ElementsAre("preparing", "not_prepared", "restarting", "restarted", "ready"));
  EXPECT_EQ(runs(), 1);
  const auto told = events("wal.restart");
  EXPECT_EQ(told.at(2).at("pending"), (nlohmann::json{{"files", 5}, {"bytes", 5000}}));
  EXPECT_EQ(told.at(4).at("pending_before"), told.at(4).at("pending_after"));
  EXPECT_EQ(told.at(4).at("method"), "command");
  const nlohmann::json why = events("wal.restart_consideration").at(0);
  EXPECT_EQ(why.at("blockers"), nlohmann::json{"method_disabled"});
  EXPECT_THAT(why.at("recommendations"), Contains(HasSubstr("No checkpoint is started now: ")));
  until([&] { return shown().state == "idle" && shown().last; }, "the view");
  EXPECT_TRUE(shown().last->success);
  EXPECT_THAT(shown().last->message, HasSubstr("InfluxDB is up again"));
  EXPECT_EQ(shown().remaining_today, 9U);
  EXPECT_EQ(target_->view()->counters.restarts, 1U);
  EXPECT_EQ(target_->view()->counters.restart_failures, 0U);

  pass(1h);
  EXPECT_EQ(considered(), 1U) << "the episode goes on";
  EXPECT_EQ(runs(), 1);

  shrink();
  pass(2min);
  EXPECT_EQ(target_->view()->health, policy::Health::healthy);
  grow();
  pass(14min);
  EXPECT_EQ(runs(), 1);
  pass(3min);
  until([&] { return runs() == 2; }, "the next episode's");
}

TEST_F(TargetRestart, IsMadeAfterThreeCheckpointsFiveMinutesApartThatDidNotHelp) {
  with_checkpoints();
  start();
  pass(9min);
  EXPECT_GE(checkpoints_, 2);
  EXPECT_EQ(considered(), 0U);
  // Between them lies the backoff, of 15 min at most.
  pass_until("ready");
  EXPECT_GE(checkpoints_, 4) << "three, and the restart's own";
  EXPECT_EQ(runs(), 1);
  const auto told = events("wal.restart");
  EXPECT_THAT(told.at(1).at("message"), HasSubstr("Not safe: "));
  EXPECT_THAT(summary_of("wal.restart_consideration"), HasSubstr("; the last checkpoint: failed: "));
  EXPECT_EQ(events("wal.checkpoint").back().at("reason"), "pre_restart") << "the backoff does not hold it back";
}

TEST_F(TargetRestart, WithoutAPreparationThatWorkedIsNotMadeUnlessThatIsAllowed) {
  settings_.restart.unprepared = false;
  start();
  pass(15min);
  pass_until("refused");
  EXPECT_THAT(steps(), ElementsAre("preparing", "not_prepared", "refused"));
  pass(20min);
  EXPECT_EQ(runs(), 0);
  EXPECT_EQ(steps().size(), 3U);
  EXPECT_THAT(target_->view()->recommendations, Contains(HasSubstr("The exporter did not restart InfluxDB: ")));
}

TEST_F(TargetRestart, IsNotMadeWhereTheReplayWouldTakeTooLong) {
  settings_.restart.max_replay = 1s;
  settings_.replay.bytes_per_second = 10;
  start();
  pass(15min);
  pass_until("refused");
  EXPECT_THAT(events("wal.restart").back().at("message"), HasSubstr("it would replay for about 8m 20s"));
  EXPECT_EQ(runs(), 0);
}

TEST_F(TargetRestart, IsOnlyToldInADryRun) {
  settings_.dry_run = true;
  start();
  pass(15min);
  pass_until("dry_run");
  EXPECT_THAT(steps(), ElementsAre("dry_run"));
  EXPECT_THAT(events("wal.restart").back().at("message"), HasSubstr("would prepare it, then run "));
  EXPECT_EQ(runs(), 0);
  EXPECT_EQ(shown().remaining_today, 10U);
}

TEST_F(TargetRestart, IsAnEventAloneWhereItIsNotEnabled) {
  settings_.restart.enabled = false;
  start();
  pass(30min);
  EXPECT_EQ(considered(), 1U);
  EXPECT_THAT(steps(), IsEmpty());
  EXPECT_EQ(runs(), 0);
  EXPECT_THAT(target_->view()->recommendations, Contains(HasSubstr("A restart of InfluxDB is worth considering")));
}

TEST_F(TargetRestart, WaitsAsLongAsSomethingHoldsItBackAndSaysSoOnce) {
  settings_.checkpoint.min_free_bytes = std::uint64_t{1} << 50U;
  start();
  pass(15min);
  pass_until("refused");
  pass(30min);
  EXPECT_THAT(steps(), ElementsAre("refused"));
  EXPECT_EQ(events("wal.restart").back().at("blockers"), (nlohmann::json{"disk_headroom"}));
  EXPECT_EQ(events("wal.restart").back().at("waits"), true);
  EXPECT_EQ(shown().state, "waiting");
  EXPECT_THAT(target_->view()->recommendations, Contains(HasSubstr("The restart of InfluxDB is held back: ")));

  // The next process remembers it, and acts when there is room.
  target_.reset();
  settings_.checkpoint.min_free_bytes = 0;
  start();
  pass_until("ready");
  EXPECT_EQ(runs(), 1);
  EXPECT_EQ(considered(), 0U) << "by this process";
}

TEST_F(TargetRestart, OfAProcessThatWasKilledWhilePreparingIsMadeByTheNext) {
  with_checkpoints();
  std::string left;  // what a killed one leaves in its state
  on_preparation_ = [&] {
    if (once_.exchange(false)) left = store_->get("plant", "policy").value().value();
  };
  start();
  pass_until("ready");
  EXPECT_EQ(runs(), 1);
  target_.reset();
  ASSERT_TRUE(store_->put("plant", "policy", left));
  start();
  until([&] { return pass(5s, 5s), runs() == 2; }, "the restart of the next process");
  pass(20min);
  EXPECT_EQ(runs(), 2);
  EXPECT_EQ(considered(), 0U) << "by this process";
}

TEST_F(TargetRestart, IsNotMadeWhereItCanNotBeKeptThatItWas) {
  settings_.restart.max_per_day = 1;
  start();
  pass(14min);
  store_->full = true;
  pass_until("refused");
  EXPECT_EQ(runs(), 0);
  EXPECT_THAT(events("wal.restart").back().at("message"), HasSubstr("restart.max_per_day would not hold"));
  EXPECT_EQ(shown().remaining_today, 1U);
}

// What a killed process leaves in its state while its restart is under way.
class TargetRestartKilled : public TargetRestart {
 protected:
  static constexpr const char* kKeys[] = {"policy", "restart", "restart_begun"};

  // Has the restart made by a process that is killed in `state`, then starts the next.
  void kill_while(const std::string& state) {
    on_change_ = [this, state] {
      if (shown().state != state || left_of("restart_begun").empty() || !once_.exchange(false)) return;
      for (const char* key : kKeys) left_[key] = left_of(key);
    };
    start();
    pass(15min);
    pass_until("ready");
    target_->stop();  // with it end the threads that call on_change_, which looks at the target
    EXPECT_FALSE(left_["restart_begun"].empty());
    started_ = false;
    target_.reset();
    on_change_ = nullptr;
    for (const char* key : kKeys) ASSERT_TRUE(store_->put("plant", key, left_[key]));
    before_ = steps().size();
    start();
    until([&] { return pass(5s, 5s), steps().size() > before_; }, "the end of the restart");
    until([&] { return shown().state == "idle"; }, "the view");
  }

  std::string left_of(const char* key) { return store_->get("plant", key).value().value_or(""); }

  std::map<std::string, std::string> left_;
  std::size_t before_ = 0;
};

TEST_F(TargetRestartKilled, WhileTheCommandRanIsToldByTheNextProcessAsNotKnown) {
  kill_while("restarting");
  EXPECT_EQ(steps().back(), "failed");
  EXPECT_THAT(events("wal.restart").back().at("message"), HasSubstr("whether that came to its end is not known"));
  EXPECT_EQ(events("wal.restart").back().at("pending_before"), (nlohmann::json{{"files", 5}, {"bytes", 5000}}));
  pass(5min);
  EXPECT_EQ(runs(), 1) << "it is not made again";
  EXPECT_EQ(steps().size(), before_ + 1);

  // Told once: the one after that knows nothing of it.
  target_.reset();
  start();
  EXPECT_EQ(shown().state, "idle");
}

TEST_F(TargetRestartKilled, AfterTheCommandIsSeenToItsEndByTheNextProcess) {
  kill_while("starting");
  EXPECT_EQ(steps().back(), "ready");
  EXPECT_TRUE(shown().last->success);
  EXPECT_THAT(shown().last->message, HasSubstr("InfluxDB is up again"));
}

TEST_F(TargetRestart, WaitsAgainWhereAPersonPausesWhileItIsPrepared) {
  with_checkpoints();
  on_preparation_ = [this] {
    if (!once_.exchange(false)) return;
    EXPECT_TRUE(target_->pause({"plant", 24h, "alice"}).until.has_value());
  };
  start();
  pass_until("refused");
  pass(20min);
  EXPECT_THAT(steps(), ElementsAre("preparing", "not_prepared", "refused"));
  EXPECT_EQ(events("wal.restart").back().at("waits"), true);
  EXPECT_EQ(events("wal.restart").back().at("blockers"), (nlohmann::json{"paused"}));
  EXPECT_EQ(shown().state, "waiting");
  EXPECT_FALSE(shown().last.has_value()) << "it is not over";
  EXPECT_EQ(runs(), 0);

  EXPECT_FALSE(target_->pause({"plant", std::nullopt, "alice"}).until.has_value());
  pass_until("ready");
  EXPECT_EQ(runs(), 1);
  EXPECT_EQ(considered(), 1U) << "the same episode";
}

TEST_F(TargetRestart, WaitsAgainWhereTheWalCanNotBeReadWhileItIsPrepared) {
  const auto wal = settings_.wal.directory;
  on_change_ = [this, wal] {
    if (shown().state == "preparing" && once_.exchange(false)) std::filesystem::rename(wal, path("elsewhere"));
  };
  start();
  pass(15min);
  pass_until("refused");
  EXPECT_EQ(events("wal.restart").back().at("blockers"), (nlohmann::json{"sample_stale"}));
  const auto failures = [&] { return target_->view()->counters.sample_failures; };
  until(
      [&, before = failures()] {
        clock_->advance(1s);
        return failures() >= before + 2;
      },
      "more looks");
  EXPECT_THAT(steps(), ElementsAre("preparing", "not_prepared", "refused")) << "not again and again";
  std::filesystem::rename(path("elsewhere"), wal);
  pass_until("ready");
  EXPECT_EQ(runs(), 1);
}

TEST_F(TargetRestart, IsNotMadeWhereThePreparationBroughtTheWalBelowCritical) {
  with_checkpoints();
  on_preparation_ = [this] {
    for (const char* shard : {"1", "2", "3"}) {
      std::filesystem::remove_all(settings_.wal.directory / "db" / "autogen" / shard);
    }
  };
  start();
  pass_until("refused");
  EXPECT_EQ(target_->view()->health, policy::Health::critical) << "2 files, the limit: not below 90 % of it";
  EXPECT_THAT(events("wal.restart").back().at("message"), HasSubstr("the WAL is not critical now"));
  pass(20min);
  EXPECT_EQ(runs(), 0);
}

TEST_F(TargetRestart, WaitsWhileInfluxdbMayBeReplayingAndIsMadeWhenItHadItsTime) {
  settings_.restart.ready_timeout = 30min;
  start();
  pass(14min + 30s);
  // Where the machine is slow the probe comes later than the clock that this moves.
  until(
      [&] {
        const auto view = target_->view();
        return view->server && view->server->asked_at > clock_->now() - 15s;
      },
      "the server was seen up just now");
  closed_ = true;
  const Time closed_at = clock_->now();
  pass_until("refused");
  EXPECT_EQ(events("wal.restart").back().at("blockers"), (nlohmann::json{"server_unreachable"}));
  pass(20min);
  EXPECT_THAT(steps(), ElementsAre("refused"));
  EXPECT_EQ(shown().state, "waiting");
  EXPECT_EQ(runs(), 0);
  pass_until("restarted");
  EXPECT_GE(clock_->now() - closed_at, 29min + 30s);
  closed_ = false;
  pass_until("ready");
  EXPECT_EQ(runs(), 1);
}

TEST_F(TargetRestart, IsMadeWhenInfluxdbHasReplayedAndTheWalIsCriticalStill) {
  start();
  pass(14min + 30s);
  closed_ = true;
  pass_until("refused");
  pass(5min);
  EXPECT_EQ(runs(), 0);
  closed_ = false;
  pass_until("ready");
  EXPECT_EQ(runs(), 1);
}

TEST_F(TargetRestart, LetsGoOfTheTargetBeforeItSaysThatItIsOver) {
  on_change_ = [this] {
    if (shown().state != "idle" || !shown().last) return;
    ++over_;
    if (!state::TargetLock::acquire(state_, "plant")) ++held_;
  };
  start();
  pass(15min);
  pass_until("ready");
  until([&] { return over_ > 0; }, "the end");
  EXPECT_EQ(held_, 0) << "a checkpoint that is asked for now would be busy";
}

TEST_F(TargetRestart, TheLimitPerDayOutlivesTheProcess) {
  settings_.restart.max_per_day = 1;
  start();
  pass(15min);
  pass_until("ready");
  target_.reset();
  start();
  shrink();
  pass(2min);
  grow();
  pass(16min);
  pass_until("refused");
  EXPECT_EQ(runs(), 1);
  EXPECT_THAT(events("wal.restart").back().at("message"), HasSubstr("restart.max_per_day allows 1"));
  EXPECT_EQ(shown().remaining_today, 0U);
}

TEST_F(TargetRestart, OfAnInfluxdbThatComesUpLateIsReadyOnlyThen) {
  command("echo x >>" + path("ran"));
  start();
  pass(14min + 45s);
  up_ = false;
  pass_until("restarted");
  pass(5min);
  EXPECT_THAT(steps(), Not(Contains("ready")));
  EXPECT_EQ(shown().state, "starting");
  // Nothing else is done to it meanwhile.
  const auto answer = target_->checkpoint({"plant", policy::Reason::manual, false, 0s, false, "test"});
  EXPECT_EQ(answer.state, view::CheckpointAnswer::State::blocked);
  EXPECT_THAT(answer.blockers, Contains(policy::Blocker::in_flight));
  EXPECT_THAT(answer.message, HasSubstr("InfluxDB is being restarted"));
  up_ = true;
  pass_until("ready");
  EXPECT_GE(events("wal.restart").back().at("took_seconds"), 300);
}

TEST_F(TargetRestart, OfAnInfluxdbThatDoesNotComeUpFails) {
  settings_.restart.ready_timeout = 10min;
  start();
  pass(14min + 45s);
  up_ = false;
  pass_until("restarted");
  pass(9min);
  EXPECT_THAT(steps(), Not(Contains("failed")));
  pass_until("failed");
  EXPECT_THAT(events("wal.restart").back().at("message"), HasSubstr("InfluxDB is not up 10m"));
  until([&] { return target_->view()->counters.restart_failures == 1; }, "the count");
  EXPECT_EQ(target_->view()->counters.restarts, 1U);
  EXPECT_FALSE(shown().last->success);
}

TEST_F(TargetRestart, ThatCanNotBeMadeFailsBeforeAnythingIsPrepared) {
  settings_.restart.command.arguments = {path("nothing")};
  start();
  pass(15min);
  pass_until("failed");
  EXPECT_THAT(steps(), ElementsAre("failed"));
  EXPECT_THAT(events("wal.restart").back().at("message"), HasSubstr("No such file"));
  EXPECT_EQ(shown().remaining_today, 10U);
}

TEST_F(TargetRestart, IsNotMadeWhileAnotherProcessActsOnTheTarget) {
  start();
  const auto held = state::TargetLock::acquire(state_, "plant");
  ASSERT_TRUE(held.has_value());
  pass(15min);
  pass_until("refused");
  EXPECT_EQ(runs(), 0);
}

TEST_F(TargetRestart, ThatHangsIsEndedWithItsTargetAndNothingWaitsForIt) {
  command("touch " + path("runs") + "; exec sleep 1000");
  settings_.restart.command.timeout = 1h;
  start();
  pass(15min);
  until([&] { return std::filesystem::exists(path("runs")); }, "the command");
  pass(2min);
  EXPECT_EQ(shown().state, "restarting");
  const auto stopper = std::jthread([&] { target_->stop(); });
  // Its grace is the clock's time.
  for (int i = 0; i < 400 && shown().state == "restarting"; ++i) {
    clock_->advance(1s);
    ::poll(nullptr, 0, 10);
  }
  EXPECT_THAT(steps(), ElementsAre("preparing", "not_prepared", "restarting")) << "that we end is no failure of it";
  EXPECT_EQ(shown().state, "idle");
  EXPECT_EQ(target_->view()->counters.restart_failures, 0U);
  ASSERT_TRUE(shown().last.has_value());
  EXPECT_FALSE(shown().last->success);
  EXPECT_THAT(shown().last->message, HasSubstr("because this exporter is stopping"));
}

}  // namespace
}  // namespace wal_exporter::app
