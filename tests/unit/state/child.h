// Code that has to run in a process of its own: to be killed, or as another user.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <functional>
#include <string>

namespace wal_exporter::state {

// Runs `work` in a child process, which sends what it returns and then lives on
// until it is killed by kill() or the destructor.
class Child {
 public:
  explicit Child(const std::function<std::string()>& work) {
    int ends[2];
    if (::pipe(ends) != 0) std::abort();
    pid_ = ::fork();
    if (pid_ < 0) std::abort();
    if (pid_ == 0) {
      ::close(ends[0]);
      ::alarm(60);  // should the test itself die
      const std::string result = work();
      if (::write(ends[1], result.data(), result.size()) < 0) ::_exit(2);
      ::close(ends[1]);
      while (true) ::pause();
    }
    ::close(ends[1]);
    char piece[1024];
    for (ssize_t got = 0; (got = ::read(ends[0], piece, sizeof piece)) > 0;) {
      result_.append(piece, static_cast<std::size_t>(got));
    }
    ::close(ends[0]);
  }
  ~Child() { kill(); }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // What `work` returned; it has returned when the constructor is through.
  [[nodiscard]] const std::string& result() const { return result_; }
  [[nodiscard]] pid_t pid() const { return pid_; }

  void kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = -1;
  }

 private:
  pid_t pid_ = -1;
  std::string result_;
};

// Root ignores file modes: become somebody who does not. For use in a child.
inline void drop_root() {
  constexpr unsigned kNobody = 65534;
  if (::geteuid() != 0) return;
  if (::setgid(kNobody) != 0 || ::setuid(kNobody) != 0) std::abort();
}

}  // namespace wal_exporter::state
