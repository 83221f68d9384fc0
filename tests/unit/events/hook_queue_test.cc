// The queue of a hook alone: no thread, and the time is what the test says.
#include "events/hook_queue.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "support.h"

namespace wal_exporter::events {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Asks for what is a warning or worse; a state if the test says so.
class PlainChannel final : public Channel {
 public:
  bool state = false;
  std::vector<std::int64_t> taken;

  [[nodiscard]] Result<void> check() const override { return {}; }
  [[nodiscard]] bool take(const Event& event) override {
    taken.push_back(event.id);
    return event.severity != Severity::info;
  }
  [[nodiscard]] Delivery deliver(const std::deque<Event>&, Time, Duration, const std::stop_token&) override {
    return {};
  }
  [[nodiscard]] bool tells_a_state() const override { return state; }
};

class Queue : public ::testing::Test {
 protected:
  // As a new process does.
  void begin(SteadyTime steady = {}) {
    queue_.emplace(config_, channel_, memory_, null_log());
    ASSERT_TRUE(queue_->restore(kNow, steady));
  }
  void add(std::int64_t id, Severity severity = Severity::warning, Time time = kNow) {
    memory_->add(health_event(id, "warning", severity, time));
  }
  [[nodiscard]] std::vector<std::int64_t> waiting() const {
    std::vector<std::int64_t> out;
    for (const Event& event : queue_->events()) out.push_back(event.id);
    return out;
  }
  [[nodiscard]] std::string stored() const { return memory_->get("hook/any").value().value_or("nothing"); }

  HookConfig config_ = [] {
    HookConfig config;
    config.name = "any";
    return config;
  }();
  PlainChannel channel_;
  std::shared_ptr<FakeMemory> memory_ = std::make_shared<FakeMemory>();
  std::optional<HookQueue> queue_;
};

TEST_F(Queue, ANewOneStoresAtOnceThatItBeginsAfterTheNewestEvent) {
  add(1);
  add(2);
  begin();
  EXPECT_EQ(stored(), R"({"cursor":2})");
  add(3);
  queue_->read_audit(kNow);
  EXPECT_THAT(waiting(), ElementsAre(3));
  EXPECT_THAT(channel_.taken, ElementsAre(3));
}

TEST_F(Queue, ANewOneMakesAStateFromAllEarlierEvents) {
  channel_.state = true;
  for (int id = 1; id <= 401; ++id) add(id);
  begin();
  EXPECT_EQ(channel_.taken.size(), 401U);
  EXPECT_THAT(waiting(), IsEmpty());
}

TEST_F(Queue, StoresWhatWaitsAndBeginsThereAgain) {
  begin();
  for (int id = 1; id <= 4; ++id) add(id, id == 2 ? Severity::info : Severity::warning);
  queue_->read_audit(kNow);
  EXPECT_EQ(queue_->delivered({0}), 0U);
  queue_->remember({}, /*at_once=*/false);
  EXPECT_EQ(stored(), R"({"cursor":2,"read":4,"waiting":2})");
  begin();
  queue_->read_audit(kNow);
  EXPECT_THAT(waiting(), ElementsAre(3, 4));
  EXPECT_EQ(queue_->take_dropped(), 0U);
}

TEST_F(Queue, WhatCanNotBeUnderstoodInTheMemoryIsLikeNothing) {
  add(1);
  for (const char* text : {"", "[1]", "no JSON", R"({"cursor":"5"})"}) {
    ASSERT_TRUE(memory_->put("hook/any", text));
    begin();
    EXPECT_EQ(stored(), R"({"cursor":1})") << text;
  }
}

TEST_F(Queue, WhatTheAuditLostSinceThenIsDropped) {
  ASSERT_TRUE(memory_->put("hook/any", R"({"cursor":0,"read":5,"waiting":5})"));
  for (int id = 4; id <= 6; ++id) add(id);
  begin();
  queue_->read_audit(kNow);
  EXPECT_THAT(waiting(), ElementsAre(4, 5, 6));
  EXPECT_EQ(queue_->take_dropped(), 3U);
  EXPECT_EQ(queue_->take_dropped(), 0U);
}

TEST_F(Queue, WhereTheFirstIsStillThereFewerAreTheFiltersDoing) {
  ASSERT_TRUE(memory_->put("hook/any", R"({"cursor":0,"read":5,"waiting":5})"));
  for (int id = 1; id <= 5; ++id) add(id, id < 4 ? Severity::info : Severity::warning);
  begin();
  queue_->read_audit(kNow);
  EXPECT_THAT(waiting(), ElementsAre(4, 5));
  EXPECT_EQ(queue_->take_dropped(), 0U);
}

TEST_F(Queue, DropsTheOldestBeyondItsLengthAndAge) {
  config_.max_queue = 3;
  config_.max_age = 1h;
  begin();
  for (int id = 1; id <= 5; ++id) add(id, Severity::warning, kNow + id * 1min);
  queue_->read_audit(kNow + 5min);
  EXPECT_THAT(waiting(), ElementsAre(3, 4, 5));
  EXPECT_EQ(queue_->take_dropped(), 2U);
  queue_->drop_surplus(kNow + 64min);
  EXPECT_THAT(waiting(), ElementsAre(4, 5)) << "exactly as old as max_age stays";
  EXPECT_EQ(queue_->take_dropped(), 1U);
  queue_->refused({0});
  EXPECT_THAT(waiting(), ElementsAre(5));
  EXPECT_EQ(queue_->take_dropped(), 1U);
  EXPECT_EQ(queue_->delivered({0}), 4U) << "all since the last success";
  EXPECT_EQ(queue_->delivered({}), 0U);
}

TEST_F(Queue, WhatIsNotInTheAuditMovesNoCursor) {
  begin();
  queue_->add({health_event(0, "warning", Severity::warning), health_event(0, "healthy", Severity::info)});
  EXPECT_THAT(waiting(), ElementsAre(0));
  EXPECT_EQ(queue_->unkept().size(), 1U);
  queue_->remember({}, /*at_once=*/true);
  EXPECT_EQ(stored(), R"({"cursor":0})");
  add(1);
  queue_->read_audit(kNow);
  EXPECT_EQ(queue_->unkept().size(), 1U);
  queue_->remember({}, /*at_once=*/true);
  EXPECT_EQ(stored(), R"({"cursor":0,"read":1,"waiting":1})");
}

TEST_F(Queue, WhatIsPassedOverIsStoredEveryHalfMinute) {
  const SteadyTime start = SteadyTime{} + 1h;
  begin(start);
  add(1, Severity::info);
  queue_->read_audit(kNow);
  queue_->remember(start + 30s - 1ms, /*at_once=*/false);
  EXPECT_EQ(stored(), R"({"cursor":0})");
  queue_->remember(start + 30s, /*at_once=*/false);
  EXPECT_EQ(stored(), R"({"cursor":1})");
}

TEST_F(Queue, WhileTheMemoryFailsNothingIsLost) {
  begin();
  add(1);
  queue_->read_audit(kNow);
  EXPECT_EQ(queue_->delivered({0}), 0U);
  memory_->fail(true);
  add(2);
  queue_->read_audit(kNow);
  queue_->remember({}, /*at_once=*/false);
  EXPECT_TRUE(queue_->reading_fails());
  EXPECT_TRUE(queue_->writing_fails());
  HookQueue other(config_, channel_, memory_, null_log());
  EXPECT_FALSE(other.restore(kNow, {}));
  EXPECT_FALSE(other.restored());
  memory_->fail(false);
  queue_->read_audit(kNow);
  queue_->remember({}, /*at_once=*/false);
  EXPECT_FALSE(queue_->reading_fails());
  EXPECT_FALSE(queue_->writing_fails());
  EXPECT_THAT(waiting(), ElementsAre(2));
  EXPECT_EQ(stored(), R"({"cursor":1,"read":2,"waiting":1})");
}

}  // namespace
}  // namespace wal_exporter::events
