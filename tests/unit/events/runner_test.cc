// One hook at work, with a clock that stands still and a channel that does what
// the test says.
#include "events/runner.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "support.h"

namespace wal_exporter::events {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using Verdict = Attempt::Verdict;

// What the channel of a runner does, and what it was given.
struct Script {
  Mutex mutex;
  Verdict verdict WAL_EXPORTER_GUARDED_BY(mutex) = Verdict::delivered;
  std::optional<Duration> retry_after WAL_EXPORTER_GUARDED_BY(mutex);
  std::vector<std::int64_t> delivered WAL_EXPORTER_GUARDED_BY(mutex);
  std::vector<std::int64_t> tried WAL_EXPORTER_GUARDED_BY(mutex);
  int throws WAL_EXPORTER_GUARDED_BY(mutex) = 0;     // deliveries that throw
  bool takes WAL_EXPORTER_GUARDED_BY(mutex) = true;  // what is a warning or worse

  void answer(Verdict with, std::optional<Duration> pause = std::nullopt) {
    const MutexLock lock(mutex);
    verdict = with;
    retry_after = pause;
  }
  std::vector<std::int64_t> seen() {
    const MutexLock lock(mutex);
    return delivered;
  }
};

class ScriptedChannel final : public Channel {
 public:
  explicit ScriptedChannel(std::shared_ptr<Script> script) : script_(std::move(script)) {}
  [[nodiscard]] Result<void> check() const override { return {}; }
  [[nodiscard]] bool take(const Event& event) override {
    const MutexLock lock(script_->mutex);
    return script_->takes && event.severity != Severity::info;
  }
  [[nodiscard]] Delivery deliver(const std::deque<Event>& queue, Time, Duration, const std::stop_token&) override {
    const MutexLock lock(script_->mutex);
    Delivery out;
    out.verdict = script_->verdict;
    out.events = {0};
    script_->tried.push_back(queue.front().id);
    if (script_->throws > 0) {
      --script_->throws;
      throw std::runtime_error("what nobody thought of");
    }
    if (out.verdict == Verdict::delivered) {
      script_->delivered.push_back(queue.front().id);
    } else {
      out.failures = 1;
      out.message = "it does not want to";
      out.retry_after = script_->retry_after;
    }
    return out;
  }

 private:
  std::shared_ptr<Script> script_;
};

class Runner : public ::testing::Test {
 protected:
  void start(HookHandover before = {}) {
    runner_ = std::make_unique<HookRunner>(config_, std::make_unique<ScriptedChannel>(script_), bench_.services(),
                                           std::move(before));
  }
  void happen(std::int64_t id, Time time = kNow, Severity severity = Severity::warning) {
    bench_.happens(health_event(id, "warning", severity, time));
  }
  [[nodiscard]] bool until_delivered(std::uint64_t count) {
    return bench_.until([&] { return runner_->status().deliveries >= count; });
  }
  [[nodiscard]] bool until_failed(std::uint64_t count) {
    return bench_.until([&] { return runner_->status().failures >= count; });
  }

  HookConfig config_ = [] {
    HookConfig config;
    config.name = "any";
    return config;
  }();
  Bench bench_;
  std::shared_ptr<Script> script_ = std::make_shared<Script>();
  std::unique_ptr<HookRunner> runner_;
};

TEST_F(Runner, DeliversWhatHappensInItsOrder) {
  start();
  for (int id = 1; id <= 5; ++id) happen(id);
  ASSERT_TRUE(until_delivered(5));
  EXPECT_THAT(script_->seen(), ElementsAre(1, 2, 3, 4, 5));
  EXPECT_EQ(runner_->status().queue_length, 0U);
  EXPECT_EQ(runner_->status().last_success, kNow);
}

TEST_F(Runner, PassesOverWhatIsNotAskedFor) {
  start();
  happen(1, kNow, Severity::info);
  happen(2);
  ASSERT_TRUE(until_delivered(1));
  EXPECT_THAT(script_->seen(), ElementsAre(2));
}

TEST_F(Runner, ANewOneStartsWithWhatHappensFromThenOn) {
  happen(1);
  start();
  happen(2);
  ASSERT_TRUE(until_delivered(1));
  EXPECT_THAT(script_->seen(), ElementsAre(2));
}

TEST_F(Runner, GoesOnWhereItWasAfterARestart) {
  start();
  happen(1);
  ASSERT_TRUE(until_delivered(1));
  script_->answer(Verdict::failed);
  happen(2);
  ASSERT_TRUE(until_failed(1));
  runner_.reset();
  happen(3);
  script_->answer(Verdict::delivered);
  start();
  ASSERT_TRUE(until_delivered(2));
  EXPECT_THAT(script_->seen(), ElementsAre(1, 2, 3));
}

TEST_F(Runner, TriesAgainWithPausesThatDouble) {
  script_->answer(Verdict::failed);
  start();
  happen(1);
  ASSERT_TRUE(until_failed(1));
  std::uint64_t failures = 1;
  for (const Duration pause : {Duration(1s), Duration(2s), Duration(4s)}) {
    bench_.clock->advance(pause - 1ms);
    happen(0, kNow, Severity::info);  // it looks, and has to wait
    bench_.clock->advance(1ms);
    ASSERT_TRUE(until_failed(++failures)) << format_duration(pause);
    EXPECT_EQ(runner_->status().failures, failures);
  }
  script_->answer(Verdict::delivered);
  bench_.clock->advance(8s);
  ASSERT_TRUE(until_delivered(1));
  EXPECT_THAT(script_->seen(), ElementsAre(1));
  EXPECT_EQ(runner_->status().last_error, "it does not want to");
}

TEST_F(Runner, APauseVariesByAFifth) {
  bench_.jitter = 1;
  script_->answer(Verdict::failed);
  start();
  happen(1);
  ASSERT_TRUE(until_failed(1));
  bench_.jitter = -1;
  bench_.clock->advance(1199ms);
  happen(0, kNow, Severity::info);
  bench_.clock->advance(1ms);
  ASSERT_TRUE(until_failed(2));
  EXPECT_EQ(runner_->status().failures, 2U);
  bench_.clock->advance(1600ms);  // 2 s less a fifth
  ASSERT_TRUE(until_failed(3));
}

TEST_F(Runner, APauseIsNeverLongerThanTheLongest) {
  config_.retry_longest = 3s;
  script_->answer(Verdict::failed);
  start();
  happen(1);
  for (std::uint64_t failures = 1; failures <= 20; ++failures) {
    ASSERT_TRUE(until_failed(failures));
    bench_.clock->advance(3s);
  }
}

TEST_F(Runner, WaitsAsLongAsTheReceiverAsksFor) {
  script_->answer(Verdict::failed, 1min);
  start();
  happen(1);
  ASSERT_TRUE(until_failed(1));
  script_->answer(Verdict::delivered);
  bench_.clock->advance(59s);
  happen(2);
  EXPECT_TRUE(bench_.until([&] { return runner_->status().queue_length == 2; }));
  EXPECT_EQ(runner_->status().deliveries, 0U);
  bench_.clock->advance(1s);
  ASSERT_TRUE(until_delivered(2));
  EXPECT_THAT(script_->seen(), ElementsAre(1, 2));
}

// Alertmanager ends by itself what nobody tells again within four resends.
TEST_F(Runner, AlertmanagerIsToldAgainAfterOneResendWhateverItAsksFor) {
  config_.type = HookType::alertmanager;
  config_.resend = 30s;
  script_->answer(Verdict::failed, 1h);
  start();
  happen(1);
  ASSERT_TRUE(until_failed(1));
  script_->answer(Verdict::delivered);
  bench_.clock->advance(30s);
  ASSERT_TRUE(until_delivered(1));
}

TEST_F(Runner, WhatIsRefusedThreeTimesIsDroppedAndTheNextGoesOn) {
  script_->answer(Verdict::refused);
  start();
  happen(1);
  for (std::uint64_t failures = 1; failures < 3; ++failures) {
    ASSERT_TRUE(until_failed(failures));
    bench_.clock->advance(10s);
  }
  ASSERT_TRUE(bench_.until([&] { return runner_->status().dropped == 1; }));
  EXPECT_EQ(runner_->status().failures, 3U);
  EXPECT_EQ(runner_->status().queue_length, 0U);
  script_->answer(Verdict::delivered);
  happen(2);
  bench_.clock->advance(10s);
  ASSERT_TRUE(until_delivered(1));
  EXPECT_THAT(script_->seen(), ElementsAre(2));
}

TEST_F(Runner, BeyondItsQueueTheOldestGo) {
  config_.max_queue = 3;
  script_->answer(Verdict::failed);
  start();
  for (int id = 1; id <= 10; ++id) happen(id);
  ASSERT_TRUE(bench_.until([&] { return runner_->status().dropped == 7; }));
  EXPECT_EQ(runner_->status().queue_length, 3U);
  script_->answer(Verdict::delivered);
  bench_.clock->advance(10min);
  ASSERT_TRUE(until_delivered(3));
  EXPECT_THAT(script_->seen(), ElementsAre(8, 9, 10));
}

TEST_F(Runner, WhatIsTooOldGoes) {
  config_.max_age = 1h;
  script_->answer(Verdict::failed);
  start();
  happen(1, kNow);
  happen(2, kNow + 30min);
  ASSERT_TRUE(until_failed(1));
  script_->answer(Verdict::delivered);
  bench_.clock->advance(61min);
  ASSERT_TRUE(until_delivered(1));
  EXPECT_EQ(runner_->status().dropped, 1U);
  EXPECT_THAT(script_->seen(), ElementsAre(2));
}

TEST_F(Runner, WhatWasDroppedIsNotReadAgainAfterARestart) {
  config_.max_queue = 1;
  script_->answer(Verdict::failed);
  start();
  for (int id = 1; id <= 3; ++id) happen(id);
  ASSERT_TRUE(bench_.until([&] { return runner_->status().dropped == 2; }));
  runner_.reset();
  script_->answer(Verdict::delivered);
  start();
  ASSERT_TRUE(until_delivered(1));
  EXPECT_THAT(script_->seen(), ElementsAre(3));
  EXPECT_EQ(runner_->status().dropped, 0U);
}

TEST_F(Runner, WhatTheAuditLostWhileItWasNotAtWorkIsCountedAsDropped) {
  script_->answer(Verdict::failed);
  start();
  for (int id = 1; id <= 5; ++id) happen(id);
  ASSERT_TRUE(bench_.until([&] { return runner_->status().queue_length == 5; }));
  runner_.reset();
  bench_.memory->trim(3);
  script_->answer(Verdict::delivered);
  start();
  happen(6);
  ASSERT_TRUE(until_delivered(3));
  EXPECT_THAT(script_->seen(), ElementsAre(4, 5, 6));
  EXPECT_EQ(runner_->status().dropped, 3U);
  runner_.reset();
  start();
  happen(7);
  ASSERT_TRUE(until_delivered(1));
  EXPECT_EQ(runner_->status().dropped, 0U) << "told once";
}

TEST_F(Runner, WhatTheAuditLostAltogetherIsCountedAsDropped) {
  script_->answer(Verdict::failed);
  start();
  for (int id = 1; id <= 5; ++id) happen(id);
  ASSERT_TRUE(bench_.until([&] { return runner_->status().queue_length == 5; }));
  runner_.reset();
  bench_.memory->trim(5);
  start();
  EXPECT_TRUE(bench_.until([&] { return runner_->status().dropped == 5; }));
}

TEST_F(Runner, WhatAChangedFilterPassesOverIsNotDropped) {
  script_->answer(Verdict::failed);
  start();
  for (int id = 1; id <= 3; ++id) happen(id);
  ASSERT_TRUE(bench_.until([&] { return runner_->status().queue_length == 3; }));
  runner_.reset();
  {
    const MutexLock lock(script_->mutex);
    script_->takes = false;
  }
  start();
  ASSERT_TRUE(bench_.until([&] { return bench_.memory->read() == 3; }));
  runner_->finish(bench_.clock->steady());
  ASSERT_TRUE(bench_.until([&] { return runner_->finished(); }));
  EXPECT_EQ(runner_->status().dropped, 0U);
}

TEST_F(Runner, WhatCouldNotBeKeptIsDeliveredFromMemory) {
  start();
  happen(1);
  ASSERT_TRUE(until_delivered(1));
  bench_.memory->fail(true);
  happen(0);
  ASSERT_TRUE(until_delivered(2));
  bench_.memory->fail(false);
  happen(2);
  ASSERT_TRUE(until_delivered(3));
  EXPECT_THAT(script_->seen(), ElementsAre(1, 0, 2));
}

TEST_F(Runner, WhatCouldNotBeKeptIsBoundedToo) {
  config_.max_queue = 2;
  script_->answer(Verdict::failed);
  start();
  for (int i = 0; i < 5; ++i) happen(0);
  EXPECT_TRUE(bench_.until([&] { return runner_->status().dropped == 3 && runner_->status().queue_length == 2; }));
}

TEST_F(Runner, WhatCouldNotBeKeptIsHandedOverWithTheCounters) {
  script_->answer(Verdict::failed);
  start();
  happen(0);
  ASSERT_TRUE(until_failed(1));
  runner_->stop();
  HookHandover before = runner_->hand_over();
  EXPECT_EQ(before.unkept.size(), 1U);
  script_->answer(Verdict::delivered);
  config_.timeout = 1s;
  start(std::move(before));
  ASSERT_TRUE(until_delivered(1));
  EXPECT_EQ(runner_->status().failures, 1U);
}

TEST_F(Runner, KeepsItsPauseAlsoAtTheEnd) {
  script_->answer(Verdict::failed);
  config_.retry_first = 1h;
  config_.retry_longest = 1h;
  start();
  happen(1);
  ASSERT_TRUE(until_failed(1));
  happen(2);
  runner_->finish(bench_.clock->steady() + 3s);
  EXPECT_TRUE(bench_.until([&] { return runner_->finished(); }));
  EXPECT_EQ(runner_->status().failures, 1U);
  EXPECT_EQ(runner_->status().queue_length, 2U);
}

TEST_F(Runner, WhatHappenedRightBeforeTheEndIsDelivered) {
  start();
  for (int id = 1; id <= 3; ++id) happen(id);
  runner_->finish(bench_.clock->steady() + 3s);
  ASSERT_TRUE(bench_.until([&] { return runner_->finished(); }));
  EXPECT_THAT(script_->seen(), ElementsAre(1, 2, 3));
}

TEST_F(Runner, LooksAgainByItselfWhereTheMemoryFailed) {
  config_.max_age = 24h * 365;  // the clock runs fast below
  start();
  happen(1);
  ASSERT_TRUE(until_delivered(1));
  bench_.memory->fail(true);
  happen(2);
  bench_.memory->fail(false);
  // When it looked is not known: its pause ends sooner or later.
  EXPECT_TRUE(bench_.until([&] { return script_->seen().size() == 2; }, 5s));
  EXPECT_THAT(script_->seen(), ElementsAre(1, 2));
}

// Of a hook that is asked for little: each write waits for the disk.
TEST_F(Runner, PassingOverEventsWritesNothingUntilTheEnd) {
  start();
  const std::uint64_t before = bench_.memory->writes();
  for (int id = 1; id <= 20; ++id) {
    happen(id, kNow, Severity::info);
    ASSERT_TRUE(bench_.until([&] { return bench_.memory->read() == id; }));
  }
  runner_->finish(bench_.clock->steady());
  ASSERT_TRUE(bench_.until([&] { return runner_->finished(); }));
  EXPECT_EQ(bench_.memory->writes(), before + 1);
  EXPECT_EQ(*bench_.memory->get("hook/any").value(), R"({"cursor":20})");
}

TEST_F(Runner, WhatWasPassedOverIsWrittenAfterHalfAMinute) {
  start();
  const std::uint64_t before = bench_.memory->writes();
  happen(1, kNow, Severity::info);
  ASSERT_TRUE(bench_.until([&] { return bench_.memory->read() == 1; }));
  bench_.clock->advance(30s);
  happen(2, kNow, Severity::info);
  EXPECT_TRUE(bench_.until([&] {
    bench_.bus->publish(health_event(9, "healthy", Severity::info));  // it looks once more
    return bench_.memory->writes() == before + 1;
  }));
}

TEST_F(Runner, WhatWasDeliveredIsWrittenAtOnce) {
  start();
  for (int id = 1; id <= 3; ++id) {
    happen(id);
    const std::string cursor = R"({"cursor":)" + std::to_string(id) + "}";
    ASSERT_TRUE(until_delivered(static_cast<std::uint64_t>(id)));
    EXPECT_TRUE(bench_.until([&] {
      bench_.bus->publish(health_event(9, "healthy", Severity::info));
      return bench_.memory->get("hook/any").value() == cursor;
    }));
  }
}

TEST_F(Runner, WhatNobodyThoughtOfEndsNeitherTheProcessNorTheHook) {
  config_.max_age = 24h * 365;  // the clock runs fast below
  {
    const MutexLock lock(script_->mutex);
    script_->throws = 1;
  }
  start();
  happen(1);
  ASSERT_TRUE(until_failed(1));
  EXPECT_EQ(runner_->status().last_error, "what nobody thought of");
  EXPECT_TRUE(bench_.until([&] { return !script_->seen().empty(); }, 1s));
  EXPECT_THAT(script_->seen(), ElementsAre(1));
}

TEST_F(Runner, WhatNobodyThoughtOfHoldsUpNoEnd) {
  {
    const MutexLock lock(script_->mutex);
    script_->throws = 1'000'000;
  }
  start();
  happen(1);
  ASSERT_TRUE(until_failed(1));
  runner_->finish(bench_.clock->steady() + 3s);
  EXPECT_TRUE(bench_.until([&] { return runner_->finished(); }));
}

TEST_F(Runner, WaitsUntilItKnowsWhereItWas) {
  start();
  happen(1);
  ASSERT_TRUE(until_delivered(1));
  runner_.reset();
  bench_.memory->fail(true);
  start();
  happen(2);
  EXPECT_EQ(runner_->status().deliveries, 0U);
  bench_.memory->fail(false);
  happen(3);
  ASSERT_TRUE(until_delivered(2));
  EXPECT_THAT(script_->seen(), ElementsAre(1, 2, 3));
}

}  // namespace
}  // namespace wal_exporter::events
