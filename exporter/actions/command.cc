#include "actions/command.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "actions/process.h"
#include "base/secrets.h"
#include "base/text.h"

namespace wal_exporter::actions {
namespace {

// As a person would type it, on one line and not too long.
[[nodiscard]] std::string shown(const std::vector<std::string>& arguments) {
  constexpr std::size_t kMost = 200;
  std::string line = escape_control(join(arguments, " "));
  if (line.size() > kMost) line = to_valid_utf8(line.substr(0, kMost)) + "...";
  return line;
}

class CommandRestart final : public RestartMethod {
 public:
  CommandRestart(CommandOptions options, std::shared_ptr<const Clock> clock)
      : options_(std::move(options)), clock_(std::move(clock)) {}

  [[nodiscard]] std::string_view name() const override { return to_string(Way::command); }

  [[nodiscard]] Result<std::string> check(const std::stop_token&) override {
    if (options_.arguments.empty()) {
      return failure(ErrorKind::invalid, "there is no command; set restart.command.arguments");
    }
    const std::string& program = options_.arguments.front();
    struct stat info {};
    if (::stat(program.c_str(), &info) != 0) {
      Error error = system_error(errno, "checking the command", program);
      error.message += "; restart.command.arguments begins with the path of a program";
      return tl::unexpected(std::move(error));
    }
    if (!S_ISREG(info.st_mode)) {
      return failure(ErrorKind::invalid, "the command " + escape_control(program) +
                                             " is no file; restart.command.arguments begins with the path of a "
                                             "program");
    }
    if (::faccessat(AT_FDCWD, program.c_str(), X_OK, AT_EACCESS) != 0) {
      return failure(ErrorKind::permission, "this process (uid " + std::to_string(::geteuid()) + ") may not run " +
                                                escape_control(program) + "; make it executable for its user");
    }
    return "run " + shown(options_.arguments) + ", for " + format_duration(options_.timeout) + " at most";
  }

  [[nodiscard]] Result<std::string> restart(const std::stop_token& stop) override {
    if (const auto checked = check(stop); !checked) return checked;
    const std::string what = shown(options_.arguments);
    const auto end = run_process({options_.arguments, options_.environment, options_.timeout}, *clock_, stop);
    if (!end) return tl::unexpected(end.error());
    const std::string said = what + " " + describe(*end, options_.timeout);
    if (end->exit_code == 0 && !end->timed_out && !end->stopped) return said;
    const ErrorKind kind = end->timed_out ? ErrorKind::timeout
                           : end->stopped ? ErrorKind::cancelled
                                          : ErrorKind::unavailable;
    const std::string output = foreign_text(end->output, kOutputKept);
    return failure(
        kind, said + (output.empty()
                          ? "; it wrote nothing"
                          : std::string(end->output_cut ? "; its output ends with: ..." : "; its output: ") + output));
  }

 private:
  const CommandOptions options_;
  const std::shared_ptr<const Clock> clock_;
};

}  // namespace

std::unique_ptr<RestartMethod> make_command_restart(CommandOptions options, std::shared_ptr<const Clock> clock) {
  return std::make_unique<CommandRestart>(std::move(options), std::move(clock));
}

}  // namespace wal_exporter::actions
