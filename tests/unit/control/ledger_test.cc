// What a target tells and keeps where its state can't be written or read.
#include "control/ledger.h"

#include <gmock/gmock.h>

#include "unit/control/bench.h"

namespace wal_exporter::control {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::SizeIs;

class Ledgers : public ::testing::Test {
 protected:
  Ledgers() {
    bench.settings.rules.thresholds.max_files = 1;
    bench.settings.checkpoint.method = influxdb::Method::none;
  }
  std::size_t complaints() const { return bench.logged("no space left") + bench.logged("can't be read"); }

  Bench bench;
};

TEST_F(Ledgers, AStateThatCanNotBeWrittenIsComplainedOfOnce) {
  bench.start();
  EXPECT_EQ(complaints(), 0U);
  bench.store->fails_put = [](const std::string&) { return true; };
  bench.store->fails_appends = true;
  bench.wal = segments(0);
  bench.pass(1min);
  bench.pause(1h);
  bench.pass(20min);
  EXPECT_EQ(complaints(), 1U);
  // It works again, and fails again: that is news.
  bench.store->fails_put = nullptr;
  bench.store->fails_appends = false;
  bench.pause(std::nullopt);
  bench.store->fails_put = [](const std::string&) { return true; };
  bench.pause(1h);
  EXPECT_EQ(complaints(), 2U);
}

TEST_F(Ledgers, WhatCouldNotBeKeptIsKeptAsSoonAsThatWorks) {
  bench.start();
  bench.store->fails_put = [](const std::string&) { return true; };
  bench.pause(1h);
  EXPECT_EQ(bench.store->values["policy"].find("paused_until\":null"), std::string::npos);
  bench.store->fails_put = nullptr;
  bench.pass(1min);
  bench.kill();
  bench.start();
  EXPECT_TRUE(bench.view()->paused);
}

TEST_F(Ledgers, NothingIsWrittenWhereNothingChanged) {
  bench.settings.influxdb.backup_address = "127.0.0.1:8088";
  bench.wal = segments(0);
  bench.start();
  bench.pass(1min);
  const auto puts = bench.store->puts;
  for (int i = 0; i < 20; ++i) bench.on_time();
  EXPECT_EQ(bench.store->puts, puts);
}

TEST_F(Ledgers, AnEventThatCouldNotBeKeptIsToldAllTheSameWithoutAnId) {
  bench.bus = std::make_shared<events::Bus>();
  std::vector<events::Event> told;
  const auto subscription = bench.bus->subscribe([&](const auto& event) { told.push_back(*event); });
  bench.store->fails_appends = true;
  bench.start();
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(told.at(0).id, 0);
  EXPECT_EQ(told.at(0).type, events::Type::health);
  EXPECT_EQ(told.at(0).target, "plant");
  EXPECT_EQ(told.at(0).time, kBenchStart);
  EXPECT_EQ(bench.view()->counters.events.at(events::Type::health), 1U) << "it is counted";
  bench.store->fails_appends = false;
  bench.wal = segments(0);
  bench.pass(1min);
  ASSERT_THAT(told, SizeIs(2));
  EXPECT_EQ(told.at(1).id, bench.store->entries("wal.health").at(0).id);
  bench.bus->unsubscribe(subscription);
}

TEST_F(Ledgers, ACheckpointThatCouldNotBeKeptHasAnIdOfItsOwn) {
  bench.settings.checkpoint.method = influxdb::Method::automatic;
  bench.settings.influxdb.backup_address = "127.0.0.1:8088";
  bench.answers.checkpoints = false;
  bench.store->fails_appends = true;
  bench.start();
  ASSERT_THAT(bench.wanted.checkpoints, SizeIs(1));
  const auto first = bench.open().checkpoint->id;
  EXPECT_GT(first, 0);
  bench.end_checkpoint(influxdb::OutcomeKind::failed);
  bench.pass(2min);
  ASSERT_THAT(bench.wanted.checkpoints, SizeIs(2));
  EXPECT_GT(bench.open().checkpoint->id, first);
}

TEST_F(Ledgers, AStateThatCanNotBeReadIsComplainedOfOnceAndBegunAnew) {
  bench.start();
  bench.pause(1h);
  bench.end();
  bench.store->fails_reads = true;
  bench.start();
  EXPECT_EQ(complaints(), 1U);
  EXPECT_FALSE(bench.view()->paused);
}

TEST_F(Ledgers, WhatCanNotBeUnderstoodIsSaidAndBegunAnew) {
  bench.store->values["policy"] = "[";
  bench.store->values["samples"] = "rubbish";
  bench.store->values["alerts"] = "{";
  bench.store->values["node"] = "{";
  bench.store->values["restart"] = "{";
  bench.store->values["restart_begun"] = "{";
  bench.settings.influxdb.url = "http://127.0.0.1:8086";
  bench.start();
  EXPECT_EQ(bench.view()->health, policy::Health::critical);
  EXPECT_EQ(bench.restart().state, view::RestartState::idle);
  EXPECT_EQ(bench.restart().last, std::nullopt);
  EXPECT_EQ(bench.logged("; the chart starts anew [plant]"), 1U);
}

TEST_F(Ledgers, ADecisionIsNotedWhereItIsNews) {
  bench.start();
  const auto noted = [&] { return bench.store->entries("decision").size(); };
  ASSERT_EQ(noted(), 1U);
  const auto detail = bench.store->details("decision").at(0);
  EXPECT_EQ(detail.at("action"), "none");
  EXPECT_EQ(detail.at("reason"), "critical");
  EXPECT_EQ(detail.at("blockers"), nlohmann::json{"method_disabled"});
  bench.pass(10min);
  EXPECT_EQ(noted(), 1U) << "only its numbers change";
  bench.pause(1h);
  EXPECT_EQ(noted(), 2U);
  EXPECT_THAT(bench.store->details("decision").at(1).at("blockers"), (nlohmann::json{"paused", "method_disabled"}));
}

TEST_F(Ledgers, ThatNothingIsKnownAtTheStartIsNoNews) {
  bench.answers.samples = false;
  bench.start();
  EXPECT_THAT(bench.store->entries("decision"), SizeIs(0));
}

}  // namespace
}  // namespace wal_exporter::control
