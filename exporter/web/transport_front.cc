#ifndef WAL_EXPORTER_CIVETWEB_SYSTEM

#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "base/text.h"
#include "web/front.h"
#include "web/guard.h"
#include "web/listen.h"
#include "web/peer_user.h"
#include "web/transport.h"

namespace wal_exporter::web {
namespace {

Connection& connection_of(const mg_connection* connection) {
  return *static_cast<Connection*>(mg_get_user_connection_data(connection));
}

}  // namespace

struct Transport::State {
  Answerer& answerer;
  std::string messages;  // of the start
  mg_context* civetweb = nullptr;
  std::vector<std::string> names;
  int port = 0;
  std::unique_ptr<Front> front;
};

namespace {

// The context of CivetWeb belongs to one transport; its connections lead to it by their context.
Answerer& answerer_of(const mg_connection* connection) {
  return *static_cast<Answerer*>(mg_get_user_data(mg_get_context(connection)));
}

int on_request(mg_connection* connection) {
  answerer_of(connection).answer(connection);
  return 200;
}

int on_error(mg_connection* connection, int status, const char* message) {
  answerer_of(connection).refuse(connection, status, message != nullptr ? message : "");
  return 0;
}

int on_log(const mg_connection* connection, const char* message) {
  answerer_of(connection).note(connection, message);
  return 1;
}

}  // namespace

Transport::Transport(std::unique_ptr<State> state) : state_(std::move(state)) {}
Transport::~Transport() = default;

Result<std::unique_ptr<Transport>> Transport::open(const Options& options, Answerer& answerer) {
  std::vector<ListenAddress> addresses;
  for (const auto& text : options.addresses) {
    auto address = parse_listen_address(text);
    if (!address) return tl::unexpected(address.error());
    addresses.push_back(*std::move(address));
  }
  auto listeners = open_listeners(addresses, options.unix_mode);
  if (!listeners) return tl::unexpected(listeners.error());
  if (options.service_manager) {
    auto given = service_manager_listeners();
    if (!given) {
      remove_paths(*listeners);
      return tl::unexpected(given.error());
    }
    std::move(given->begin(), given->end(), std::back_inserter(*listeners));
  }
  if (!options.control_socket.empty()) {
    // Not every filesystem takes sockets; whoever wants it sees by its name whether it is there.
    auto control = open_listeners({ListenAddress{{}, 0, options.control_socket}}, 0600);
    if (!control) {
      options.log->log(options.tls != nullptr ? spdlog::level::warn : spdlog::level::info, "no control socket: {}",
                       control.error().message);
    }
    if (control) std::move(control->begin(), control->end(), std::back_inserter(*listeners));
  }

  std::unique_ptr<Transport> transport(new Transport(std::make_unique<State>(State{answerer, {}, {}, {}, 0, {}})));
  State& state = *transport->state_;
  for (const auto& listener : *listeners) {
    state.names.push_back(listener.name);
    if (state.port == 0) state.port = listener.port;
  }

  const std::string workers = std::to_string(options.workers);
  const std::string timeout =
      std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(options.client_timeout).count());
  const std::vector<const char*> settings = {
      "listening_ports",
      "",  //
      "num_threads",
      workers.c_str(),  //
      "connection_queue",
      workers.c_str(),  //
      "request_timeout_ms",
      timeout.c_str(),  //
      "enable_keep_alive",
      "no",  //  which is the front's
      "decode_url",
      "no",  //
      nullptr,
  };
  mg_callbacks callbacks{};
  callbacks.begin_request = on_request;
  callbacks.http_error = on_error;
  callbacks.log_message = on_log;
  callbacks.given_back = [](void* user) { static_cast<Connection*>(user)->give_back(); };
  // mg_start changes how this process hears of its children.
  struct sigaction child {};
  sigaction(SIGCHLD, nullptr, &child);
  state.civetweb = mg_start(&callbacks, &answerer, const_cast<const char**>(settings.data()));
  sigaction(SIGCHLD, &child, nullptr);
  if (state.civetweb == nullptr) {
    remove_paths(*listeners);
    return failure(ErrorKind::internal, "the web server library (CivetWeb) did not start");
  }

  FrontLimits limits;
  limits.workers = options.workers;
  // The rest of the descriptors is for what the exporter watches.
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    limits.connections = std::clamp<std::size_t>(files.rlim_cur / 2, 64, limits.connections);
    limits.per_peer = std::min(limits.per_peer, limits.connections * 3 / 4);
  }
  limits.request = options.client_timeout;
  Front::Use use;
  use.log = options.log;
  use.give = [context = state.civetweb](Connection& connection) {
    mg_given given{};
    given.sock = connection.socket;
    given.ssl = connection.session;
    given.data = connection.request.data();
    given.capacity = static_cast<int>(connection.request.size());
    given.data_len = given.capacity - 1;
    given.user = &connection;
    return mg_give(context, &given) != 0;
  };
  use.refusal = [&answerer](int status, const std::string& reason) { return answerer.refusal(status, reason); };
  try {
    state.front = std::make_unique<Front>(*std::move(listeners), limits, options.tls, std::move(use));
  } catch (const std::system_error& error) {
    mg_stop(state.civetweb);
    return failure(ErrorKind::unavailable, std::string("the web server can't wait for clients: ") + error.what() +
                                               "; raise the limit on open files (ulimit -n, LimitNOFILE= in the unit)");
  }
  return transport;
}

int Transport::port() const {
  return state_->port;
}

std::vector<std::string> Transport::names() const {
  return state_->names;
}

bool Transport::set_tls(SSL_CTX* tls) {
  state_->front->set_tls(tls);
  return true;
}

void Transport::close() {
  state_->front->stop();
  mg_stop(state_->civetweb);
  state_->front->finish();
}

std::string libraries() {
  return std::string("CivetWeb ") + mg_version() + " (built with " WAL_EXPORTER_CIVETWEB_OPTIONS "), " +
         OpenSSL_version(OPENSSL_VERSION);
}

void describe_client(mg_connection* connection, Request& request) {
  const Connection& client = connection_of(connection);
  request.peer = client.peer;
  request.secure = client.session != nullptr;
  if (is_changing(request.method) && is_local(request)) request.peer_user = peer_user(client.socket);
}

bool may_stay(const mg_connection* connection) {
  return connection_of(connection).may_stay;
}

void send_continue(mg_connection* connection) {
  mg_printf(connection, "HTTP/1.1 100 Continue\r\n\r\n");
}

void send_answer(mg_connection* connection, std::string text, std::string_view fixed, bool stay, Duration hold) {
  Connection& client = connection_of(connection);
  client.answer = std::move(text);
  client.fixed_answer = fixed;
  client.stay = stay;
  client.hold = hold;
}

bool send_part(mg_connection* connection, std::string_view part) {
  return part.empty() || mg_write(connection, part.data(), part.size()) > 0;
}

}  // namespace wal_exporter::web

#endif
