#include "web/handler.h"

#include <algorithm>
#include <exception>
#include <new>

#include "base/text.h"
#include "web/guard.h"
#include "web/negotiate.h"

namespace wal_exporter::web {
namespace {

// The route labels of requests that match no route, so that odd addresses make no new series.
constexpr std::string_view kUnknownRoute = "unknown";
constexpr std::string_view kRefusedRoute = "refused";
constexpr std::string_view kBearer = "Bearer ";

// nullopt: something else was sent, or nothing.
std::optional<std::string> bearer_token(const std::string& authorization) {
  if (authorization.size() < kBearer.size()) return std::nullopt;
  if (!equal_ignoring_case(std::string_view(authorization).substr(0, kBearer.size()), kBearer)) return std::nullopt;
  return authorization.substr(kBearer.size());
}

bool may_send_alerts(const Request& request, const Users& users) {
  const auto sent = header_values(request.headers, "Authorization");
  if (sent.size() != 1) return false;
  const auto token = bearer_token(sent.front());
  return token && users.check_alerts(*token);
}

bool is_placeholder(const std::string& segment) {
  return segment.starts_with('{');
}

bool fits(const std::vector<std::string>& pattern, const std::vector<std::string>& segments,
          std::vector<std::string>& names) {
  if (pattern.size() != segments.size()) return false;
  names.clear();
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (is_placeholder(pattern[i])) {
      if (segments[i].empty()) return false;
      names.push_back(segments[i]);
    } else if (pattern[i] != segments[i]) {
      return false;
    }
  }
  return true;
}

std::vector<Route> all_routes() {
  std::vector<Route> out;
  for (const auto routes : {page_routes(), metrics_routes(), process_routes(), target_routes(), checkpoint_routes(),
                            alert_routes(), event_routes(), hook_routes(), seed_routes()}) {
    out.insert(out.end(), routes.begin(), routes.end());
  }
  return out;
}

struct Login {
  std::optional<std::string> user;
  std::optional<Duration> retry_after;  // not looked at yet: too many logins are being checked
};

// The name of the user whose login the request carries; "control" for the command
// line's token, which counts from this machine alone.
Login log_in(const Request& request, const Users& users) {
  const auto sent = header_values(request.headers, "Authorization");
  if (sent.size() != 1) return {};
  if (const auto token = bearer_token(sent.front())) {
    const bool right = is_local(request) && users.check_control(*token);
    return {right ? std::optional<std::string>("control") : std::nullopt, std::nullopt};
  }
  if (!users.configured()) return {};
  auto credentials = parse_basic(sent.front());
  if (!credentials) return {};
  const auto answer = users.check(credentials->name, credentials->password, request.peer);
  if (answer.outcome == LoginOutcome::too_many) return {std::nullopt, answer.retry_after};
  if (answer.outcome == LoginOutcome::wrong) return {};
  return {std::move(credentials->name), std::nullopt};
}

}  // namespace

Result<void> check_telemetry_path(const std::string& path) {
  const auto plain = [](char c) {
    return is_letter_or_digit(c) || std::string_view("/-._~").find(c) != std::string_view::npos;
  };
  const auto segments = split_path(path);
  const bool whole = segments && std::none_of(segments->begin(), segments->end(), [](const std::string& segment) {
                       return segment.empty() || segment == "." || segment == "..";
                     });
  if (!whole || !std::all_of(path.begin(), path.end(), plain)) {
    return failure(ErrorKind::invalid, "\"" + escape_control(path) +
                                           "\" is not an address; write a path such as /metrics, of letters, digits, "
                                           "'-', '.', '_' and '~'");
  }
  std::vector<std::string> names;
  for (const Route& route : all_routes()) {
    const auto pattern = split_path(route.pattern);
    if (route.pattern == kMetricsPath || !pattern || !fits(*pattern, *segments, names)) continue;
    return failure(ErrorKind::invalid, path + " is the address of " + std::string(route.method) + " " +
                                           std::string(route.pattern) + "; choose another one, such as /metrics");
  }
  return {};
}

Handler::Handler(Dependencies dependencies, std::size_t max_waiting, std::size_t max_streams)
    : context_(std::move(dependencies), max_waiting, max_streams), routes_(all_routes()) {
  for (Route& route : routes_) {
    if (route.pattern == kMetricsPath) route.pattern = context_.exposition.telemetry_path;
  }
}

Handler::Match Handler::match(std::string_view method, const std::vector<std::string>& segments) const {
  Match found;
  std::vector<std::string> names;
  for (const auto& route : routes_) {
    const auto pattern = split_path(route.pattern);
    if (!pattern || !fits(*pattern, segments, names)) continue;
    found.pattern = route.pattern;
    found.allow += (found.allow.empty() ? "" : ", ") + std::string(route.method == "GET" ? "GET, HEAD" : route.method);
    if (method != route.method && !(method == "HEAD" && route.method == "GET")) continue;
    found.route = &route;
    found.names = names;
    break;
  }
  return found;
}

Response Handler::handle(const Request& request, const Users& users) {
  std::string_view pattern = kUnknownRoute;
  Response response;
  try {
    response = dispatch(request, users, pattern);
  } catch (const std::bad_alloc&) {
    response = error_response(500, "out of memory while answering", "give the exporter more memory");
  } catch (const std::exception& error) {
    response = error_response(500, std::string("internal error: ") + error.what(), "please report it");
  }
  if (context_.abandoned) return response;
  compress(request, response);
  context_.metrics.requests().count(std::string(pattern), response.status);
  return response;
}

std::size_t Handler::body_limit(const Request& request, const Users& users) {
  constexpr std::size_t kUsual = 64 * 1024;
  // Alertmanager sends the alerts of a group in one message.
  constexpr std::size_t kAlerts = 512 * 1024;
  return request.path == kAlertsPath && may_send_alerts(request, users) ? kAlerts : kUsual;
}

void Handler::count_refused(int status) {
  if (!context_.abandoned) context_.metrics.requests().count(std::string(kRefusedRoute), status);
}

Response Handler::dispatch(const Request& request, const Users& users, std::string_view& pattern) {
  const auto segments = split_path(request.path);
  const auto found = segments ? match(request.method, *segments) : Match{};
  if (!found.pattern.empty()) pattern = found.pattern;
  const bool open = found.route != nullptr && found.route->open;
  if (found.route != nullptr && found.route->alerts) {
    if (auto refused = refuse_alerts(request, users)) return *std::move(refused);
    return found.route->action(context_, {request, {}, found.names, std::nullopt, nullptr});
  }

  auto [user, retry_after] = open ? Login{} : log_in(request, users);
  if (retry_after) {
    auto response = refuse(context_, request, 429, "too many logins are being checked, so this one was not",
                           "send it again in a few seconds; a login that is right is remembered from then on");
    response.headers.emplace_back("Retry-After", retry_seconds(*retry_after));
    return response;
  }
  const auto verdict = guard(request, users.access(), users.configured(), user.has_value(), open);
  if (verdict.status == 401) {
    auto response = refuse(context_, request, 401, verdict.reason, verdict.remedy);
    // With a scheme that it knows, a browser shows a login dialog and lets the script wait for
    // it. The page shows the reason itself, so for scripts the scheme is an unknown one.
    const bool by_script = !header_values(request.headers, "X-Requested-With").empty();
    response.headers.emplace_back("WWW-Authenticate", std::string(by_script ? "X-" : "") +
                                                          R"(Basic realm="influxdb_wal_exporter", charset="UTF-8")");
    return response;
  }
  if (!segments) return refuse(context_, request, segments.error());
  if (found.pattern.empty()) {
    Json there = Json::array();
    for (const auto& route : routes_) there.push_back(std::string(route.method) + " " + std::string(route.pattern));
    return refuse(context_, request, 404, "there is nothing at " + escape_control(request.path), "use one of `routes`",
                  {{"routes", std::move(there)}});
  }
  if (found.route == nullptr) {
    auto response =
        refuse(context_, request, 405, escape_control(request.method) + " is not taken at " + std::string(pattern),
               "use " + found.allow);
    response.headers.emplace_back("Allow", found.allow);
    return response;
  }
  if (!verdict.allowed()) {
    context_.log->warn("refused {} {} from {}: {}", escape_control(request.method), escape_control(request.path),
                       request.peer, verdict.reason);
    return refuse(context_, request, verdict.status, verdict.reason, verdict.remedy);
  }
  auto query = parse_query(request.query);
  if (!query) return refuse(context_, request, query.error());
  Call call{request, std::move(*query), found.names, std::move(user), nullptr};
  if (found.pattern.starts_with(kTargetPattern)) {
    call.target = find_target(*context_.views.current(), call.names.front());
    if (call.target == nullptr) return no_such_target(context_, request, call.names.front());
  }
  return found.route->action(context_, call);
}

// Alerts are taken from any address, but only with their own token.
std::optional<Response> Handler::refuse_alerts(const Request& request, const Users& users) const {
  if (!users.takes_alerts()) {
    return refuse(
        context_, request, 403, "alerts are not taken: no token is set for them",
        "write a random token into a file, name it in the settings as alerts.token_file, and let Alertmanager "
        "send it (http_config.authorization.credentials_file)");
  }
  const auto verdict = guard(request, users.access(),
                             /*users_configured=*/true, may_send_alerts(request, users), /*open=*/false);
  if (verdict.allowed()) return std::nullopt;
  context_.log->warn("refused {} {} from {}: {}", escape_control(request.method), escape_control(request.path),
                     request.peer, verdict.status == 401 ? "no token, or a wrong one" : verdict.reason);
  if (verdict.status != 401) return refuse(context_, request, verdict.status, verdict.reason, verdict.remedy);
  auto response = refuse(context_, request, 401, "the token for alerts is needed, or the one sent is not right",
                         "send `Authorization: Bearer` with what stands in alerts.token_file");
  response.headers.emplace_back("WWW-Authenticate", R"(Bearer realm="influxdb_wal_exporter alerts")");
  return response;
}

}  // namespace wal_exporter::web
