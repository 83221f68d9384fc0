#include "app/flags.h"

#include <CLI/CLI.hpp>
#include <algorithm>

namespace wal_exporter::app {
namespace {

constexpr const char* kDefaultState = "/var/lib/influxdb_wal_exporter";

// systemd separates several by colons; the first is the one that is written to.
std::string default_state_directory(const settings::Environment& environment) {
  const auto given = environment("STATE_DIRECTORY");
  if (!given || given->empty()) return kDefaultState;
  return given->substr(0, given->find(':'));
}

}  // namespace

tl::expected<Flags, UsageError> parse_flags(const std::vector<std::string>& arguments,
                                            const settings::Environment& environment) {
  Flags flags;
  flags.state_directory = default_state_directory(environment);
  bool version = false;
  bool once = false;
  bool explain = false;
  bool check = false;
  bool healthcheck = false;
  bool prepare = false;
  std::string max_wait = "60s";
  std::string format = "text";

  CLI::App app("Watches InfluxDB's write-ahead log, shows it to Prometheus, and makes it shrink when it must.",
               "influxdb_wal_exporter");
  app.set_help_flag("--help,-h", "Show this text");
  app.add_option("--config.file", flags.sources.config_file, "Settings (YAML); see config/README.md");
  app.add_option("--wal.directory", flags.sources.wal_directory,
                 "The WAL to watch; enough for one target without a file");
  app.add_option("--influxdb.url", flags.sources.influxdb_url, "URL of the target's InfluxDB, with --wal.directory");
  app.add_option("--web.listen-address", flags.listen_address, "Address to serve on, :3002 unless given");
  app.add_option("--web.config.file", flags.web_config_file, "Logins, in the exporter-toolkit's format");
  app.add_option("--state.directory", flags.state_directory,
                 std::string("What survives a restart; $STATE_DIRECTORY, else ") + kDefaultState);
  app.add_option("--log.level", flags.log_level, "debug, info, warn or error")
      ->check(CLI::IsMember({"debug", "info", "warn", "error"}));
  app.add_option("--log.format", flags.log_format, "text or json")->check(CLI::IsMember({"text", "json"}));
  auto* modes = app.add_option_group("What to do instead of serving (at most one)");
  modes->add_flag("--once", once, "Take one sample, print it, exit 0 healthy, 1 warning, 2 critical, 3 no sample");
  modes->add_flag("--explain", explain, "Print the decision that would be taken now, and why");
  modes->add_flag("--config.check", check, "Check the settings, print what is wrong");
  modes->add_flag("--healthcheck", healthcheck, "Ask the running exporter's own /-/healthy");
  modes->add_flag("--prepare-restart", prepare,
                  "Bring what a restart would replay to the minimum; exit 0 only when it is safe to go on");
  modes->add_flag("--version", version, "Print the version");
  modes->require_option(0, 1);
  app.add_option("--target", flags.target,
                 "Of --once, --explain and --prepare-restart: the target's name; all unless given");
  app.add_option("--max-wait", max_wait, "Of --prepare-restart: how long it may take, 60s unless given");
  app.add_option("--format", format, "Of --once and --explain: text or json")->check(CLI::IsMember({"text", "json"}));

  // An unset variable in a unit or a script must not swallow the next flag.
  for (const std::string& argument : arguments) {
    if (argument.starts_with("--") && argument.ends_with("=")) {
      const bool of_once = std::find(arguments.begin(), arguments.end(), "--once") != arguments.end();
      return tl::unexpected(UsageError{argument + " has no value; give one, or leave the flag out",
                                       of_once ? kExitOnceNoSample : kExitFailure});
    }
  }
  const bool wants_once = std::find(arguments.begin(), arguments.end(), "--once") != arguments.end();
  try {
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
    app.parse(reversed);
  } catch (const CLI::CallForHelp&) {
    flags.mode = Mode::help;
    flags.help = app.help();
    return flags;
  } catch (const CLI::ParseError& error) {
    return tl::unexpected(
        UsageError{std::string(error.what()) + "; see --help", wants_once ? kExitOnceNoSample : kExitFailure});
  }
  if (once) flags.mode = Mode::once;
  if (explain) flags.mode = Mode::explain;
  if (check) flags.mode = Mode::config_check;
  if (healthcheck) flags.mode = Mode::healthcheck;
  if (prepare) flags.mode = Mode::prepare_restart;
  if (!flags.target.empty() && !once && !explain && !prepare) {
    return tl::unexpected(
        UsageError{"--target is for --once, --explain and --prepare-restart; leave it out", kExitFailure});
  }
  const auto parsed_wait = parse_duration(max_wait);
  if (!parsed_wait) return tl::unexpected(UsageError{"--max-wait: " + parsed_wait.error().message, kExitFailure});
  flags.max_wait = *parsed_wait;
  if (version) flags.mode = Mode::version;
  flags.json = format == "json";
  return flags;
}

}  // namespace wal_exporter::app
