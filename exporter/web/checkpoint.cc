// The routes that act on a target: a checkpoint, its plan and its outcome, the preparation
// of a restart, a pause.
#include <array>

#include "base/bytes.h"
#include "base/text.h"
#include "view/json.h"
#include "web/action.h"
#include "web/seat.h"

namespace wal_exporter::web {
namespace {

using CheckpointState = view::CheckpointAnswer::State;
using influxdb::OutcomeKind;

constexpr Duration kLongestWait = std::chrono::minutes(30);
constexpr const char* kBlocked = "blocked";  // the error of what a blocker forbids; `message` says which and why
constexpr const char* kTriggered = "Checkpoint triggered successfully";

struct Told {
  int status = 500;
  const char* state = "ended";
  std::string message;
};

std::string or_else(const std::string& message, const char* fallback) {
  return message.empty() ? fallback : message;
}

std::string reclaimed_text(const influxdb::Outcome& outcome) {
  const auto& extent = outcome.reclaimed;
  return std::string(kTriggered) + ": reclaimed " + extent_text(extent) + " in " +
         format_duration_rough(outcome.elapsed);
}

Told tell_ended(const view::CheckpointAnswer& answer) {
  if (!answer.run || !answer.run->outcome) return {500, "ended", "the checkpoint ended without an outcome"};
  const auto& outcome = *answer.run->outcome;
  const auto message = outcome.message.empty() ? answer.message : outcome.message;
  switch (outcome.kind) {
    case OutcomeKind::succeeded:
      return {200, "ended", reclaimed_text(outcome)};
    case OutcomeKind::no_op:
      return {200, "ended", or_else(message, "nothing is pending: there was nothing to do")};
    case OutcomeKind::busy:
      return {409, "ended", or_else(message, "a checkpoint was running already")};
    case OutcomeKind::failed:
      return {502, "ended", or_else(message, "the checkpoint failed")};
    case OutcomeKind::unverified:
      return {502, "ended", or_else(message, "the server said yes, but the WAL does not show it")};
  }
  return {500, "ended", "the checkpoint ended in an unknown way"};
}

Told tell(const view::CheckpointAnswer& answer) {
  switch (answer.state) {
    case CheckpointState::ended:
      return tell_ended(answer);
    case CheckpointState::no_op:
      return {200, "no_op", or_else(answer.message, "nothing is pending: there was nothing to do")};
    case CheckpointState::running:
      return {202, "running", or_else(answer.message, "the checkpoint is running; follow Location for its outcome")};
    case CheckpointState::blocked:
      return {409, "blocked",
              policy::explain(or_else(answer.message, "the checkpoint was not started"), answer.blockers)};
  }
  return {500, "ended", "unknown state"};
}

Result<bool> parse_flag(const std::string& name, const std::string& value) {
  if (value == "true" || value == "1") return true;
  if (value == "false" || value == "0") return false;
  return failure(ErrorKind::invalid,
                 "the parameter " + name + " must be true or false, not \"" + escape_control(value) + "\"");
}

Result<Duration> duration_parameter(const Parameters& parameters, const std::string& name, Duration otherwise) {
  const auto text = parameter(parameters, name);
  if (!text) return tl::unexpected(text.error());
  if (!*text) return otherwise;
  const auto duration = parse_duration(**text);
  if (!duration) return failure(ErrorKind::invalid, "the parameter " + name + ": " + duration.error().message);
  if (*duration > kLongestWait) {
    return failure(ErrorKind::invalid, "the parameter " + name + " is at most 30m, not " + format_duration(*duration) +
                                           "; a longer checkpoint answers 202 with a Location to follow");
  }
  return *duration;
}

// `max_wait` of prepare-restart: a duration, 60s unless given, at most 30m.
Result<Duration> parse_max_wait(const Parameters& parameters) {
  return duration_parameter(parameters, "max_wait", std::chrono::seconds(60));
}

// `for`: a duration, or `until`: an RFC 3339 time; 1h unless given, at most 30d from
// `now`. A pause always ends, because one without an end would be forgotten.
Result<Duration> parse_pause(const Parameters& parameters, Time now) {
  constexpr Duration kDefault = std::chrono::hours(1);
  constexpr Duration kLongest = view::kLongestPause;
  for (const auto& [name, value] : parameters) {
    if (name != "for" && name != "until") {
      return failure(ErrorKind::invalid, "there is no parameter \"" + escape_control(name) +
                                             "\"; say for=2h or until=2026-12-01T22:00:00Z");
    }
  }
  const auto length = parameter(parameters, "for");
  if (!length) return tl::unexpected(length.error());
  const auto until = parameter(parameters, "until");
  if (!until) return tl::unexpected(until.error());
  if (*length && *until) return failure(ErrorKind::invalid, "for and until were both given; leave one out");
  Duration out = kDefault;
  if (*length) {
    const auto parsed = parse_duration(**length);
    if (!parsed) return failure(ErrorKind::invalid, "the parameter for: " + parsed.error().message);
    out = *parsed;
  } else if (*until) {
    const auto parsed = parse_time(**until);
    if (!parsed) return failure(ErrorKind::invalid, "the parameter until: " + parsed.error().message);
    // Without the first test the subtraction could overflow.
    if (*parsed <= now || *parsed - now > kLongest) {
      return failure(ErrorKind::invalid,
                     "until must be in the future, and at most 30d ahead; the time here is " + format_time(now));
    }
    return *parsed - now;
  }
  if (out > Duration::zero() && out <= kLongest) return out;
  return failure(ErrorKind::invalid, "a pause lasts more than 0s and at most 30d, not " + format_duration(out));
}

// `mode`: patient unless given; at_once is true.
Result<bool> parse_mode(const Parameters& parameters) {
  const auto mode = parameter(parameters, "mode");
  if (!mode) return tl::unexpected(mode.error());
  if (!*mode || **mode == "patient") return false;
  if (**mode == "at_once") return true;
  return failure(ErrorKind::invalid,
                 "the parameter mode must be patient or at_once, not \"" + escape_control(**mode) + "\"");
}

struct CheckpointOptions {
  Duration wait = std::chrono::seconds(30);
  bool override_soft = false;
  bool at_once = false;
};

// From `wait` (a duration, at most 30m), `override` (true or false) and `mode`.
Result<CheckpointOptions> parse_checkpoint_options(const Parameters& parameters) {
  CheckpointOptions options;
  const auto wait = duration_parameter(parameters, "wait", options.wait);
  if (!wait) return tl::unexpected(wait.error());
  options.wait = *wait;
  const auto at_once = parse_mode(parameters);
  if (!at_once) return tl::unexpected(at_once.error());
  options.at_once = *at_once;
  const auto flag = parameter(parameters, "override");
  if (!flag) return tl::unexpected(flag.error());
  if (*flag) {
    const auto value = parse_flag("override", **flag);
    if (!value) return tl::unexpected(value.error());
    options.override_soft = *value;
  }
  return options;
}

// succeeded and no_op 200, running 202 with a Location, busy and blocked 409,
// failed and unverified 502. Every body begins with success, timestamp
// and message; those of the older service's route (`seed`) end there when the
// status is 200. `now` stands in for a timestamp the answer does not have.
Response checkpoint_response(const view::CheckpointAnswer& answer, const std::string& target, bool seed, Time now) {
  const auto told = tell(answer);
  Json body;
  body["success"] = told.status < 300;  // 202 counts: the checkpoint was started
  body["timestamp"] = format_time(answer.timestamp == Time{} ? now : answer.timestamp);
  body["message"] = to_valid_utf8(told.message);
  if (seed && told.status == 200) return json_response(200, body);

  if (told.status >= 400) body["error"] = answer.state == CheckpointState::blocked ? Json(kBlocked) : body["message"];
  body["target"] = to_valid_utf8(target);
  body["state"] = told.state;
  if (answer.state == CheckpointState::blocked) {
    const auto& blockers = answer.blockers;
    body["blocker"] = blockers.empty() ? Json(nullptr) : Json(policy::to_string(policy::deciding(blockers).blocker));
    body["blockers"] = policy::names(blockers);
    body["why"] = to_valid_utf8(answer.message);
    body["blocked_by"] = view::to_json(answer.blockers);
  }
  if (answer.run) {
    if (answer.run->outcome) body["outcome"] = std::string(influxdb::to_string(answer.run->outcome->kind));
    body["run"] = view::to_json(*answer.run);
  }
  auto response = json_response(told.status, body);
  if (answer.state == CheckpointState::running && answer.run) {
    response.headers.emplace_back(
        "Location", "/api/v1/targets/" + percent_encode(target) + "/checkpoints/" + std::to_string(answer.run->id));
  }
  return response;
}

Response get_run(const Context& context, const Call& call) {
  const view::TargetView& target = *call.target;
  const auto id = parse_positive(call.names[1]);
  if (!id) {
    return refuse(context, call.request, 400,
                  "the id of a checkpoint is a whole number, not \"" + escape_control(call.names[1]) + "\"",
                  "take it from the Location of the answer that started it");
  }
  if (target.running && target.running->id == *id) return json_response(200, view::to_json(*target.running));
  const auto run = context.ask(&view::Commands::run, target.name, *id);
  if (!run) return refuse(context, call, run.error());
  if (!*run) {
    return refuse(context, call.request, 404,
                  "target \"" + escape_control(target.name) + "\" has no checkpoint " + call.names[1],
                  "see /api/v1/targets/" + percent_encode(target.name) + "/history for what is remembered");
  }
  return json_response(200, view::to_json(**run));
}

Response get_plan(const Context& context, const Call& call) {
  const std::string& name = call.target->name;
  const auto at_once = parse_mode(call.query);
  if (!at_once) return refuse(context, call.request, at_once.error());
  const auto plan = context.ask(&view::Commands::plan, name, *at_once);
  if (!plan) return refuse(context, call, plan.error());
  return json_response(200, view::to_json(*plan));
}

// 200 only if it is safe to restart; 409 if a blocker forbids acting, 502 otherwise.
Response post_prepare_restart(const Context& context, const Call& call) {
  const std::string& name = call.target->name;
  const auto max_wait = parse_max_wait(call.query);
  if (!max_wait) return refuse(context, call.request, max_wait.error());
  const Seat seat(context.waiting, context.max_waiting);
  if (!seat.held()) {
    return refuse(context, call.request, 503, "too many requests already wait for a checkpoint",
                  "try again in a moment");
  }
  const auto answer = context.ask(&view::Commands::prepare_restart,
                                  view::PrepareRestartCommand{name, *max_wait, call.actor(), /*override_soft=*/false,
                                                              /*in_any_window=*/call.user.has_value()});
  if (!answer) return refuse(context, call, answer.error());
  Json body = view::to_json(*answer);
  if (answer->safe) return json_response(200, body);
  body["error"] = answer->blockers.empty() ? body["message"] : Json(kBlocked);
  return json_response(answer->blockers.empty() ? 502 : 409, body);
}

Response pause(const Context& context, const Call& call, std::optional<Duration> length) {
  const auto answer = context.ask(&view::Commands::pause, view::PauseCommand{call.target->name, length, call.actor()});
  if (!answer) return refuse(context, call, answer.error());
  return json_response(200, view::to_json(*answer));
}

Response post_pause(const Context& context, const Call& call) {
  const auto length = parse_pause(call.query, context.clock.now());
  if (!length) return refuse(context, call.request, length.error());
  return pause(context, call, *length);
}

Response post_resume(const Context& context, const Call& call) {
  return pause(context, call, std::nullopt);
}

// Nothing is known of a checkpoint: the target is gone, or the exporter is shutting down.
Response refuse_checkpoint(const Context& context, const Call& call, const std::string& target, const Error& error) {
  if (!context.abandoned &&
      (error.kind == ErrorKind::not_found || find_target(*context.views.current(), target) == nullptr)) {
    return no_such_target(context, call.request, target);
  }
  return refuse(context, call.request, 503, error.message, {}, {{"target", to_valid_utf8(target)}, {"state", "gone"}});
}

Response checkpoint(const Context& context, const Call& call, const std::string& target, bool seed) {
  const auto options = parse_checkpoint_options(call.query);
  if (!options) return refuse(context, call.request, options.error());
  if (options->override_soft && !call.user) {
    return refuse(context, call.request, 403, "override=true needs a login",
                  "configure users with --web.config.file and log in, or leave it out");
  }
  const Seat seat(context.waiting, options->wait > Duration::zero() ? context.max_waiting : 0);
  // A request that does not wait for the outcome still waits for one sample.
  const Seat starting(context.starting, seat.held() ? 0 : context.max_waiting);
  if (!seat.held() && !starting.held()) {
    auto response =
        refuse(context, call.request, 503, "too many requests already wait for a sample", "try again in a moment");
    response.headers.emplace_back("Retry-After", "10");
    return response;
  }
  view::CheckpointCommand command;
  command.target = target;
  command.override_soft = options->override_soft;
  command.at_once = options->at_once;
  command.wait = seat.held() ? options->wait : Duration::zero();
  command.actor = call.actor();
  const auto answer = context.ask(&view::Commands::checkpoint, command);
  if (!answer) return refuse_checkpoint(context, call, target, answer.error());
  return checkpoint_response(*answer, target, seed, context.clock.now());
}

Response post_checkpoint(const Context& context, const Call& call) {
  return checkpoint(context, call, call.target->name, /*seed=*/false);
}

Response post_seed_checkpoint(const Context& context, const Call& call) {
  auto chosen = choose_target(context, call);
  if (chosen.target == nullptr) return std::move(chosen.refusal);
  return checkpoint(context, call, chosen.target->name, /*seed=*/true);
}

constexpr std::array kCheckpointRoutes{
    Route{"/api/v1/targets/{name}/checkpoint", "POST", post_checkpoint},
    Route{"/api/v1/targets/{name}/checkpoint-plan", "GET", get_plan},
    Route{"/api/v1/targets/{name}/prepare-restart", "POST", post_prepare_restart},
    Route{"/api/v1/targets/{name}/checkpoints/{id}", "GET", get_run},
    Route{"/api/v1/targets/{name}/pause", "POST", post_pause},
    Route{"/api/v1/targets/{name}/resume", "POST", post_resume},
    Route{"/wal-management/checkpoint", "POST", post_seed_checkpoint},
};

}  // namespace

std::span<const Route> checkpoint_routes() {
  return kCheckpointRoutes;
}

}  // namespace wal_exporter::web
