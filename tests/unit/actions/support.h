// What the tests of the restart methods share.
#pragma once

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "unit/http/fake_server.h"

namespace wal_exporter::actions {

using tests::TempDir;

inline std::string content(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// Polls; a generous deadline, for busy machines.
template <class Condition>
bool within_a_minute(const Condition& holds) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (!holds()) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    ::poll(nullptr, 0, 10);
  }
  return true;
}

// The process has ended, or waits for whoever adopted it to notice.
inline bool gone(pid_t pid) {
  return within_a_minute([&] {
    if (::kill(pid, 0) != 0 && errno == ESRCH) return true;
    const std::string stat = content("/proc/" + std::to_string(pid) + "/stat");
    const std::size_t end = stat.rfind(')');
    return stat.empty() || (end != std::string::npos && stat.compare(end, 3, ") Z") == 0);
  });
}

}  // namespace wal_exporter::actions
