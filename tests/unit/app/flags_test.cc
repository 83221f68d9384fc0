#include "app/flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace wal_exporter::app {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

tl::expected<Flags, UsageError> parse_with(const std::vector<std::string>& arguments,
                                           const std::map<std::string, std::string>& variables,
                                           const std::filesystem::path& installed = "/nonexistent/config.yml") {
  return parse_flags(
      arguments,
      [&](const std::string& name) -> std::optional<std::string> {
        const auto found = variables.find(name);
        return found == variables.end() ? std::nullopt : std::optional(found->second);
      },
      installed);
}

tl::expected<Flags, UsageError> parse(const std::vector<std::string>& arguments, const std::string& state = {}) {
  return parse_with(arguments, {{"STATE_DIRECTORY", state}});
}

TEST(Flags, SayHowMetricsAreServed) {
  const auto usual = parse({});
  ASSERT_TRUE(usual.has_value());
  EXPECT_EQ(usual->exposition.telemetry_path, "/metrics");
  EXPECT_EQ(usual->exposition.max_requests, 40U);
  EXPECT_TRUE(usual->exporter_metrics);
  const auto set = parse(
      {"--web.telemetry-path=/wal", "--web.max-requests", "0", "--web.disable-exporter-metrics", "--config.check"});
  ASSERT_TRUE(set.has_value()) << set.error().message;
  EXPECT_EQ(set->exposition.telemetry_path, "/wal");
  EXPECT_EQ(set->exposition.max_requests, 0U);
  EXPECT_FALSE(set->exporter_metrics);
  EXPECT_EQ(set->mode, Mode::config_check);
  for (const auto& [argument, message] :
       {std::pair("--web.telemetry-path=/-/ready", "--web.telemetry-path: /-/ready is the address of GET /-/ready"),
        {"--web.telemetry-path=metrics", "--web.telemetry-path: \"metrics\" is not an address"},
        {"--web.max-requests=-1", "--web.max-requests: \"-1\" is not a number"},
        {"--web.max-requests=1000001", "write one from 0 to 1000000"}}) {
    const auto refused = parse({argument});
    ASSERT_FALSE(refused.has_value()) << argument;
    EXPECT_NE(refused.error().message.find(message), std::string::npos) << refused.error().message;
  }
  EXPECT_NE(parse({"--help"})->help.find("--web.disable-exporter-metrics  "), std::string::npos);
}

TEST(Flags, HaveTheDefaultsOfTheDesign) {
  const auto flags = parse({});
  ASSERT_TRUE(flags.has_value());
  EXPECT_EQ(flags->mode, Mode::serve);
  EXPECT_THAT(flags->listen_addresses, ElementsAre(":3002"));
  EXPECT_EQ(flags->state_directory, "/var/lib/influxdb_wal_exporter");
  EXPECT_EQ(flags->max_wait, Duration(std::chrono::seconds(60)));
}

TEST(Flags, TheFirstStateDirectoryOfSystemdIsTaken) {
  EXPECT_EQ(parse({}, "/var/lib/a:/var/lib/b")->state_directory, "/var/lib/a");
  EXPECT_EQ(parse({"--state.directory=/c"}, "/var/lib/a")->state_directory, "/c");
}

TEST(Flags, TakeValuesWithAndWithoutEquals) {
  const auto flags = parse({"--config.file", "a.yml", "--web.listen-address=127.0.0.1:0", "--once", "--format=json"});
  ASSERT_TRUE(flags.has_value());
  EXPECT_EQ(flags->mode, Mode::once);
  EXPECT_TRUE(flags->json);
  EXPECT_EQ(flags->sources.config_file, "a.yml");
}

TEST(Flags, AnUnknownOneIsNamed) {
  const auto flags = parse({"--confg.file=a"});
  ASSERT_FALSE(flags.has_value());
  EXPECT_EQ(flags.error().exit_code, 1);
  EXPECT_THAT(flags.error().message, HasSubstr("--confg.file"));
}

TEST(Flags, AUsageErrorOfOnceIsThree) {
  EXPECT_EQ(parse({"--once", "--nonsense"}).error().exit_code, 3);
  EXPECT_EQ(parse({"--once", "--explain"}).error().exit_code, 3);
}

TEST(Flags, ATargetIsForOneLookOrAPreparation) {
  for (const char* mode : {"--once", "--explain", "--prepare-restart"}) {
    EXPECT_EQ(parse({mode, "--target=b"}).value().target, "b");
  }
  for (const char* mode : {"--config.check", "--healthcheck", "--log.level=info"}) {
    const auto refused = parse({mode, "--target=b"});
    ASSERT_FALSE(refused) << mode;
    EXPECT_THAT(refused.error().message, HasSubstr("--target is for --once, --explain and"));
  }
}

// The program itself stands for any file that is there.
TEST(Flags, WithoutAFlagTheVariableNamesTheSettingsElseTheInstalledFileDoes) {
  const std::filesystem::path there = "/proc/self/exe";
  const auto named = parse_with({"--prepare-restart"}, {{"INFLUXDB_WAL_EXPORTER_CONFIG", "/a.yml"}}, there);
  EXPECT_EQ(named->sources.config_file, "/a.yml");
  EXPECT_EQ(named->config_origin, "$INFLUXDB_WAL_EXPORTER_CONFIG");
  const auto installed = parse_with({"--prepare-restart"}, {{"INFLUXDB_WAL_EXPORTER_CONFIG", ""}}, there);
  EXPECT_EQ(installed->sources.config_file, there);
  EXPECT_EQ(installed->config_origin, "the installed file");
  EXPECT_EQ(parse({"--prepare-restart"})->sources.config_file, "");
}

TEST(Flags, AFlagForTheSettingsOrTheDirectoryKeepsVariablesAndTheInstalledFileOut) {
  const std::map<std::string, std::string> variables{{"INFLUXDB_WAL_EXPORTER_CONFIG", "/a.yml"}};
  const auto file = parse_with({"--config.file=/b.yml"}, variables, "/proc/self/exe");
  EXPECT_EQ(file->sources.config_file, "/b.yml");
  EXPECT_EQ(file->config_origin, "");
  EXPECT_EQ(parse_with({"--wal.directory=/wal"}, variables, "/proc/self/exe")->sources.config_file, "");
}

TEST(Flags, TheAddressIsKnownToBeTheDefaultOne) {
  EXPECT_TRUE(parse({})->listens_by_default);
  const auto variable = parse_with({}, {{"INFLUXDB_WAL_EXPORTER_LISTEN_ADDRESS", "127.0.0.1:9"}});
  EXPECT_THAT(variable->listen_addresses, ElementsAre("127.0.0.1:9"));
  EXPECT_FALSE(variable->listens_by_default);
  EXPECT_THAT(parse_with({"--web.listen-address=:8"}, {{"INFLUXDB_WAL_EXPORTER_LISTEN_ADDRESS", "127.0.0.1:9"}})
                  ->listen_addresses,
              ElementsAre(":8"));
}

TEST(Flags, SeveralAddressesAreTaken) {
  EXPECT_THAT(parse({"--web.listen-address=[::1]:8", "--web.listen-address", "unix:/run/x.sock"})->listen_addresses,
              ElementsAre("[::1]:8", "unix:/run/x.sock"));
  EXPECT_THAT(parse_with({}, {{"INFLUXDB_WAL_EXPORTER_LISTEN_ADDRESS", ":8, unix:/run/x.sock"}})->listen_addresses,
              ElementsAre(":8", "unix:/run/x.sock"));
}

TEST(Flags, SocketsOfSystemdStandInPlaceOfAddresses) {
  EXPECT_TRUE(parse({"--web.systemd-socket"})->systemd_socket);
  const auto both = parse({"--web.systemd-socket", "--web.listen-address=:8"});
  ASSERT_FALSE(both);
  EXPECT_THAT(both.error().message, HasSubstr("--web.listen-address"));
}

TEST(Flags, TheModeOfASocketIsOctalAndLetsTheExporterIn) {
  EXPECT_EQ(parse({})->socket_mode, 0660U);
  EXPECT_EQ(parse({"--web.unix-socket-mode=666"})->socket_mode, 0666U);
  for (const char* mode : {"0", "0060", "888", "01660", "rw", "-1", "0660 "}) {
    EXPECT_FALSE(parse({std::string("--web.unix-socket-mode=") + mode})) << mode;
  }
}

TEST(Flags, HelpHasALineForEachFlagAndTheManualPageHasThemToo) {
  const std::string help = parse({"--help"})->help;
  const std::string man = parse({"--help-man"})->help;
  for (const char* flag :
       {"--config.file=FILE", "--state.directory=DIR", "--max-wait=DURATION", "--once", "-h, --help"}) {
    EXPECT_THAT(help, HasSubstr(flag));
    std::string escaped;
    for (const char c : std::string(flag)) escaped += c == '-' ? "\\-" : std::string(1, c);
    EXPECT_THAT(man, HasSubstr("\n.B " + escaped + "\n"));
  }
  EXPECT_THAT(help, HasSubstr("(default :3002; $INFLUXDB_WAL_EXPORTER_LISTEN_ADDRESS)\n"));
  EXPECT_THAT(help, HasSubstr("\n  3     no sample, or a settings or usage error\n"));
  EXPECT_THAT(man, HasSubstr("\n.SH ENVIRONMENT\n"));
}

TEST(Flags, WhatExcludesEachOtherAndWhatIsNotAChoiceIsNamed) {
  EXPECT_EQ(parse({"--explain", "--healthcheck"}).error().message, "use only one of --explain, --healthcheck");
  EXPECT_EQ(parse({"--foo=1"}).error().message, "unknown option --foo; see --help");
  EXPECT_EQ(parse({"stray"}).error().message, "unexpected argument stray; see --help");
  EXPECT_THAT(parse({"--log.level=loud"}).error().message, HasSubstr("debug,info,warn,error"));
}

// An unset variable in a unit must not make the next flag its value.
TEST(Flags, AnEmptyValueIsRefusedAndSwallowsNothing) {
  const auto flags = parse({"--wal.directory=", "--once"});
  ASSERT_FALSE(flags.has_value());
  EXPECT_EQ(flags.error().exit_code, 3);
  EXPECT_THAT(flags.error().message, HasSubstr("--wal.directory= has no value"));
  EXPECT_EQ(parse({"--state.directory=", "--log.level=info"}).error().exit_code, 1);
}

}  // namespace
}  // namespace wal_exporter::app
