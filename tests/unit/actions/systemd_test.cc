// Against a program in systemctl's place, which answers in the words of systemctl 252,
// and against the real one on this machine. real_systemd_test.cc has a real systemd too.
#include "actions/systemd.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <thread>

#include "base/clock.h"
#include "support.h"

namespace wal_exporter::actions {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

class Systemd : public ::testing::Test {
 protected:
  // What the program does: `show` before and after a restart, and a piece of shell that is the restart.
  struct Script {
    std::string load = "loaded";
    std::string active = "active";
    std::string sub = "running";
    std::string active_after = "active";
    std::string invocation_after = "b0b";
    std::string restart = "exit 0";
    std::string show;  // instead
  };

  void play(const Script& script) {
    const auto state = [&](const std::string& active, const std::string& invocation) {
      return "printf 'LoadState=" + script.load + "\\nActiveState=" + active + "\\nSubState=" + script.sub +
             "\\nInvocationID=" + invocation + "\\n'";
    };
    const std::string show = !script.show.empty() ? script.show
                                                  : "if [ -e " + file("asked") + " ]; then " +
                                                        state(script.active_after, script.invocation_after) +
                                                        "; else " + state(script.active, "a1a") + "; fi";
    std::ofstream(program_) << "#!/bin/sh\n"
                            << "echo \"$DBUS_SESSION_BUS_ADDRESS $LC_ALL $*\" >>" << file("calls") << "\n"
                            << "case $* in\n*' show '*) " << show << ";;\n"
                            << "*' restart '*) touch " << file("asked") << "\n"
                            << script.restart << ";;\nesac\n";
    ::chmod(program_.c_str(), 0755);
  }
  [[nodiscard]] std::string file(const std::string& name) const { return (folder_.path() / name).string(); }
  [[nodiscard]] bool asked() const { return std::filesystem::exists(file("asked")); }

  Result<std::string> restart(std::stop_token stop = {}) { return make()->restart(stop); }
  Result<std::string> check(std::stop_token stop = {}) { return make()->check(stop); }
  std::unique_ptr<RestartMethod> make() {
    return make_systemd_restart({"influxdb.service", bus_, timeout_, program_}, clock_);
  }
  static Error error_of(const Result<std::string>& result) {
    return result ? Error{ErrorKind::internal, "it worked: " + *result} : result.error();
  }
  // Of a restart that systemctl ends with `code` and these words.
  Error refused(const std::string& words, int code = 1) {
    Script script;
    script.restart = "cat >&2 <<'END'\n" + words + "\nEND\nexit " + std::to_string(code);
    play(script);
    return error_of(restart());
  }

  tests::TempDir folder_;
  std::string program_ = file("systemctl");
  std::shared_ptr<const Clock> clock_ = std::make_shared<SystemClock>();
  Duration timeout_ = 1min;
  std::string bus_;
};

TEST_F(Systemd, RestartsTheUnitAndLooksAtItBeforeAndAfter) {
  play({});
  const auto result = restart();
  ASSERT_TRUE(result.has_value()) << result.error().message;
  EXPECT_THAT(*result,
              AllOf(HasSubstr("unit influxdb.service was restarted in "), EndsWith(" and is active, running")));
  const std::string show = " C --no-ask-password --no-pager show -p LoadState,ActiveState,SubState,InvocationID -- ";
  EXPECT_EQ(content(file("calls")), show + "influxdb.service\n" +
                                        " C --no-ask-password --no-pager restart -- influxdb.service\n" + show +
                                        "influxdb.service\n");
}

TEST_F(Systemd, ABusThatTheSettingsNameIsAskedAsAUsers) {
  play({});
  bus_ = "unix:path=/run/host/bus";
  ASSERT_TRUE(restart().has_value());
  EXPECT_THAT(content(file("calls")),
              HasSubstr("unix:path=/run/host/bus C --no-ask-password --no-pager --user restart -- influxdb.service\n"));
}

TEST_F(Systemd, TheBusOfTheEnvironmentIsUsedWhereTheSettingsNameNone) {
  play({});
  ::setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/a", 1);
  const auto by_environment = check();
  bus_ = "unix:path=/b";
  const auto by_settings = check();
  ::unsetenv("DBUS_SYSTEM_BUS_ADDRESS");
  ASSERT_TRUE(by_environment.has_value() && by_settings.has_value());
  EXPECT_THAT(content(file("calls")), AllOf(HasSubstr("unix:path=/a C --no-ask-password --no-pager --user show"),
                                            HasSubstr("unix:path=/b C --no-ask-password --no-pager --user show")));
}

TEST_F(Systemd, CheckOnlyReads) {
  play({});
  const auto checked = check();
  ASSERT_TRUE(checked.has_value()) << checked.error().message;
  EXPECT_EQ(*checked, "restart unit influxdb.service (active, running) through systemd, for 1m at most");
  EXPECT_FALSE(asked());
}

TEST_F(Systemd, AUnitThatIsNotThereIsNotFound) {
  Script script;
  script.load = "not-found";
  script.active = "inactive";
  play(script);
  const Error error = error_of(restart());
  EXPECT_EQ(error.kind, ErrorKind::not_found);
  EXPECT_THAT(error.message, AllOf(HasSubstr("no unit named influxdb.service"), HasSubstr("restart.systemd.unit")));
  EXPECT_FALSE(asked());
}

TEST_F(Systemd, AMaskedUnitIsToldSo) {
  Script script;
  script.load = "masked";
  script.active = "inactive";
  play(script);
  const Error error = error_of(restart());
  EXPECT_EQ(error.kind, ErrorKind::conflict);
  EXPECT_THAT(error.message, AllOf(HasSubstr("is masked"), HasSubstr("systemctl unmask influxdb.service")));
}

TEST_F(Systemd, AUnitWhoseFileIsWrongIsToldSo) {
  Script script;
  script.load = "bad-setting";
  script.active = "inactive";
  play(script);
  const Error error = error_of(check());
  EXPECT_EQ(error.kind, ErrorKind::invalid);
  EXPECT_THAT(error.message, HasSubstr("can't use unit influxdb.service (bad-setting)"));
}

TEST_F(Systemd, AUnitThatIsGoneOrMaskedMeanwhileIsToldSo) {
  EXPECT_EQ(refused("Failed to restart influxdb.service: Unit influxdb.service not found.", 5).kind,
            ErrorKind::not_found);
  EXPECT_THAT(refused("Failed to restart influxdb.service: Unit influxdb.service is masked.").message,
              HasSubstr("so it can't be restarted"));
}

TEST_F(Systemd, AUnitThatLacksAnotherIsNotSaidToBeMissing) {
  const Error error = refused("Failed to restart influxdb.service: Unit disk.mount not found.", 5);
  EXPECT_EQ(error.kind, ErrorKind::unavailable);
  EXPECT_THAT(error.message, AllOf(HasSubstr("systemctl exited with code 5"), HasSubstr("Unit disk.mount not found.")));
}

TEST_F(Systemd, AStoppedUnitIsNotStarted) {
  Script script;
  script.active = "inactive";
  script.sub = "dead";
  play(script);
  const Error error = error_of(restart());
  EXPECT_EQ(error.kind, ErrorKind::conflict);
  EXPECT_THAT(error.message, AllOf(HasSubstr("does not run (inactive, dead)"), HasSubstr("is not started")));
  EXPECT_FALSE(asked());
}

TEST_F(Systemd, AUnitThatIsStartedAgainAndAgainRuns) {
  Script script;
  script.active = "activating";
  script.sub = "auto-restart";
  play(script);
  EXPECT_TRUE(restart().has_value()) << error_of(restart()).message;
}

TEST_F(Systemd, WhatPolkitOrTheBusDeniesIsToldWithTheWayToAllowIt) {
  for (const std::string said : {"Access denied", "Interactive authentication required."}) {
    const Error error = refused("Failed to restart influxdb.service: " + said +
                                    "\nSee system logs and 'systemctl status influxdb.service' for details.",
                                said == "Access denied" ? 4 : 1);
    EXPECT_EQ(error.kind, ErrorKind::permission);
    EXPECT_THAT(error.message, AllOf(HasSubstr("may not restart influxdb.service"), HasSubstr("polkit rule"),
                                     EndsWith("(Failed to restart influxdb.service: " + said + ")")));
  }
}

TEST_F(Systemd, WhatNobodyMayIsNoMatterOfPolkit) {
  const Error error = refused(
      "Failed to restart influxdb.service: Operation refused, unit influxdb.service may be requested by dependency "
      "only (it is configured to refuse manual start/stop).",
      4);
  EXPECT_EQ(error.kind, ErrorKind::unavailable);
  EXPECT_THAT(error.message, AllOf(HasSubstr("exited with code 4"), HasSubstr("Operation refused")));
}

TEST_F(Systemd, AJobThatDidNotEndWithDoneIsAFailureThatNamesItsResult) {
  for (const auto& [words, result] : {
           std::pair{"Job for influxdb.service failed because the control process exited with error code.", "failed"},
           std::pair{"Job for influxdb.service failed because a timeout was exceeded.", "failed"},
           std::pair{"Job for influxdb.service failed.", "failed"},
           std::pair{"Job for influxdb.service canceled.", "canceled"},
           std::pair{"Job for influxdb.service timed out.", "timeout"},
           std::pair{"A dependency job for influxdb.service failed. See 'journalctl -xe' for details.", "dependency"},
           std::pair{"Assertion failed on job for influxdb.service.", "assert"},
       }) {
    const Error error = refused(std::string(words) +
                                "\nSee \"systemctl status influxdb.service\" and \"journalctl -xeu influxdb.service\"");
    EXPECT_EQ(error.kind, ErrorKind::unavailable);
    const std::string text = std::string(words).substr(0, std::string(words).find(" See"));
    EXPECT_THAT(error.message, HasSubstr("systemd ended the restart of influxdb.service with " + std::string(result) +
                                         " (" + text + ");"));
    EXPECT_THAT(error.message, HasSubstr("journalctl -u influxdb.service"));
  }
}

TEST_F(Systemd, AWarningBeforeAFailureIsOnTheSameLine) {
  const Error error = refused("Warning: it changed on disk.\nJob for influxdb.service canceled.");
  EXPECT_THAT(error.message, HasSubstr("with canceled (Warning: it changed on disk.\\nJob for "));
}

TEST_F(Systemd, AUnitThatIsDoneButDeadIsAFailure) {
  Script script;
  script.active_after = "failed";
  play(script);
  EXPECT_THAT(
      error_of(restart()).message,
      HasSubstr("systemd reported that it restarted the unit, but: unit influxdb.service does not run (failed"));
}

TEST_F(Systemd, AUnitThatRunsAsBeforeWasNotRestarted) {
  Script script;
  script.invocation_after = "a1a";
  play(script);
  const Error error = error_of(restart());
  EXPECT_EQ(error.kind, ErrorKind::corrupt);
  EXPECT_THAT(error.message, HasSubstr("it runs as before"));
}

TEST_F(Systemd, AJobThatDoesNotEndInTimeIsLeftToSystemd) {
  timeout_ = 300ms;
  Script script;
  script.restart = "exec sleep 1000";
  play(script);
  const Error error = error_of(restart());
  EXPECT_EQ(error.kind, ErrorKind::timeout);
  EXPECT_THAT(error.message, AllOf(HasSubstr("within 300ms and goes on with it"), HasSubstr("systemctl list-jobs")));
}

TEST_F(Systemd, ARequestToStopEndsTheWaitAtOnce) {
  Script script;
  script.restart = "exec sleep 1000";
  play(script);
  std::stop_source stop;
  std::jthread stopper([&] {
    EXPECT_TRUE(within_a_minute([&] { return asked(); }));
    stop.request_stop();
  });
  const SteadyTime begin = clock_->steady();
  const Error error = error_of(restart(stop.get_token()));
  EXPECT_LT(clock_->steady() - begin, timeout_);
  EXPECT_EQ(error.kind, ErrorKind::cancelled);
  EXPECT_THAT(error.message, HasSubstr("systemd may go on with it"));
}

TEST_F(Systemd, ARequestToStopEndsAQuestionToo) {
  Script script;
  script.show = "exec sleep 1000";
  play(script);
  std::stop_source stop;
  std::jthread stopper([&] {
    EXPECT_TRUE(within_a_minute([&] { return std::filesystem::exists(file("calls")); }));
    stop.request_stop();
  });
  EXPECT_EQ(error_of(check(stop.get_token())).kind, ErrorKind::cancelled);
  EXPECT_EQ(error_of(restart(stop.get_token())).kind, ErrorKind::cancelled);
  EXPECT_FALSE(asked());
}

// A clock that goes on by a second whenever it is asked.
class HastyClock final : public Clock {
 public:
  [[nodiscard]] Time now() const override { return real_.now(); }
  [[nodiscard]] SteadyTime steady() const override { return SteadyTime(std::chrono::seconds(++asked_)); }
  void wait_until(CondVar&, Mutex&, SteadyTime) override {}

 private:
  SystemClock real_;
  mutable int asked_ = 0;
};

TEST_F(Systemd, AQuestionThatIsNotAnsweredIsEnded) {
  clock_ = std::make_shared<HastyClock>();
  Script script;
  script.show = "exec sleep 1000";
  play(script);
  const Error error = error_of(check());
  EXPECT_EQ(error.kind, ErrorKind::timeout);
  EXPECT_THAT(error.message, HasSubstr("systemd did not answer within 10s"));
}

TEST_F(Systemd, ABusWithoutSystemdIsToldSo) {
  for (const std::string said : {"Process org.freedesktop.systemd1 exited with status 1",
                                 "The name org.freedesktop.systemd1 was not provided by any .service files",
                                 "Could not activate remote peer."}) {
    Script script;
    script.show = "echo 'Failed to get properties: " + said + "' >&2; exit 1";
    play(script);
    EXPECT_THAT(error_of(check()).message,
                AllOf(HasSubstr("systemd is not on the bus"), HasSubstr("docker or command"), HasSubstr(said)));
  }
}

TEST_F(Systemd, NoBusIsToldWithItsAddress) {
  bus_ = "unix:path=/nothing";
  Script script;
  script.show = "echo 'Failed to connect to bus: No such file or directory' >&2; exit 1";
  play(script);
  const Error error = error_of(check());
  EXPECT_EQ(error.kind, ErrorKind::unavailable);
  EXPECT_THAT(error.message,
              AllOf(HasSubstr("to bus: No such file or directory (unix:path=/nothing); is systemd there"),
                    HasSubstr("restart.systemd.bus")));
}

TEST_F(Systemd, ABusThatIsSlowIsATimeout) {
  const Error error = refused("Failed to restart influxdb.service: Connection timed out");
  EXPECT_EQ(error.kind, ErrorKind::timeout);
  EXPECT_THAT(error.message, HasSubstr("Connection timed out"));
}

TEST_F(Systemd, ABusThatHangsUpInTheMiddleIsAnError) {
  const Error error =
      refused("Warning! D-Bus connection terminated.\nFailed to wait for response: Connection reset by peer");
  EXPECT_EQ(error.kind, ErrorKind::unavailable);
  EXPECT_THAT(error.message, AllOf(HasSubstr("systemctl exited with code 1"), HasSubstr("Connection reset by peer")));
}

TEST_F(Systemd, AnAnswerWithoutTheUnitsStateIsAnError) {
  Script script;
  script.show = "echo \"Running in chroot, ignoring command 'show'\"";
  play(script);
  EXPECT_THAT(error_of(check()).message,
              AllOf(HasSubstr("systemctl exited with code 0"), HasSubstr("Running in chroot")));
  script.show = "exit 0";
  play(script);
  EXPECT_THAT(error_of(check()).message, EndsWith("it wrote nothing"));
}

TEST_F(Systemd, AMachineWithoutSystemctlIsToldSo) {
  const Error error = error_of(check());
  EXPECT_EQ(error.kind, ErrorKind::not_found);
  EXPECT_THAT(error.message,
              AllOf(HasSubstr(program_), HasSubstr("it comes with systemd"), HasSubstr("docker or command")));
}

// As under a parent that ran `trap '' CHLD`: what systemctl wrote tells how it ended.
TEST_F(Systemd, ALostExitStatusIsMadeUpForByWhatWasWritten) {
  play({});
  const auto old = ::signal(SIGCHLD, SIG_IGN);
  const auto good = restart();
  std::filesystem::remove(file("asked"));
  const Error bad = refused("Job for influxdb.service canceled.");
  ::signal(SIGCHLD, old);
  EXPECT_TRUE(good.has_value()) << error_of(good).message;
  EXPECT_THAT(bad.message, HasSubstr("with canceled"));
}

TEST_F(Systemd, TheRealSystemctlOfThisMachineIsUnderstood) {
  const SystemdOptions standard;
  const auto checked =
      make_systemd_restart({"wal-exporter-no-such.service", "", standard.timeout, standard.program}, clock_)->check({});
  if (std::filesystem::exists("/run/systemd/system")) {
    EXPECT_EQ(error_of(checked).kind, ErrorKind::not_found) << error_of(checked).message;
  } else {
    EXPECT_EQ(error_of(checked).kind, ErrorKind::unavailable);
    EXPECT_THAT(error_of(checked).message, AllOf(HasSubstr("is run by another init (System has not been booted with"),
                                                 HasSubstr("docker or command")));
  }
}

TEST_F(Systemd, TheRealSystemctlIsUnderstoodWhereThereIsNoBus) {
  for (const std::string& bus : {"unix:path=" + file("nothing"), std::string("unix:rubbish")}) {
    const Error error = error_of(make_systemd_restart({"influxdb.service", bus}, clock_)->check({}));
    EXPECT_EQ(error.kind, ErrorKind::unavailable);
    EXPECT_THAT(error.message,
                AllOf(HasSubstr("Failed to connect to"), HasSubstr(bus), HasSubstr("is systemd there?")));
  }
}

}  // namespace
}  // namespace wal_exporter::actions
