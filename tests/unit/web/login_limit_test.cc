#include "web/login_limit.h"

#include <gtest/gtest.h>

#include <future>
#include <stdexcept>
#include <thread>
#include <vector>

namespace wal_exporter::web {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// 32 bytes that differ where those of a real hash do: from the first on.
std::string key_of(int number) {
  std::string key(32, '\0');
  const auto bytes = static_cast<std::uint64_t>(number + 1) * 0x9e3779b97f4a7c15U;
  for (std::size_t i = 0; i < 8; ++i) key[i] = static_cast<char>(bytes >> (8 * i));
  return key;
}

class Limit : public testing::Test {
 protected:
  LoginOutcome ask(int login, bool right = false, const std::string& address = "192.0.2.1") {
    return limit_
        .ask(address, key_of(login),
             [&] {
               ++checks_;
               return right;
             })
        .outcome;
  }

  const std::shared_ptr<ManualClock> clock_ = std::make_shared<ManualClock>(Time{});
  LoginLimit limit_{clock_, LoginLimit::Options{}};
  int checks_ = 0;
};

TEST_F(Limit, AnAddressHasFiveWrongLoginsAndThenOneASecond) {
  for (int i = 0; i < 5; ++i) EXPECT_EQ(ask(i), LoginOutcome::wrong);
  EXPECT_EQ(ask(5), LoginOutcome::too_many);
  EXPECT_EQ(ask(6, false, "192.0.2.2"), LoginOutcome::wrong) << "another address has its own";
  EXPECT_EQ(checks_, 6);
  clock_->advance(seconds(1));
  EXPECT_EQ(ask(7), LoginOutcome::wrong);
  EXPECT_EQ(ask(8), LoginOutcome::too_many);
}

TEST_F(Limit, WhoIsRefusedIsToldWhenToComeAgain) {
  for (int i = 0; i < 5; ++i) EXPECT_EQ(ask(i), LoginOutcome::wrong);
  const auto answer = limit_.ask("192.0.2.1", key_of(9), [] { return true; });
  EXPECT_EQ(answer.outcome, LoginOutcome::too_many);
  EXPECT_EQ(answer.retry_after, seconds(1));
}

TEST_F(Limit, RightLoginsCostNothing) {
  for (int i = 0; i < 100; ++i) EXPECT_EQ(ask(i, true), LoginOutcome::right);
}

TEST_F(Limit, AWrongPasswordIsCheckedOnce) {
  for (int i = 0; i < 100; ++i) EXPECT_EQ(ask(0), LoginOutcome::wrong);
  EXPECT_EQ(checks_, 1);
  EXPECT_EQ(ask(1), LoginOutcome::wrong);
  EXPECT_EQ(checks_, 2);
}

TEST_F(Limit, ARightLoginComesThroughAFloodFromItsOwnAddress) {
  int login = 0;
  const auto flood = [&](int count) {
    for (int i = 0; i < count; ++i) static_cast<void>(ask(++login));
  };
  flood(100);
  EXPECT_EQ(ask(1'000'000, true), LoginOutcome::too_many);
  for (int i = 0; i < 15; ++i) {
    clock_->advance(seconds(1));
    flood(1000);
  }
  EXPECT_EQ(ask(1'000'000, true), LoginOutcome::right) << "when it comes again, after 15 s and 15,000 others";
}

TEST_F(Limit, ComingAgainAtOnceDoesNotHelp) {
  for (int i = 0; i < 5; ++i) EXPECT_EQ(ask(i), LoginOutcome::wrong);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(ask(9), LoginOutcome::too_many);
  EXPECT_EQ(checks_, 5);
}

TEST_F(Limit, DearChecksAreFewer) {
  for (int i = 0; i < 5; ++i) {
    static_cast<void>(limit_.ask("192.0.2.1", key_of(i), [&] {
      clock_->advance(milliseconds(2500));
      return false;
    }));
  }
  // Each is paid for with ten seconds by now: a quarter of one processor.
  int checked = 0;
  for (int second = 0; second < 100; ++second) {
    clock_->advance(seconds(1));
    if (ask(100 + second) == LoginOutcome::wrong) ++checked;
    static_cast<void>(limit_.ask("192.0.2.9", key_of(1000 + second), [&] {
      clock_->advance(milliseconds(2500));
      return true;
    }));
  }
  EXPECT_LE(checked, 36) << "of 350 s";
}

TEST_F(Limit, EqualLoginsInFlightAreCheckedOnce) {
  std::promise<void> begun;
  std::promise<void> go;
  int checks = 0;
  auto first = std::async(std::launch::async, [&] {
    return limit_.ask("192.0.2.1", key_of(0), [&] {
      ++checks;
      begun.set_value();
      go.get_future().wait();
      return true;
    });
  });
  begun.get_future().wait();
  std::vector<std::future<LoginAnswer>> others;
  for (int i = 0; i < 3; ++i) {
    others.push_back(std::async(std::launch::async,
                                [&] { return limit_.ask("192.0.2.1", key_of(0), [&] { return ++checks > 0; }); }));
  }
  while (limit_.inside() < 4) std::this_thread::yield();
  go.set_value();
  EXPECT_EQ(first.get().outcome, LoginOutcome::right);
  for (auto& other : others) EXPECT_EQ(other.get().outcome, LoginOutcome::right);
  EXPECT_EQ(checks, 1);
  EXPECT_EQ(limit_.inside(), 0U);
}

TEST_F(Limit, NoMoreRunAtOnceThanMayAndWaitingEnds) {
  std::promise<void> begun;
  std::promise<void> go;
  auto first = std::async(std::launch::async, [&] {
    return limit_.ask("192.0.2.1", key_of(0), [&] {
      begun.set_value();
      go.get_future().wait();
      return false;
    });
  });
  begun.get_future().wait();
  auto second = std::async(std::launch::async, [&] { return ask(1, true, "192.0.2.2"); });
  while (second.wait_for(milliseconds(1)) != std::future_status::ready) clock_->advance(seconds(1));
  EXPECT_EQ(second.get(), LoginOutcome::too_many);
  EXPECT_EQ(checks_, 0);
  go.set_value();
  EXPECT_EQ(first.get().outcome, LoginOutcome::wrong);
  EXPECT_EQ(ask(1, true, "192.0.2.2"), LoginOutcome::right) << "it came again";
}

TEST_F(Limit, ACheckThatThrowsLeavesNothingBehind) {
  for (int i = 0; i < 20; ++i) {
    EXPECT_THROW(static_cast<void>(limit_.ask("192.0.2.1", key_of(i), []() -> bool { throw std::runtime_error("x"); })),
                 std::runtime_error);
  }
  EXPECT_EQ(ask(30, true), LoginOutcome::right);
}

TEST_F(Limit, AddressesBeyondThoseThatAreToldApartShareOneBudget) {
  LoginLimit::Options options;
  options.addresses = 3;
  LoginLimit limit(clock_, options);
  int checks = 0;
  for (int i = 0; i < 100; ++i) {
    static_cast<void>(limit.ask("192.0.2." + std::to_string(i), key_of(i), [&] { return ++checks < 0; }));
  }
  EXPECT_EQ(checks, 3 + 5);
  clock_->advance(seconds(10));
  EXPECT_EQ(limit.ask("198.51.100.1", key_of(1000), [] { return false; }).outcome, LoginOutcome::wrong)
      << "those who were quiet made room";
}

TEST(LoginClient, IsAnAddressOrANetworkOfIpv6) {
  EXPECT_EQ(LoginLimit::client_of("192.0.2.1"), "192.0.2.1");
  EXPECT_EQ(LoginLimit::client_of("::ffff:192.0.2.1"), "192.0.2.1");
  EXPECT_EQ(LoginLimit::client_of("2001:db8::1"), LoginLimit::client_of("2001:db8::ffff:1:2:3"));
  EXPECT_NE(LoginLimit::client_of("2001:db8::1"), LoginLimit::client_of("2001:db8:0:1::1"));
  EXPECT_EQ(LoginLimit::client_of("unix"), "unix");
}

}  // namespace
}  // namespace wal_exporter::web
