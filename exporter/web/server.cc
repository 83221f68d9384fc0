#include "web/server.h"

#include <algorithm>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "base/text.h"
#include "web/civet.h"
#include "web/handler.h"
#include "web/transport.h"

namespace wal_exporter::web {
namespace {

constexpr Duration kFloodPause = std::chrono::seconds(1);

}  // namespace

// Everything that the workers use. Shared with the thread that closes the server, so that it lives longer than a
// request that does not end in time.
class Core final : public Answerer {
 public:
  Core(ServerOptions options, const Dependencies& dependencies)
      : options_(std::move(options)),
        log_(dependencies.log),
        handler_(dependencies, std::max<std::size_t>(1, options_.threads / 3),
                 std::max<std::size_t>(1, options_.threads / 3)),
        web_config_(options_.web) {}

  [[nodiscard]] Result<void> open() {
    Transport::Options options;
    if (!options_.service_manager) options.addresses = options_.listen_addresses;
    options.control_socket = options_.control_socket;
    options.service_manager = options_.service_manager;
    options.unix_mode = options_.unix_mode;
    options.workers = options_.threads;
    options.client_timeout = options_.client_timeout;
    options.tls = options_.web->context ? options_.web->context->get() : nullptr;
    options.log = log_;
    auto transport = Transport::open(options, *this);
    if (!transport) return tl::unexpected(transport.error());
    transport_ = *std::move(transport);
    return {};
  }
  // Blocks until every worker has ended.
  void close() { transport_->close(); }

  [[nodiscard]] Transport& transport() { return *transport_; }
  [[nodiscard]] Handler& handler() { return handler_; }
  [[nodiscard]] const Log& log() const { return log_; }
  [[nodiscard]] Duration stop_timeout() const { return options_.stop_timeout; }

  [[nodiscard]] bool set_web_config(std::shared_ptr<const WebConfig> next) {
    if (!transport_->set_tls(next->context ? next->context->get() : nullptr)) return false;
    const MutexLock lock(mutex_);
    web_config_.swap(next);
    return true;
  }

  void answer(mg_connection* connection) override;
  void refuse(mg_connection* connection, int status, const char* reason) override {
    write_response(connection, refused(status, reason), clock_.now(), false, false);
  }
  std::string refusal(int status, const std::string& reason) override {
    return answer_text(refused(status, reason), clock_.now(), false, false);
  }
  void note(const mg_connection* connection, const char* message) override {
    // Messages about a single client's connection do not concern the operator.
    const bool of_a_client = connection != nullptr && mg_get_request_info(connection) != nullptr;
    log_->log(of_a_client ? spdlog::level::debug : spdlog::level::warn, "web server: {}", escape_control(message));
  }

 private:
  [[nodiscard]] Response refused(int status, const std::string& reason);
  [[nodiscard]] static bool is_control(mg_connection* connection, const WebConfig& web);
  [[nodiscard]] std::shared_ptr<const WebConfig> web_config() const {
    const MutexLock lock(mutex_);
    return web_config_;
  }

  ServerOptions options_;
  const Log log_;
  const SystemClock clock_;  // limits on clients are real time, also in tests with another clock
  Handler handler_;
  std::unique_ptr<Transport> transport_;

  mutable Mutex mutex_;
  std::shared_ptr<const WebConfig> web_config_ WAL_EXPORTER_GUARDED_BY(mutex_);
};

bool Core::is_control(mg_connection* connection, const WebConfig& web) {
  constexpr std::string_view kScheme = "Bearer ";
  const char* sent = mg_get_header(connection, "Authorization");
  if (sent == nullptr || !std::string_view(sent).starts_with(kScheme)) return false;
  Request request;
  request.method = "GET";  // who the user is does not matter
  describe_client(connection, request);
  return is_local(request) && web.users.check_control(std::string(sent + kScheme.size()));
}

void Core::answer(mg_connection* connection) {
  // Otherwise CivetWeb would first read all of a body that nobody wants.
  mg_disable_connection_keep_alive(connection);
  const auto web = web_config();
  // What this machine's own commands ask is not for others to crowd out.
  if (web->rate_limit && !is_control(connection, *web) && !web->rate_limit->take(clock_.steady())) {
    auto response = refused(429, "there are more requests than rate_limit of the web configuration allows");
    response.headers.emplace_back("Retry-After", retry_seconds(web->rate_limit->until_next(clock_.steady())));
    return write_response(connection, response, clock_.now(), false, false);
  }
  // CivetWeb silently drops headers beyond its table, but the guard must see all of them.
  if (mg_get_request_info(connection)->num_headers >= MG_MAX_HEADERS) {
    return refuse(connection, 431, ("there are " + std::to_string(MG_MAX_HEADERS) + " headers or more").c_str());
  }
  auto request = read_request(connection);
  auto body = read_body(connection, Handler::body_limit(request, web->users), clock_, options_.client_timeout);
  if (!body) return refuse(connection, body.error().status, body.error().message.c_str());
  request.body = std::move(*body);
  auto response = handler_.handle(request, web->users);
  set_headers(response, web->headers);
  // Whoever floods with logins has to connect anew each time, and waits longer for it than we do.
  const bool floods = response.status == 429;
  write_response(connection, response, clock_.now(), request.method == "HEAD", may_stay(connection) && !floods,
                 floods ? kFloodPause : Duration::zero());
}

Response Core::refused(int status, const std::string& reason) {
  handler_.count_refused(status);
  const char* remedy = status == 413 ? "send less; no address here needs a large request" : "";
  // Every answer to a POST has these fields. The method is not always known here, so they are
  // always added.
  const Json told = {
      {"success", false}, {"timestamp", format_time(clock_.now())}, {"message", to_valid_utf8(escape_control(reason))}};
  auto response = error_response(status, escape_control(reason), remedy, told);
  set_headers(response, web_config()->headers);
  return response;
}

namespace {

// Shared with the closing thread, which may come after the server.
struct Done {
  Mutex mutex;
  CondVar condition;
  bool value WAL_EXPORTER_GUARDED_BY(mutex) = false;
};

bool wait_for(Done& done, Duration limit) {
  SystemClock clock;
  const auto deadline = clock.steady() + limit;
  const MutexLock lock(done.mutex);
  while (!done.value && clock.steady() < deadline) clock.wait_until(done.condition, done.mutex, deadline);
  return done.value;
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
  return core_->transport().port();
}

std::vector<std::string> Server::addresses() const {
  return core_->transport().names();
}

bool Server::set_web_config(std::shared_ptr<const WebConfig> config) {
  return core_->set_web_config(std::move(config));
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
  if (wait_for(*done, core_->stop_timeout())) {
    closing.join();
    return;
  }
  core_->handler().abandon();
  core_->log()->warn("a request was still being answered {} after the web server was told to stop; it is left alone",
                     format_duration_rough(core_->stop_timeout()));
  closing.detach();
}

}  // namespace wal_exporter::web
