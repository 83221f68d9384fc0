#include "base/descriptors.h"

#include <sys/resource.h>

#include <atomic>
#include <limits>

namespace wal_exporter {
namespace {

// 0: not raised.
std::atomic<rlim_t>& soft_at_start() {
  static std::atomic<rlim_t> limit{0};
  return limit;
}

}  // namespace

void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  const rlim_t before = limit.rlim_cur;
  limit.rlim_cur = limit.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &limit) == 0) soft_at_start() = before;
}

void restore_descriptor_limit(pid_t child) {
  rlimit limit{};
  const rlim_t before = soft_at_start();
  if (before == 0 || ::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = before;
  ::prlimit(child, RLIMIT_NOFILE, &limit, nullptr);
}

std::uint64_t descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return std::numeric_limits<std::uint64_t>::max();
  return limit.rlim_max;
}

}  // namespace wal_exporter
