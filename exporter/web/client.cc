#include "web/client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/text.h"

namespace wal_exporter::web {
namespace {

constexpr std::size_t kReadAtOnce = 16 * 1024;
// A record may come in many parts; a client that sends no more than TLS's own messages wants no answer.
constexpr int kMostIdleReads = 256;

}  // namespace

Peer peer_of(int socket, const sockaddr_storage& address) {
  Peer peer;
  char text[INET6_ADDRSTRLEN] = {};
  if (address.ss_family == AF_INET) {
    inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in&>(address).sin_addr, text, sizeof(text));
    peer.text = peer.key = text;
  } else if (address.ss_family == AF_INET6) {
    in6_addr network = reinterpret_cast<const sockaddr_in6&>(address).sin6_addr;
    if (IN6_IS_ADDR_V4MAPPED(&network)) {
      inet_ntop(AF_INET, &network.s6_addr[12], text, sizeof(text));
      peer.text = peer.key = text;
    } else {
      inet_ntop(AF_INET6, &network, text, sizeof(text));
      peer.text = text;
      std::memset(&network.s6_addr[8], 0, 8);  // whoever has one address of a network has all of them
      inet_ntop(AF_INET6, &network, text, sizeof(text));
      peer.key = text;
    }
  } else {
    peer.text = peer.key = "unix";
    ucred credentials{};
    socklen_t size = sizeof(credentials);
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0) {
      peer.user = credentials.uid;
      peer.key += ":" + std::to_string(credentials.uid);
    }
  }
  return peer;
}

bool FrontClient::begin_tls(SSL_CTX* context) {
  tls.reset(SSL_new(context));
  if (!tls || SSL_set_fd(tls.get(), socket) != 1) return false;
  SSL_set_accept_state(tls.get());
  SSL_set_mode(tls.get(),
               SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  // One record a call: else a client that sends nothing but key updates keeps SSL_read for as long as it likes.
  SSL_clear_mode(tls.get(), SSL_MODE_AUTO_RETRY);
  session = tls.get();
  state = State::handshake;
  return true;
}

Io FrontClient::shake_hands() {
  char first = 0;
  // A handshake begins with the byte 22, a request with a letter.
  if (SSL_in_before(session) && recv(socket, &first, 1, MSG_PEEK | MSG_DONTWAIT) == 1 && is_letter_or_digit(first)) {
    tls.reset();
    session = nullptr;
    return Io::ended;
  }
  ERR_clear_error();
  const int code = SSL_accept(session);
  if (code == 1) return Io::done;
  return judge(code) == Io::again ? Io::again : Io::failed;
}

Io FrontClient::judge(int code) {
  switch (SSL_get_error(session, code)) {
    case SSL_ERROR_WANT_READ:
      awaited = EPOLLIN;
      return Io::again;
    case SSL_ERROR_WANT_WRITE:
      awaited = EPOLLOUT;
      return Io::again;
    case SSL_ERROR_ZERO_RETURN:
      return Io::ended;
    default:
      // A connection that failed must not be shut down in an orderly way.
      SSL_set_quiet_shutdown(session, 1);
      return Io::failed;
  }
}

Io FrontClient::read(std::size_t room) {
  std::array<char, kReadAtOnce> part{};
  const std::size_t size = std::min(room, part.size());
  if (session != nullptr) {
    ERR_clear_error();
    const int got = SSL_read(session, part.data(), static_cast<int>(size));
    if (got <= 0) {
      const Io io = judge(got);
      return io == Io::again && ++idle_reads > kMostIdleReads ? Io::failed : io;
    }
    idle_reads = 0;
    received.append(part.data(), static_cast<std::size_t>(got));
    return Io::done;
  }
  const ssize_t got = recv(socket, part.data(), size, MSG_DONTWAIT);
  awaited = EPOLLIN;
  if (got == 0) return Io::ended;
  if (got < 0) return errno == EAGAIN || errno == EINTR ? Io::again : Io::failed;
  received.append(part.data(), static_cast<std::size_t>(got));
  return Io::done;
}

Io FrontClient::write(std::string_view bytes, std::size_t& written) {
  while (written < bytes.size()) {
    const std::string_view rest = bytes.substr(written, 1 << 20);
    ssize_t count = 0;
    if (session != nullptr) {
      ERR_clear_error();
      const int code = SSL_write(session, rest.data(), static_cast<int>(rest.size()));
      if (code <= 0) return judge(code);
      count = code;
    } else {
      count = ::send(socket, rest.data(), rest.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (count < 0) {
        if (errno == EINTR) continue;
        if (errno != EAGAIN) return Io::failed;
        awaited = EPOLLOUT;
        return Io::again;
      }
    }
    written += static_cast<std::size_t>(count);
  }
  return Io::done;
}

}  // namespace wal_exporter::web
