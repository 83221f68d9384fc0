// Files, the command line and the environment together.
#include "settings/load.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "support.h"

namespace wal_exporter::settings {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class Load : public ::testing::Test {
 protected:
  Load() {
    std::string name = (std::filesystem::temp_directory_path() / "wal_exporter-settings-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  ~Load() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] std::string write(const std::string& name, const std::string& content) const {
    const std::filesystem::path path = folder_ / name;
    std::ofstream(path, std::ios::binary) << content;
    return path.string();
  }

  [[nodiscard]] static std::string error(const Sources& sources, const Environment& variables = no_environment()) {
    const auto settings = load(sources, variables);
    return settings ? "accepted" : settings.error().message;
  }

  std::filesystem::path folder_;
};

TEST_F(Load, NothingGivenSaysWhatToGive) {
  EXPECT_EQ(error({}), "nothing to watch: give --config.file=FILE, or --wal.directory=DIR for a single target");
  EXPECT_THAT(error({.config_file = "", .wal_directory = "", .influxdb_url = "http://h"}),
              StartsWith("nothing to watch"));
}

TEST_F(Load, ADirectoryAloneIsOneTarget) {
  const auto settings = load({.config_file = "", .wal_directory = "/w", .influxdb_url = ""}, no_environment());
  ASSERT_TRUE(settings.has_value());
  ASSERT_EQ(settings->targets.size(), 1U);
  EXPECT_EQ(settings->targets[0].name, "influxdb");
  EXPECT_EQ(settings->targets[0].wal.directory, "/w");
  EXPECT_EQ(settings->targets[0].influxdb.url, "");
}

TEST_F(Load, ADirectoryAndAUrlAreOneTarget) {
  const auto settings =
      load({.config_file = "", .wal_directory = "/w", .influxdb_url = "http://h:1/"}, no_environment());
  ASSERT_TRUE(settings.has_value());
  EXPECT_EQ(settings->targets[0].influxdb.url, "http://h:1");
}

TEST_F(Load, ARelativeDirectoryOnTheCommandLineBeginsHere) {
  const auto settings = load({.config_file = "", .wal_directory = "some/wal", .influxdb_url = ""}, no_environment());
  ASSERT_TRUE(settings.has_value());
  EXPECT_EQ(settings->targets[0].wal.directory, std::filesystem::current_path() / "some/wal");
}

TEST_F(Load, ABadUrlOnTheCommandLineNamesTheFlagAndNotTheSecret) {
  EXPECT_THAT(error({.config_file = "", .wal_directory = "/w", .influxdb_url = "http://a:s3cret@h"}),
              AllOf(StartsWith("--influxdb.url: it has a user or password in it"), Not(HasSubstr("s3cret"))));
}

TEST_F(Load, TheCommandLineTakesThePlaceOfWhatTheOnlyTargetSays) {
  const std::string file =
      write("a.yml", "targets: [{name: x, wal: {directory: /old}, influxdb: {url: 'http://old'}}]");
  const auto settings =
      load({.config_file = file, .wal_directory = "/new", .influxdb_url = "http://new:1"}, no_environment());
  ASSERT_TRUE(settings.has_value());
  EXPECT_EQ(settings->targets[0].name, "x");
  EXPECT_EQ(settings->targets[0].wal.directory, "/new");
  EXPECT_EQ(settings->targets[0].influxdb.url, "http://new:1");
}

TEST_F(Load, TheCommandLineMayGiveTheDirectoryThatTheFileLacks) {
  const std::string file = write("a.yml", "targets: [{name: x}]");
  const auto settings = load({.config_file = file, .wal_directory = "/w", .influxdb_url = ""}, no_environment());
  ASSERT_TRUE(settings.has_value()) << settings.error().message;
  EXPECT_EQ(settings->targets[0].wal.directory, "/w");
}

TEST_F(Load, TheUrlOfTheCommandLineServesTheHttpMethod) {
  const std::string file =
      write("a.yml", "targets: [{wal: {directory: /w}, checkpoint: {method: http, http: {path: /p}}}]");
  EXPECT_THAT(error({.config_file = file, .wal_directory = "", .influxdb_url = ""}), HasSubstr("http needs a server"));
  EXPECT_EQ(error({.config_file = file, .wal_directory = "", .influxdb_url = "http://h"}), "accepted");
}

TEST_F(Load, TheCommandLineIsRefusedWithSeveralTargets) {
  const std::string file =
      write("a.yml", "targets: [{name: x, wal: {directory: /x}}, {name: y, wal: {directory: /y}}]");
  EXPECT_EQ(error({.config_file = file, .wal_directory = "/w", .influxdb_url = ""}),
            "--wal.directory is for a single target, but " + file +
                " has 2; leave it out and set it in the file, for each target");
  EXPECT_THAT(error({.config_file = file, .wal_directory = "", .influxdb_url = "http://h"}),
              StartsWith("--influxdb.url is for a single target"));
}

TEST_F(Load, AFileThatIsNotThereIsNamed) {
  const std::string file = (folder_ / "none.yml").string();
  const auto settings = load({.config_file = file, .wal_directory = "", .influxdb_url = ""}, no_environment());
  ASSERT_FALSE(settings.has_value());
  EXPECT_EQ(settings.error().kind, ErrorKind::not_found);
  EXPECT_EQ(settings.error().message, "opening settings file " + file +
                                          ": No such file or directory; --config.file names a YAML file that this "
                                          "user may read");
}

TEST_F(Load, AFolderOrAPipeInsteadOfAFileIsRefused) {
  EXPECT_THAT(error({.config_file = folder_.string(), .wal_directory = "", .influxdb_url = ""}),
              HasSubstr("is not a regular file"));
  const std::string pipe = (folder_ / "pipe").string();
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_THAT(error({.config_file = pipe, .wal_directory = "", .influxdb_url = ""}),
              HasSubstr("is not a regular file"));
}

TEST_F(Load, AFileOfMoreThanAMebibyteIsRefused) {
  const std::string file = write("a.yml", std::string((1 << 20) + 1, '#'));
  EXPECT_THAT(error({.config_file = file, .wal_directory = "", .influxdb_url = ""}),
              HasSubstr("is larger than 1048576 bytes"));
}

TEST_F(Load, MessagesNameTheFileAsItWasGiven) {
  const std::string file = write("my settings.yml", "targets: [{name: x, wall: {}}]");
  EXPECT_THAT(error({.config_file = file, .wal_directory = "", .influxdb_url = ""}),
              StartsWith(file + ":1: unknown key 'wall' in a target; did you mean 'wal'?"));
}

TEST_F(Load, ARelativeTokenFileBeginsAtTheFolderOfTheFile) {
  const std::string file = write("a.yml", target_with("  influxdb: {token_file: ./secrets/token}"));
  const auto settings = load({.config_file = file, .wal_directory = "", .influxdb_url = ""}, no_environment());
  ASSERT_TRUE(settings.has_value());
  EXPECT_EQ(settings->targets[0].influxdb.token_file, (folder_ / "secrets/token").string());
}

TEST_F(Load, AnAbsoluteTokenFileStaysWhereItIs) {
  const std::string file = write("a.yml", target_with("  influxdb: {token_file: /etc/token}"));
  const auto settings = load({.config_file = file, .wal_directory = "", .influxdb_url = ""}, no_environment());
  ASSERT_TRUE(settings.has_value());
  EXPECT_EQ(settings->targets[0].influxdb.token_file, "/etc/token");
}

TEST(ProcessEnvironment, TellsSetFromNotSet) {
  const Environment variables = process_environment();
  EXPECT_TRUE(variables("PATH").has_value());
  EXPECT_FALSE(variables("WAL_EXPORTER_NEVER_SET_ANYWHERE").has_value());
}

// ---- the older service's three limits ----

const Environment kLimits =
    environment({{"WAL_MAX_FILES", "50"}, {"WAL_MAX_SIZE_GB", "0.5"}, {"WAL_CHECKPOINT_COOLDOWN_MS", "1500"}});

TEST(Limits, OfTheEnvironmentStandInWhereTheFileHasNone) {
  const Target t = read(target_with(""), kLimits);
  EXPECT_EQ(t.rules.thresholds.max_files, 50U);
  EXPECT_EQ(t.rules.thresholds.max_bytes, kGiB / 2);
  EXPECT_EQ(t.rules.cooldown, 1500ms);
}

TEST(Limits, OfTheEnvironmentCountWithoutAFile) {
  const auto settings = load({.config_file = "", .wal_directory = "/w", .influxdb_url = ""}, kLimits);
  ASSERT_TRUE(settings.has_value());
  EXPECT_EQ(settings->targets[0].rules.thresholds.max_files, 50U);
  EXPECT_EQ(settings->targets[0].rules.thresholds.max_bytes, kGiB / 2);
  EXPECT_EQ(settings->targets[0].rules.cooldown, 1500ms);
}

TEST(Limits, OfTheFileComeFirst) {
  const Target t =
      read(target_with("  thresholds: {max_files: auto, max_size: 3GiB}\n  checkpoint: {cooldown: 1m}"), kLimits);
  EXPECT_EQ(t.rules.thresholds.max_files, std::nullopt);
  EXPECT_EQ(t.rules.thresholds.max_bytes, 3 * kGiB);
  EXPECT_EQ(t.rules.cooldown, 1min);
}

TEST(Limits, SetButEmptyAreNotSet) {
  const Target t = read(target_with(""), environment({{"WAL_MAX_FILES", ""}, {"WAL_MAX_SIZE_GB", ""}}));
  EXPECT_EQ(t.rules.thresholds.max_files, std::nullopt);
  EXPECT_EQ(t.rules.thresholds.max_bytes, kGiB);
}

TEST(Limits, ACooldownOfZeroIsNone) {
  EXPECT_EQ(read(target_with(""), environment({{"WAL_CHECKPOINT_COOLDOWN_MS", "0"}})).rules.cooldown, 0ms);
}

TEST(Limits, ThatAreNoNumbersAreRefusedByTheirName) {
  EXPECT_EQ(refusal(target_with(""), environment({{"WAL_MAX_FILES", "many"}})),
            "environment variable WAL_MAX_FILES: 'many' is not usable; write a whole number from 1 to 1000000000");
  EXPECT_EQ(refusal(target_with(""), environment({{"WAL_MAX_SIZE_GB", "1GB"}})),
            "environment variable WAL_MAX_SIZE_GB: '1GB' is not usable; write a number of GiB above 0 and up to "
            "1048576, such as 1 or 0.5");
  EXPECT_EQ(refusal(target_with(""), environment({{"WAL_CHECKPOINT_COOLDOWN_MS", "5m"}})),
            "environment variable WAL_CHECKPOINT_COOLDOWN_MS: '5m' is not usable; write a whole number of "
            "milliseconds from 0 to 31536000000, such as 300000");
}

TEST(Limits, OutOfRangeAreRefused) {
  for (const char* value : {"0", "-1", "1.5", " 5", "5 ", "99999999999999999999"}) {
    EXPECT_THAT(refusal(target_with(""), environment({{"WAL_MAX_FILES", value}})), HasSubstr("WAL_MAX_FILES")) << value;
  }
  for (const char* value : {"0", "-1", "nan", "inf", "1e3", "1,5", "2000000", "0.0000000000001"}) {
    EXPECT_THAT(refusal(target_with(""), environment({{"WAL_MAX_SIZE_GB", value}})), HasSubstr("WAL_MAX_SIZE_GB"))
        << value;
  }
  for (const char* value : {"-1", "0.5", "31536000001", "99999999999999999999"}) {
    EXPECT_THAT(refusal(target_with(""), environment({{"WAL_CHECKPOINT_COOLDOWN_MS", value}})),
                HasSubstr("WAL_CHECKPOINT_COOLDOWN_MS"))
        << value;
  }
}

TEST(Environment, TrustsOverHttpsWhereTheFileSaysNothing) {
  const Environment variables = environment({{"INFLUXDB_CA_FILE", "/env/ca.pem"},
                                             {"INFLUXDB_CLIENT_CERT_FILE", "/env/cert.pem"},
                                             {"INFLUXDB_CLIENT_KEY_FILE", "/env/key.pem"},
                                             {"INFLUXDB_INSECURE_SKIP_VERIFY", "true"}});
  const Target alone = read(target_with("  influxdb: {ca_file: ca.pem}\n"), variables);
  EXPECT_EQ(alone.influxdb.tls, (http::Tls{"influxdb.", "ca.pem", "/env/cert.pem", "/env/key.pem", true}));
  const auto without = load({.config_file = "", .wal_directory = "/w", .influxdb_url = "https://h"}, variables);
  ASSERT_TRUE(without) << without.error().message;
  EXPECT_EQ(without->targets[0].influxdb.tls.ca_file, "/env/ca.pem");
  EXPECT_THAT(without->from_environment,
              ::testing::Contains("environment variable INFLUXDB_CA_FILE: influxdb.ca_file is /env/ca.pem for target "
                                  "influxdb"));
  EXPECT_THAT(refusal(target_with(""), environment({{"INFLUXDB_CA_FILE", "ca.pem"}})),
              HasSubstr("INFLUXDB_CA_FILE: 'ca.pem' is not an absolute path"));
  EXPECT_THAT(refusal(target_with(""), environment({{"INFLUXDB_INSECURE_SKIP_VERIFY", "yes"}})),
              HasSubstr("write true or false"));
  EXPECT_THAT(refusal(target_with(""), environment({{"INFLUXDB_CLIENT_KEY_FILE", "/k"}})), HasSubstr("go together"));
}

// ---- variables in values ----

std::string name_of(const std::string& written, const Environment& variables) {
  return read("targets: [{name: '" + written + "', wal: {directory: /w}}]", variables).name;
}

TEST(Variables, AreFilledIn) {
  const Environment variables = environment({{"A", "x"}, {"B_2", "y"}, {"EMPTY", ""}});
  EXPECT_EQ(name_of("${A}", variables), "x");
  EXPECT_EQ(name_of("<${A}-${B_2}>", variables), "<x-y>");
  EXPECT_EQ(name_of("a${EMPTY}b", variables), "ab");
}

TEST(Variables, HaveDefaultsForNotSetAndEmpty) {
  const Environment variables = environment({{"A", "x"}, {"EMPTY", ""}});
  EXPECT_EQ(name_of("${A:-d}", variables), "x");
  EXPECT_EQ(name_of("${NONE:-d}", variables), "d");
  EXPECT_EQ(name_of("${EMPTY:-d}", variables), "d");
  EXPECT_EQ(name_of("${NONE:-http://h:1/a:-b}", variables), "http://h:1/a:-b");
}

TEST(Variables, DollarSignsAreDoubledOrStandAlone) {
  const Environment variables = environment({{"A", "x"}});
  EXPECT_EQ(name_of("$$", variables), "$");
  EXPECT_EQ(name_of("$${A}", variables), "${A}");
  EXPECT_EQ(name_of("a$b $", variables), "a$b $");
}

TEST(Variables, AreNotLookedAtAgain) {
  EXPECT_EQ(name_of("${A}", environment({{"A", "${B} $$"}})), "${B} $$");
}

TEST(Variables, NeverBecomeStructure) {
  EXPECT_EQ(name_of("${A}", environment({{"A", "x\ndry_run: true #"}})), "x\ndry_run: true #");
}

TEST(Variables, FillInNumbersAndDurationsToo) {
  const Target t = read(target_with("  thresholds:\n    max_files: ${N}\n  checkpoint:\n    cooldown: ${C:-90s}\n"),
                        environment({{"N", "12"}}));
  EXPECT_EQ(t.rules.thresholds.max_files, 12U);
  EXPECT_EQ(t.rules.cooldown, 90s);
}

TEST(Variables, ThatAreNotSetAreToldWithTheLine) {
  EXPECT_EQ(refusal("targets:\n- name: ${PLANT}\n  wal: {directory: /w}\n"),
            "a.yml:2: name: the environment variable PLANT is not set; set it, or give a default: ${PLANT:-default}");
}

TEST(Variables, ThatAreWrittenWrongAreRefused) {
  for (const std::string written : {"${}", "${1A}", "${A-B}", "${A:B}", "${A B}", "${:-x}"}) {
    EXPECT_THAT(refusal("targets: [{name: '" + written + "', wal: {directory: /w}}]"),
                HasSubstr("does not name a variable; write ${NAME} or ${NAME:-default}"))
        << written;
  }
  EXPECT_THAT(refusal("targets: [{name: '${A', wal: {directory: /w}}]"), HasSubstr("'${' without '}'"));
}

TEST(Variables, OfBytesThatAreNotUtf8AreRefused) {
  EXPECT_THAT(refusal("targets: [{name: '${A}', wal: {directory: /w}}]", environment({{"A", "\xFF"}})),
              HasSubstr("name holds bytes that are not UTF-8"));
}

}  // namespace
}  // namespace wal_exporter::settings
