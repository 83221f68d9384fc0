// What a target tells about health across a restart of the exporter.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "app/target.h"
#include "unit/http/fake_server.h"

namespace wal_exporter::app {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using wal_exporter::tests::TempDir;

// 2026-01-01T00:00:00Z
constexpr Time kStart{std::chrono::seconds(1'767'225'600)};

class TargetHealth : public ::testing::Test {
 protected:
  TargetHealth() {
    settings_.name = "plant";
    settings_.influxdb.version = settings::Version::v1;
    settings_.wal.directory = folder_.path() / "wal";
    settings_.sampling.interval = 1min;
    settings_.sampling.watch = false;
    settings_.thresholds.max_files = 1;
    settings_.checkpoint.method = settings::Method::none;
    settings_.checkpoint.schedule.reset();
    files(5);
  }

  void files(int count) {
    std::filesystem::remove_all(settings_.wal.directory);
    std::filesystem::create_directories(settings_.wal.directory);
    for (int shard = 1; shard <= count; ++shard) {
      const auto folder = settings_.wal.directory / "db" / "autogen" / std::to_string(shard);
      std::filesystem::create_directories(folder);
      std::ofstream(folder / "_00001.wal") << std::string(1000, 'x');
    }
  }
  void start() {
    target_.reset();
    target_ = std::make_unique<Target>(settings_,
                                       Services{clock_, store_, null_log(), folder_.path(), [] {}, nullptr, watches_});
    until([&] { return target_->view()->health.has_value(); });
  }
  template <class Condition>
  void until(const Condition& holds) {
    const auto deadline = std::chrono::steady_clock::now() + 1min;
    while (!holds()) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline);
      ::poll(nullptr, 0, 5);
    }
  }
  std::vector<nlohmann::json> events() {
    std::vector<nlohmann::json> out;
    state::EventQuery query;
    query.kind = "wal.health";
    query.oldest_first = true;
    const auto entries = store_->events(query);
    for (const state::AuditEntry& entry : entries.value()) out.push_back(nlohmann::json::parse(entry.detail));
    return out;
  }
  // "from -> to" of each event, the oldest first.
  std::vector<std::string> told() {
    std::vector<std::string> out;
    for (const nlohmann::json& detail : events()) {
      out.push_back(detail.at("from").get<std::string>() + " -> " + detail.at("to").get<std::string>());
    }
    return out;
  }
  // What the last event advises, in one text.
  std::string advised() {
    std::string out;
    const nlohmann::json last = events().back();
    for (const auto& line : last.at("recommendations")) out += line.get<std::string>() + "\n";
    return out;
  }

  TempDir folder_;
  settings::Target settings_;
  std::shared_ptr<ManualClock> clock_ = std::make_shared<ManualClock>(kStart);
  std::shared_ptr<wal::WatchHub> watches_ = std::make_shared<wal::WatchHub>(std::make_shared<Pool>(1, clock_));
  std::shared_ptr<state::Store> store_ = state::memory_store(1000);
  std::unique_ptr<Target> target_;
};

TEST_F(TargetHealth, ThatIsAsItWasToldBeforeTheRestartIsNoNews) {
  start();
  EXPECT_THAT(told(), ElementsAre("unknown -> critical"));
  start();
  EXPECT_EQ(target_->view()->health, policy::Health::critical);
  EXPECT_THAT(told(), ElementsAre("unknown -> critical"));
  // A change after that is news as ever.
  files(0);
  clock_->advance(1min);
  until([&] { return target_->view()->health == policy::Health::healthy; });
  EXPECT_THAT(told(), ElementsAre("unknown -> critical", "critical -> healthy"));
}

TEST_F(TargetHealth, ThatChangedWhileTheExporterWasDownIsNews) {
  start();
  target_.reset();
  files(0);
  start();
  EXPECT_THAT(told(), ElementsAre("unknown -> critical", "unknown -> healthy"));
}

TEST_F(TargetHealth, IsToldAgainAfterAnEndInWhichItWasUnknown) {
  start();
  std::filesystem::rename(settings_.wal.directory, folder_.path() / "away");
  until([&] {
    clock_->advance(1min);
    return !target_->view()->health.has_value();
  });
  target_.reset();
  std::filesystem::rename(folder_.path() / "away", settings_.wal.directory);
  start();
  EXPECT_THAT(told(), ElementsAre("unknown -> critical", "critical -> unknown", "unknown -> critical"));
}

TEST_F(TargetHealth, IsToldWithWhatHoldsACheckpointBackNow) {
  start();
  EXPECT_THAT(advised(), HasSubstr("blocked by method_disabled"));
  EXPECT_THAT(advised(), Not(HasSubstr("sample_stale"))) << "that was before the look";
  files(0);
  clock_->advance(1min);
  until([&] { return target_->view()->health == policy::Health::healthy; });
  EXPECT_FALSE(target_->pause({"plant", 1h, "alice"}).until == std::nullopt);
  files(2);
  clock_->advance(1min);
  until([&] { return target_->view()->health == policy::Health::warning; });
  EXPECT_THAT(advised(), HasSubstr("paused"));
  files(5);
  clock_->advance(1min);
  until([&] { return target_->view()->health == policy::Health::critical; });
  EXPECT_THAT(advised(), HasSubstr("limit for critical"));
}

}  // namespace
}  // namespace wal_exporter::app
