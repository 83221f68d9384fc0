#include "web/checkpoint.h"

#include "base/bytes.h"
#include "base/text.h"
#include "view/json.h"

namespace wal_exporter::web {
namespace {

using CheckpointState = view::CheckpointAnswer::State;
using influxdb::OutcomeKind;

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
  return std::string(kTriggered) + ": reclaimed " + std::to_string(extent.files) +
         (extent.files == 1 ? " file, " : " files, ") + format_bytes(extent.bytes) + " in " +
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
    case CheckpointState::gone:
      return {503, "gone", or_else(answer.message, "the exporter is shutting down; try again once it is back")};
  }
  return {500, "gone", "unknown state"};
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

}  // namespace

Result<Duration> parse_max_wait(const Parameters& parameters) {
  return duration_parameter(parameters, "max_wait", std::chrono::seconds(60));
}

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

Result<bool> parse_mode(const Parameters& parameters) {
  const auto mode = parameter(parameters, "mode");
  if (!mode) return tl::unexpected(mode.error());
  if (!*mode || **mode == "patient") return false;
  if (**mode == "at_once") return true;
  return failure(ErrorKind::invalid,
                 "the parameter mode must be patient or at_once, not \"" + escape_control(**mode) + "\"");
}

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

Response checkpoint_response(const view::CheckpointAnswer& answer, const std::string& target, bool seed, Time now) {
  const auto told = tell(answer);
  Json body;
  body["success"] = told.status < 300;  // 202 counts: the checkpoint was started
  body["timestamp"] = format_time(answer.timestamp == Time{} ? now : answer.timestamp);
  body["message"] = to_valid_utf8(told.message);
  if (seed && told.status == 200) return json_response(200, body);

  if (told.status >= 400) body["error"] = body["message"];
  body["target"] = to_valid_utf8(target);
  body["state"] = told.state;
  if (answer.state == CheckpointState::blocked) {
    const auto names = policy::names(answer.blockers);
    body["blocker"] = names.empty() ? Json(nullptr) : Json(names.front());
    body["blockers"] = names;
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

}  // namespace wal_exporter::web
