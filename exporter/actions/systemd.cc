#include "actions/systemd.h"

#include <unistd.h>

#include <map>
#include <utility>

#include "actions/bus.h"
#include "base/text.h"

namespace wal_exporter::actions {
namespace {

constexpr const char* kService = "org.freedesktop.systemd1";
constexpr const char* kManagerPath = "/org/freedesktop/systemd1";
constexpr const char* kManager = "org.freedesktop.systemd1.Manager";
constexpr const char* kUnit = "org.freedesktop.systemd1.Unit";
// Of the questions before the restart.
constexpr Duration kQuestionTimeout = std::chrono::seconds(10);

[[nodiscard]] bool is_denial(const std::string& name) {
  return name == SD_BUS_ERROR_ACCESS_DENIED || name == SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED ||
         name == SD_BUS_ERROR_AUTH_FAILED;
}

struct UnitState {
  std::string load;    // loaded, not-found, masked, ...
  std::string active;  // active, inactive, failed, ...
  std::string sub;     // running, dead, auto-restart, ...
};

class SystemdRestart final : public RestartMethod {
 public:
  SystemdRestart(SystemdOptions options, std::shared_ptr<const Clock> clock)
      : options_(std::move(options)), clock_(std::move(clock)) {}

  [[nodiscard]] std::string_view name() const override { return "systemd"; }

  [[nodiscard]] Result<std::string> check(const std::stop_token& stop) override {
    auto bus = connect();
    if (!bus) return tl::unexpected(bus.error());
    const Patience patience{*clock_, clock_->steady() + kQuestionTimeout, stop};
    const auto state = look(*bus, patience);
    if (!state) return tl::unexpected(state.error());
    return "restart unit " + shown() + " (" + escape_control(state->active + ", " + state->sub) +
           ") through systemd, for " + format_duration(options_.timeout) + " at most";
  }

  [[nodiscard]] Result<std::string> restart(const std::stop_token& stop) override {
    auto bus = connect();
    if (!bus) return tl::unexpected(bus.error());
    const Patience asking{*clock_, clock_->steady() + kQuestionTimeout, stop};
    if (const auto before = look(*bus, asking); !before) return tl::unexpected(before.error());

    // By the job's path; the signal may come before the answer that names the job.
    std::map<std::string, std::string> removed;
    std::function<void(sd_bus_message*)> on_removed = [&](sd_bus_message* message) {
      std::uint32_t id = 0;
      const char* job = nullptr;
      const char* unit = nullptr;
      const char* result = nullptr;
      if (bus->library().message_read(message, "uoss", &id, &job, &unit, &result) >= 0) removed[job] = result;
    };
    const auto listening = bus->listen({kService, kManagerPath, kManager, "JobRemoved"}, on_removed, asking);
    if (!listening) return tl::unexpected(explain(listening.error()));
    if (const auto subscribed = bus->call({kService, kManagerPath, kManager, "Subscribe"}, {}, asking); !subscribed) {
      return tl::unexpected(explain(subscribed.error()));
    }

    const SteadyTime begin = clock_->steady();
    const Patience waiting{*clock_, begin + options_.timeout, stop};
    const auto queued =
        bus->call({kService, kManagerPath, kManager, "RestartUnit"}, {options_.unit, "replace"}, waiting);
    if (!queued) return tl::unexpected(explain(queued.error()));
    const char* path = nullptr;
    if (bus->library().message_read(queued->get(), "o", &path) < 0) {
      return failure(ErrorKind::corrupt, "systemd's answer to the restart of " + shown() + " can't be read");
    }
    const std::string job = path;
    if (auto ended = bus->wait([&] { return removed.count(job) != 0; }, waiting); !ended) {
      Error error = ended.error();
      error.message = error.kind == ErrorKind::timeout
                          ? "systemd did not end the restart of " + shown() + " within " +
                                format_duration(options_.timeout) + " and goes on with it; see `systemctl list-jobs`"
                          : "the restart of " + shown() + ": " + error.message +
                                "; systemd goes on with it, see `systemctl status " + shown() + "`";
      return tl::unexpected(std::move(error));
    }
    const std::string result = removed[job];
    if (result != "done") {
      return failure(ErrorKind::unavailable, "systemd ended the restart of " + shown() + " with " +
                                                 escape_control(result) + "; see `systemctl status " + shown() +
                                                 "` and `journalctl -u " + shown() + "`");
    }
    const auto after = look(*bus, {*clock_, clock_->steady() + kQuestionTimeout, stop});
    if (!after) {
      return failure(after.error().kind, "systemd said that it restarted the unit, but: " + after.error().message);
    }
    return "unit " + shown() + " was restarted in " + format_duration_rough(clock_->steady() - begin) + " and is " +
           escape_control(after->active + ", " + after->sub);
  }

 private:
  [[nodiscard]] std::string shown() const { return escape_control(options_.unit); }

  [[nodiscard]] Result<Bus> connect() const {
    auto bus = Bus::open(options_.bus);
    if (!bus) {
      Error error = bus.error();
      error.message +=
          "; is systemd there? In a container its bus has to be let in: mount it, and set "
          "restart.systemd.bus";
      return tl::unexpected(std::move(error));
    }
    return bus;
  }

  // With what to do about it.
  [[nodiscard]] Error explain(BusError why) const {
    Error error = std::move(why.error);
    if (is_denial(why.name)) {
      error.kind = ErrorKind::permission;
      error.message = "this process (uid " + std::to_string(::geteuid()) + ") may not restart " + shown() +
                      ": allow it with a polkit rule for org.freedesktop.systemd1.manage-units (" + error.message + ")";
    } else if (why.name == "org.freedesktop.systemd1.NoSuchUnit") {
      error = missing();
    } else if (why.name == "org.freedesktop.systemd1.UnitMasked") {
      error = masked();
    } else if (why.name == SD_BUS_ERROR_SERVICE_UNKNOWN || why.name == SD_BUS_ERROR_NAME_HAS_NO_OWNER) {
      error.message = "systemd is not on the bus: this machine or container is run by another init (" + error.message +
                      "); use restart.method docker or command";
    }
    return error;
  }

  [[nodiscard]] Error missing() const {
    return {ErrorKind::not_found, "systemd has no unit named " + shown() +
                                      "; `systemctl list-units '*influx*'` lists them, set restart.systemd.unit"};
  }
  [[nodiscard]] Error masked() const {
    return {ErrorKind::conflict, "unit " + shown() + " is masked, so it can't be restarted; `systemctl unmask " +
                                     shown() + "` if that is not meant"};
  }

  [[nodiscard]] Result<std::string> property(Bus& bus, const std::string& unit, const char* name,
                                             const Patience& patience) const {
    const auto answer =
        bus.call({kService, unit.c_str(), "org.freedesktop.DBus.Properties", "Get"}, {kUnit, name}, patience);
    if (!answer) return tl::unexpected(explain(answer.error()));
    const char* value = nullptr;
    if (bus.library().message_read(answer->get(), "v", "s", &value) < 0) {
      return failure(ErrorKind::corrupt, "systemd's answer about " + shown() + " can't be read: " + name);
    }
    return std::string(value);
  }

  // A unit that can be restarted; all else is an error.
  [[nodiscard]] Result<UnitState> look(Bus& bus, const Patience& patience) const {
    // Reads its file where nothing has needed it yet.
    const auto loaded = bus.call({kService, kManagerPath, kManager, "LoadUnit"}, {options_.unit}, patience);
    if (!loaded) return tl::unexpected(explain(loaded.error()));
    const char* path = nullptr;
    if (bus.library().message_read(loaded->get(), "o", &path) < 0) {
      return failure(ErrorKind::corrupt, "systemd's answer about " + shown() + " can't be read");
    }
    UnitState state;
    for (const auto& [name, value] : {std::pair{"LoadState", &state.load}, std::pair{"ActiveState", &state.active},
                                      std::pair{"SubState", &state.sub}}) {
      auto read = property(bus, path, name, patience);
      if (!read) return tl::unexpected(read.error());
      *value = *std::move(read);
    }
    if (state.load == "not-found") return tl::unexpected(missing());
    if (state.load == "masked") return tl::unexpected(masked());
    if (state.load != "loaded") {
      return failure(ErrorKind::invalid, "systemd can't use unit " + shown() + " (" + escape_control(state.load) +
                                             "); see `systemctl status " + shown() + "`");
    }
    // "activating" is also one that systemd starts again and again.
    if (state.active != "active" && state.active != "reloading" && state.active != "activating") {
      return failure(ErrorKind::conflict, "unit " + shown() + " does not run (" +
                                              escape_control(state.active + ", " + state.sub) +
                                              "), and what somebody stopped is not started; see why, then `systemctl "
                                              "start " +
                                              shown() + "`");
    }
    return state;
  }

  const SystemdOptions options_;
  const std::shared_ptr<const Clock> clock_;
};

}  // namespace

std::unique_ptr<RestartMethod> make_systemd_restart(SystemdOptions options, std::shared_ptr<const Clock> clock) {
  return std::make_unique<SystemdRestart>(std::move(options), std::move(clock));
}

}  // namespace wal_exporter::actions
