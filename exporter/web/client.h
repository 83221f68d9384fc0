// A connection as the front holds it: where it stands, and its bytes, plain or by TLS. Nothing here waits. For one
// thread.
#pragma once

#include <openssl/ssl.h>
#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/file.h"
#include "web/front.h"
#include "web/head.h"

namespace wal_exporter::web {

enum class Io { done, again, ended, failed };

struct SslFree {
  void operator()(SSL* session) const { SSL_free(session); }
};

enum class State { handshake, receiving, waiting, answered, held, sending, lingering };

struct FrontClient : Connection {
  explicit FrontClient(Front& owner) : Connection(owner) {}

  // False: no memory.
  [[nodiscard]] bool begin_tls(SSL_CTX* context);
  // ended: the client speaks plain HTTP, as the connection does from then on.
  [[nodiscard]] Io shake_hands();
  // Adds to `received`, at most `room` bytes.
  [[nodiscard]] Io read(std::size_t room);
  // From `written` on, which grows by what was taken.
  [[nodiscard]] Io write(std::string_view bytes, std::size_t& written);

  Fd fd;
  std::unique_ptr<SSL, SslFree> tls;
  State state = State::receiving;
  std::string key;       // whose turn, and whose limit
  std::string received;  // not yet a request
  std::size_t sent = 0;  // of the answer
  std::size_t requests = 0;
  std::uint64_t generation = 0;  // of the TLS settings
  std::uint32_t interest = 0;    // what epoll looks for; 0: it does not
  std::optional<Head> head;
  std::size_t head_bytes = 0;  // as received
  std::size_t body_bytes = 0;  // to wait for
  bool queued = false;         // for a step of its handshake
  std::size_t memory = 0;      // as the loop counts it
  int idle_reads = 0;          // in a row that gave nothing to us, though TLS had something
  std::uint32_t awaited = 0;   // EPOLLIN or EPOLLOUT, after `again`
  bool ended = false;          // the client sends no more
  bool closed = false;
  SteadyTime since;  // the last byte that went either way
  SteadyTime deadline = SteadyTime::max();

 private:
  // What `code` of a TLS call means.
  [[nodiscard]] Io judge(int code);
};

struct Peer {
  std::string text;                   // as Connection::peer
  std::string key;                    // the same for whoever counts as one
  std::optional<std::uint32_t> user;  // of a Unix socket
};
[[nodiscard]] Peer peer_of(int socket, const sockaddr_storage& address);

}  // namespace wal_exporter::web
