// The actions behind the routes of handler.h.
#include <algorithm>
#include <limits>

#include "base/text.h"
#include "view/json.h"
#include "web/assets.h"
#include "web/checkpoint.h"
#include "web/handler.h"
#include "web/landing.h"
#include "web/place.h"
#include "web/seed.h"

namespace wal_exporter::web {
namespace {

constexpr std::int64_t kDefaultHistory = 100;
constexpr std::int64_t kLongestHistory = 1000;
constexpr std::int64_t kLongestSamples = 2000;

Json target_names(const view::View& view) {
  Json names = Json::array();
  for (const auto& target : view.targets) names.push_back(to_valid_utf8(target->name));
  return names;
}

}  // namespace

std::shared_ptr<const view::TargetView> Handler::find(const view::View& view, const std::string& name) {
  for (const auto& target : view.targets) {
    if (target->name == name) return target;
  }
  return nullptr;
}

Response Handler::no_such_target(const Call& call, const view::View& view, const std::string& name) const {
  return refuse(call.request, 404, "there is no target \"" + escape_control(name) + "\"", "use one of `targets`",
                {{"targets", target_names(view)}});
}

Handler::Chosen Handler::choose(const Call& call) const {
  const auto view = dependencies_.views.current();
  const auto name = parameter(call.query, "target");
  if (!name) return {nullptr, refuse(call.request, name.error())};
  if (*name) {
    auto target = find(*view, **name);
    if (target == nullptr) return {nullptr, no_such_target(call, *view, **name)};
    return {std::move(target), {}};
  }
  if (view->targets.empty()) {
    return {nullptr, refuse(call.request, 503, "no target is known yet", "ask again in a moment; see /-/ready")};
  }
  return {view->targets.front(), {}};
}

Response Handler::get_landing(const Call&) {
  auto response = text_response(200, "text/html; charset=utf-8",
                                landing_page(*dependencies_.views.current(), dependencies_.clock.now()));
  // The page may load from this server alone, and run no script but our files.
  response.headers.emplace_back("Content-Security-Policy",
                                "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
                                "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
  response.headers.emplace_back("Referrer-Policy", "no-referrer");
  response.headers.emplace_back("Cross-Origin-Opener-Policy", "same-origin");
  return response;
}

Response Handler::get_asset(const Call& call) {
  for (const auto& asset : assets()) {
    if (asset.name != call.names.front()) continue;
    Response response;
    response.content_type = asset.content_type;
    // Cached for a year, because the address holds the hash. Private, because with logins a
    // shared cache must not keep it.
    response.cache_control = "private, max-age=31536000, immutable";
    response.headers.emplace_back("ETag", asset.etag);
    const auto known = header_values(call.request.headers, "If-None-Match");
    if (std::find(known.begin(), known.end(), asset.etag) != known.end()) {
      response.status = 304;
      return response;
    }
    response.fixed_body = asset.bytes;
    return response;
  }
  return refuse(call.request, 404, "there is no asset \"" + escape_control(call.names.front()) + "\"",
                "load the page at / again: the exporter may have been updated");
}

Response Handler::get_status(const Call&) {
  const auto view = dependencies_.views.current();
  Json waiting = Json::array();
  for (const auto& what : view->not_ready) waiting.push_back(to_valid_utf8(what));
  const bool reloaded = view->last_reload_successful;
  Json body;
  body["version"] = WAL_EXPORTER_VERSION;
  body["page"] = std::string(page_version());
  body["started"] = format_time(view->started);
  body["now"] = format_time(dependencies_.clock.now());
  body["ready"] = view->not_ready.empty() && !view->targets.empty();
  body["waiting_for"] = std::move(waiting);
  body["reload"] = {{"successful", reloaded},
                    {"last_success", format_time(view->last_reload_success)},
                    {"error", reloaded ? Json(nullptr) : Json(to_valid_utf8(view->last_reload_error))}};
  return json_response(200, body);
}

Response Handler::get_metrics(const Call&) {
  return text_response(200, "text/plain; version=0.0.4; charset=utf-8", dependencies_.metrics.text());
}

Response Handler::get_healthy(const Call&) {
  return text_response(200, "text/plain; charset=utf-8", "healthy\n");
}

Response Handler::get_ready(const Call&) {
  const auto view = dependencies_.views.current();
  auto missing = view->not_ready;
  if (missing.empty() && view->targets.empty()) missing.emplace_back("the first look at any target");
  if (missing.empty()) return text_response(200, "text/plain; charset=utf-8", "ready\n");
  Json waiting = Json::array();
  for (const auto& what : missing) waiting.push_back(to_valid_utf8(what));
  return error_response(503, "not ready: waiting for " + join(missing, ", "), "ask again in a moment",
                        {{"waiting_for", std::move(waiting)}});
}

Response Handler::post_reload(const Call& call) {
  const auto done = dependencies_.commands.reload();
  if (abandoned_) return error_response(503, "the exporter is shutting down");
  if (!done) {
    const int status = done.error().kind == ErrorKind::conflict ? 409 : 500;  // 409: try again later; 500: fix the file
    return refuse(call.request, status, "the settings were not reloaded, the old ones stay: " + done.error().message,
                  {});
  }
  return json_response(
      200,
      {{"success", true}, {"timestamp", format_time(dependencies_.clock.now())}, {"message", "settings reloaded"}});
}

Response Handler::get_targets(const Call&) {
  return json_response(200, view::to_json(*dependencies_.views.current(), dependencies_.clock.now()));
}

Response Handler::get_target(const Call& call) {
  const auto view = dependencies_.views.current();
  const auto target = find(*view, call.names.front());
  if (target == nullptr) return no_such_target(call, *view, call.names.front());
  return json_response(200, view::to_json(*target, dependencies_.clock.now()));
}

Response Handler::get_history(const Call& call) {
  const auto view = dependencies_.views.current();
  const auto& name = call.names.front();
  if (find(*view, name) == nullptr) return no_such_target(call, *view, name);
  const auto limit = number_parameter(call.query, "limit", kLongestHistory);
  if (!limit) return refuse(call.request, limit.error());
  const auto before = number_parameter(call.query, "before", std::numeric_limits<std::int64_t>::max());
  if (!before) return refuse(call.request, before.error());

  const auto page =
      dependencies_.queries.history(name, *before, static_cast<std::size_t>(limit->value_or(kDefaultHistory)));
  if (abandoned_) return error_response(503, "the exporter is shutting down");
  if (!page) return refuse(call.request, page.error());
  Json entries = Json::array();
  for (const auto& entry : page->entries) entries.push_back(view::to_json(entry));
  Json body;
  body["entries"] = std::move(entries);
  body["next_before"] = page->next_before ? Json(*page->next_before) : Json(nullptr);
  return json_response(200, body);
}

Response Handler::get_samples(const Call& call) {
  const auto view = dependencies_.views.current();
  const auto& name = call.names.front();
  if (find(*view, name) == nullptr) return no_such_target(call, *view, name);
  const auto limit = number_parameter(call.query, "limit", kLongestSamples);
  if (!limit) return refuse(call.request, limit.error());
  const auto text = parameter(call.query, "since");
  if (!text) return refuse(call.request, text.error());
  std::optional<Time> since;
  if (*text) {
    const auto time = parse_time(**text);
    if (!time) return refuse(call.request, {ErrorKind::invalid, "the parameter since: " + time.error().message});
    since = *time;
  }
  const auto samples =
      dependencies_.queries.samples(name, since, static_cast<std::size_t>(limit->value_or(kLongestSamples)));
  if (abandoned_) return error_response(503, "the exporter is shutting down");
  if (!samples) return refuse(call.request, samples.error());
  Json points = Json::array();
  for (const auto& point : *samples) points.push_back(view::to_json(point));
  Json body;
  body["target"] = to_valid_utf8(name);
  body["samples"] = std::move(points);
  return json_response(200, body);
}

Response Handler::get_run(const Call& call) {
  const auto view = dependencies_.views.current();
  const auto& name = call.names[0];
  const auto target = find(*view, name);
  if (target == nullptr) return no_such_target(call, *view, name);
  const auto id = parse_positive(call.names[1]);
  if (!id) {
    return refuse(call.request, 400,
                  "the id of a checkpoint is a whole number, not \"" + escape_control(call.names[1]) + "\"",
                  "take it from the Location of the answer that started it");
  }
  if (target->running && target->running->id == *id) return json_response(200, view::to_json(*target->running));
  const auto run = dependencies_.queries.run(name, *id);
  if (abandoned_) return error_response(503, "the exporter is shutting down");
  if (!run) {
    return refuse(call.request, 404, "target \"" + escape_control(name) + "\" has no checkpoint " + call.names[1],
                  "see /api/v1/targets/" + percent_encode(name) + "/history for what is remembered");
  }
  return json_response(200, view::to_json(*run));
}

Response Handler::get_plan(const Call& call) {
  const auto view = dependencies_.views.current();
  const auto& name = call.names.front();
  if (find(*view, name) == nullptr) return no_such_target(call, *view, name);
  const auto at_once = parse_mode(call.query);
  if (!at_once) return refuse(call.request, at_once.error());
  const auto plan = dependencies_.queries.plan(name, *at_once);
  if (abandoned_) return error_response(503, "the exporter is shutting down");
  if (!plan) return refuse(call.request, plan.error());
  return json_response(200, view::to_json(*plan));
}

// 200 only if it is safe to restart; 409 if a blocker forbids acting, 502 otherwise.
Response Handler::post_prepare_restart(const Call& call) {
  const auto view = dependencies_.views.current();
  const auto& name = call.names.front();
  if (find(*view, name) == nullptr) return no_such_target(call, *view, name);
  const auto max_wait = parse_max_wait(call.query);
  if (!max_wait) return refuse(call.request, max_wait.error());
  const Place place(waiting_, max_waiting_);
  if (!place.held()) {
    return refuse(call.request, 503, "too many requests already wait for a checkpoint", "try again in a moment");
  }
  const auto answer = dependencies_.commands.prepare_restart(
      {name, *max_wait, actor_of(call), /*override_soft=*/false, /*in_any_window=*/call.user.has_value()});
  if (abandoned_) return error_response(503, "the exporter is shutting down");
  if (!answer.known) return no_such_target(call, *view, name);
  Json body = view::to_json(answer);
  if (answer.safe) return json_response(200, body);
  body["error"] = body["message"];
  return json_response(answer.blockers.empty() ? 502 : 409, body);
}

Response Handler::pause(const Call& call, std::optional<Duration> length) {
  const auto view = dependencies_.views.current();
  const auto& name = call.names.front();
  if (find(*view, name) == nullptr) return no_such_target(call, *view, name);
  const auto answer = dependencies_.commands.pause({name, length, actor_of(call)});
  if (abandoned_) return error_response(503, "the exporter is shutting down");
  if (!answer.known) return no_such_target(call, *dependencies_.views.current(), name);
  if (!answer.done) return refuse(call.request, 503, answer.message, {});
  return json_response(200, view::to_json(answer));
}

Response Handler::post_pause(const Call& call) {
  const auto length = parse_pause(call.query, dependencies_.clock.now());
  if (!length) return refuse(call.request, length.error());
  return pause(call, *length);
}

Response Handler::post_resume(const Call& call) {
  return pause(call, std::nullopt);
}

Response Handler::checkpoint(const Call& call, const std::string& target, bool seed) {
  const auto options = parse_checkpoint_options(call.query);
  if (!options) return refuse(call.request, options.error());
  if (options->override_soft && !call.user) {
    return refuse(call.request, 403, "override=true needs a login",
                  "configure users with --web.config.file and log in, or leave it out");
  }
  const Place place(waiting_, options->wait > Duration::zero() ? max_waiting_ : 0);
  // A request that does not wait for the outcome still waits for one sample.
  const Place starting(starting_, place.held() ? 0 : max_waiting_);
  if (!place.held() && !starting.held()) {
    auto response =
        refuse(call.request, 503, "too many requests already wait for a look at a WAL", "try again in a moment");
    response.headers.emplace_back("Retry-After", "10");
    return response;
  }
  view::CheckpointCommand command;
  command.target = target;
  command.override_soft = options->override_soft;
  command.at_once = options->at_once;
  command.wait = place.held() ? options->wait : Duration::zero();
  command.actor = actor_of(call);
  const auto answer = dependencies_.commands.checkpoint(command);
  if (abandoned_) return error_response(503, "the exporter is shutting down");
  if (answer.state == view::CheckpointAnswer::State::gone) {
    const auto view = dependencies_.views.current();
    if (find(*view, target) == nullptr) return no_such_target(call, *view, target);
  }
  return checkpoint_response(answer, target, seed, dependencies_.clock.now());
}

Response Handler::post_checkpoint(const Call& call) {
  const auto view = dependencies_.views.current();
  if (find(*view, call.names.front()) == nullptr) return no_such_target(call, *view, call.names.front());
  return checkpoint(call, call.names.front(), /*seed=*/false);
}

Response Handler::post_seed_checkpoint(const Call& call) {
  auto chosen = choose(call);
  if (chosen.target == nullptr) return std::move(chosen.refusal);
  return checkpoint(call, chosen.target->name, /*seed=*/true);
}

Response Handler::seed_answer(const Call& call, Json (*render)(const view::TargetView&, Time)) const {
  auto chosen = choose(call);
  if (chosen.target == nullptr) return std::move(chosen.refusal);
  const auto now = dependencies_.clock.now();
  auto body = render(*chosen.target, now);
  const auto reason = view::unknown_reason(*chosen.target, now);
  if (reason.empty()) return json_response(200, body);
  return error_response(503,
                        "the health of target \"" + escape_control(chosen.target->name) + "\" is unknown: " + reason,
                        "what follows is the last sample; see `error` in /api/v1/targets and the log", body);
}

Response Handler::get_seed_health(const Call& call) {
  return seed_answer(call, seed_health);
}

Response Handler::get_seed_checkpoint_status(const Call& call) {
  return seed_answer(call, seed_checkpoint_status);
}

Response Handler::get_seed_stats(const Call& call) {
  return seed_answer(call, seed_stats);
}

}  // namespace wal_exporter::web
