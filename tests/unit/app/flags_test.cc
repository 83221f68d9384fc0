#include "app/flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

}  // namespace
}  // namespace wal_exporter::app
