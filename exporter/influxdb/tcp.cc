#include "influxdb/tcp.h"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <system_error>
#include <thread>
#include <utility>

namespace wal_exporter::influxdb {
namespace {

// How long a request to stop, or a clock that was moved, may go unseen.
constexpr Duration kSlice = std::chrono::milliseconds(50);

struct FreeAddresses {
  void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};
using Addresses = std::unique_ptr<addrinfo, FreeAddresses>;

[[nodiscard]] tl::unexpected<Error> from_errno(int value, const char* operation) {
  const auto kind = value == ETIMEDOUT ? ErrorKind::timeout : ErrorKind::unavailable;
  return failure(kind, std::string(operation) + ": " + std::generic_category().message(value));
}

// Until `fd` shows one of `events` (or an error, which the next call on it tells).
[[nodiscard]] Result<void> wait_for(int fd, short events, const Patience& patience) {
  while (true) {
    if (patience.stop.stop_requested()) return failure(ErrorKind::cancelled, "stopped");
    const Duration left = patience.deadline - patience.clock.steady();
    if (left <= Duration::zero()) return failure(ErrorKind::timeout, "no answer in time");
    const auto slice = std::chrono::ceil<std::chrono::milliseconds>(std::min(left, kSlice));
    pollfd entry{fd, events, 0};
    const int ready = ::poll(&entry, 1, static_cast<int>(slice.count()));
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) return from_errno(errno, "poll");
  }
}

// A look-up in a thread of its own, because getaddrinfo can't be interrupted.
// Shared with that thread, which may outlive the one who asks.
struct Lookup {
  std::string host;
  std::string service;
  Fd done;
  int code = 0;
  Addresses found;
};

[[nodiscard]] int look_up(Lookup& lookup, int flags) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | flags;
  addrinfo* list = nullptr;
  const int code = ::getaddrinfo(lookup.host.c_str(), lookup.service.c_str(), &hints, &list);
  if (code == 0) lookup.found.reset(list);
  return code;
}

[[nodiscard]] Result<Addresses> resolve(const std::string& host, std::uint16_t port, const Patience& patience) {
  auto lookup = std::make_shared<Lookup>();
  lookup->host = host;
  lookup->service = std::to_string(port);
  if (look_up(*lookup, AI_NUMERICHOST) == 0) return std::move(lookup->found);

  lookup->done = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!lookup->done.valid()) return from_errno(errno, "eventfd");
  try {
    std::thread([lookup] {
      lookup->code = look_up(*lookup, 0);
      const std::uint64_t one = 1;
      [[maybe_unused]] const auto written = ::write(lookup->done.get(), &one, sizeof one);
    }).detach();
  } catch (const std::system_error& error) {
    return failure(ErrorKind::unavailable, std::string("starting a thread for the name look-up: ") + error.what());
  }
  auto waited = wait_for(lookup->done.get(), POLLIN, patience);
  if (!waited) {
    if (waited.error().kind == ErrorKind::timeout) waited.error().message = "the name could not be looked up in time";
    return tl::unexpected<Error>(waited.error());
  }
  std::uint64_t count = 0;  // reading it orders what the thread wrote before what follows
  if (::read(lookup->done.get(), &count, sizeof count) < 0) return from_errno(errno, "eventfd");
  if (lookup->code != 0) {
    return failure(ErrorKind::unavailable, std::string("looking up the name: ") + ::gai_strerror(lookup->code));
  }
  return std::move(lookup->found);
}

[[nodiscard]] Result<Fd> connect_one(const addrinfo& candidate, const Patience& patience) {
  Fd socket(::socket(candidate.ai_family, candidate.ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, candidate.ai_protocol));
  if (!socket.valid()) return from_errno(errno, "socket");
  if (::connect(socket.get(), candidate.ai_addr, candidate.ai_addrlen) != 0) {
    if (errno != EINPROGRESS && errno != EINTR) return from_errno(errno, "connecting");
    auto waited = wait_for(socket.get(), POLLOUT, patience);
    if (!waited) {
      if (waited.error().kind == ErrorKind::timeout) waited.error().message = "connecting: no answer in time";
      return tl::unexpected<Error>(waited.error());
    }
    int error = 0;
    socklen_t size = sizeof error;
    if (::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) return from_errno(errno, "connecting");
    if (error != 0) return from_errno(error, "connecting");
  }
  return socket;
}

}  // namespace

Result<Connection> Connection::open(const std::string& host, std::uint16_t port, const Patience& patience) {
  const auto addresses = resolve(host, port, patience);
  if (!addresses) return tl::unexpected<Error>(addresses.error());
  int left = 0;
  for (const addrinfo* next = addresses->get(); next != nullptr; next = next->ai_next) ++left;
  Result<Fd> socket = failure(ErrorKind::unavailable, "the name has no address");
  for (const addrinfo* next = addresses->get(); next != nullptr; next = next->ai_next, --left) {
    // An address that swallows packets must leave time for the others.
    Patience share = patience;
    const SteadyTime now = patience.clock.steady();
    share.deadline = now + (patience.deadline - now) / left;
    socket = connect_one(*next, share);
    if (socket) return Connection(std::move(*socket));
    if (socket.error().kind == ErrorKind::cancelled) break;
  }
  return tl::unexpected<Error>(socket.error());
}

Result<void> Connection::send(std::string_view bytes, const Patience& patience) {
  while (!bytes.empty()) {
    const auto sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    } else if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      if (auto waited = wait_for(socket_.get(), POLLOUT, patience); !waited) return waited;
    } else if (sent < 0 && errno != EINTR) {
      return from_errno(errno, "sending");
    }
  }
  return {};
}

Result<std::size_t> Connection::receive(char* buffer, std::size_t size, const Patience& patience) {
  while (true) {
    if (auto waited = wait_for(socket_.get(), POLLIN, patience); !waited) {
      return tl::unexpected<Error>(waited.error());
    }
    const auto count = ::recv(socket_.get(), buffer, size, 0);
    if (count >= 0) return static_cast<std::size_t>(count);
    if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) return from_errno(errno, "receiving");
  }
}

}  // namespace wal_exporter::influxdb
