#include "base/mailbox.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "unit/base/gate.h"

namespace wal_exporter {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;

constexpr SteadyTime kStart{};

class MailboxTest : public testing::Test {
 protected:
  const std::shared_ptr<ManualClock> clock_ = std::make_shared<ManualClock>(Time{});
};

TEST_F(MailboxTest, ClosuresRunInOrderAndNeverTwoAtOnce) {
  constexpr int kSenders = 4;
  constexpr int kEach = 500;
  Dispatcher dispatcher(4, clock_);
  std::atomic<int> inside = 0;
  std::vector<int> last(kSenders, -1);  // touched by the mailbox alone
  bool in_order = true;
  bool alone = true;
  int count = 0;
  Mailbox mailbox(dispatcher, [] {});
  std::vector<std::thread> senders;
  for (int sender = 0; sender < kSenders; ++sender) {
    senders.emplace_back([&, sender] {
      for (int i = 0; i < kEach; ++i) {
        EXPECT_TRUE(mailbox.post([&, sender, i] {
          alone = alone && ++inside == 1;
          int& seen = last[static_cast<std::size_t>(sender)];
          in_order = in_order && seen == i - 1;
          seen = i;
          ++count;
          --inside;
        }));
      }
    });
  }
  for (std::thread& sender : senders) sender.join();
  mailbox.close();
  EXPECT_TRUE(in_order);
  EXPECT_TRUE(alone);
  EXPECT_EQ(count, kSenders * kEach);
}

TEST_F(MailboxTest, AMailboxWithMuchToDoHoldsUpNoOther) {
  Gate gate;
  int ran = 0;
  int ran_before_the_other = 0;
  Dispatcher dispatcher(1, clock_);
  Mailbox busy(dispatcher, [] {});
  Mailbox other(dispatcher, [] {});
  busy.post([&] { gate.pass(); });
  ASSERT_TRUE(gate.wait_for_arrivals(1));
  for (int i = 0; i < 100; ++i) busy.post([&] { ++ran; });
  other.post([&] { ran_before_the_other = ran; });
  gate.open();
  other.close();
  EXPECT_LE(ran_before_the_other, 1);
}

TEST_F(MailboxTest, IsWokenOnceAtItsTimeAndNotBefore) {
  Dispatcher dispatcher(1, clock_);
  int woken = 0;
  Mailbox mailbox(dispatcher, [&] { ++woken; });
  const auto woken_so_far = [&] {
    int result = -1;
    mailbox.ask([&] { result = woken; });
    return result;
  };
  mailbox.wake_at(kStart + 10s);
  clock_->advance(9s);
  EXPECT_EQ(woken_so_far(), 0);
  clock_->advance(1s);
  EXPECT_EQ(woken_so_far(), 1);
  clock_->advance(1h);
  EXPECT_EQ(woken_so_far(), 1);
  mailbox.wake_at(kStart);  // long ago: now
  EXPECT_TRUE(eventually([&] { return woken_so_far() == 2; }));
}

// A manual clock wakes whoever waits, whatever they wait for; this one does not.
TEST(MailboxWithTheSystemsClock, ATimeThatIsSoonerThanTheOthersIsWaitedFor) {
  const auto clock = std::make_shared<SystemClock>();
  Dispatcher dispatcher(1, clock);
  Gate woken;
  woken.open();
  Mailbox later(dispatcher, [&] { woken.pass(); });
  Mailbox sooner(dispatcher, [&] { woken.pass(); });
  later.wake_at(clock->steady() + 1h);
  sooner.wake_at(clock->steady() + 1ms);
  EXPECT_TRUE(woken.wait_for_arrivals(1));
  later.wake_at(clock->steady() + 2ms);
  EXPECT_TRUE(woken.wait_for_arrivals(2));
}

TEST_F(MailboxTest, EachTimeReplacesTheOneBefore) {
  Dispatcher dispatcher(1, clock_);
  std::vector<SteadyTime> woken;
  Mailbox mailbox(dispatcher, [&] { woken.push_back(clock_->steady()); });
  const auto settle = [&] { mailbox.ask([] {}); };
  mailbox.wake_at(kStart + 10s);
  mailbox.wake_at(kStart + 20s);
  clock_->advance(10s);
  settle();
  mailbox.wake_at(kStart + 15s);
  clock_->advance(5s);
  settle();
  mailbox.wake_at(kStart + 30s);
  mailbox.wake_at(SteadyTime::max());
  clock_->advance(1h);
  settle();
  mailbox.close();
  EXPECT_THAT(woken, ElementsAre(kStart + 15s));
}

TEST_F(MailboxTest, AClosureThatRunsAsTheTimeComesMayPutItOff) {
  Dispatcher dispatcher(2, clock_);
  Gate gate;
  int woken = 0;
  Mailbox mailbox(dispatcher, [&] { ++woken; });
  Mailbox other(dispatcher, [] {});
  mailbox.wake_at(kStart + 10s);
  mailbox.post([&] {
    gate.pass();
    mailbox.wake_at(kStart + 20s);
  });
  ASSERT_TRUE(gate.wait_for_arrivals(1));
  clock_->advance(10s);
  other.ask([] {});  // by then the other thread has seen the time
  gate.open();
  mailbox.ask([&] { EXPECT_EQ(woken, 0); });
  clock_->advance(10s);
  mailbox.ask([&] { EXPECT_EQ(woken, 1); });
}

TEST_F(MailboxTest, WakingAgainAtOnceKeepsNoClosureFromItsTurn) {
  Dispatcher dispatcher(1, clock_);
  std::unique_ptr<Mailbox> mailbox;
  mailbox = std::make_unique<Mailbox>(dispatcher, [&] { mailbox->wake_at(kStart); });
  mailbox->wake_at(kStart);
  EXPECT_TRUE(mailbox->ask([] {}));
  EXPECT_TRUE(mailbox->ask([] {}));
  mailbox->close();
}

TEST_F(MailboxTest, AThousandAreServedByTwoThreads) {
  std::atomic<int> woken = 0;
  std::mutex mutex;
  std::set<std::thread::id> threads;
  std::vector<std::unique_ptr<Mailbox>> mailboxes;
  Dispatcher dispatcher(2, clock_);
  for (int i = 0; i < 1000; ++i) {
    mailboxes.push_back(std::make_unique<Mailbox>(dispatcher, [&] {
      ++woken;
      const std::lock_guard lock(mutex);
      threads.insert(std::this_thread::get_id());
    }));
    mailboxes.back()->wake_at(kStart + std::chrono::seconds(i % 10));
  }
  clock_->advance(9s);
  EXPECT_TRUE(eventually([&] { return woken == 1000; }));
  mailboxes.clear();
  EXPECT_LE(threads.size(), 2U);
}

TEST_F(MailboxTest, AfterCloseNothingIsTakenAndNothingIsCalled) {
  Dispatcher dispatcher(2, clock_);
  int woken = 0;
  int ran = 0;
  Gate gate;
  Mailbox mailbox(dispatcher, [&] { ++woken; });
  mailbox.wake_at(kStart + 1s);
  mailbox.post([&] { gate.pass(); });
  for (int i = 0; i < 3; ++i) mailbox.post([&] { ++ran; });
  ASSERT_TRUE(gate.wait_for_arrivals(1));
  std::thread closing([&] { mailbox.close(); });
  EXPECT_TRUE(eventually([&] { return !mailbox.post([] {}); }));
  gate.open();
  closing.join();
  EXPECT_EQ(ran, 3);  // what was taken has run when close() returns
  mailbox.wake_at(kStart);
  clock_->advance(1h);
  EXPECT_FALSE(mailbox.ask([&] { ++ran; }));
  EXPECT_EQ(ran, 3);
  EXPECT_EQ(woken, 0);
}

TEST_F(MailboxTest, MayBeClosedAndDestroyedByAClosureOfItsOwn) {
  Dispatcher dispatcher(1, clock_);
  std::atomic<int> ran = 0;
  Gate gate;
  auto* mailbox = new Mailbox(dispatcher, [] {});
  mailbox->post([&, mailbox] {
    gate.pass();
    delete mailbox;
    ++ran;
  });
  ASSERT_TRUE(gate.wait_for_arrivals(1));
  mailbox->post([&] { ran += 100; });
  gate.open();
  EXPECT_TRUE(eventually([&] { return ran == 1; }));
}

TEST_F(MailboxTest, MayOutliveItsDispatcher) {
  auto dispatcher = std::make_unique<Dispatcher>(2, clock_);
  int ran = 0;
  Mailbox mailbox(*dispatcher, [&] { ran += 100; });
  mailbox.wake_at(kStart + 1s);
  for (int i = 0; i < 100; ++i) mailbox.post([&] { ++ran; });
  dispatcher.reset();
  EXPECT_EQ(ran, 100);
  EXPECT_FALSE(mailbox.post([&] { ++ran; }));
  mailbox.close();
}

}  // namespace
}  // namespace wal_exporter
