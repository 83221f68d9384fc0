#ifdef WAL_EXPORTER_CIVETWEB_SYSTEM

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>
#include <utility>

#include "base/file.h"
#include "base/mutex.h"
#include "base/text.h"
#include "web/guard.h"
#include "web/listen.h"
#include "web/peer_user.h"
#include "web/transport.h"

namespace wal_exporter::web {
namespace {

constexpr std::chrono::milliseconds kPokeInterval{20};
constexpr const char* kRemedy =
    "; it is built with the system's CivetWeb (-DWAL_EXPORTER_CIVETWEB=system): take a build that has CivetWeb's "
    "source in "
    "it";

// mg_init_library and mg_exit_library count without a lock.
Mutex& library_mutex() {
  static Mutex mutex;
  return mutex;
}

tl::unexpected<Error> lacking(const std::string& what) {
  return failure(ErrorKind::invalid, what + kRemedy);
}

}  // namespace

struct Transport::State {
  explicit State(Answerer& whose) : answerer(whose) {}

  Answerer& answerer;
  std::atomic<bool> starting{true};
  Mutex mutex;
  std::string messages WAL_EXPORTER_GUARDED_BY(mutex);  // of the start
  mg_context* civetweb = nullptr;
  int port = 0;
  std::string host;

  // Wakes the thread that waits for connections; without this CivetWeb sees only after up to 2 s that it was
  // asked to stop.
  void poke() const;
  [[nodiscard]] bool start(const std::string& ports, const Options& options);
};

void Transport::State::poke() const {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  if (inet_pton(AF_INET, host.c_str(), &address.sin_addr) != 1 || address.sin_addr.s_addr == INADDR_ANY) {
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  }
  const Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (fd.valid()) static_cast<void>(connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)));
}

namespace {

Transport::State& state_of(const mg_connection* connection) {
  return *static_cast<Transport::State*>(mg_get_user_data(mg_get_context(connection)));
}

}  // namespace

bool Transport::State::start(const std::string& ports, const Options& options) {
  const std::string workers = std::to_string(std::max<std::size_t>(options.workers, 2));
  const std::string timeout =
      std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(options.client_timeout).count());
  const std::vector<const char*> settings = {
      "listening_ports",
      ports.c_str(),  //
      "num_threads",
      workers.c_str(),  //
      "request_timeout_ms",
      timeout.c_str(),  //
      "max_request_size",
      "16384",  //
      "enable_keep_alive",
      "no",  //
      "tcp_nodelay",
      "1",  //
      "decode_url",
      "no",  //
      nullptr,
  };
  mg_callbacks callbacks{};
  callbacks.begin_request = [](mg_connection* connection) {
    state_of(connection).answerer.answer(connection);
    return 200;
  };
  callbacks.http_error = [](mg_connection* connection, int status, const char* message) {
    state_of(connection).answerer.refuse(connection, status, message != nullptr ? message : "");
    return 0;
  };
  callbacks.log_message = [](const mg_connection* connection, const char* message) {
    State& state = state_of(connection);
    if (state.starting) {
      const MutexLock lock(state.mutex);
      state.messages += (state.messages.empty() ? "" : "; ") + std::string(message);
    } else {
      state.answerer.note(connection, message);
    }
    return 1;
  };
  // mg_start changes how this process hears of its children.
  struct sigaction child {};
  sigaction(SIGCHLD, nullptr, &child);
  civetweb = mg_start(&callbacks, this, const_cast<const char**>(settings.data()));
  sigaction(SIGCHLD, &child, nullptr);
  return civetweb != nullptr;
}

Transport::Transport(std::unique_ptr<State> state) : state_(std::move(state)) {}
Transport::~Transport() = default;

Result<std::unique_ptr<Transport>> Transport::open(const Options& options, Answerer& answerer) {
  if (options.tls != nullptr) return lacking("tls_server_config: this build has no TLS");
  if (options.service_manager) return lacking("--web.systemd-socket: this build takes no sockets from outside");
  std::string ports;
  std::string shown;
  std::unique_ptr<Transport> transport(new Transport(std::make_unique<State>(answerer)));
  State& state = *transport->state_;
  for (const auto& text : options.addresses) {
    const auto address = parse_listen_address(text);
    if (!address) return tl::unexpected(address.error());
    if (!address->path.empty())
      return lacking("listening on " + escape_control(text) + ": this build has no Unix sockets");
    if (address->host.find(':') != std::string::npos && mg_check_feature(MG_FEATURES_IPV6) == 0) {
      return lacking("listening on " + escape_control(text) + ": this build has no IPv6");
    }
    const bool v6 = address->host.find(':') != std::string::npos;
    const std::string host = v6 ? "[" + address->host + "]" : address->host;
    ports += (ports.empty() ? "" : ",") + (host.empty() ? "" : host + ":") + std::to_string(address->port);
    shown += (shown.empty() ? "" : ", ") + escape_control(text);
    state.host = address->host;
  }
  {
    const MutexLock lock(library_mutex());
    mg_init_library(0);
  }
  const bool started = state.start(ports, options);
  state.starting = false;
  if (!started) {
    const MutexLock lock(library_mutex());
    mg_exit_library();
    const MutexLock reading(state.mutex);
    const bool taken = state.messages.find(std::strerror(EADDRINUSE)) != std::string::npos;
    return failure(taken ? ErrorKind::conflict : ErrorKind::unavailable,
                   "listening on " + shown + ": " +
                       (taken ? "the address is in use by another program" : escape_control(state.messages)) +
                       "; choose another one with --web.listen-address");
  }
  mg_server_port opened[4] = {};
  if (mg_get_server_ports(state.civetweb, 4, opened) > 0) state.port = opened[0].port;
  return transport;
}

int Transport::port() const {
  return state_->port;
}

std::vector<std::string> Transport::names() const {
  return {(state_->host.empty() ? "0.0.0.0" : state_->host) + ":" + std::to_string(state_->port)};
}

bool Transport::set_tls(SSL_CTX* tls) {
  return tls == nullptr;
}

void Transport::close() {
  std::atomic<bool> closed{false};
  std::thread poking([this, &closed] {
    while (!closed) {
      state_->poke();
      std::this_thread::sleep_for(kPokeInterval);
    }
  });
  mg_stop(state_->civetweb);
  closed = true;
  poking.join();
  const MutexLock lock(library_mutex());
  mg_exit_library();
}

std::string libraries() {
  return std::string("CivetWeb ") + mg_version() + " of the system, without TLS";
}

void describe_client(mg_connection* connection, Request& request) {
  const mg_request_info& info = *mg_get_request_info(connection);
  request.peer = info.remote_addr;
  if (is_changing(request.method) && is_loopback_address(request.peer)) {
    // CivetWeb does not tell our own address: taken to be the same as the client's, as it is of loopback
    // unless somebody asks by 127.0.0.2.
    const auto remote = socket_address(request.peer, static_cast<std::uint16_t>(info.remote_port));
    const auto local = socket_address(request.peer, static_cast<std::uint16_t>(info.server_port));
    if (remote && local) request.peer_user = peer_user(*remote, *local);
  }
}

bool may_stay(const mg_connection*) {
  return false;
}

void send_continue(mg_connection* connection) {
  mg_printf(connection, "HTTP/1.1 100 Continue\r\n\r\n");
}

void send_answer(mg_connection* connection, std::string text, std::string_view fixed, bool, Duration) {
  if (mg_write(connection, text.data(), text.size()) > 0 && !fixed.empty()) {
    mg_write(connection, fixed.data(), fixed.size());
  }
}

bool send_part(mg_connection* connection, std::string_view part) {
  return part.empty() || mg_write(connection, part.data(), part.size()) > 0;
}

}  // namespace wal_exporter::web

#endif
