#include "actions/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <utility>

#include "base/descriptors.h"
#include "base/file.h"
#include "base/text.h"

namespace wal_exporter::actions {
namespace {

// How long a request to stop, or a clock that was moved, may go unseen.
constexpr Duration kSlice = std::chrono::milliseconds(50);
// Between two looks at the process; a program that never stops writing must not
// keep us from them.
constexpr int kReadsAtOnce = 64;

constexpr const char* kPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
constexpr const char* kLang = "C.UTF-8";

class FileActions {
 public:
  FileActions() { posix_spawn_file_actions_init(&actions_); }
  ~FileActions() { posix_spawn_file_actions_destroy(&actions_); }
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;
  [[nodiscard]] posix_spawn_file_actions_t* get() { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_{};
};

class Attributes {
 public:
  Attributes() { posix_spawnattr_init(&attributes_); }
  ~Attributes() { posix_spawnattr_destroy(&attributes_); }
  Attributes(const Attributes&) = delete;
  Attributes& operator=(const Attributes&) = delete;
  [[nodiscard]] posix_spawnattr_t* get() { return &attributes_; }

 private:
  posix_spawnattr_t attributes_{};
};

[[nodiscard]] std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  out.reserve(texts.size() + 1);
  for (std::string& text : texts) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

[[nodiscard]] std::vector<std::string> environment_of(const ProcessRequest& request) {
  std::map<std::string, std::string> all{{"PATH", kPath}, {"LANG", kLang}};
  for (const auto& [name, value] : request.environment) all[name] = value;
  std::vector<std::string> out;
  out.reserve(all.size());
  for (const auto& [name, value] : all) out.push_back(name + "=" + value);
  return out;
}

// A pipe whose ends are none of the three that the program gets.
[[nodiscard]] Result<std::pair<Fd, Fd>> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return tl::unexpected(system_error(errno, "making", "a pipe"));
  Fd read(ends[0]);
  Fd write(ends[1]);
  Fd moved(::fcntl(write.get(), F_DUPFD_CLOEXEC, 3));
  if (!moved.valid()) return tl::unexpected(system_error(errno, "moving", "a pipe"));
  if (::fcntl(read.get(), F_SETFL, O_NONBLOCK) != 0) return tl::unexpected(system_error(errno, "setting up", "a pipe"));
  return std::pair<Fd, Fd>(std::move(read), std::move(moved));
}

[[nodiscard]] Result<pid_t> spawn(const ProcessRequest& request, int output) {
  FileActions actions;
  Attributes attributes;
  sigset_t none;
  sigset_t all;
  ::sigemptyset(&none);
  ::sigfillset(&all);
  // Ours are partly blocked or ignored, and a program inherits that.
  const short flags = POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
  int error = 0;
  const auto add = [&](int result) {
    if (error == 0) error = result;
  };
  add(posix_spawnattr_setflags(attributes.get(), flags));
  add(posix_spawnattr_setsigmask(attributes.get(), &none));
  add(posix_spawnattr_setsigdefault(attributes.get(), &all));
  add(posix_spawn_file_actions_addopen(actions.get(), STDIN_FILENO, "/dev/null", O_RDONLY, 0));
  add(posix_spawn_file_actions_adddup2(actions.get(), output, STDOUT_FILENO));
  add(posix_spawn_file_actions_adddup2(actions.get(), output, STDERR_FILENO));
  add(posix_spawn_file_actions_addclosefrom_np(actions.get(), STDERR_FILENO + 1));
  add(posix_spawn_file_actions_addchdir_np(actions.get(), "/"));
  std::vector<std::string> arguments = request.arguments;
  std::vector<std::string> environment = environment_of(request);
  pid_t pid = -1;
  if (error == 0) {
    error = ::posix_spawn(&pid, arguments[0].c_str(), actions.get(), attributes.get(), pointers(arguments).data(),
                          pointers(environment).data());
  }
  if (error == ENOEXEC) {
    return failure(ErrorKind::invalid, "starting " + escape_control(arguments[0]) +
                                           ": it is no program; a script begins with a line such as #!/bin/sh");
  }
  if (error != 0) return tl::unexpected(system_error(error, "starting", arguments[0]));
  restore_descriptor_limit(pid);
  return pid;
}

// Keeps the last bytes of what comes.
class Tail {
 public:
  // Whether there may be more to come.
  [[nodiscard]] bool read_from(int fd) {
    std::array<char, 16384> buffer;
    for (int round = 0; round < kReadsAtOnce; ++round) {
      const auto count = ::read(fd, buffer.data(), buffer.size());
      if (count < 0) return errno == EAGAIN || errno == EINTR;
      if (count == 0) return false;
      text_.append(buffer.data(), static_cast<std::size_t>(count));
      if (text_.size() > kOutputKept) {
        text_.erase(0, text_.size() - kOutputKept);
        cut_ = true;
      }
    }
    return true;
  }
  [[nodiscard]] bool cut() const { return cut_; }
  // Without the word that was cut, which may be the end of a secret.
  [[nodiscard]] std::string take() {
    constexpr std::size_t kLongestWord = 256;
    if (const auto space = text_.find_first_of(" \t\n"); cut_ && space < kLongestWord) text_.erase(0, space);
    return std::move(text_);
  }

 private:
  std::string text_;
  bool cut_ = false;
};

enum class Life {
  runs,
  ended,  // it stays there to be reaped, so that its number, which is that of its group, is not given to another
  lost,   // it has ended and was reaped, but not by us: the number may be another's by now
};

[[nodiscard]] Life look_at(pid_t pid) {
  siginfo_t info{};
  if (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0) {
    return info.si_pid == pid ? Life::ended : Life::runs;
  }
  return errno == EINTR ? Life::runs : Life::lost;
}

}  // namespace

Result<ProcessEnd> run_process(const ProcessRequest& request, const Clock& clock, const std::stop_token& stop) {
  if (request.arguments.empty()) return failure(ErrorKind::invalid, "there is no program to start");
  if (stop.stop_requested()) return failure(ErrorKind::cancelled, "stopped before the program was started");
  auto pipe = make_pipe();
  if (!pipe) return tl::unexpected(pipe.error());
  const SteadyTime begin = clock.steady();
  const auto pid = spawn(request, pipe->second.get());
  if (!pid) return tl::unexpected(pid.error());
  pipe->second = Fd();
  // Without it (an old kernel) the slices alone show the end.
  const Fd handle(static_cast<int>(::syscall(SYS_pidfd_open, *pid, 0)));

  ProcessEnd end;
  Tail tail;
  bool open = true;
  std::optional<SteadyTime> stop_seen;
  std::optional<SteadyTime> kill_at;  // set with SIGTERM
  bool killed = false;
  Life life = look_at(*pid);
  for (; life == Life::runs; life = look_at(*pid)) {
    const SteadyTime now = clock.steady();
    if (stop.stop_requested() && !stop_seen) stop_seen = now;
    const bool over = now - begin >= request.timeout;
    if (!kill_at && (over || (stop_seen && now - *stop_seen >= request.stop_grace))) {
      end.timed_out = over;
      end.stopped = !over;
      ::kill(-*pid, SIGTERM);
      kill_at = now + request.kill_grace;
    } else if (kill_at && !killed && now >= *kill_at) {
      ::kill(-*pid, SIGKILL);
      killed = true;
    }
    pollfd fds[] = {{open ? pipe->first.get() : -1, POLLIN, 0}, {handle.get(), POLLIN, 0}};
    const auto slice = std::chrono::ceil<std::chrono::milliseconds>(kSlice);
    if (::poll(fds, 2, static_cast<int>(slice.count())) > 0 && fds[0].revents != 0) {
      open = tail.read_from(pipe->first.get());
    }
  }
  if (open) static_cast<void>(tail.read_from(pipe->first.get()));
  // Its children had their SIGTERM too.
  if (kill_at && life == Life::ended) ::kill(-*pid, SIGKILL);
  int status = 0;
  pid_t reaped = -1;
  while (life == Life::ended && (reaped = ::waitpid(*pid, &status, 0)) < 0 && errno == EINTR) {
  }
  end.status_lost = reaped != *pid;
  if (!end.status_lost && WIFEXITED(status)) end.exit_code = WEXITSTATUS(status);
  if (!end.status_lost && WIFSIGNALED(status)) end.signal = WTERMSIG(status);
  end.elapsed = clock.steady() - begin;
  end.output_cut = tail.cut();
  end.output = tail.take();
  return end;
}

std::string describe(const ProcessEnd& end, Duration timeout) {
  if (end.timed_out) return "did not end within " + format_duration(timeout) + " and was ended";
  const std::string after = " after " + format_duration_rough(end.elapsed);
  if (end.stopped) return "was ended" + after + ", because this exporter is stopping";
  if (end.status_lost) {
    return "ended" + after +
           ", and its exit status is not known: something else in this process waits for its children";
  }
  if (end.signal != 0) {
    const char* name = ::sigabbrev_np(end.signal);
    return "was ended by " + (name != nullptr ? "SIG" + std::string(name) : "signal " + std::to_string(end.signal)) +
           after;
  }
  return "exited with code " + std::to_string(end.exit_code) + after;
}

}  // namespace wal_exporter::actions
