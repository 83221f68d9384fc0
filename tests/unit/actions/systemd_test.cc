// Against a real D-Bus daemon of the test's own, on which a thread of the test plays
// systemd's manager.
#include "actions/systemd.h"

#include <gmock/gmock.h>

#include <map>
#include <vector>

#include "private_bus.h"

namespace wal_exporter::actions {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class Systemd : public ::testing::Test {
 protected:
  void play(FakeManager::Script script) { manager_ = std::make_unique<FakeManager>(bus_.address(), std::move(script)); }
  Result<std::string> restart(std::stop_token stop = {}) {
    return make_systemd_restart({"influxdb.service", bus_.address(), timeout_}, clock_)->restart(stop);
  }
  Result<std::string> check() {
    return make_systemd_restart({"influxdb.service", bus_.address(), timeout_}, clock_)->check({});
  }
  static Error error_of(const Result<std::string>& result) {
    return result ? Error{ErrorKind::internal, "it worked: " + *result} : result.error();
  }

  PrivateBus bus_;
  std::shared_ptr<const Clock> clock_ = std::make_shared<SystemClock>();
  Duration timeout_ = 1min;
  std::unique_ptr<FakeManager> manager_;
};

TEST_F(Systemd, RestartsTheUnitAndWaitsForTheJobsEnd) {
  play({});
  const auto result = restart();
  ASSERT_TRUE(result.has_value()) << result.error().message;
  EXPECT_THAT(*result, AllOf(HasSubstr("unit influxdb.service was restarted in "), HasSubstr("is active, running")));
  EXPECT_THAT(manager_->restarts(), ElementsAre("influxdb.service replace"));
}

TEST_F(Systemd, AJobThatEndsBeforeTheAnswerThatNamesItIsSeen) {
  FakeManager::Script script;
  script.signal_first = true;
  play(script);
  EXPECT_TRUE(restart().has_value()) << error_of(restart()).message;
}

TEST_F(Systemd, TheEndOfAnotherJobIsNotOurs) {
  FakeManager::Script script;
  script.other_job_first = true;
  script.result = "failed";
  play(script);
  EXPECT_THAT(error_of(restart()).message, HasSubstr("ended the restart of influxdb.service with failed"));
}

TEST_F(Systemd, CheckOnlyReads) {
  play({});
  const auto checked = check();
  ASSERT_TRUE(checked.has_value()) << checked.error().message;
  EXPECT_EQ(*checked, "restart unit influxdb.service (active, running) through systemd, for 1m at most");
  EXPECT_THAT(manager_->restarts(), ElementsAre());
}

TEST_F(Systemd, AUnitThatIsNotThereIsNotFound) {
  FakeManager::Script script;
  script.load = "not-found";
  script.active = "inactive";
  play(script);
  const Error error = error_of(restart());
  EXPECT_EQ(error.kind, ErrorKind::not_found);
  EXPECT_THAT(error.message, AllOf(HasSubstr("no unit named influxdb.service"), HasSubstr("restart.systemd.unit")));
  EXPECT_THAT(manager_->restarts(), ElementsAre());
}

TEST_F(Systemd, AMaskedUnitIsToldSo) {
  FakeManager::Script script;
  script.load = "masked";
  script.active = "inactive";
  play(script);
  EXPECT_THAT(error_of(restart()).message,
              AllOf(HasSubstr("is masked"), HasSubstr("systemctl unmask influxdb.service")));
}

TEST_F(Systemd, AUnitThatBecameMaskedMeanwhileIsToldSo) {
  FakeManager::Script script;
  script.refusal = "org.freedesktop.systemd1.UnitMasked";
  play(script);
  EXPECT_THAT(error_of(restart()).message, HasSubstr("is masked"));
}

TEST_F(Systemd, AStoppedUnitIsNotStarted) {
  FakeManager::Script script;
  script.active = "inactive";
  script.sub = "dead";
  play(script);
  const Error error = error_of(restart());
  EXPECT_EQ(error.kind, ErrorKind::conflict);
  EXPECT_THAT(error.message, AllOf(HasSubstr("does not run (inactive, dead)"), HasSubstr("is not started")));
  EXPECT_THAT(manager_->restarts(), ElementsAre());
}

class SystemdDenied : public Systemd, public ::testing::WithParamInterface<const char*> {};

TEST_P(SystemdDenied, IsToldWithTheWayToAllowIt) {
  FakeManager::Script script;
  script.refusal = GetParam();
  play(script);
  const Error error = error_of(restart());
  EXPECT_EQ(error.kind, ErrorKind::permission);
  EXPECT_THAT(error.message, AllOf(HasSubstr("may not restart influxdb.service"), HasSubstr("polkit rule")));
}
INSTANTIATE_TEST_SUITE_P(Answers, SystemdDenied,
                         ::testing::Values("org.freedesktop.DBus.Error.AccessDenied",
                                           "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired"));

TEST_F(Systemd, TheBusItselfMayDenyIt) {
  bus_.end();
  bus_.start(R"(<policy context="mandatory"><deny send_interface="org.freedesktop.systemd1.Manager" )"
             R"(send_member="RestartUnit"/></policy>)");
  play({});
  EXPECT_EQ(error_of(restart()).kind, ErrorKind::permission) << error_of(restart()).message;
  EXPECT_TRUE(check().has_value());
}

class SystemdResult : public Systemd, public ::testing::WithParamInterface<const char*> {};

TEST_P(SystemdResult, OtherThanDoneIsAFailureThatNamesIt) {
  FakeManager::Script script;
  script.result = GetParam();
  play(script);
  EXPECT_THAT(error_of(restart()).message,
              AllOf(HasSubstr("ended the restart of influxdb.service with " + std::string(GetParam())),
                    HasSubstr("journalctl -u influxdb.service")));
}
INSTANTIATE_TEST_SUITE_P(Results, SystemdResult,
                         ::testing::Values("failed", "canceled", "timeout", "dependency", "skipped"));

TEST_F(Systemd, AUnitThatIsDoneButDeadIsAFailure) {
  FakeManager::Script script;
  script.active_after = "failed";
  play(script);
  EXPECT_THAT(error_of(restart()).message,
              HasSubstr("systemd said that it restarted the unit, but: unit influxdb.service does not run (failed"));
}

TEST_F(Systemd, AJobThatDoesNotEndInTimeIsLeftToSystemd) {
  timeout_ = 300ms;
  FakeManager::Script script;
  script.result = "";  // never
  play(script);
  const Error error = error_of(restart());
  EXPECT_EQ(error.kind, ErrorKind::timeout);
  EXPECT_THAT(error.message, AllOf(HasSubstr("within 300ms and goes on with it"), HasSubstr("systemctl list-jobs")));
}

TEST_F(Systemd, ARequestToStopEndsTheWait) {
  FakeManager::Script script;
  script.result = "";
  play(script);
  std::stop_source stop;
  std::jthread stopper([&] {
    EXPECT_TRUE(within_a_minute([&] { return !manager_->restarts().empty(); }));
    stop.request_stop();
  });
  const Error error = error_of(restart(stop.get_token()));
  EXPECT_EQ(error.kind, ErrorKind::cancelled);
  EXPECT_THAT(error.message, HasSubstr("systemd goes on with it"));
}

TEST_F(Systemd, ABusWithoutSystemdIsToldSo) {
  EXPECT_THAT(error_of(check()).message, AllOf(HasSubstr("systemd is not on the bus"), HasSubstr("docker or command")));
}

TEST_F(Systemd, NoBusIsToldWithItsAddress) {
  bus_.end();
  const Error error = error_of(check());
  EXPECT_THAT(error.message, AllOf(HasSubstr(bus_.address()), HasSubstr("restart.systemd.bus")));
}

TEST_F(Systemd, ABusThatHangsUpInTheMiddleIsAnError) {
  FakeManager::Script script;
  script.result = "";
  play(script);
  std::jthread ender([&] {
    EXPECT_TRUE(within_a_minute([&] { return !manager_->restarts().empty(); }));
    bus_.end();
  });
  EXPECT_EQ(error_of(restart()).kind, ErrorKind::unavailable) << error_of(restart()).message;
}

TEST_F(Systemd, AnAddressThatIsNoneIsAnError) {
  const auto checked = make_systemd_restart({"influxdb.service", "unix:rubbish", 1s}, clock_)->check({});
  EXPECT_FALSE(checked.has_value());
}

}  // namespace
}  // namespace wal_exporter::actions
