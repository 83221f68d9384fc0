#include "app/flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/convert.h"
#include "app/method.h"

namespace wal_exporter::app {
namespace {

using ::testing::HasSubstr;

tl::expected<Flags, UsageError> parse(const std::vector<std::string>& arguments, const std::string& state = {}) {
  return parse_flags(arguments, [&](const std::string& name) -> std::optional<std::string> {
    if (name == "STATE_DIRECTORY" && !state.empty()) return state;
    return std::nullopt;
  });
}

TEST(Flags, HaveTheDefaultsOfTheDesign) {
  const auto flags = parse({});
  ASSERT_TRUE(flags.has_value());
  EXPECT_EQ(flags->mode, Mode::serve);
  EXPECT_EQ(flags->listen_address, ":3002");
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

// An unset variable in a unit must not make the next flag its value.
TEST(Flags, AnEmptyValueIsRefusedAndSwallowsNothing) {
  const auto flags = parse({"--wal.directory=", "--once"});
  ASSERT_FALSE(flags.has_value());
  EXPECT_EQ(flags.error().exit_code, 3);
  EXPECT_THAT(flags.error().message, HasSubstr("--wal.directory= has no value"));
  EXPECT_EQ(parse({"--state.directory=", "--log.level=info"}).error().exit_code, 1);
}

TEST(Version, MajorOfWhatServersSay) {
  EXPECT_EQ(major_version("1.6.7"), "1");
  EXPECT_EQ(major_version("v2.7.4"), "2");
  EXPECT_EQ(major_version("3.10.0-nightly"), "3");
  EXPECT_EQ(major_version("dev"), "");
  EXPECT_EQ(major_version("10.1"), "");
}

TEST(Version, OfSegmentsIsTheServersWordElseTheNamesOfTheFolders) {
  EXPECT_EQ(version_of_segments("1.8.10", true), "1");
  EXPECT_EQ(version_of_segments("2.7.1", false), "2");
  EXPECT_EQ(version_of_segments("dev", true), "2");
  EXPECT_EQ(version_of_segments("", false), "1");
}

TEST(Method, AutomaticFollowsTheVersionAndSaysWhatIsMissing) {
  settings::Target target;
  EXPECT_THAT(choose_method(target, "").disabled, HasSubstr("influxdb.version"));
  EXPECT_THAT(choose_method(target, "1").disabled, HasSubstr("influxdb.backup_address"));
  EXPECT_THAT(choose_method(target, "2").disabled, HasSubstr("influxdb.url"));
  EXPECT_EQ(choose_method(target, "3").name, "nudge");
  EXPECT_THAT(choose_method(target, "3").disabled, HasSubstr("checkpoint.nudge.enabled"));
  target.influxdb.backup_address = "127.0.0.1:8088";
  EXPECT_EQ(choose_method(target, "1").disabled, "");
  target.checkpoint.nudge.enabled = true;
  target.influxdb.url = "http://127.0.0.1:8181";
  EXPECT_EQ(choose_method(target, "3").disabled, "");
  EXPECT_THAT(choose_method(target, "2").disabled, HasSubstr("influxdb.token_file"));
  target.checkpoint.method = settings::Method::none;
  EXPECT_THAT(choose_method(target, "3").disabled, HasSubstr("only watched"));
}

}  // namespace
}  // namespace wal_exporter::app
