#include "web/peer_user.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/fsuid.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "base/file.h"

namespace wal_exporter::web {
namespace {

constexpr std::uint32_t kOther = 4711;  // a user without a name

// The kernel gives a new socket the user that files are made as, which a thread has for itself.
class SocketsOf {
 public:
  explicit SocketsOf(uid_t uid) : before_(static_cast<uid_t>(::setfsuid(uid))) {}
  ~SocketsOf() { ::setfsuid(before_); }
  SocketsOf(const SocketsOf&) = delete;
  SocketsOf& operator=(const SocketsOf&) = delete;

 private:
  uid_t before_;
};

// A listener of ours, a client of another user where root runs this, and the accepted connection.
struct Connection {
  // `family`: of the client; `listen` and `connect`: the addresses.
  Connection(int listener_family, const char* listen_at, int client_family, const char* connect_to)
      : listener(::socket(listener_family, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    auto address = *socket_address(listen_at, 0);
    const int off = 0;
    if (listener_family == AF_INET6) ::setsockopt(listener.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    EXPECT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(listener.get(), 4), 0);
    socklen_t size = sizeof address;
    ::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size);
    in_port_t port = 0;
    std::memcpy(&port, reinterpret_cast<const char*>(&address) + offsetof(sockaddr_in, sin_port), sizeof port);
    {
      const SocketsOf other(user());
      client = Fd(::socket(client_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    }
    auto to = *socket_address(connect_to, ntohs(port));
    EXPECT_EQ(::connect(client.get(), reinterpret_cast<sockaddr*>(&to), sizeof to), 0) << std::strerror(errno);
    size = sizeof remote;
    accepted = Fd(::accept4(listener.get(), reinterpret_cast<sockaddr*>(&remote), &size, SOCK_CLOEXEC));
    size = sizeof local;
    ::getsockname(accepted.get(), reinterpret_cast<sockaddr*>(&local), &size);
  }

  static uid_t user() { return ::geteuid() == 0 ? kOther : ::geteuid(); }

  Fd listener;
  Fd client;
  Fd accepted;
  sockaddr_storage remote{};
  sockaddr_storage local{};
};

void expect_user(const Connection& connection, std::optional<std::uint32_t> user) {
  EXPECT_EQ(peer_user(connection.accepted.get()), user);
  EXPECT_EQ(peer_user_by_diag(connection.remote, connection.local), user);
  EXPECT_EQ(peer_user_by_proc(connection.remote, connection.local), user);
}

TEST(PeerUser, OverIpv4) {
  expect_user(Connection(AF_INET, "127.0.0.1", AF_INET, "127.0.0.1"), Connection::user());
}

TEST(PeerUser, OverAnotherLoopbackAddress) {
  expect_user(Connection(AF_INET, "0.0.0.0", AF_INET, "127.3.2.1"), Connection::user());
}

TEST(PeerUser, OverIpv6) {
  expect_user(Connection(AF_INET6, "::1", AF_INET6, "::1"), Connection::user());
}

TEST(PeerUser, OverIpv4ToASocketOfBothFamilies) {
  expect_user(Connection(AF_INET6, "::", AF_INET, "127.0.0.1"), Connection::user());
}

TEST(PeerUser, OverMappedIpv4) {
  expect_user(Connection(AF_INET, "127.0.0.1", AF_INET6, "::ffff:127.0.0.1"), Connection::user());
}

TEST(PeerUser, ThatSendsNothingMoreIsStillKnown) {
  Connection connection(AF_INET, "127.0.0.1", AF_INET, "127.0.0.1");
  ::shutdown(connection.client.get(), SHUT_WR);
  expect_user(connection, Connection::user());
}

TEST(PeerUser, ThatHasGoneIsNobodyAndNotRoot) {
  Connection connection(AF_INET, "127.0.0.1", AF_INET, "127.0.0.1");
  connection.client = Fd();
  expect_user(connection, std::nullopt);
  connection.accepted = Fd();  // the client's end is now in TIME_WAIT
  EXPECT_EQ(peer_user(connection.remote, connection.local), std::nullopt);
}

TEST(PeerUser, IsNotWhoeverListensAtThatAddress) {
  const Connection connection(AF_INET, "127.0.0.1", AF_INET, "127.0.0.1");
  auto nobody = connection.remote;
  reinterpret_cast<sockaddr_in*>(&nobody)->sin_addr.s_addr = htonl(0x7F090909);
  EXPECT_EQ(peer_user(nobody, connection.local), std::nullopt);
  EXPECT_EQ(peer_user(connection.local, nobody), std::nullopt);
}

TEST(PeerUser, BeyondLoopbackIsNotTold) {
  EXPECT_EQ(peer_user(*socket_address("192.0.2.1", 1), *socket_address("192.0.2.1", 2)), std::nullopt);
  EXPECT_EQ(peer_user(*socket_address("::1", 1), *socket_address("2001:db8::1", 2)), std::nullopt);
}

TEST(PeerUser, OverAUnixSocket) {
  const auto path = std::filesystem::temp_directory_path() / ("peer_user_" + std::to_string(::getpid()));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  const Fd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(listener.get(), 1), 0);
  const Fd client(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::connect(client.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  const Fd accepted(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  std::filesystem::remove(path);
  EXPECT_EQ(peer_user(accepted.get()), ::geteuid());
}

TEST(PeerUser, OfNoSocketIsNotTold) {
  EXPECT_EQ(peer_user(-1), std::nullopt);
}

TEST(UserText, HasTheNameWhereThereIsOne) {
  EXPECT_EQ(user_text(0), "user root (uid 0)");
  EXPECT_EQ(user_text(kOther), "uid 4711");
}

}  // namespace
}  // namespace wal_exporter::web
