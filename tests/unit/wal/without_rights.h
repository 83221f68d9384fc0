// What is said where root is not: root may read anything.
#pragma once

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <string>

namespace wal_exporter::wal {

// Runs `body` in a process without root's rights; it returns "" where all is well.
inline std::string without_rights(const std::function<std::string()>& body) {
  int pipes[2];
  if (::pipe2(pipes, O_CLOEXEC) != 0) return "no pipe";
  const pid_t child = ::fork();
  if (child == 0) {
    const bool dropped = ::geteuid() != 0 || (::setgid(65534) == 0 && ::setuid(65534) == 0);
    const std::string said = dropped ? body() : "could not give up root";
    const bool told = ::write(pipes[1], said.data(), said.size()) == static_cast<ssize_t>(said.size());
    ::_exit(told ? 0 : 1);
  }
  ::close(pipes[1]);
  std::string said;
  char buffer[4096];
  for (ssize_t got = 0; (got = ::read(pipes[0], buffer, sizeof buffer)) > 0;) {
    said.append(buffer, static_cast<std::size_t>(got));
  }
  ::close(pipes[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) return "the process failed: " + said;
  return said;
}

}  // namespace wal_exporter::wal
