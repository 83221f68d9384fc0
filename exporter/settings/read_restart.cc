#include "settings/read_restart.h"

#include <algorithm>
#include <limits>

#include "base/text.h"

namespace wal_exporter::settings {
namespace {

using actions::Way;

constexpr Range<std::uint64_t> kAFew{1, 1000};

bool consists_of(std::string_view text, std::string_view marks) {
  return std::all_of(text.begin(), text.end(),
                     [&](char c) { return is_letter_or_digit(c) || marks.find(c) != std::string_view::npos; });
}

void read_docker(const Section& section, actions::DockerOptions& out) {
  constexpr std::size_t kLongestSocketPath = 107;  // sockaddr_un
  section.text("socket", out.socket);
  if (!out.socket.starts_with('/') || out.socket.size() > kLongestSocketPath ||
      out.socket.find('\0') != std::string::npos) {
    complain(section, "socket",
             shown(out.socket) +
                 " is not the absolute path of a socket of at most 107 bytes; write one such as "
                 "/run/docker.sock");
  }
  // Docker's own rule for names.
  if (section.text("container", out.container) &&
      (out.container.empty() || out.container.size() > 255 || !is_letter_or_digit(out.container.front()) ||
       !consists_of(out.container, "_.-"))) {
    complain(section, "container",
             shown(out.container) +
                 " is not the name of a container; write it as the last column of `docker ps` has "
                 "it");
  }
  section.duration("stop_timeout", out.stop_timeout, {std::chrono::seconds(1), std::chrono::hours(1)});
}

void read_systemd(const Section& section, actions::SystemdOptions& out) {
  if (section.text("unit", out.unit)) {
    if (out.unit.empty() || out.unit.size() > 255 || !consists_of(out.unit, ":-_.\\@")) {
      complain(section, "unit", shown(out.unit) + " is not the name of a unit; write one such as influxdb.service");
    } else if (!out.unit.ends_with(".service")) {
      complain(section, "unit", shown(out.unit) + " does not end with .service; write '" + out.unit + ".service'");
    }
  }
  section.text("bus", out.bus);
  if (!out.bus.empty() && !out.bus.starts_with("unix:")) {
    complain(section, "bus",
             shown(out.bus) +
                 " is not the address of a local bus; write one such as "
                 "unix:path=/run/dbus/system_bus_socket");
  }
  section.duration("timeout", out.timeout, {std::chrono::seconds(1), std::chrono::hours(1)});
}

void read_arguments(const Section& section, std::vector<std::string>& out) {
  constexpr std::string_view kForm = "a list such as [/usr/local/sbin/restart-influxdb, now]";
  const auto words = section.words("arguments", {.most = 100,
                                                 .form = kForm,
                                                 .item = "one text for each argument",
                                                 .wrong = "it is not a list of 1 to 100 texts; write a list such as "
                                                          "[/usr/local/sbin/restart-influxdb, now]",
                                                 .single = false});
  for (const Word& word : words) {
    if (word.text.find('\0') != std::string::npos) {
      return complain(section, "arguments", "an argument holds a zero byte; leave that out");
    }
    out.push_back(word.text);
  }
  if (!out.empty() && !out.front().starts_with('/')) {
    complain(section, "arguments",
             shown(out.front()) + " is not the absolute path of a program, and no shell looks for it; write " +
                 std::string(kForm));
  }
}

Result<void> check_variable(std::string_view name, std::string_view value) {
  if (name.empty() || !consists_of(name, "_") || is_digit(name.front())) {
    return failure(ErrorKind::invalid, shown(name) + " is not the name of a variable; write letters, digits and '_'");
  }
  if (value.find('\0') != std::string_view::npos) {
    return failure(ErrorKind::invalid, "the value of " + std::string(name) + " holds a zero byte; leave that out");
  }
  return {};
}

// What an enabled restart can't do without.
void check_complete(const Section& section, const Target& target) {
  const actions::RestartOptions& restart = target.restart;
  const auto lacks = [&](std::string_view key, const std::string& text) {
    section.reader().missing(section.line(key), text);
  };
  if (!restart.method) {
    // Where the key is there, its value was told already.
    if (section.find("method") == nullptr) {
      lacks("enabled", "restart.enabled needs a way to restart; add restart.method: docker, systemd or command");
    }
    return;
  }
  if (target.influxdb.url.empty()) {
    lacks("enabled", "restart.enabled needs a server to ask whether it is up again; set influxdb.url");
  }
  switch (*restart.method) {
    case Way::docker:
      if (restart.docker.container.empty()) {
        lacks("method", "restart.method docker needs to know which container; add restart.docker.container");
      }
      break;
    case Way::systemd:
      if (restart.systemd.unit.empty()) {
        lacks("method",
              "restart.method systemd needs to know which unit; add restart.systemd.unit, such as "
              "influxdb.service");
      }
      break;
    case Way::command:
      if (restart.command.arguments.empty()) {
        lacks("method",
              "restart.method command needs the command; add restart.command.arguments, such as "
              "[/usr/local/sbin/restart-influxdb]");
      }
      break;
  }
}

}  // namespace

void read_restart(const Section& section, Target& target) {
  actions::RestartOptions& out = target.restart;
  policy::RestartRules& rules = target.rules.restart;
  section.boolean("enabled", rules.enabled);
  section.choice<std::optional<Way>>("method", out.method,
                                     {{"docker", Way::docker}, {"systemd", Way::systemd}, {"command", Way::command}});
  read_docker(section.section("docker"), out.docker);
  read_systemd(section.section("systemd"), out.systemd);
  const Section command = section.section("command");
  read_arguments(command, out.command.arguments);
  out.command.environment = command.pairs(
      "environment", {.what = "variables", .name = "NAME", .value = "the variable's value"}, check_variable);
  command.duration("timeout", out.command.timeout, {std::chrono::milliseconds(100), std::chrono::hours(1)});
  section.count("after_failures", rules.after_failures, kAFew);
  section.duration("failure_spacing", rules.failure_spacing);
  section.duration("after_blocked", rules.after_blocked);
  section.boolean("allow_v3", rules.allow_v3);
  section.boolean("unprepared", rules.unprepared);
  section.duration("max_replay", rules.max_replay, {Duration::zero(), kLongestDuration});
  section.count("max_per_day", rules.max_per_day, {0, 100});
  section.duration("prepare_wait", rules.prepare_wait, {std::chrono::seconds(1), std::chrono::hours(1)});
  section.duration("ready_timeout", rules.ready_timeout, {std::chrono::seconds(1), std::chrono::hours(24)});
  if (rules.enabled) check_complete(section, target);
}

}  // namespace wal_exporter::settings
