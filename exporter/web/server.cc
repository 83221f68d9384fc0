#include "web/server.h"

#include <arpa/inet.h>
#include <civetweb.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/mutex.h"
#include "base/text.h"
#include "web/civet.h"
#include "web/handler.h"
#include "web/listen.h"

namespace wal_exporter::web {
namespace {

constexpr Duration kDrainLimit = std::chrono::milliseconds(250);
constexpr Duration kPokeInterval = std::chrono::milliseconds(20);

// Serialises mg_init_library and mg_exit_library, which count without a lock. A server whose
// last request did not end in time is closed later by another thread, perhaps while a new
// server starts.
Mutex& library_mutex() {
  static Mutex mutex;
  return mutex;
}

void enter_library() {
  const MutexLock lock(library_mutex());
  mg_init_library(0);
}

void leave_library() {
  const MutexLock lock(library_mutex());
  mg_exit_library();
}

}  // namespace

// Everything that CivetWeb's threads use. Shared with the thread that closes the server, so
// that it lives longer than a request that does not end in time.
class Core {
 public:
  Core(ServerOptions options, const Dependencies& dependencies)
      : options_(std::move(options)),
        log_(dependencies.log),
        handler_(dependencies, std::max<std::size_t>(1, options_.threads / 3),
                 std::max<std::size_t>(1, options_.threads / 3)),
        users_(std::make_shared<const Users>(std::move(options_.users))) {}

  // CivetWeb's own threads end with close().
  [[nodiscard]] Result<void> open();
  // Blocks until every worker has ended.
  void close();

  [[nodiscard]] int port() const { return port_; }
  [[nodiscard]] Handler& handler() { return handler_; }
  [[nodiscard]] const Log& log() const { return log_; }
  [[nodiscard]] Duration stop_timeout() const { return options_.stop_timeout; }

  void set_users(Users users) {
    auto next = std::make_shared<const Users>(std::move(users));
    const MutexLock lock(mutex_);
    users_.swap(next);
  }

  // Wakes the thread that waits for connections; without this CivetWeb sees only
  // after up to 2 s that it was asked to stop.
  void poke() const;

  int serve(mg_connection* connection);
  void refuse(mg_connection* connection, int status, const std::string& reason);
  void note(const mg_connection* connection, const char* message);

 private:
  [[nodiscard]] bool open_at(const std::string& ports);
  [[nodiscard]] std::string take_startup_messages();
  [[nodiscard]] std::shared_ptr<const Users> users() const {
    const MutexLock lock(mutex_);
    return users_;
  }

  ServerOptions options_;
  const Log log_;
  const SystemClock clock_;  // limits on clients are real time, also in tests with another clock
  Handler handler_;
  std::atomic<bool> starting_{true};
  mg_context* context_ = nullptr;
  int port_ = 0;

  mutable Mutex mutex_;
  std::shared_ptr<const Users> users_ WAL_EXPORTER_GUARDED_BY(mutex_);
  std::vector<std::string> startup_messages_ WAL_EXPORTER_GUARDED_BY(mutex_);
};

namespace {

Core& core_of(const mg_connection* connection) {
  return *static_cast<Core*>(mg_get_user_data(mg_get_context(connection)));
}

int on_request(mg_connection* connection) {
  return core_of(connection).serve(connection);
}

// What CivetWeb refuses by itself: malformed, too large, an unknown version.
int on_error(mg_connection* connection, int status, const char* message) {
  core_of(connection).refuse(connection, status, message != nullptr ? message : "");
  return 0;
}

int on_log(const mg_connection* connection, const char* message) {
  core_of(connection).note(connection, message);
  return 1;
}

}  // namespace

int Core::serve(mg_connection* connection) {
  // Otherwise CivetWeb would first read all of a body that nobody wants.
  mg_disable_connection_keep_alive(connection);
  // CivetWeb silently drops headers beyond its table, but the guard must see all of them.
  if (mg_get_request_info(connection)->num_headers >= MG_MAX_HEADERS) {
    refuse(connection, 431, "there are " + std::to_string(MG_MAX_HEADERS) + " headers or more");
    drain(connection, clock_, clock_.steady() + kDrainLimit);
    return 431;
  }
  auto request = read_request(connection);
  const auto logins = users();
  auto body = read_body(connection, Handler::body_limit(request, *logins), clock_, options_.client_timeout);
  if (!body) {
    refuse(connection, body.error().status, body.error().message);
    drain(connection, clock_, clock_.steady() + kDrainLimit);
    return body.error().status;
  }
  request.body = std::move(*body);
  const auto response = handler_.handle(request, *logins);
  write_response(connection, response, clock_.now(), request.method == "HEAD");
  return response.status;
}

void Core::refuse(mg_connection* connection, int status, const std::string& reason) {
  handler_.count_refused(status);
  const char* remedy = status == 413 ? "send less; no address here needs a large request" : "";
  // Every answer to a POST has these fields. The method is not always known here, so they are
  // always added.
  const Json told = {
      {"success", false}, {"timestamp", format_time(clock_.now())}, {"message", to_valid_utf8(escape_control(reason))}};
  write_response(connection, error_response(status, escape_control(reason), remedy, told), clock_.now(), false);
}

void Core::note(const mg_connection* connection, const char* message) {
  if (starting_) {
    const MutexLock lock(mutex_);
    startup_messages_.emplace_back(message);
    return;
  }
  // Messages about a single client's connection do not concern the operator.
  const bool of_a_client = mg_get_request_info(connection) != nullptr;
  log_->log(of_a_client ? spdlog::level::debug : spdlog::level::warn, "web server: {}", escape_control(message));
}

std::string Core::take_startup_messages() {
  const MutexLock lock(mutex_);
  return join(std::exchange(startup_messages_, {}), "; ");
}

bool Core::open_at(const std::string& ports) {
  const auto threads = std::to_string(std::max<std::size_t>(options_.threads, 2));
  const auto timeout =
      std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(options_.client_timeout).count());
  const std::vector<const char*> settings = {
      "listening_ports",
      ports.c_str(),  //
      "num_threads",
      threads.c_str(),  //
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
  callbacks.begin_request = on_request;
  callbacks.http_error = on_error;
  callbacks.log_message = on_log;

  // mg_start changes how this process hears of its children.
  struct sigaction child {};
  sigaction(SIGCHLD, nullptr, &child);
  context_ = mg_start(&callbacks, this, const_cast<const char**>(settings.data()));
  sigaction(SIGCHLD, &child, nullptr);
  return context_ != nullptr;
}

Result<void> Core::open() {
  const auto candidates = listening_ports(options_.listen_address);
  if (!candidates) return tl::unexpected(candidates.error());
  // Debian 12 builds CivetWeb without it: ":3002" is then IPv4 alone.
  if (options_.listen_address.starts_with('[') && mg_check_feature(MG_FEATURES_IPV6) == 0) {
    return failure(ErrorKind::invalid, "listening on " + options_.listen_address +
                                           ": the web server library (CivetWeb) was built without IPv6; give "
                                           "--web.listen-address an IPv4 address, and let a proxy take IPv6");
  }
  enter_library();
  std::string messages;
  for (const auto& ports : *candidates) {
    if (open_at(ports)) break;
    messages = take_startup_messages();
    // If this failed for lack of IPv6, the next candidate works; not if the port is taken.
    if (messages.find(std::strerror(EADDRINUSE)) != std::string::npos) break;
  }
  starting_ = false;
  if (context_ == nullptr) {
    leave_library();
    const bool taken = messages.find(std::strerror(EADDRINUSE)) != std::string::npos;
    return failure(taken ? ErrorKind::conflict : ErrorKind::unavailable,
                   "listening on " + options_.listen_address + ": " +
                       (taken ? "the address is in use by another program" : escape_control(messages)) +
                       "; choose another one with --web.listen-address");
  }
  mg_server_port opened[4] = {};
  if (mg_get_server_ports(context_, 4, opened) > 0) port_ = opened[0].port;
  return {};
}

void Core::close() {
  mg_stop(context_);
  leave_library();
}

void Core::poke() const {
  sockaddr_storage storage{};
  socklen_t size = 0;
  auto host = options_.listen_address.substr(0, options_.listen_address.rfind(':'));
  if (host.starts_with('[')) {
    auto* address = reinterpret_cast<sockaddr_in6*>(&storage);
    address->sin6_family = AF_INET6;
    address->sin6_port = htons(static_cast<std::uint16_t>(port_));
    if (inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &address->sin6_addr) != 1) return;
    if (IN6_IS_ADDR_UNSPECIFIED(&address->sin6_addr)) address->sin6_addr = in6addr_loopback;
    size = sizeof(sockaddr_in6);
  } else {
    auto* address = reinterpret_cast<sockaddr_in*>(&storage);
    address->sin_family = AF_INET;
    address->sin_port = htons(static_cast<std::uint16_t>(port_));
    // Other names are not resolved again: by now one could lead to another machine.
    if (host == "localhost" || host.empty()) host = "127.0.0.1";
    if (inet_pton(AF_INET, host.c_str(), &address->sin_addr) != 1) return;
    if (address->sin_addr.s_addr == INADDR_ANY) address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    size = sizeof(sockaddr_in);
  }
  const Fd fd(socket(storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (fd.valid()) static_cast<void>(connect(fd.get(), reinterpret_cast<const sockaddr*>(&storage), size));
}

namespace {

// Shared with the closing thread, which may come after the server.
struct Done {
  Mutex mutex;
  CondVar condition;
  bool value WAL_EXPORTER_GUARDED_BY(mutex) = false;
};

bool wait_for(Done& done, const Core& core) {
  SystemClock clock;
  const auto deadline = clock.steady() + core.stop_timeout();
  for (;;) {
    core.poke();
    const MutexLock lock(done.mutex);
    if (!done.value) clock.wait_until(done.condition, done.mutex, clock.steady() + kPokeInterval);
    if (done.value) return true;
    if (clock.steady() >= deadline) return false;
  }
}

}  // namespace

Result<std::unique_ptr<Server>> Server::start(ServerOptions options, Dependencies dependencies) {
  auto core = std::make_shared<Core>(std::move(options), dependencies);
  if (const auto opened = core->open(); !opened) return tl::unexpected(opened.error());
  return std::unique_ptr<Server>(new Server(std::move(core)));
}

Server::Server(std::shared_ptr<Core> core) : core_(std::move(core)) {}

Server::~Server() {
  stop();
}

int Server::port() const {
  return core_->port();
}

void Server::set_users(Users users) {
  core_->set_users(std::move(users));
}

void Server::stop() {
  if (std::exchange(stopped_, true)) return;
  auto done = std::make_shared<Done>();
  std::thread closing([core = core_, done] {
    core->close();
    const MutexLock lock(done->mutex);
    done->value = true;
    done->condition.notify_all();
  });
  if (wait_for(*done, *core_)) {
    closing.join();
    return;
  }
  core_->handler().abandon();
  core_->log()->warn("a request was still being answered {} after the web server was told to stop; it is left alone",
                     format_duration_rough(core_->stop_timeout()));
  closing.detach();
}

}  // namespace wal_exporter::web
