// How requests come to CivetWeb's workers and answers go back to clients. Two ways to build it: with the patched
// source of CivetWeb the front (front.h) holds the connections; with an installed one (WAL_EXPORTER_CIVETWEB_SYSTEM)
// CivetWeb does, without TLS, Unix sockets and keep-alive, and a thread for each connection.
#pragma once

#include <civetweb.h>
#include <openssl/ssl.h>
#include <sys/types.h>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "base/result.h"
#include "base/time.h"
#include "web/request.h"

namespace wal_exporter::web {

// Who answers. Any thread; exceptions must not leave these functions.
class Answerer {
 public:
  // The head of a request was understood; its body may still have to be read.
  virtual void answer(mg_connection* connection) = 0;
  // CivetWeb itself could not understand it, or failed.
  virtual void refuse(mg_connection* connection, int status, const char* reason) = 0;
  // The whole answer to what came to no worker.
  virtual std::string refusal(int status, const std::string& reason) = 0;
  // A message of CivetWeb's; `connection` may be nullptr.
  virtual void note(const mg_connection* connection, const char* message) = 0;

 protected:
  ~Answerer() = default;
};

class Transport {
 public:
  struct Options {
    std::vector<std::string> addresses;  // as on the command line; empty: none
    bool service_manager = false;        // the sockets it handed over, too
    mode_t unix_mode = 0660;
    std::string control_socket = {};  // path of one more, mode 0600, that may fail to open; empty: none
    std::size_t workers = 24;
    Duration client_timeout{};  // for a request to come, and for an answer to go, beyond what its size earns
    SSL_CTX* tls = nullptr;     // its reference count is raised
    Log log;
  };

  // Errors name the address or what this build lacks, and the remedy; conflict: an address is in use.
  [[nodiscard]] static Result<std::unique_ptr<Transport>> open(const Options& options, Answerer& answerer);
  ~Transport();
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  // Of the first listener that has one; 0: there are only Unix sockets.
  [[nodiscard]] int port() const;
  // "[::]:3002", "unix:/run/x.sock"
  [[nodiscard]] std::vector<std::string> names() const;

  // nullptr: plain. For connections from now on. False: this build has no TLS.
  [[nodiscard]] bool set_tls(SSL_CTX* tls);

  // Takes nothing new, and returns when every worker has ended and what they answered was sent. Once.
  void close();

  struct State;

 private:
  explicit Transport(std::unique_ptr<State> state);
  const std::unique_ptr<State> state_;
};

// "CivetWeb 1.15 (built with ...), OpenSSL 3.0.15", for --version.
[[nodiscard]] std::string libraries();

// For the worker that answers `connection`.

// Fills in what only the transport knows of the client: peer, secure, peer_user. `request` has its method.
void describe_client(mg_connection* connection, Request& request);
// Whether another request may follow the answer.
[[nodiscard]] bool may_stay(const mg_connection* connection);
// The client waits for it before it sends the body.
void send_continue(mg_connection* connection);
// The whole answer. `fixed` is sent after `text` and outlives everything. `stay`: as may_stay() said. `hold`: it is
// sent no sooner, which costs no worker; without the front it is sent at once.
void send_answer(mg_connection* connection, std::string text, std::string_view fixed, bool stay, Duration hold = {});
// A part of an answer that has no length and ends with the connection. False: the client is gone, or too slow.
[[nodiscard]] bool send_part(mg_connection* connection, std::string_view part);

}  // namespace wal_exporter::web
