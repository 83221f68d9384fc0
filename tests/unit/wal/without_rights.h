// What is said in a process of its own: without root's rights, since root may read
// anything, or with limits of its own.
#pragma once

#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <functional>
#include <string>

namespace wal_exporter::wal {

inline std::string said_by_child(const std::function<std::string()>& body) {
  int pipes[2];
  if (::pipe2(pipes, O_CLOEXEC) != 0) return "no pipe";
  const pid_t child = ::fork();
  if (child == 0) {
    const std::string said = body();
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

// Runs `body` in a process without root's rights; it returns "" where all is well.
inline std::string without_rights(const std::function<std::string()>& body) {
  return said_by_child([&]() -> std::string {
    const bool dropped = ::geteuid() != 0 || (::setgid(65534) == 0 && ::setuid(65534) == 0);
    return dropped ? body() : "could not give up root";
  });
}

// Runs `body` where /proc/sys/user/`limit` is `value`; "no namespace" where the
// system allows no such limits.
inline std::string with_limit(const std::string& limit, int value, const std::function<std::string()>& body) {
  return said_by_child([&]() -> std::string {
    if (::unshare(CLONE_NEWUSER) != 0) return "no namespace";
    if (!(std::ofstream("/proc/sys/user/" + limit) << value << std::flush)) return "no namespace";
    return body();
  });
}

// Runs `body` as root of a user namespace, which may mount what it likes for itself; "no
// namespace" where the system allows none.
inline std::string in_namespace(const std::function<std::string()>& body) {
  return said_by_child([&]() -> std::string {
    const std::string uid = "0 " + std::to_string(::geteuid()) + " 1";
    const std::string gid = "0 " + std::to_string(::getegid()) + " 1";
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return "no namespace";
    const auto write = [](const char* path, const std::string& text) {
      return static_cast<bool>(std::ofstream(path) << text << std::flush);
    };
    if (!write("/proc/self/setgroups", "deny") || !write("/proc/self/uid_map", uid) ||
        !write("/proc/self/gid_map", gid)) {
      return "no namespace";
    }
    return body();
  });
}

}  // namespace wal_exporter::wal
