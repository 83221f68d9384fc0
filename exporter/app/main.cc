// influxdb_wal_exporter: the command line and the process.
#include <malloc.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <memory>
#include <optional>
#include <thread>

#include "app/check.h"
#include "app/exporter.h"
#include "app/flags.h"
#include "app/healthcheck.h"
#include "app/once.h"
#include "app/prepare.h"
#include "base/descriptors.h"
#include "base/text.h"
#include "web/listen.h"
#include "web/transport.h"

namespace wal_exporter::app {
namespace {

constexpr Duration kLongestShutdown = std::chrono::seconds(17);

// Signals are taken by sigwait alone; every thread started later inherits this.
sigset_t block_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  return signals;
}

// Ends the process where something that can't be interrupted (a dead network
// filesystem) holds up the shutdown. What is in the state database is there.
class ShutdownLimit {
 public:
  ShutdownLimit()
      : thread_([this] {
          SystemClock clock;
          const SteadyTime deadline = clock.steady() + kLongestShutdown;
          const MutexLock lock(mutex_);
          while (!done_ && clock.steady() < deadline) clock.wait_until(ended_, mutex_, deadline);
          if (done_) return;
          // Without a word: the log itself may be what does not end.
          _exit(kExitOk);
        }) {}
  ~ShutdownLimit() {
    const MutexLock lock(mutex_);
    done_ = true;
    ended_.notify_all();
  }

 private:
  Mutex mutex_;
  CondVar ended_;
  bool done_ WAL_EXPORTER_GUARDED_BY(mutex_) = false;
  std::jthread thread_;
};

// Reloads on a thread of its own: the next signal is heard meanwhile. Asked for
// again while it reloads, it reloads once more.
class Reloader {
 public:
  explicit Reloader(Exporter& exporter) : exporter_(exporter), thread_([this] { run(); }) {}
  ~Reloader() {
    const MutexLock lock(mutex_);
    done_ = true;
    changed_.notify_all();
  }
  void ask() {
    const MutexLock lock(mutex_);
    asked_ = true;
    changed_.notify_all();
  }

 private:
  void run() {
    SystemClock clock;
    while (true) {
      {
        const MutexLock lock(mutex_);
        while (!asked_ && !done_) clock.wait_until(changed_, mutex_, SteadyTime::max());
        if (done_) return;
        asked_ = false;
      }
      // The reason is in the log and in the metrics.
      static_cast<void>(exporter_.reload());
    }
  }

  Exporter& exporter_;
  Mutex mutex_;
  CondVar changed_;
  bool asked_ WAL_EXPORTER_GUARDED_BY(mutex_) = false;
  bool done_ WAL_EXPORTER_GUARDED_BY(mutex_) = false;
  std::jthread thread_;
};

int serve(const Flags& flags, const settings::Settings& settings, const std::shared_ptr<Clock>& clock, const Log& log) {
  const sigset_t signals = block_signals();
  auto started = Exporter::start(flags, settings, settings::process_environment(), clock, log);
  if (!started) {
    log_each(log, spdlog::level::err, lines_of(started.error().message));
    return kExitFailure;
  }
  Exporter& exporter = **started;
  auto reloader = std::make_unique<Reloader>(exporter);
  while (true) {
    int signal = 0;
    if (sigwait(&signals, &signal) != 0) continue;
    if (signal == SIGHUP) {
      reloader->ask();
    } else {
      const ShutdownLimit limit;
      log->info("stopping on {}", signal == SIGTERM ? "SIGTERM" : "SIGINT");
      exporter.stop();
      reloader.reset();
      started->reset();
      log->info("stopped");
      return kExitOk;
    }
  }
}

Result<settings::Settings> with_target_alone(settings::Settings settings, const std::string& name) {
  if (name.empty()) return settings;
  std::vector<std::string> names;
  for (const settings::Target& target : settings.targets) names.push_back(escape_control(target.name));
  std::erase_if(settings.targets, [&](const settings::Target& target) { return target.name != name; });
  if (!settings.targets.empty()) return settings;
  return failure(ErrorKind::not_found,
                 "--target: no target named " + escape_control(name) + "; known: " + join(names, ", "));
}

int run(const std::vector<std::string>& arguments) {
  const auto environment = settings::process_environment();
  const auto flags = parse_flags(arguments, environment);
  if (!flags) {
    std::cerr << escape_control(flags.error().message) << "\n";
    return flags.error().exit_code;
  }
  if (flags->mode == Mode::help || flags->mode == Mode::man) {
    std::cout << flags->help;
    return kExitOk;
  }
  if (flags->mode == Mode::version) {
    std::cout << "influxdb_wal_exporter " << WAL_EXPORTER_VERSION << "\n" << web::libraries() << "\n";
    return kExitOk;
  }
  if (flags->mode == Mode::healthcheck) return run_healthcheck(*flags, std::cout);

  const int failure = flags->mode == Mode::once ? kExitOnceNoSample : kExitFailure;
  const auto log = make_log(flags->log_level, flags->log_format);
  if (!log) {
    std::cerr << log.error().message << "\n";
    return failure;
  }
  if (!flags->config_origin.empty()) {
    (*log)->info("settings file {} ({})", escape_control(flags->sources.config_file), flags->config_origin);
  }
  auto settings = settings::load(flags->sources, environment);
  if (settings) settings = with_target_alone(*std::move(settings), flags->target);
  if (!settings) {
    log_each(*log, spdlog::level::err, lines_of(settings.error().message));
    return failure;
  }
  const auto clock = std::make_shared<SystemClock>();
  if (flags->mode == Mode::config_check || flags->mode == Mode::serve) {
    log_each(*log, spdlog::level::info, settings->from_environment);
  }
  switch (flags->mode) {
    case Mode::config_check: {
      Checked checked = check(*flags, *settings, clock);
      std::vector<std::string>& mistakes = checked.mistakes;
      mistakes.insert(mistakes.end(), checked.tokens.begin(), checked.tokens.end());
      for (const std::string& text : flags->listen_addresses) {
        const auto address = web::parse_listen_address(text);
        if (!address) mistakes.push_back(address.error().message);
      }
      log_each(*log, spdlog::level::warn, checked.warnings);
      log_each(*log, spdlog::level::err, mistakes);
      if (!mistakes.empty()) return kExitFailure;
      std::cout << (flags->sources.config_file.empty() ? std::string("command line")
                                                       : escape_control(flags->sources.config_file))
                << " is valid: " << count_of(settings->targets.size(), "target") << ", "
                << count_of(settings->hooks.size(), "hook") << "\n";
      return kExitOk;
    }
    case Mode::once:
      return run_once(*settings, *flags, clock, *log, std::cout);
    case Mode::prepare_restart:
      return run_prepare_restart(*settings, *flags, clock, *log, std::cout);
    case Mode::explain:
      return run_explain(*settings, *flags, clock, *log, std::cout);
    default:
      return serve(*flags, *settings, clock, *log);
  }
}

}  // namespace
}  // namespace wal_exporter::app

int main(int argc, char** argv) {
  // Few threads allocate much: two arenas keep the resident set small.
  mallopt(M_ARENA_MAX, 2);
  // Inherited as ignored (a parent's `trap '' CHLD`), it would hide how a command ended.
  ::signal(SIGCHLD, SIG_DFL);
  wal_exporter::raise_descriptor_limit();
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  const int code = wal_exporter::app::run(arguments);
  // A result that could not be written is none.
  if (std::cout.flush()) return code;
  const bool once = std::find(arguments.begin(), arguments.end(), "--once") != arguments.end();
  return once ? wal_exporter::app::kExitOnceNoSample : wal_exporter::app::kExitFailure;
}
