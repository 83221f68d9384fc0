// With the real systemctl and a real systemd, that of the user nobody: see real_systemd.
// Left out where that can't be had, which the test says.
#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "actions/process.h"
#include "actions/systemd.h"
#include "paths.h"
#include "support.h"

namespace wal_exporter::actions {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;

class RealSystemd : public ::testing::Test {
 protected:
  // All of them once: it takes a second to start.
  static void SetUpTestSuite() { world_ = std::make_unique<World>(); }
  static void TearDownTestSuite() { world_.reset(); }
  void SetUp() override {
    if (world_->ended && world_->exit_code == 77) GTEST_SKIP() << "no systemd of its own: " << world_->output;
    ASSERT_TRUE(world_->up) << "systemd did not come up: " << (world_->ended ? world_->output : "it hangs");
  }

  static Result<std::string> restart(const std::string& unit, Duration timeout = 1min) {
    return make_systemd_restart({unit, world_->bus(), timeout}, world_->clock)->restart({});
  }
  static Error error_of(const Result<std::string>& result) {
    return result ? Error{ErrorKind::internal, "it worked: " + *result} : result.error();
  }
  static Error error_of_restart(const std::string& unit) { return error_of(restart(unit)); }
  static std::string systemctl(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"/usr/bin/systemctl", "--user"});
    const auto end =
        run_process({std::move(arguments), {{"DBUS_SESSION_BUS_ADDRESS", world_->bus()}}, 1min}, *world_->clock, {});
    return end ? end->output : end.error().message;
  }
  // What happens to the units from now on.
  static void let_starts_fail() { std::ofstream(world_->file("broken")) << ""; }

  struct World {
    World() {
      std::filesystem::create_directory(file("units"));
      const std::string sleeps = "[Service]\nExecStart=/bin/sleep 1000\n";
      const std::string when = "PathExists=!/run/test/broken\n";
      unit("dbus.socket", "[Socket]\nListenStream=/run/test/bus\n");
      unit("dbus.service",
           "[Unit]\nRequires=dbus.socket\n[Service]\nType=notify\nExecStart=/usr/bin/dbus-daemon "
           "--config-file=/run/test/bus.conf --address=systemd: --nofork --nopidfile\n");
      deny("");
      unit("runs.service", sleeps);
      unit("stopped.service", sleeps);
      unit("wrong.service", "[Service]\nRestart=yes\n");
      const std::string once = "[Service]\nType=oneshot\nExecStart=/usr/bin/test ! -e /run/test/broken\n";
      unit("fails.service", once + "RemainAfterExit=yes\n");
      unit("needed.service", once);
      unit("depends.service", "[Unit]\nRequires=needed.service\nAfter=needed.service\n" + sleeps);
      unit("asserts.service", "[Unit]\nAssert" + when + sleeps);
      unit("skips.service", "[Unit]\nCondition" + when + sleeps);
      for (const char* slow : {"slow.service", "stuck.service"}) {
        unit(slow, sleeps + "ExecStop=/bin/sleep 1000\nTimeoutStopSec=1000\n");
      }
      unit("by-dependency.service", "[Unit]\nRefuseManualStart=yes\n" + sleeps);
      std::filesystem::create_symlink("/dev/null", file("units/masked.service"));
      for (const char* target : {"basic.target", "sockets.target", "shutdown.target"}) {
        unit(target, "[Unit]\nDefaultDependencies=no\n");
      }
      unit("test.target",
           "[Unit]\nWants=dbus.service runs.service fails.service depends.service asserts.service skips.service "
           "slow.service stuck.service by-dependency.service\n");
      thread = std::jthread([this](const std::stop_token& stop) {
        ProcessRequest request{
            {std::string(tests::kSource) + "/tests/unit/actions/real_systemd", folder.path()}, {}, 1h};
        request.stop_grace = Duration::zero();
        const auto end = run_process(request, *clock, stop);
        output = end ? end->output : end.error().message;
        exit_code = end ? end->exit_code : -1;
        ended = true;
      });
      const auto is_up = [&] {
        return ended || make_systemd_restart({"test.target", bus(), 1min}, clock)->check({}).has_value();
      };
      up = within_a_minute(is_up) && !ended;
    }
    [[nodiscard]] std::string file(const std::string& name) const { return (folder.path() / name).string(); }
    [[nodiscard]] std::string bus() const { return "unix:path=" + file("bus"); }
    void unit(const std::string& name, const std::string& text) const { std::ofstream(file("units/" + name)) << text; }

    // What the bus lets nobody have; all else it lets everybody.
    void deny(const std::string& what) const {
      std::ofstream(file("bus.conf")) << "<busconfig><listen>unix:path=/run/test/bus</listen><auth>EXTERNAL</auth>"
                                      << R"(<policy context="default"><allow user="*"/><allow own="*"/>)"
                                      << R"(<allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/>)"
                                      << what << "</policy></busconfig>";
    }

    tests::TempDir folder;
    std::shared_ptr<const Clock> clock = std::make_shared<SystemClock>();
    bool up = false;
    std::string output;  // of the script, once it has ended
    int exit_code = 0;
    std::atomic<bool> ended = false;
    std::jthread thread;
  };
  static inline std::unique_ptr<World> world_;
};

TEST_F(RealSystemd, RestartsAUnit) {
  const auto before = systemctl({"show", "-p", "MainPID", "runs.service"});
  const auto result = restart("runs.service");
  ASSERT_TRUE(result.has_value()) << result.error().message;
  EXPECT_THAT(*result, AllOf(HasSubstr("unit runs.service was restarted in "), EndsWith(" and is active, running")));
  EXPECT_NE(systemctl({"show", "-p", "MainPID", "runs.service"}), before);
}

TEST_F(RealSystemd, TellsWhatCanNotBeRestarted) {
  EXPECT_EQ(error_of_restart("missing.service").kind, ErrorKind::not_found);
  EXPECT_THAT(error_of_restart("masked.service").message, HasSubstr("is masked"));
  EXPECT_THAT(error_of_restart("wrong.service").message, HasSubstr("can't use unit wrong.service (bad-setting)"));
  EXPECT_THAT(error_of_restart("stopped.service").message, HasSubstr("does not run (inactive, dead)"));
  EXPECT_THAT(error_of_restart("by-dependency.service").message,
              AllOf(HasSubstr("exited with code 4"), HasSubstr("may be requested by dependency only")));
}

TEST_F(RealSystemd, TellsThatTheBusDeniesIt) {
  const auto reload = [] {
    return run_process({{"/usr/bin/busctl", "--address=" + world_->bus(), "call", "org.freedesktop.DBus",
                         "/org/freedesktop/DBus", "org.freedesktop.DBus", "ReloadConfig"},
                        {},
                        1min},
                       *world_->clock, {})
        ->output;
  };
  world_->deny(R"(<deny send_interface="org.freedesktop.systemd1.Manager" send_member="RestartUnit"/>)");
  EXPECT_EQ(reload(), "");
  const Error error = error_of_restart("runs.service");
  world_->deny("");
  EXPECT_EQ(reload(), "");
  EXPECT_EQ(error.kind, ErrorKind::permission);
  EXPECT_THAT(error.message, EndsWith("(Failed to restart runs.service: Access denied)"));
}

TEST_F(RealSystemd, TellsHowAJobEnded) {
  let_starts_fail();
  EXPECT_THAT(error_of_restart("depends.service").message, HasSubstr("of depends.service with dependency (A dep"));
  EXPECT_THAT(error_of_restart("fails.service").message, HasSubstr("of fails.service with failed (Job for fails"));
  EXPECT_THAT(error_of_restart("fails.service").message, HasSubstr("does not run (failed, failed)"));
  EXPECT_THAT(error_of_restart("asserts.service").message, HasSubstr("of asserts.service with assert (Assertion"));
  EXPECT_THAT(error_of_restart("skips.service").message,
              HasSubstr("systemd reported that it restarted the unit, but: unit skips.service does not run"));
}

TEST_F(RealSystemd, GoesOnWithARestartThatIsNotWaitedFor) {
  const Error late = error_of(restart("slow.service", 300ms));
  EXPECT_EQ(late.kind, ErrorKind::timeout);
  EXPECT_THAT(systemctl({"list-jobs", "--no-legend"}), HasSubstr("slow.service restart running"));
}

TEST_F(RealSystemd, TellsARestartThatSomebodyCancelled) {
  std::jthread somebody([] {
    EXPECT_TRUE(within_a_minute([] {
      return systemctl({"list-jobs", "--no-legend"}).find("stuck.service restart") != std::string::npos;
    }));
    systemctl({"cancel"});
  });
  EXPECT_THAT(error_of_restart("stuck.service").message, HasSubstr("of stuck.service with canceled (Job for stuck"));
}

}  // namespace
}  // namespace wal_exporter::actions
