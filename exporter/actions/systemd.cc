#include "actions/systemd.h"

#include <unistd.h>

#include <cstdlib>
#include <utility>

#include "actions/process.h"
#include "base/secrets.h"
#include "base/text.h"

namespace wal_exporter::actions {
namespace {

// Of the questions before and after the restart.
constexpr Duration kQuestionTimeout = std::chrono::seconds(10);

struct UnitState {
  std::string load;        // loaded, not-found, masked, ...
  std::string active;      // active, inactive, failed, ...
  std::string sub;         // running, dead, auto-restart, ...
  std::string invocation;  // another one after each start; empty: never started
};

// What systemctl wrote, on one line, without the lines that say where to read on.
[[nodiscard]] std::string said(const std::string& output) {
  std::string text = output.substr(0, output.find("See "));
  text.erase(text.find_last_not_of(" \n") + 1);
  return foreign_text(text, kOutputKept);
}

class SystemdRestart final : public RestartMethod {
 public:
  SystemdRestart(SystemdOptions options, std::shared_ptr<const Clock> clock)
      : options_(std::move(options)), clock_(std::move(clock)), shown_(escape_control(options_.unit)) {}

  [[nodiscard]] std::string_view name() const override { return to_string(Way::systemd); }

  [[nodiscard]] Result<std::string> check(const std::stop_token& stop) override {
    const auto state = inspect(stop);
    if (!state) return tl::unexpected(state.error());
    return "restart unit " + shown_ + " (" + escape_control(state->active + ", " + state->sub) +
           ") through systemd, for " + format_duration(options_.timeout) + " at most";
  }

  [[nodiscard]] Result<std::string> restart(const std::stop_token& stop) override {
    const auto before = inspect(stop);
    if (!before) return tl::unexpected(before.error());
    const auto end = systemctl({"restart"}, options_.timeout, stop);
    if (!end) return tl::unexpected(end.error());
    if (end->timed_out) {
      return failure(ErrorKind::timeout, "systemd did not end the restart of " + shown_ + " within " +
                                             format_duration(options_.timeout) +
                                             " and goes on with it; see `systemctl list-jobs`");
    }
    if (end->stopped) {
      return failure(
          ErrorKind::cancelled,
          "the restart of " + shown_ + ": stopped; systemd may go on with it, see `systemctl status " + shown_ + "`");
    }
    // Where the exit status is lost, what it wrote tells: nothing, where all went well.
    if (end->exit_code != 0 && !(end->status_lost && end->output.empty())) return tl::unexpected(explain(*end));
    const auto after = inspect(stop);
    if (!after) {
      return failure(after.error().kind, "systemd reported that it restarted the unit, but: " + after.error().message);
    }
    // A job that systemd skipped counts as a success too.
    if (!after->invocation.empty() && after->invocation == before->invocation) {
      return failure(ErrorKind::corrupt, "systemd reported that it restarted unit " + shown_ +
                                             ", but it runs as before; see `systemctl status " + shown_ + "`");
    }
    return "unit " + shown_ + " was restarted in " + format_duration_rough(end->elapsed) + " and is " +
           escape_control(after->active + ", " + after->sub);
  }

 private:
  [[nodiscard]] Result<ProcessEnd> systemctl(const std::vector<std::string>& verb, Duration timeout,
                                             const std::stop_token& stop) const {
    ProcessRequest request{{options_.program, "--no-ask-password", "--no-pager"}, {{"LC_ALL", "C"}}, timeout};
    // systemd goes on without it, so nothing is half done.
    request.stop_grace = Duration::zero();
    // Only as the bus of a user can one be named to systemctl for certain: of the system's
    // it prefers, as root, the manager's own socket.
    const char* standard = ::secure_getenv("DBUS_SYSTEM_BUS_ADDRESS");
    if (const std::string bus = options_.bus.empty() && standard != nullptr ? standard : options_.bus; !bus.empty()) {
      request.arguments.emplace_back("--user");
      request.environment["DBUS_SESSION_BUS_ADDRESS"] = bus;
    }
    request.arguments.insert(request.arguments.end(), verb.begin(), verb.end());
    request.arguments.insert(request.arguments.end(), {"--", options_.unit});
    auto end = run_process(request, *clock_, stop);
    if (!end && end.error().kind != ErrorKind::cancelled) {
      end.error().message += "; it comes with systemd: is that there? If not, use restart.method docker or command";
    }
    return end;
  }

  // A unit that can be restarted; all else is an error.
  [[nodiscard]] Result<UnitState> inspect(const std::stop_token& stop) const {
    const auto end = systemctl({"show", "-p", "LoadState,ActiveState,SubState,InvocationID"}, kQuestionTimeout, stop);
    if (!end) return tl::unexpected(end.error());
    if (end->stopped) return failure(ErrorKind::cancelled, "stopped");
    if (end->timed_out) {
      return failure(ErrorKind::timeout, "systemd did not answer within " + format_duration(kQuestionTimeout) +
                                             " what unit " + shown_ + " does; see `systemctl status`");
    }
    const auto property = [&](const std::string& name) {
      const std::string lines = "\n" + end->output;
      const std::size_t at = lines.find("\n" + name + "=");
      if (at == std::string::npos) return std::string();
      const std::size_t begin = at + name.size() + 2;
      return lines.substr(begin, lines.find('\n', begin) - begin);
    };
    UnitState state{property("LoadState"), property("ActiveState"), property("SubState"), property("InvocationID")};
    if (state.load.empty() || state.active.empty()) return tl::unexpected(explain(*end));
    if (state.load == "not-found") return tl::unexpected(missing());
    if (state.load == "masked") return tl::unexpected(masked());
    if (state.load != "loaded") {
      return failure(ErrorKind::invalid, "systemd can't use unit " + shown_ + " (" + escape_control(state.load) +
                                             "); see `systemctl status " + shown_ + "`");
    }
    // "activating" is also one that systemd starts again and again.
    if (state.active != "active" && state.active != "reloading" && state.active != "activating") {
      return failure(ErrorKind::conflict, "unit " + shown_ + " does not run (" +
                                              escape_control(state.active + ", " + state.sub) +
                                              "), and what somebody stopped is not started; see why, then `systemctl "
                                              "start " +
                                              shown_ + "`");
    }
    return state;
  }

  // With what to do about it. By what systemctl wrote: 4 is its exit code where we may
  // not, but also where nobody may; 1 is any other failure, that of a job included.
  [[nodiscard]] Error explain(const ProcessEnd& end) const {
    const auto says = [&](const std::string& part) { return end.output.find(part) != std::string::npos; };
    const std::string why = said(end.output);
    if (says("Access denied") || says("nteractive authentication required")) {
      return {ErrorKind::permission,
              "this process (uid " + std::to_string(::geteuid()) + ") may not restart " + shown_ +
                  ": allow it with a polkit rule for org.freedesktop.systemd1.manage-units (" + why + ")"};
    }
    if (says("Unit " + options_.unit + " not found")) return missing();
    if (says("Unit " + options_.unit + " is masked")) return masked();
    if (says("ob for " + options_.unit)) {
      constexpr std::pair<const char*, const char*> kResults[] = {{" canceled", "canceled"},
                                                                  {" timed out", "timeout"},
                                                                  {"A dependency", "dependency"},
                                                                  {"Assertion", "assert"}};
      std::string result = "failed";
      for (const auto& [text, name] : kResults) {
        if (says(text)) result = name;
      }
      return {ErrorKind::unavailable, "systemd ended the restart of " + shown_ + " with " + result + " (" + why +
                                          "); see `systemctl status " + shown_ + "` and `journalctl -u " + shown_ +
                                          "`"};
    }
    const bool late = says("timed out");
    // The second is the bus's answer where it could not start systemd; the third that of another bus daemon.
    if (says("not been booted with systemd") ||
        (!late && (says("org.freedesktop.systemd1") || says("Could not activate remote peer")))) {
      return {ErrorKind::unavailable, "systemd is not on the bus: this machine or container is run by another init (" +
                                          why +
                                          "); use restart.method docker or command, or in a container mount the host's "
                                          "bus and set restart.systemd.bus"};
    }
    if (says("Failed to connect to")) {
      return {ErrorKind::unavailable,
              why + (options_.bus.empty() ? "" : " (" + escape_control(options_.bus) + ")") +
                  "; is systemd there? In a container its bus has to be let in: mount it, and set restart.systemd.bus"};
    }
    return {late ? ErrorKind::timeout : ErrorKind::unavailable,
            "systemctl " + describe(end, options_.timeout) + " for unit " + shown_ +
                (why.empty() ? "; it wrote nothing" : "; its output: " + why)};
  }

  [[nodiscard]] Error missing() const {
    return {ErrorKind::not_found, "systemd has no unit named " + shown_ +
                                      "; `systemctl list-units '*influx*'` lists them, set restart.systemd.unit"};
  }
  [[nodiscard]] Error masked() const {
    return {ErrorKind::conflict, "unit " + shown_ + " is masked, so it can't be restarted; `systemctl unmask " +
                                     shown_ + "` if that is not meant"};
  }

  const SystemdOptions options_;
  const std::shared_ptr<const Clock> clock_;
  const std::string shown_;  // the unit, as text
};

}  // namespace

std::unique_ptr<RestartMethod> make_systemd_restart(SystemdOptions options, std::shared_ptr<const Clock> clock) {
  return std::make_unique<SystemdRestart>(std::move(options), std::move(clock));
}

}  // namespace wal_exporter::actions
