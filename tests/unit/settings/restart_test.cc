// The `restart` group: what it means, and what an enabled one can't do without.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support.h"

namespace wal_exporter::settings {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

std::string with(const std::string& keys) {
  return target_with("  influxdb: {url: http://h:1}\n  restart:\n" + keys);
}

TEST(Restart, IsOffUnlessEnabled) {
  EXPECT_EQ(read(target_with("")).restart, actions::RestartOptions{});
  EXPECT_FALSE(policy::RestartRules{}.enabled);
  EXPECT_FALSE(read(with("    method: docker\n    docker: {container: x}\n")).rules.restart.enabled);
  // Half of one, not enabled: no error.
  EXPECT_EQ(refusal(target_with("  restart: {method: docker}\n")), "accepted");
}

TEST(Restart, OfEachMethodIsReadWhole) {
  const auto docker = read(with("    enabled: true\n    method: docker\n    docker: {socket: /run/x.sock, container: "
                                "plant-influxdb_1.a, stop_timeout: 30s}\n"))
                          .restart;
  EXPECT_EQ(docker.method, actions::Way::docker);
  EXPECT_EQ(docker.docker,
            (actions::DockerOptions{.socket = "/run/x.sock", .container = "plant-influxdb_1.a", .stop_timeout = 30s}));

  const auto systemd = read(with("    enabled: true\n    method: systemd\n    systemd: {unit: influxdb@a.service, "
                                 "bus: 'unix:path=/b', timeout: 1m}\n"))
                           .restart;
  EXPECT_EQ(systemd.method, actions::Way::systemd);
  EXPECT_EQ(systemd.systemd,
            (actions::SystemdOptions{.unit = "influxdb@a.service", .bus = "unix:path=/b", .timeout = 1min}));

  const auto command =
      read(with("    enabled: true\n    method: command\n    command:\n      arguments: [/bin/x, 'a b', '${UNIT}']\n"
                "      environment: {A: 1, B_2: '$$x'}\n      timeout: 10s\n"),
           environment({{"UNIT", "i n"}}))
          .restart;
  EXPECT_EQ(command.method, actions::Way::command);
  EXPECT_THAT(command.command.arguments, ElementsAre("/bin/x", "a b", "i n"));
  EXPECT_THAT(command.command.environment, ElementsAre(Pair("A", "1"), Pair("B_2", "$x")));
  EXPECT_EQ(command.command.timeout, 10s);
}

TEST(Restart, LimitsAreRead) {
  const auto r = read(with("    allow_v3: true\n    unprepared: true\n    max_replay: 0\n    max_per_day: 0\n"
                           "    prepare_wait: 2m\n    ready_timeout: 1h\n    after_failures: 5\n"
                           "    failure_spacing: 1m\n    after_blocked: 30m\n"))
                     .rules.restart;
  EXPECT_TRUE(r.allow_v3 && r.unprepared);
  EXPECT_EQ(r.max_replay, 0s);
  EXPECT_EQ(r.max_per_day, 0U);
  EXPECT_EQ(r.prepare_wait, 2min);
  EXPECT_EQ(r.ready_timeout, 1h);
  EXPECT_EQ(r.after_failures, 5U);
  EXPECT_EQ(r.failure_spacing, 1min);
  EXPECT_EQ(r.after_blocked, 30min);
}

struct Wrong {
  const char* keys;
  const char* message;
};
class RestartRefused : public ::testing::TestWithParam<Wrong> {};

TEST_P(RestartRefused, SaysTheLineAndWhatToAdd) {
  EXPECT_THAT(refusal(with(GetParam().keys)), HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    Files, RestartRefused,
    ::testing::Values(
        Wrong{"    enabled: true\n",
              "a.yml:6: restart.enabled needs a way to restart; add restart.method: docker, systemd or command"},
        Wrong{"    enabled: true\n    method: docker\n",
              "a.yml:7: restart.method docker needs to know which container; add restart.docker.container"},
        Wrong{"    enabled: true\n    method: systemd\n    docker: {container: x}\n",
              "a.yml:7: restart.method systemd needs to know which unit; add restart.systemd.unit"},
        Wrong{"    enabled: true\n    method: command\n",
              "a.yml:7: restart.method command needs the command; add restart.command.arguments"},
        Wrong{"    enabled: true\n    method: reboot\n",
              "a.yml:7: restart.method: 'reboot' is not known; write docker"},
        Wrong{"    docker: {container: 'a/b'}\n", "a.yml:6: restart.docker.container: 'a/b' is not the name of a"},
        Wrong{"    docker: {container: ''}\n", "is not the name of a container"},
        Wrong{"    docker: {container: -x}\n", "is not the name of a container"},
        Wrong{"    docker: {socket: docker.sock}\n", "restart.docker.socket: 'docker.sock' is not the absolute path"},
        Wrong{"    docker: {stop_timeout: 0}\n", "restart.docker.stop_timeout: '0' is out of range"},
        Wrong{"    systemd: {unit: influxdb}\n", "'influxdb' does not end with .service; write 'influxdb.service'"},
        Wrong{"    systemd: {unit: 'a b.service'}\n", "is not the name of a unit"},
        Wrong{"    systemd: {bus: 'tcp:host=x'}\n", "is not the address of a local bus"},
        Wrong{"    command: {arguments: reboot}\n", "restart.command.arguments: it is not a list of 1 to 100 texts"},
        Wrong{"    command: {arguments: []}\n", "it is not a list of 1 to 100 texts"},
        Wrong{"    command: {arguments: [systemctl, restart]}\n",
              "'systemctl' is not the absolute path of a program, and no shell looks for it"},
        Wrong{"    command: {arguments: [[/bin/x]]}\n", "restart.command.arguments is a list"},
        Wrong{"    command: {environment: [A]}\n", "it is not a group of at most 100 variables"},
        Wrong{"    command: {environment: {1A: x}}\n", "'1A' is not the name of a variable"},
        Wrong{"    command: {environment: {A=B: x}}\n", "'A=B' is not the name of a variable"},
        Wrong{"    command: {timeout: 2h}\n", "out of range"},
        Wrong{"    container: x\n", "unknown key 'container' in restart; it belongs under 'restart.docker'"},
        Wrong{"    max_per_day: 101\n", "restart.max_per_day"}, Wrong{"    after_failures: 0\n", "after_failures"}));

TEST(RestartRefused, WithoutAServerToAskWhetherItIsUpAgain) {
  EXPECT_THAT(refusal(target_with("  restart:\n    enabled: true\n    method: docker\n    docker: {container: x}\n")),
              HasSubstr("a.yml:5: restart.enabled needs a server to ask whether it is up again; set influxdb.url"));
}

}  // namespace
}  // namespace wal_exporter::settings
