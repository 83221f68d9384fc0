#include "app/flags.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <charconv>
#include <system_error>
#include <utility>

#include "base/text.h"
#include "settings/reader.h"
#include "web/handler.h"

namespace wal_exporter::app {
namespace {

constexpr std::string_view kProgram = "influxdb_wal_exporter";
constexpr std::string_view kAbout =
    "Watches InfluxDB's write-ahead log (WAL), exposes it to Prometheus, and checkpoints it before it grows too large.";
constexpr std::string_view kConfigVariable = "INFLUXDB_WAL_EXPORTER_CONFIG";

// What a flag gives, before it is understood.
struct Given {
  std::string config_file, wal_directory, influxdb_url, listen_address, socket_mode, web_config_file, telemetry_path,
      max_requests, local_users, own_names, state_directory, log_level, log_format, target, max_wait, format;
  bool once = false, explain = false, check = false, healthcheck = false, prepare = false, version = false,
       help = false, man = false, disable_exporter_metrics = false, systemd_socket = false;
};

// A row: a flag with a value (`text`), a switch or a command, which is given alone (`set`).
struct Row {
  std::string_view name;
  std::string_view value;  // what stands for the value in --help; empty: it takes none
  std::string_view help;
  std::string_view fallback;  // empty: none
  std::string_view variable;  // of the environment; empty: none
  std::string_view choices;   // separated by blanks; empty: any text
  std::string Given::*text = nullptr;
  bool Given::*set = nullptr;
  Mode mode = Mode::serve;  // of a command; a switch: serve
};

constexpr Row option(std::string_view name, std::string_view value, std::string Given::*text, std::string_view help,
                     std::string_view fallback = {}, std::string_view variable = {}, std::string_view choices = {}) {
  return {name, value, help, fallback, variable, choices, text, nullptr, Mode::serve};
}

constexpr Row option_switch(std::string_view name, bool Given::*flag, std::string_view help) {
  return {name, {}, help, {}, {}, {}, nullptr, flag, Mode::serve};
}

constexpr Row command(std::string_view name, bool Given::*flag, Mode mode, std::string_view help) {
  return {name, {}, help, {}, {}, {}, nullptr, flag, mode};
}

constexpr std::array kRows{
    option("config.file", "FILE", &Given::config_file, "Settings file (YAML)", "/etc/influxdb_wal_exporter/config.yml",
           kConfigVariable),
    option("wal.directory", "DIR", &Given::wal_directory,
           "WAL directory to watch; enough for a single target without a settings file"),
    option("influxdb.url", "URL", &Given::influxdb_url, "URL of that target's InfluxDB; with --wal.directory"),
    option("web.listen-address", "ADDRESS", &Given::listen_address,
           "Address to listen on, or unix:/PATH; may be given several times", ":3002",
           "INFLUXDB_WAL_EXPORTER_LISTEN_ADDRESS"),
    option("web.unix-socket-mode", "MODE", &Given::socket_mode, "Permissions of Unix sockets, octal", "0660"),
    option_switch("web.systemd-socket", &Given::systemd_socket,
                  "Listen on the sockets that systemd hands over, in place of --web.listen-address"),
    option("web.config.file", "FILE", &Given::web_config_file,
           "Web configuration file, as the Prometheus exporter-toolkit has it: TLS, logins, headers, rate limit", {},
           "INFLUXDB_WAL_EXPORTER_WEB_CONFIG"),
    option("web.telemetry-path", "PATH", &Given::telemetry_path, "Path under which metrics are served", "/metrics"),
    option("web.max-requests", "N", &Given::max_requests, "Scrapes answered at once; 0: no limit", "40"),
    option_switch("web.disable-exporter-metrics", &Given::disable_exporter_metrics,
                  "Leave out metrics about the exporter's own process and requests"),
    option("web.local-users", "USERS", &Given::local_users,
           "Users, by name or uid, with commas, whose programs on this machine may act where no logins are configured; "
           "beside root and the exporter's own",
           {}, "INFLUXDB_WAL_EXPORTER_LOCAL_USERS"),
    option(
        "web.own-names", "NAMES", &Given::own_names,
        "Host names, with commas, by which browsers may ask where no logins are configured; beside the machine's own",
        {}, "INFLUXDB_WAL_EXPORTER_OWN_NAMES"),
    option("state.directory", "DIR", &Given::state_directory, "Directory for state kept across restarts",
           "/var/lib/influxdb_wal_exporter", "STATE_DIRECTORY"),
    option("log.level", "LEVEL", &Given::log_level, "Least level of a log line that is written", "info", {},
           "debug info warn error"),
    option("log.format", "FORMAT", &Given::log_format, "Format of log lines", "text", {}, "text json"),
    option("target", "NAME", &Given::target, "Only this target, not all; with --once, --explain, --prepare-restart"),
    option("max-wait", "DURATION", &Given::max_wait, "Give up after this long; with --prepare-restart", "60s"),
    option("format", "FORMAT", &Given::format, "Format of the output; with --once, --explain", "text", {}, "text json"),
    command("once", &Given::once, Mode::once, "Take one sample, print it, and exit as listed below"),
    command("explain", &Given::explain, Mode::explain, "Print what would be decided now, and why"),
    command("config.check", &Given::check, Mode::config_check, "Check the settings and print every mistake"),
    command("healthcheck", &Given::healthcheck, Mode::healthcheck, "Check a running exporter; exit 0 if healthy"),
    command("prepare-restart", &Given::prepare, Mode::prepare_restart,
            "Checkpoint until a restart of InfluxDB has as little as possible to replay; exit 0 if it is safe"),
    command("version", &Given::version, Mode::version, "Print the version"),
    command("help", &Given::help, Mode::help, "Print this text"),
    command("help-man", &Given::man, Mode::man, "Print the manual page (roff): --help-man | man -l -"),
};

struct ExitRow {
  std::string_view code;
  std::string_view once;
  std::string_view others;
};

constexpr std::array<ExitRow, 4> kExits{{
    {"0", "healthy", "done, valid, healthy, safe to restart, or ended by SIGTERM"},
    {"1", "warning", "anything else, a usage error as well"},
    {"2", "critical", ""},
    {"3", "no sample, or a settings or usage error", ""},
}};

bool is_command(const Row& row) {
  return row.set != nullptr && row.mode != Mode::serve;
}

std::string spelled(const Row& row) {
  std::string out = (row.name == "help" ? "  -h, --" : "      --") + std::string(row.name);
  return row.value.empty() ? out : out + "=" + std::string(row.value);
}

std::string help_of(const Row& row) {
  std::vector<std::string> notes;
  if (!row.choices.empty()) notes.push_back("one of " + join(CLI::detail::split(std::string(row.choices), ' '), ", "));
  if (!row.fallback.empty()) notes.push_back("default " + std::string(row.fallback));
  if (!row.variable.empty()) notes.push_back("$" + std::string(row.variable));
  return std::string(row.help) + (notes.empty() ? "" : " (" + join(notes, "; ") + ")");
}

std::string help_text() {
  constexpr std::size_t kColumn = 36;
  std::string out = "usage: " + std::string(kProgram) + " [<flags>]\n\n" + std::string(kAbout) + "\n";
  for (const bool commands : {false, true}) {
    out += commands ? "\nCommands, instead of serving (one at most):\n" : "\nFlags:\n";
    for (const Row& row : kRows) {
      if (is_command(row) != commands) continue;
      std::string line = spelled(row);
      line.resize(std::max(kColumn, line.size() + 2), ' ');
      out += line + help_of(row) + "\n";
    }
  }
  out += "\nExit codes:\n        --once                                   all others\n";
  for (const ExitRow& row : kExits) {
    std::string line = "  " + std::string(row.code) + "     " + std::string(row.once);
    if (!row.others.empty()) line.resize(49, ' ');
    out += line + std::string(row.others) + "\n";
  }
  return out + "With several targets --once exits with 2 if any is critical, else 3, 1, 0.\n";
}

// For roff: a leading dot or quote and each backslash would be commands, a bare - a hyphen.
std::string roff(std::string_view text) {
  std::string out;
  for (const char c : text) out += c == '-' ? "\\-" : c == '\\' ? "\\e" : std::string(1, c);
  return !out.empty() && (out[0] == '.' || out[0] == '\'') ? "\\&" + out : out;
}

std::string man_text() {
  std::string out = ".TH INFLUXDB_WAL_EXPORTER 1 \"\" \"influxdb_wal_exporter " WAL_EXPORTER_VERSION "\"\n.SH NAME\n" +
                    std::string(kProgram) + " \\- watch, expose and checkpoint InfluxDB's write-ahead log\n" +
                    ".SH SYNOPSIS\n.B " + std::string(kProgram) + "\n[flags]\n.SH DESCRIPTION\n" + roff(kAbout) +
                    "\nWithout a command it serves metrics, a JSON API and a status page until SIGTERM; SIGHUP "
                    "reloads the settings.\n";
  for (const bool commands : {false, true}) {
    out += commands ? ".SH COMMANDS\nInstead of serving, one at most.\n" : ".SH OPTIONS\n";
    for (const Row& row : kRows) {
      if (is_command(row) != commands) continue;
      out += ".TP\n.B " + roff(spelled(row).substr(row.name == "help" ? 2 : 6)) + "\n" + roff(help_of(row)) + "\n";
    }
  }
  out += ".SH EXIT STATUS\n";
  for (const ExitRow& row : kExits) {
    out += ".TP\n.B " + std::string(row.code) + "\n\\-\\-once: " + roff(row.once);
    out += (row.others.empty() ? "" : "; all others: " + roff(row.others)) + "\n";
  }
  out += ".PP\nWith several targets \\-\\-once exits with 2 if any is critical, else 3, 1, 0.\n.SH ENVIRONMENT\n";
  for (const Row& row : kRows) {
    if (row.variable.empty()) continue;
    out += ".TP\n.B " + std::string(row.variable) + "\nWhere \\-\\-" + roff(row.name) + " is not given.\n";
  }
  return out +
         ".TP\n.B WAL_MAX_FILES, WAL_MAX_SIZE_GB, WAL_CHECKPOINT_COOLDOWN_MS\nDefaults of targets whose settings "
         "do not have thresholds or a cooldown of their own.\n"
         ".TP\n.B INFLUXDB_CA_FILE, INFLUXDB_CLIENT_CERT_FILE, INFLUXDB_CLIENT_KEY_FILE, "
         "INFLUXDB_INSECURE_SKIP_VERIFY\n"
         "Likewise whom such targets trust over https, and the certificate they show.\n";
}

// systemd separates several state directories by colons; the first is the one that is written to.
std::string from_environment(const Row& row, const settings::Environment& environment) {
  const auto value = row.variable.empty() ? std::nullopt : environment(std::string(row.variable));
  if (!value) return {};
  return row.name == "state.directory" ? value->substr(0, value->find(':')) : *value;
}

// Given several times, or several in the variable.
std::vector<std::string> listen_addresses(const std::string& given) {
  std::vector<std::string> out;
  std::string one;
  for (const char c : given + "\n") {
    if (c != '\n' && c != ',' && c != ' ') {
      one += c;
    } else if (!one.empty()) {
      out.push_back(std::exchange(one, {}));
    }
  }
  return out;
}

std::optional<unsigned> socket_mode(const std::string& text) {
  unsigned mode = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, mode, 8);
  // The exporter itself has to be able to connect.
  if (parsed.ec != std::errc() || parsed.ptr != end || mode > 0777 || (mode & 0600) != 0600) return std::nullopt;
  return mode;
}

// An error is a message for people.
tl::expected<Given, std::string> parse_given(const std::vector<std::string>& arguments) {
  Given given;
  CLI::App app{std::string(kAbout), std::string(kProgram)};
  app.set_help_flag();
  for (const Row& row : kRows) {
    const std::string name = (row.name == "help" ? "-h,--" : "--") + std::string(row.name);
    if (row.set != nullptr) {
      app.add_flag(name, given.*row.set);
    } else {
      auto* option = app.add_option(name, given.*row.text);
      if (row.text == &Given::listen_address) option->multi_option_policy(CLI::MultiOptionPolicy::Join);
      if (!row.choices.empty()) option->check(CLI::IsMember(CLI::detail::split(std::string(row.choices), ' ')));
    }
  }
  app.allow_extras();
  try {
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
    app.parse(reversed);
  } catch (const CLI::ParseError& error) {
    return tl::unexpected(std::string(error.what()) + "; see --help");
  }
  for (const std::string& extra : app.remaining()) {
    const std::string name = extra.substr(0, extra.find('='));
    if (name == "--") continue;
    return tl::unexpected((name.starts_with('-') ? "unknown option " : "unexpected argument ") + name + "; see --help");
  }
  std::vector<std::string> commands;
  for (const Row& row : kRows) {
    if (is_command(row) && given.*row.set) commands.push_back("--" + std::string(row.name));
  }
  if (commands.size() > 1 && !given.help) return tl::unexpected("use only one of " + join(commands, ", "));
  return given;
}

}  // namespace

tl::expected<Flags, UsageError> parse_flags(const std::vector<std::string>& arguments,
                                            const settings::Environment& environment,
                                            const std::filesystem::path& installed) {
  const bool wants_once = std::find(arguments.begin(), arguments.end(), "--once") != arguments.end();
  const auto refused = [&](std::string message) {
    return tl::unexpected(UsageError{std::move(message), wants_once ? kExitOnceNoSample : kExitFailure});
  };
  // An unset variable in a unit or a script must not swallow the next flag.
  for (const std::string& argument : arguments) {
    if (argument.starts_with("--") && argument.ends_with("="))
      return refused(argument + " has no value; give one, or leave the flag out");
  }
  auto given = parse_given(arguments);
  if (!given) return refused(given.error());

  Flags flags;
  for (const Row& row : kRows) {
    if (row.set != nullptr) {
      if (is_command(row) && (*given).*row.set) flags.mode = row.mode;
      continue;
    }
    std::string& value = (*given).*row.text;
    if (row.text == &Given::config_file) continue;
    const bool by_flag = !value.empty();
    if (!by_flag) value = from_environment(row, environment);
    if (row.text == &Given::listen_address) flags.listens_by_default = value.empty();
    if (value.empty()) value = row.fallback;
  }
  if (given->config_file.empty() && given->wal_directory.empty()) {
    std::error_code ignored;
    if (const auto named = environment(std::string(kConfigVariable)); named && !named->empty()) {
      given->config_file = *named;
      flags.config_origin = "$" + std::string(kConfigVariable);
    } else if (std::filesystem::exists(installed, ignored)) {
      given->config_file = installed;
      flags.config_origin = "the installed file";
    }
  }
  flags.sources = {given->config_file, given->wal_directory, given->influxdb_url, given->local_users, given->own_names};
  flags.listen_addresses = listen_addresses(given->listen_address);
  flags.systemd_socket = given->systemd_socket;
  if (flags.systemd_socket && !flags.listens_by_default) {
    return refused(
        "--web.systemd-socket takes its addresses from the .socket unit; leave --web.listen-address and its variable "
        "out");
  }
  const auto mode = socket_mode(given->socket_mode);
  if (!mode) {
    return refused("--web.unix-socket-mode: \"" + escape_control(given->socket_mode) +
                   "\" is not a mode; write octal digits from 0600 to 0777, for example 0660");
  }
  flags.socket_mode = *mode;
  flags.web_config_file = given->web_config_file;
  flags.exporter_metrics = !given->disable_exporter_metrics;
  flags.exposition.telemetry_path = given->telemetry_path;
  if (const auto checked = web::check_telemetry_path(given->telemetry_path); !checked) {
    return refused("--web.telemetry-path: " + checked.error().message);
  }
  const auto max_requests = settings::whole_number(given->max_requests);
  constexpr std::uint64_t kMostRequests = 1'000'000;
  if (!max_requests || *max_requests > kMostRequests) {
    return refused("--web.max-requests: \"" + given->max_requests +
                   "\" is not a number of scrapes; write one from 0 to " + std::to_string(kMostRequests));
  }
  flags.exposition.max_requests = *max_requests;
  flags.state_directory = given->state_directory;
  flags.log_level = given->log_level;
  flags.log_format = given->log_format;
  flags.target = given->target;
  flags.json = given->format == "json";
  if (flags.mode == Mode::help || given->help) {
    flags.mode = Mode::help;
    flags.help = help_text();
  }
  if (flags.mode == Mode::man) flags.help = man_text();
  if (!flags.target.empty() && flags.mode != Mode::once && flags.mode != Mode::explain &&
      flags.mode != Mode::prepare_restart) {
    return refused("--target is for --once, --explain and --prepare-restart; leave it out");
  }
  const auto max_wait = parse_duration(given->max_wait);
  if (!max_wait) return refused("--max-wait: " + max_wait.error().message);
  flags.max_wait = *max_wait;
  return flags;
}

}  // namespace wal_exporter::app
