// The routes about the process: whether it is up and ready, reload, status.
#include <array>
#include <sstream>

#include "base/secrets.h"
#include "base/text.h"
#include "web/action.h"
#include "web/assets.h"

namespace wal_exporter::web {
namespace {

Response get_healthy(const Context&, const Call&) {
  return text_response(200, "text/plain; charset=utf-8", "healthy\n");
}

Response get_ready(const Context& context, const Call&) {
  const auto view = context.views.current();
  auto missing = view->not_ready;
  if (missing.empty() && view->targets.empty()) missing.emplace_back("the first sample of any target");
  if (missing.empty()) {
    const std::string& problem = view->state_problem;
    return text_response(
        200, "text/plain; charset=utf-8",
        problem.empty() ? "ready\n" : "ready, but state is not kept: " + to_valid_utf8(problem) + "\n");
  }
  Json waiting = Json::array();
  for (const auto& what : missing) waiting.push_back(to_valid_utf8(what));
  return error_response(503, "not ready: waiting for " + join(missing, ", "), "ask again in a moment",
                        {{"waiting_for", std::move(waiting)}});
}

Json json_lines(const std::vector<std::string>& lines) {
  Json out = Json::array();
  for (const std::string& line : lines) out.push_back(to_valid_utf8(line));
  return out;
}

// Of a text with a line for each.
Json json_lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(std::move(line));
  return json_lines(lines);
}

Response post_reload(const Context& context, const Call& call) {
  const auto done = context.ask(&view::Commands::reload);
  if (!done) {
    const Error& error = done.error();
    if (error.kind == ErrorKind::cancelled) return refuse(context, call.request, error);
    // The reason once: in `mistakes`, a line each, or in the message; `error` is for scripts.
    Json body{{"success", false}, {"timestamp", format_time(context.clock.now())}};
    if (error.kind == ErrorKind::conflict || error.kind == ErrorKind::internal) {
      const bool not_now = error.kind == ErrorKind::conflict;
      body["message"] = (not_now ? "reload refused, previous settings stay in use: " : "reload incomplete: ") +
                        to_valid_utf8(error.message);
      body["error"] = to_string(error.kind);
      return json_response(not_now ? 409 : 500, body);
    }
    Json mistakes = json_lines(error.message);
    body["message"] = "reload refused, previous settings stay in use: " + count_of(mistakes.size(), "mistake");
    body["error"] = "invalid_settings";
    body["mistakes"] = std::move(mistakes);
    return json_response(400, body);
  }
  return json_response(200, {{"success", true},
                             {"timestamp", format_time(context.clock.now())},
                             {"message", "settings reloaded: " + done->summary()},
                             {"changes", json_lines(done->changes)},
                             {"warnings", json_lines(done->warnings)}});
}

Response get_status(const Context& context, const Call&) {
  const auto view = context.views.current();
  Json waiting = Json::array();
  for (const auto& what : view->not_ready) waiting.push_back(to_valid_utf8(what));
  const bool reloaded = view->last_reload_successful;
  Json body;
  body["version"] = WAL_EXPORTER_VERSION;
  body["page"] = std::string(page_version());
  body["started"] = format_time(view->started);
  body["now"] = format_time(context.clock.now());
  body["ready"] = view->not_ready.empty() && !view->targets.empty();
  body["waiting_for"] = std::move(waiting);
  const std::string& problem = view->state_problem;
  body["state"] = {{"kept", problem.empty()},
                   {"error", problem.empty() ? Json(nullptr) : Json(to_valid_utf8(problem))}};
  body["reload"] = {{"successful", reloaded},
                    {"last_success", format_time(view->last_reload_success)},
                    {"error", reloaded ? Json(nullptr) : Json(to_valid_utf8(view->last_reload_error))},
                    {"changes", json_lines(view->last_reload_changes)},
                    {"warnings", json_lines(view->settings_warnings)}};
  body["listening"] = json_lines(view->listening);
  return json_response(200, body);
}

// Without logins whoever reaches the port reads it.
Response get_config(const Context& context, const Call& call) {
  const auto view = context.views.current();
  const RedactedText& settings = *view->settings;
  std::string text = "# The settings in use. <secret> is never shown";
  text += call.user
              ? ".\n" + settings.text
              : ", with <hidden> in place of texts: they are shown once logins are configured, to who logs in.\n" +
                    settings.with("<hidden>");
  // One that is in use may stand in a setting that is none.
  process_secrets().strike_long(text);
  return text_response(200, "text/plain; charset=utf-8", std::move(text));
}

constexpr std::array kProcessRoutes{
    Route{"/-/healthy", "GET", get_healthy, /*open=*/true},
    Route{"/-/ready", "GET", get_ready, /*open=*/true},
    Route{"/-/reload", "POST", post_reload},
    Route{"/api/v1/status", "GET", get_status},
    Route{"/config", "GET", get_config},
};

}  // namespace

std::span<const Route> process_routes() {
  return kProcessRoutes;
}

}  // namespace wal_exporter::web
