// The front: clients before their request is there and after it was answered. One thread accepts, does the
// handshakes of TLS, waits until a request has come whole, and writes the answers, for a thousand clients at once.
// A worker is asked only when there is something to answer, in turn by peer; so clients that are idle, slow to
// send or slow to read cost a socket for a bounded time, and no worker.
//
//   accept ─> handshake ─> receiving ─> waiting for a turn ─> answered by a worker ─> sending ─┬─> receiving
//   (keep-alive)
//                                                                                             └─> lingering ─> closed
#pragma once

#include <openssl/ssl.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "base/time.h"
#include "web/listen.h"

namespace wal_exporter::web {

struct FrontLimits {
  std::size_t workers = 24;        // requests being answered at once
  std::size_t connections = 4096;  // beyond it the one that is nearest to its deadline is closed
  std::size_t per_peer = 2048;     // likewise, of one IPv4 address, IPv6 network of 64 bits, or local user
  std::size_t handshakes = 256;    // under way; beyond it the oldest of the peer that has most of them is closed
  std::size_t head = 16 * 1024;    // bytes
  std::size_t body = 64 * 1024;    // bytes that are read here; a request that announces more comes without the rest
  std::size_t memory = 48 << 20;   // bytes of requests and answers; beyond it those are cut off that hold some and are
                                   // nearest to their deadline
  Duration request = std::chrono::seconds(5);        // for a handshake with its first request, or a later request
  Duration idle = std::chrono::minutes(2);           // between requests
  Duration linger = std::chrono::milliseconds(500);  // for the client to close after us
  std::size_t requests = 1000;                       // on one connection
};

class Front;

// A client's connection, as the worker sees it that answers its request. The worker alone uses it until
// give_back().
struct Connection {
  std::string peer;                   // numeric address ("127.0.0.1", "::1"), or "unix"
  std::optional<std::uint32_t> user;  // at the other end of a Unix socket
  int socket = -1;
  SSL* session = nullptr;  // nullptr: no TLS
  std::string request;     // the head as any reader understands it, then what has come of the body, then a NUL
  bool may_stay = false;   // false: the answer must say that the connection is closed

  // The answer; both empty: there is none, or the worker sent it by itself.
  std::string answer;
  std::string_view fixed_answer;  // sent after `answer`; outlives the connection
  bool stay = false;              // another request may follow
  Duration hold{};                // sent no sooner than this

  // The answer is there. Safe from any thread.
  void give_back();

 protected:
  explicit Connection(Front& owner) : front(owner) {}
  ~Connection() = default;
  Front& front;
};

class Front {
 public:
  struct Use {  // called by the front's thread
    // Gives the connection to a worker; false: none takes it now.
    std::function<bool(Connection&)> give;
    // The whole answer to what comes to no worker.
    std::function<std::string(int status, const std::string& reason)> refusal;
    Log log;
  };

  // `tls`: for listeners of TCP; nullptr: plain. Its reference count is raised. Throws std::system_error where there
  // are no descriptors.
  Front(std::vector<Listener> listeners, const FrontLimits& limits, SSL_CTX* tls, Use use);
  // As finish().
  ~Front();
  Front(const Front&) = delete;
  Front& operator=(const Front&) = delete;

  // For connections from now on; those there are take one more request at most.
  void set_tls(SSL_CTX* tls);

  // Takes no more connections and requests, and gives no worker anything from then on. Before finish().
  void stop();
  // What was answered by now is still sent, for a second at most; then every connection is closed. When no
  // worker has one any more.
  void finish();

 private:
  friend struct Connection;
  class Loop;
  const std::unique_ptr<Loop> loop_;
};

}  // namespace wal_exporter::web
