#include "web/listen.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include "base/text.h"
#include "http/address.h"

namespace wal_exporter::web {
namespace {

constexpr int kBacklog = 1024;
constexpr std::string_view kUnix = "unix:";
constexpr const char* kOther = "; choose another one with --web.listen-address";

union Address {
  sockaddr any;
  sockaddr_in v4;
  sockaddr_in6 v6;
  sockaddr_un local;
  sockaddr_storage storage;
};

std::string text_of(const ListenAddress& address) {
  if (!address.path.empty()) return std::string(kUnix) + address.path;
  const bool v6 = address.host.find(':') != std::string::npos;
  return (v6 ? "[" + address.host + "]" : address.host) + ":" + std::to_string(address.port);
}

tl::unexpected<Error> failed(const std::string& name, int code) {
  const auto kind = code == EADDRINUSE                 ? ErrorKind::conflict
                    : code == EACCES || code == EPERM  ? ErrorKind::permission
                    : code == EMFILE || code == ENFILE ? ErrorKind::unavailable
                    : code == EADDRNOTAVAIL            ? ErrorKind::invalid
                                                       : ErrorKind::unavailable;
  const std::string cause = code == EADDRINUSE ? "the address is in use by another program" : std::strerror(code);
  const bool is_unix = name.starts_with(kUnix);
  const char* remedy = code == ENOENT && is_unix   ? "; make its directory"
                       : code == EACCES && is_unix ? "; let the exporter's user write to its directory"
                       : code == EACCES ? "; take a port from 1024 on, or give the exporter CAP_NET_BIND_SERVICE"
                                        : "";
  return failure(kind, "listening on " + escape_control(name) + ": " + cause + remedy + kOther);
}

// What the kernel calls it: "[::]:3002".
void name_listener(Listener& listener) {
  Address address{};
  socklen_t size = sizeof(address);
  if (getsockname(listener.socket.get(), &address.any, &size) != 0) return;
  char text[INET6_ADDRSTRLEN] = {};
  if (address.any.sa_family == AF_INET) {
    inet_ntop(AF_INET, &address.v4.sin_addr, text, sizeof(text));
    listener.port = ntohs(address.v4.sin_port);
    listener.name = std::string(text) + ":" + std::to_string(listener.port);
  } else if (address.any.sa_family == AF_INET6) {
    inet_ntop(AF_INET6, &address.v6.sin6_addr, text, sizeof(text));
    listener.port = ntohs(address.v6.sin6_port);
    listener.name = "[" + std::string(text) + "]:" + std::to_string(listener.port);
  } else if (address.any.sa_family == AF_UNIX) {
    const std::size_t length = size - offsetof(sockaddr_un, sun_path);
    listener.name = std::string(kUnix) + std::string(address.local.sun_path, strnlen(address.local.sun_path, length));
  }
}

Result<Listener> listen_on(const Address& address, socklen_t size, const std::string& name) {
  Listener listener{Fd(socket(address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)), name};
  if (!listener.socket.valid()) return failed(name, errno);
  const int fd = listener.socket.get();
  const int on = 1;
  const int off = 0;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (address.any.sa_family == AF_INET6) {
    // An address that is given takes one family; all addresses take both.
    const bool all = IN6_IS_ADDR_UNSPECIFIED(&address.v6.sin6_addr);
    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, all ? &off : &on, sizeof(on));
  }
  if (bind(fd, &address.any, size) != 0 || listen(fd, kBacklog) != 0) return failed(name, errno);
  name_listener(listener);
  return listener;
}

Result<std::vector<Listener>> open_tcp(const ListenAddress& address) {
  std::vector<Listener> out;
  const std::string name = text_of(address);
  Address any{};
  if (address.host.empty()) {
    any.v6.sin6_family = AF_INET6;
    any.v6.sin6_port = htons(address.port);
    auto both = listen_on(any, sizeof(any.v6), name);
    if (!both && both.error().kind != ErrorKind::conflict && both.error().kind != ErrorKind::permission) {
      any = {};
      any.v4.sin_family = AF_INET;
      any.v4.sin_port = htons(address.port);
      both = listen_on(any, sizeof(any.v4), name);
    }
    if (!both) return tl::unexpected(both.error());
    out.push_back(*std::move(both));
    return out;
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const int status = getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &found);
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, freeaddrinfo);
  if (status != 0) {
    return failure(ErrorKind::invalid, "listening on " + escape_control(name) + ": " + gai_strerror(status) + kOther);
  }
  std::optional<Error> lack;
  int port = address.port;
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    Address one{};
    std::memcpy(&one.storage, each->ai_addr, each->ai_addrlen);
    // A name with several addresses has one port.
    if (one.any.sa_family == AF_INET6) one.v6.sin6_port = htons(static_cast<std::uint16_t>(port));
    if (one.any.sa_family == AF_INET) one.v4.sin_port = htons(static_cast<std::uint16_t>(port));
    auto listener = listen_on(one, each->ai_addrlen, name);
    if (!listener) {
      // localhost is ::1 too where this machine has no IPv6.
      if (listener.error().kind == ErrorKind::conflict) return tl::unexpected(listener.error());
      lack = listener.error();
      continue;
    }
    port = listener->port;
    out.push_back(*std::move(listener));
  }
  if (out.empty()) return tl::unexpected(*lack);
  return out;
}

// Nobody accepts on it any more: its owner ended without removing it. One that is being opened just now is given a
// moment.
bool is_left_over(const Address& address, socklen_t size) {
  for (const auto pause : {std::chrono::milliseconds(50), std::chrono::milliseconds(0)}) {
    const Fd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (connect(probe.get(), &address.any, size) == 0 || errno != ECONNREFUSED) return false;
    std::this_thread::sleep_for(pause);
  }
  return true;
}

Result<Listener> open_unix(const std::string& path, mode_t mode) {
  const std::string name = std::string(kUnix) + path;
  Address address{};
  address.local.sun_family = AF_UNIX;
  std::memcpy(address.local.sun_path, path.data(), path.size());
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  struct stat there {};
  if (lstat(path.c_str(), &there) == 0) {
    if (!S_ISSOCK(there.st_mode)) {
      return failure(ErrorKind::invalid, "listening on " + escape_control(name) +
                                             ": something else than a socket is there; move it away, or choose another "
                                             "path with --web.listen-address");
    }
    if (!is_left_over(address, size)) return failed(name, EADDRINUSE);
    unlink(path.c_str());
  }
  Listener listener{Fd(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)), name};
  // Nobody can connect before listen(), so the mode counts from the first connection on.
  if (!listener.socket.valid() || bind(listener.socket.get(), &address.any, size) != 0) return failed(name, errno);
  listener.path = path;
  if (lstat(path.c_str(), &there) == 0) {
    listener.device = there.st_dev;
    listener.inode = there.st_ino;
  }
  if (chmod(path.c_str(), mode) != 0 || listen(listener.socket.get(), kBacklog) != 0) {
    const int code = errno;
    unlink(path.c_str());
    return failed(name, code);
  }
  return listener;
}

std::optional<long> take_number(const char* variable) {
  const char* text = getenv(variable);
  if (text == nullptr) return std::nullopt;
  long number = 0;
  const char* end = text + std::strlen(text);
  const auto parsed = std::from_chars(text, end, number);
  unsetenv(variable);
  if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
  return number;
}

}  // namespace

Result<ListenAddress> parse_listen_address(const std::string& text) {
  if (text.starts_with(kUnix)) {
    ListenAddress address;
    address.path = text.substr(kUnix.size());
    constexpr std::size_t kMost = sizeof(sockaddr_un::sun_path) - 1;
    if (!address.path.starts_with('/') || address.path.size() > kMost || address.path.find('\0') != std::string::npos) {
      return failure(ErrorKind::invalid,
                     "listen address \"" + escape_control(text) +
                         "\": the path of a Unix socket must begin with / and have at most " + std::to_string(kMost) +
                         " bytes; give --web.listen-address as unix:/run/influxdb_wal_exporter.sock");
    }
    return address;
  }
  const bool all = text.starts_with(':');
  const bool plain = std::all_of(text.begin(), text.end(), [](char c) {
    return is_letter_or_digit(c) || c == '-' || c == '.' || c == ':' || c == '[' || c == ']' || c == '_';
  });
  const auto parts = http::parse_authority(all ? "localhost" + text : text, 0);
  if (!plain || !parts || !parts->port) {
    return failure(ErrorKind::invalid,
                   "listen address \"" + escape_control(text) +
                       "\" is not host:port; give --web.listen-address as :3002 (all addresses), 127.0.0.1:3002, "
                       "[::1]:3002 or unix:/run/influxdb_wal_exporter.sock");
  }
  return ListenAddress{all || parts->host == "::" ? std::string() : parts->host, *parts->port, {}};
}

Result<std::vector<Listener>> open_listeners(const std::vector<ListenAddress>& addresses, mode_t unix_mode) {
  std::vector<Listener> out;
  for (const auto& address : addresses) {
    if (!address.path.empty()) {
      auto listener = open_unix(address.path, unix_mode);
      if (!listener) {
        remove_paths(out);  // also of an address that is given twice
        return tl::unexpected(listener.error());
      }
      out.push_back(*std::move(listener));
      continue;
    }
    auto listeners = open_tcp(address);
    if (!listeners) {
      remove_paths(out);
      const bool ours =
          listeners.error().kind == ErrorKind::conflict && address.port != 0 &&
          std::any_of(out.begin(), out.end(), [&](const auto& each) { return each.port == address.port; });
      if (!ours) return listeners;
      return failure(ErrorKind::invalid, "listening on " + escape_control(text_of(address)) +
                                             ": another --web.listen-address takes that port already; leave one of "
                                             "them out");
    }
    std::move(listeners->begin(), listeners->end(), std::back_inserter(out));
  }
  return out;
}

Result<std::vector<Listener>> service_manager_listeners() {
  constexpr int kFirst = 3;  // SD_LISTEN_FDS_START
  const auto pid = take_number("LISTEN_PID");
  const auto count = take_number("LISTEN_FDS");
  unsetenv("LISTEN_FDNAMES");
  if (!pid || !count || *pid != getpid() || *count < 1 || *count > 1024) {
    return failure(ErrorKind::invalid,
                   "--web.systemd-socket: no socket was handed over; start the exporter by a systemd service that a "
                   ".socket unit belongs to, or leave the flag out");
  }
  std::vector<Listener> out;
  for (int fd = kFirst; fd < kFirst + *count; ++fd) {
    Listener listener{Fd(fd), "socket " + std::to_string(fd - kFirst + 1) + " of the service manager"};
    int listens = 0;
    int type = 0;
    int domain = 0;
    socklen_t size = sizeof(int);
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0 || listens == 0 ||
        getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_STREAM ||
        getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0 ||
        (domain != AF_INET && domain != AF_INET6 && domain != AF_UNIX)) {
      return failure(ErrorKind::invalid,
                     "--web.systemd-socket: " + listener.name +
                         " is not a TCP or Unix socket that listens; use ListenStream= and Accept=no "
                         "in the .socket unit");
    }
    fcntl(fd, F_SETFD, fcntl(fd, F_GETFD) | FD_CLOEXEC);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    name_listener(listener);
    out.push_back(std::move(listener));
  }
  return out;
}

void remove_paths(const std::vector<Listener>& listeners) {
  for (const auto& listener : listeners) {
    struct stat there {};
    // Somebody else's by now is left alone.
    const bool ours = !listener.path.empty() && lstat(listener.path.c_str(), &there) == 0 &&
                      there.st_dev == listener.device && there.st_ino == listener.inode;
    if (ours) unlink(listener.path.c_str());
  }
}

}  // namespace wal_exporter::web
