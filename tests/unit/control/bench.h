// Bench: a target's Control without a thread, with a time that the test moves, and a
// world around it that answers what Control wants done.
//
// The world answers each effect at once, as its fields say; a field of `answers` that
// is false leaves that kind open, and the test answers it when it likes. That at most
// one of each kind is under way, and that next() never asks to be called at once for
// ever, is checked with every step.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "control/control.h"
#include "control/target_view.h"
#include "state/store.h"

namespace wal_exporter::control {

// 2026-01-01T00:00:00Z
inline constexpr Time kBenchStart{std::chrono::seconds(1'767'225'600)};

// A state database that can fail, and that shows what it holds of the one target.
class BenchStore final : public state::Store {
 public:
  using Values = std::map<std::string, std::string>;

  Result<std::optional<std::string>> get(const std::string& target, const std::string& key) override;
  Result<void> put(const std::string& target, const std::string& key, const std::string& value) override;
  // What another name has is no concern of Control's.
  Result<std::map<std::string, std::string>> get_all(const std::string& /*key*/) override { return {}; }
  Result<void> hand_over(const std::vector<state::Handover>& /*handovers*/) override { return {}; }
  Result<std::int64_t> append(const state::AuditEntry& entry) override;
  Result<std::vector<state::AuditEntry>> history(const std::string& target, std::optional<std::int64_t> before,
                                                 std::size_t limit) override;
  Result<std::vector<state::AuditEntry>> events(const state::EventQuery& query) override;
  Result<std::int64_t> newest_id() override;

  // Of the audit, oldest first.
  [[nodiscard]] std::vector<state::AuditEntry> entries(const std::string& kind = {});
  // What the details of that kind say, oldest first.
  [[nodiscard]] std::vector<nlohmann::json> details(const std::string& kind);
  // Of the newest of that kind; empty: none.
  [[nodiscard]] std::string summary_of(const std::string& kind);
  // Of the restart's events.
  [[nodiscard]] std::vector<std::string> steps();
  // "from -> to" of each event of health.
  [[nodiscard]] std::vector<std::string> healths();

  bool fails_reads = false;
  std::function<bool(const std::string& key)> fails_put;  // empty: none fails
  bool fails_appends = false;
  Values values;
  std::uint64_t puts = 0;

 private:
  std::unique_ptr<state::Store> audit_ = state::memory_store(100'000);
};

// What is around a target: its WAL, its server, those who restart it.
class World {
 public:
  World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  Result<wal::Sample> wal;       // what a sample shows; `taken_at` is filled in
  wal::Generation version;       // that the directory shows
  Duration elapsed{};            // of a sample
  influxdb::ServerFacts server;  // `asked_at` is filled in
  std::optional<influxdb::NodeFacts> node;
  std::optional<influxdb::WalMetrics> metrics;
  std::vector<policy::Blocked> server_blockers;  // that its answer tells
  std::vector<influxdb::RewritePlan> rewrites;   // likewise
  // What comes of a checkpoint. Changes the world as a checkpoint does.
  std::function<influxdb::Outcome(const RunCheckpoint&)> checkpoint_does;
  Result<std::string> check = std::string("run /usr/local/bin/restart");
  bool locked_elsewhere = false;
  Result<std::string> restarted = std::string("ran /usr/local/bin/restart");

  // What is answered at once.
  struct {
    bool samples = true;
    bool questions = true;
    bool checkpoints = true;
    bool checks = true;
    bool locks = true;
    bool restarts = true;
  } answers;
  // Called with each effect before it is answered.
  std::function<void(const Effect&)> during;

  // What was wanted so far.
  struct Wanted {
    std::uint64_t samples = 0;
    std::uint64_t questions = 0;
    std::vector<RunCheckpoint> checkpoints;
    std::uint64_t checkpoint_stops = 0;
    std::uint64_t restarts = 0;
    std::uint64_t restart_stops = 0;
  } wanted;

  // What is open, and how a test answers it.
  struct Open {
    std::optional<TakeSample> sample;
    std::optional<AskServer> question;
    Time asked_at{};  // of the question
    std::optional<RunCheckpoint> checkpoint;
    bool check = false;
    bool lock = false;
    bool restart = false;
  };
  [[nodiscard]] const Open& open() const { return open_; }
  void give_sample();
  void give_answer();
  // With the WAL read once more, as it is now.
  void end_checkpoint(influxdb::OutcomeKind kind, const std::string& message = "as the test says",
                      bool stopped = false);
  void end_checkpoint(influxdb::Outcome outcome, bool stopped = false);
  // Of a checkpoint that is not open.
  void end_of_nothing(RunEnded ended);
  void give_check(const Result<std::string>& plan);
  void give_lock(Result<HeldLock> lock);
  void give_restarted(const Result<std::string>& done);
  // Whether the lock that was given for a restart is still held.
  [[nodiscard]] bool lock_held() const { return !lock_.expired(); }

  // The answer that came under that number; nullopt: none yet.
  template <class Answer>
  [[nodiscard]] std::optional<Answer> answer_to(std::uint64_t request) const {
    const auto found = replies_.find(request);
    if (found == replies_.end()) return std::nullopt;
    if constexpr (std::is_same_v<Answer, view::PrepareRestartAnswer>) {
      return std::get<Answer>(found->second);
    } else {
      return std::get<Result<Answer>>(found->second).value();
    }
  }
  // Why there is none; nullopt: nothing came yet.
  template <class Answer>
  [[nodiscard]] std::optional<Error> error_to(std::uint64_t request) const {
    const auto found = replies_.find(request);
    if (found == replies_.end()) return std::nullopt;
    return std::get<Result<Answer>>(found->second).error();
  }

 protected:
  void forget();
  void call(const std::function<void()>& input);
  [[nodiscard]] Result<std::shared_ptr<const wal::Sample>> read() const;

  Now now_{kBenchStart, SteadyTime{} + std::chrono::hours(1)};
  std::unique_ptr<Control> control_;

 private:
  void work();
  void take(const Effect& effect);

  std::deque<Effect> queue_;
  bool working_ = false;
  Open open_;
  std::map<std::uint64_t, decltype(Reply::answer)> replies_;
  std::weak_ptr<const void> lock_;
};

class Bench : public World {
 public:
  Bench();

  // What a killed process leaves.
  struct Left {
    BenchStore::Values values;
    std::vector<state::AuditEntry> audit;
  };

  // Settings and world may be changed before; the world at any time.
  void start(Purpose purpose = Purpose::serve);
  // An orderly end: stop(), the ends of what runs, close().
  void end();
  // The process is gone, and its successor will find `left`: what is there now, or was at
  // an earlier moment.
  [[nodiscard]] Left left();
  void kill(const Left& left);
  void kill() { kill(left()); }

  [[nodiscard]] const Control& control() const { return *control_; }
  [[nodiscard]] const Parts& parts() const { return control_->parts(); }
  [[nodiscard]] Now now() const { return now_; }
  [[nodiscard]] std::shared_ptr<const view::TargetView> view() const { return view_of(*control_, now_); }
  [[nodiscard]] view::RestartView restart() const { return view()->restart; }

  // Calls on_time() whenever Control asks for it.
  void pass(Duration time);
  // Likewise, until `holds`; a failure after `most`.
  void pass_until(const std::function<bool()>& holds, Duration most = std::chrono::hours(24));
  // Likewise, until a step of that name was told.
  void pass_until_step(const std::string& step);
  // Both clocks move, and nobody calls: the machine was busy.
  void freeze(Duration time);
  // The wall clock alone, as NTP or a person sets it.
  void set_wall(Time wall) { now_.wall = wall; }

  void change();
  void on_time();
  void on_trigger(std::optional<std::uint64_t> file, Time time);
  std::uint64_t checkpoint(view::CheckpointCommand command);
  std::uint64_t prepare_restart(view::PrepareRestartCommand command);
  std::uint64_t alert(const std::vector<std::string>& instances, const std::string& name = "WalTooLarge");
  Result<view::PauseAnswer> pause(std::optional<Duration> length, const std::string& actor = "alice");
  void stop();
  // The settings have it no more.
  void leave();

  [[nodiscard]] std::string log() const { return log_text_->str(); }
  // How often that stands in the log.
  [[nodiscard]] std::size_t logged(const std::string& text) const;

  settings::Target settings;
  std::shared_ptr<BenchStore> store = std::make_shared<BenchStore>();
  std::shared_ptr<events::Bus> bus;  // nullptr: none

 private:
  const std::shared_ptr<std::ostringstream> log_text_ = std::make_shared<std::ostringstream>();
  const Log log_;
};

// A sample of 1.x with so many files of 1000 bytes, one to a shard.
[[nodiscard]] wal::Sample segments(std::uint64_t files);
// A sample of 3.x with so many files, one a second, the last one written at `newest`.
[[nodiscard]] wal::Sample periods_until(Time newest, std::uint64_t files);

// A server of that version that is up.
[[nodiscard]] influxdb::ServerFacts server_up(const std::string& version);
// Nobody listens at its port.
[[nodiscard]] influxdb::ServerFacts server_down();

}  // namespace wal_exporter::control
