// All hooks together, over HTTP: reload, end, Alertmanagers that come and go.
#include "events/hooks.h"

#include <gmock/gmock.h>
#include <pthread.h>

#include <nlohmann/json.hpp>
#include <system_error>
#include <thread>

#include "support.h"
#include "unit/http/fake_server.h"

namespace wal_exporter::events {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using tests::ClosedPort;
using tests::FakeServer;
using tests::Peer;

// A receiver whose answer can be changed, and that keeps the bodies it took.
class Inbox {
 public:
  std::string url() const { return server_.url(); }
  void status(int status) {
    const MutexLock lock(mutex_);
    status_ = status;
  }
  std::vector<nlohmann::json> taken() {
    const MutexLock lock(mutex_);
    return taken_;
  }

 private:
  void answer(Peer& peer) {
    const std::string request = peer.read_request();
    int status = 0;
    {
      const MutexLock lock(mutex_);
      status = status_;
      if (status < 300) taken_.push_back(nlohmann::json::parse(request.substr(request.find("\r\n\r\n") + 4)));
    }
    peer.send("HTTP/1.1 " + std::to_string(status) + " x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  }

  Mutex mutex_;
  int status_ WAL_EXPORTER_GUARDED_BY(mutex_) = 200;
  std::vector<nlohmann::json> taken_ WAL_EXPORTER_GUARDED_BY(mutex_);
  FakeServer server_{[this](Peer& peer) { answer(peer); }};
};

HookConfig webhook(const std::string& name, const std::string& url) {
  HookConfig config;
  config.name = name;
  config.urls = {url};
  return config;
}

HookConfig alerts(std::vector<std::string> urls) {
  HookConfig config;
  config.name = "am";
  config.type = HookType::alertmanager;
  config.urls = std::move(urls);
  config.known_targets = {"plant"};
  return config;
}

// As long as it lives no thread can be started in this process: the stack that it
// would get is larger than any memory.
class NoThreads {
 public:
  NoThreads() {
    pthread_getattr_default_np(&before_);
    pthread_attr_t huge;
    pthread_getattr_default_np(&huge);
    pthread_attr_setstacksize(&huge, std::size_t{1} << 47U);
    pthread_setattr_default_np(&huge);
    pthread_attr_destroy(&huge);
  }
  ~NoThreads() {
    pthread_setattr_default_np(&before_);
    pthread_attr_destroy(&before_);
  }
  NoThreads(const NoThreads&) = delete;
  NoThreads& operator=(const NoThreads&) = delete;

 private:
  pthread_attr_t before_;
};

class HooksOverHttp : public ::testing::Test {
 protected:
  [[nodiscard]] HookStatus status(const std::string& name) const {
    for (HookStatus& status : hooks_.status()) {
      if (status.name == name) return status;
    }
    return {};
  }
  [[nodiscard]] bool until_delivered(const std::string& name, std::uint64_t count) {
    return bench_.until([&] { return status(name).deliveries >= count; });
  }
  [[nodiscard]] bool until_failed(const std::string& name, std::uint64_t count) {
    return bench_.until([&] { return status(name).failures >= count; });
  }
  void happen(std::int64_t id, const std::string& to, Severity severity, Time time = kNow) {
    bench_.happens(health_event(id, to, severity, time));
  }

  Bench bench_;
  Inbox inbox_;
  Hooks hooks_{bench_.services()};
};

TEST_F(HooksOverHttp, ADeadReceiverHoldsUpNoOtherHook) {
  FakeServer silent([](Peer& peer) { peer.hang(); });
  hooks_.apply({webhook("dead", silent.url()), webhook("any", inbox_.url())});
  for (int id = 1; id <= 3; ++id) happen(id, "warning", Severity::warning);
  ASSERT_TRUE(until_delivered("any", 3));
  EXPECT_EQ(status("dead").deliveries, 0U);
  EXPECT_EQ(inbox_.taken()[2]["id"], 3);
}

TEST_F(HooksOverHttp, FiltersByEventSeverityAndTarget) {
  HookConfig config = webhook("any", inbox_.url());
  config.filter = {{Type::health}, {Severity::critical}, {"plant"}};
  hooks_.apply({config});
  happen(1, "warning", Severity::warning);
  Event other = health_event(2, "critical", Severity::critical);
  other.target = "lab";
  bench_.happens(other);
  other = health_event(3, "critical", Severity::critical);
  other.type = Type::checkpoint;
  bench_.happens(other);
  happen(4, "critical", Severity::critical);
  ASSERT_TRUE(until_delivered("any", 1));
  ASSERT_EQ(inbox_.taken().size(), 1U);
  EXPECT_EQ(inbox_.taken()[0]["id"], 4);
}

// One target's events wait while another's are delivered; then the process ends.
TEST_F(HooksOverHttp, WhatWasToldAheadOfWhatWaitsIsNotToldAgainAfterARestart) {
  HookConfig config = webhook("damped", inbox_.url());
  config.damping = true;
  hooks_.apply({config});
  happen(1, "critical", Severity::critical);
  ASSERT_TRUE(until_delivered("damped", 1));
  happen(2, "healthy", Severity::info);  // waits
  Event other = health_event(3, "warning", Severity::warning);
  other.target = "lab";
  bench_.happens(other);
  ASSERT_TRUE(until_delivered("damped", 2));
  EXPECT_EQ(status("damped").queue_length, 1U);
  hooks_.stop(Duration::zero());
  Hooks again(bench_.services());
  again.apply({config});
  bench_.clock->advance(1min);
  ASSERT_TRUE(bench_.until([&] { return again.status()[0].deliveries == 1; }));
  std::vector<int> ids;
  for (const auto& event : inbox_.taken()) ids.push_back(event["id"]);
  EXPECT_THAT(ids, ElementsAre(1, 3, 2));
}

TEST_F(HooksOverHttp, AReloadLeavesAloneWhatIsUnchangedAndGoesOnWithWhatChanged) {
  inbox_.status(503);
  hooks_.apply({webhook("same", inbox_.url()), webhook("changed", inbox_.url()), webhook("gone", inbox_.url())});
  happen(1, "warning", Severity::warning);
  ASSERT_TRUE(until_failed("gone", 1));
  ASSERT_TRUE(until_failed("same", 1));
  ASSERT_TRUE(until_failed("changed", 1));
  Inbox second;
  hooks_.apply({webhook("same", inbox_.url()), webhook("changed", second.url())});
  ASSERT_TRUE(until_delivered("changed", 1));
  EXPECT_EQ(second.taken()[0]["id"], 1);
  EXPECT_EQ(status("changed").failures, 1U);  // counters go on, too
  EXPECT_EQ(status("same").queue_length, 1U);
  // What waited for the third is lost, and counted.
  ASSERT_EQ(hooks_.status().size(), 3U);
  EXPECT_EQ(status("gone").dropped, 1U);
  EXPECT_EQ(status("gone").queue_length, 0U);
  EXPECT_TRUE(status("gone").receivers.empty());
  inbox_.status(200);
  bench_.clock->advance(1min);
  ASSERT_TRUE(until_delivered("same", 1));
  // It goes on counting where it is put back.
  hooks_.apply({webhook("same", inbox_.url()), webhook("changed", second.url()), webhook("gone", inbox_.url())});
  EXPECT_EQ(hooks_.status().size(), 3U);
  EXPECT_EQ(status("gone").dropped, 1U);
}

TEST_F(HooksOverHttp, OneThatWasTakenOutStartsAnewWhenItComesBack) {
  hooks_.apply({webhook("any", inbox_.url())});
  hooks_.apply({});
  happen(1, "warning", Severity::warning);
  hooks_.apply({webhook("any", inbox_.url())});
  happen(2, "warning", Severity::warning);
  ASSERT_TRUE(until_delivered("any", 1));
  ASSERT_EQ(inbox_.taken().size(), 1U);
  EXPECT_EQ(inbox_.taken()[0]["id"], 2);
}

TEST_F(HooksOverHttp, TheEndDoesNotWaitForADeadReceiver) {
  FakeServer silent([](Peer& peer) { peer.hang(); });
  hooks_.apply({webhook("dead", silent.url())});
  happen(1, "warning", Severity::warning);
  ASSERT_TRUE(bench_.until([&] { return status("dead").queue_length == 1; }));
  SystemClock system;
  const SteadyTime begin = system.steady();
  hooks_.stop(Duration::zero());
  EXPECT_LT(system.steady() - begin, 8s);  // its own limit is 10 s
  EXPECT_EQ(status("dead").queue_length, 1U);
}

TEST_F(HooksOverHttp, AnAlertIsToldToAllAndResendWithItsEndAhead) {
  Inbox second;
  hooks_.apply({alerts({inbox_.url(), second.url()})});
  happen(1, "critical", Severity::critical);
  ASSERT_TRUE(until_delivered("am", 1));
  ASSERT_EQ(inbox_.taken().size(), 1U);
  ASSERT_EQ(second.taken().size(), 1U);
  EXPECT_EQ(inbox_.taken()[0][0]["endsAt"], "2026-01-31T10:30:00.000Z");
  bench_.clock->advance(1min);
  ASSERT_TRUE(bench_.until([&] { return second.taken().size() == 2; }));
  EXPECT_EQ(second.taken()[1][0]["endsAt"], "2026-01-31T10:31:00.000Z");
  EXPECT_EQ(second.taken()[1][0]["startsAt"], "2026-01-30T10:30:00.000Z");
  EXPECT_EQ(status("am").deliveries, 1U);  // events, not requests
}

// Health that stays as it is is told once: before this hook was there.
TEST_F(HooksOverHttp, ANewAlertmanagerIsToldWhatIsActive) {
  happen(1, "warning", Severity::warning);
  happen(2, "critical", Severity::critical, kNow + 1s);
  Event gone = health_event(3, "critical", Severity::critical, kNow + 1s);
  gone.target = "gone";
  bench_.happens(gone);
  bench_.clock->advance(5s);
  hooks_.apply({alerts({inbox_.url()})});
  ASSERT_TRUE(bench_.until([&] { return inbox_.taken().size() == 1; }));
  // And nothing that had ended before, or whose target is gone.
  const nlohmann::json sent = inbox_.taken().at(0);
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0]["labels"]["severity"], "critical");
  EXPECT_EQ(sent[0]["endsAt"], "2026-01-31T10:30:05.000Z");
  happen(4, "healthy", Severity::info, kNow + 2s);
  ASSERT_TRUE(until_delivered("am", 1));
  EXPECT_EQ(status("am").deliveries, 1U) << "what was before is not counted";
}

TEST_F(HooksOverHttp, OneAlertmanagerIsEnoughAndTheOtherIsTriedEachTime) {
  const ClosedPort closed;
  hooks_.apply({alerts({"http://" + closed.address(), inbox_.url()})});
  happen(1, "critical", Severity::critical);
  ASSERT_TRUE(until_delivered("am", 1));
  EXPECT_EQ(status("am").failures, 1U);
  EXPECT_EQ(status("am").queue_length, 0U);
  EXPECT_THAT(status("am").last_error, HasSubstr(closed.address()));
  bench_.clock->advance(1min);
  ASSERT_TRUE(until_failed("am", 2));
}

TEST_F(HooksOverHttp, AnAlertmanagerThatHangsDelaysNoOther) {
  FakeServer silent([](Peer& peer) { peer.hang(); });
  hooks_.apply({alerts({silent.url(), inbox_.url()})});
  happen(1, "critical", Severity::critical);
  SystemClock system;
  const SteadyTime deadline = system.steady() + 8s;  // before the 10 s of a request
  while (inbox_.taken().empty() && system.steady() < deadline) std::this_thread::yield();
  EXPECT_EQ(inbox_.taken().size(), 1U);
  EXPECT_EQ(status("am").queue_length, 1U);
}

TEST_F(HooksOverHttp, AlertmanagersAreToldOneAfterTheOtherWhereNoThreadCanBeHad) {
  Inbox second;
  const auto channel = make_channel(alerts({inbox_.url(), second.url()})).value();
  const Event event = health_event(1, "critical", Severity::critical);
  ASSERT_TRUE(channel->take(event));
  const NoThreads none;
  EXPECT_THROW(std::jthread([] {}), std::system_error);
  const Delivery delivery = channel->deliver({event}, kNow, 10s, {});
  EXPECT_EQ(delivery.verdict, Attempt::Verdict::delivered);
  EXPECT_EQ(delivery.failures, 0U);
  EXPECT_EQ(inbox_.taken().size(), 1U);
  EXPECT_EQ(second.taken().size(), 1U);
}

TEST_F(HooksOverHttp, OneWhoseThreadCantBeHadIsLeftOutUntilTheNextReload) {
  {
    const NoThreads none;
    hooks_.apply({webhook("any", inbox_.url())});
  }
  EXPECT_TRUE(hooks_.status().empty());
  happen(1, "warning", Severity::warning);  // nobody listens in its place
  hooks_.apply({webhook("any", inbox_.url())});
  ASSERT_TRUE(until_delivered("any", 1));
  EXPECT_EQ(inbox_.taken().at(0)["id"], 1);
}

TEST_F(HooksOverHttp, AlertsSurviveARestartAndAreToldRightAway) {
  inbox_.status(500);
  hooks_.apply({alerts({inbox_.url()})});
  happen(1, "critical", Severity::critical);
  ASSERT_TRUE(until_failed("am", 1));
  hooks_.stop(Duration::zero());
  inbox_.status(200);
  Hooks again(bench_.services());
  again.apply({alerts({inbox_.url()})});
  ASSERT_TRUE(bench_.until([&] { return again.status()[0].deliveries == 1; }));
  EXPECT_EQ(inbox_.taken()[0][0]["labels"]["severity"], "critical");
  again.stop(Duration::zero());
  // And those that had been told already, too: nobody else keeps them alive.
  Hooks third(bench_.services());
  third.apply({alerts({inbox_.url()})});
  ASSERT_TRUE(bench_.until([&] { return inbox_.taken().size() == 2; }));
  EXPECT_EQ(third.status()[0].deliveries, 0U);
}

TEST_F(HooksOverHttp, OnlyTheStateCountsOfWhatHappenedWhileNoAlertmanagerWasThere) {
  inbox_.status(500);
  hooks_.apply({alerts({inbox_.url()})});
  happen(1, "warning", Severity::warning);
  ASSERT_TRUE(until_failed("am", 1));
  happen(2, "critical", Severity::critical, kNow + 1s);
  happen(3, "healthy", Severity::info, kNow + 2s);
  ASSERT_TRUE(bench_.until([&] { return status("am").queue_length == 3; }));
  inbox_.status(200);
  bench_.clock->advance(10s);
  ASSERT_TRUE(until_delivered("am", 3));
  const auto sent = inbox_.taken().at(0);
  ASSERT_EQ(sent.size(), 2U);
  EXPECT_EQ(sent[0]["endsAt"], "2026-01-30T10:30:01.000Z");
  EXPECT_EQ(sent[1]["endsAt"], "2026-01-30T10:30:02.000Z");
}

TEST_F(HooksOverHttp, AlertsOfATargetThatIsGoneEnd) {
  hooks_.apply({alerts({inbox_.url()})});
  happen(1, "critical", Severity::critical);
  ASSERT_TRUE(until_delivered("am", 1));
  HookConfig config = alerts({inbox_.url()});
  config.known_targets = {"lab"};
  hooks_.apply({config});
  ASSERT_TRUE(bench_.until([&] { return inbox_.taken().size() == 2; }));
  EXPECT_EQ(inbox_.taken()[1][0]["endsAt"], "2026-01-30T10:30:00.000Z");
}

// Its last checkpoint ends after the reload that took it out.
TEST_F(HooksOverHttp, WhatComesLateOfATargetThatIsGoneBeginsNoAlert) {
  const auto channel = make_channel(alerts({inbox_.url()})).value();
  Event late;
  late.id = 1;
  late.time = kNow;
  late.target = "gone";
  late.severity = Severity::critical;
  late.detail = R"({"to":"critical"})";
  EXPECT_FALSE(channel->take(late));
  late.target = "plant";
  EXPECT_TRUE(channel->take(late));
}

TEST(CheckHook, NamesABadTemplateAndAMissingFile) {
  HookConfig config = webhook("any", "http://127.0.0.1:1");
  EXPECT_TRUE(check_hook(config).has_value());
  config.body_template = "{{nothing}}";
  EXPECT_THAT(check_template(config).error().message, HasSubstr("template: '{{nothing}}' is not a name it knows"));
  EXPECT_FALSE(check_hook(config).has_value());
  config.body_template.clear();
  config.url_file = "/nowhere/url";
  config.urls.clear();
  EXPECT_THAT(check_hook(config).error().message, HasSubstr("url_file /nowhere/url"));
  EXPECT_TRUE(check_template(config).has_value());
}

}  // namespace
}  // namespace wal_exporter::events
