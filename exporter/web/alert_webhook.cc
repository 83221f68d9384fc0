// The route that takes Alertmanager's webhook.
#include "web/alert_webhook.h"

#include <algorithm>
#include <array>
#include <map>

#include "base/json.h"
#include "base/text.h"
#include "web/action.h"
#include "web/seat.h"

namespace wal_exporter::web {
namespace {

using AlertState = view::AlertAnswer::State;

constexpr std::size_t kDeepest = 16;
constexpr std::size_t kLongestTime = 64;
constexpr std::size_t kLongestIdentity = 2048;
constexpr std::size_t kMostAlerts = 5000;
constexpr std::size_t kLongestName = 200;
// Alertmanager waits about ten seconds for an answer. Alerts not handled within this time
// are left for its next attempt.
constexpr Duration kLongestMessage = std::chrono::seconds(5);

tl::unexpected<Error> bad(const std::string& what) {
  return failure(ErrorKind::invalid, "this is not a message of Alertmanager's webhook (version 4): " + what +
                                         "; let a receiver of the kind webhook_configs send to this address");
}

Json result_json(const std::string& target, const std::vector<std::string>& alerts,
                 const Result<view::AlertAnswer>& answer) {
  Json names = Json::array();
  for (const auto& alert : alerts) names.push_back(to_valid_utf8(alert));
  return {{"target", to_valid_utf8(target)},
          {"alerts", std::move(names)},
          {"action", answer ? to_string(answer->state) : "gone"},
          {"message", to_valid_utf8(answer ? answer->message : answer.error().message)},
          {"blockers", answer ? policy::names(answer->blockers) : std::vector<std::string_view>()},
          {"checkpoint", answer && answer->run_id ? Json(*answer->run_id) : Json(nullptr)}};
}

}  // namespace

const char* to_string(AlertState state) {
  switch (state) {
    case AlertState::started:
      return "started";
    case AlertState::no_op:
      return "no_op";
    case AlertState::already_served:
      return "already_served";
    case AlertState::blocked:
      return "blocked";
  }
  return "unknown";
}

Result<std::vector<ReceivedAlert>> parse_alerts(const std::string& body) {
  if (is_nested_deeper(body, kDeepest)) return bad("it is nested too deeply");
  const Json json = Json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return bad("the body is not a JSON object");
  if (text_of(json, "version") != "4") return bad("its version is not \"4\"");
  const auto alerts = json.find("alerts");
  if (alerts == json.end() || !alerts->is_array()) return bad("it has no list of alerts");
  if (alerts->size() > kMostAlerts) return bad("it has more than " + std::to_string(kMostAlerts) + " alerts");
  std::vector<ReceivedAlert> out;
  for (std::size_t i = 0; i < alerts->size(); ++i) {
    const Json& alert = (*alerts)[i];
    const std::string place = "alerts[" + std::to_string(i) + "]";
    if (!alert.is_object()) return bad(place + " is not an object");
    const std::string status = text_of(alert, "status");
    if (status != "firing" && status != "resolved") return bad(place + ".status is neither firing nor resolved");
    const auto labels = alert.find("labels");
    if (labels == alert.end() || !labels->is_object()) return bad(place + " has no labels");
    // Checked before the labels are used: all are texts, so nothing is nested.
    const bool texts = std::all_of(labels->begin(), labels->end(), [](const Json& value) { return value.is_string(); });
    if (!texts) return bad(place + " has a label that is no text");
    const std::string start = text_of(alert, "startsAt");
    if (start.empty() || start.size() > kLongestTime) return bad(place + " has no startsAt");
    ReceivedAlert& received = out.emplace_back();
    received.firing = status == "firing";
    received.name = text_of(*labels, "alertname").substr(0, kLongestName);
    received.target = text_of(*labels, "target");
    // Without a fingerprint the labels identify the alert; a fingerprint is made of them.
    const std::string fingerprint = text_of(alert, "fingerprint");
    const std::string known_by =
        fingerprint.empty() ? labels->dump(-1, ' ', false, Json::error_handler_t::replace) : fingerprint;
    if (known_by.size() > kLongestIdentity) return bad(place + " has no fingerprint, or a very long one");
    received.instance = known_by + "@" + start;
  }
  return out;
}

namespace {

// One checkpoint per target, whatever the number of its alerts. Where none can be made now, or the
// target has left, the answer is 200 with the reason: Alertmanager asks again within a second after a
// 5xx, and counts a 4xx as a failed notification. The alert counts as not served, so it is tried
// again when it is repeated; until then the policy acts as soon as it may.
Response post_alerts(const Context& context, const Call& call) {
  const auto alerts = parse_alerts(call.request.body);
  if (!alerts) return refuse(context, call.request, alerts.error());
  const Seat seat(context.waiting, context.max_waiting);
  if (!seat.held()) {
    auto response =
        refuse(context, call.request, 503, "too many requests already wait for checkpoints", "send it again");
    response.headers.emplace_back("Retry-After", "10");
    return response;
  }
  const auto view = context.views.current();
  std::map<std::string, view::AlertCommand> commands;
  std::map<std::string, std::vector<std::string>> names;
  Json unknown = Json::array();
  bool names_a_target = false;
  for (const ReceivedAlert& alert : *alerts) {
    if (!alert.firing) continue;
    names_a_target = names_a_target || !alert.target.empty();
    if (alert.target.empty() || find_target(*view, alert.target) == nullptr) {
      unknown.push_back({{"alert", to_valid_utf8(alert.name)}, {"target", to_valid_utf8(alert.target)}});
      continue;
    }
    view::AlertCommand& command = commands[alert.target];
    command.target = alert.target;
    command.instances.push_back(alert.instance);
    command.alert = command.alert.empty() ? alert.name : command.alert;
    names[alert.target].push_back(alert.name);
  }
  Json extra;
  extra["results"] = Json::array();
  extra["unknown"] = unknown;
  if (!unknown.empty() && commands.empty()) {
    Json known = Json::array();
    for (const auto& target : view->targets) known.push_back(to_valid_utf8(target->name));
    extra["targets"] = std::move(known);
    if (!names_a_target) {
      return refuse(context, call.request, 404, "no alert in it has the label target",
                    "give the alerts the label target, with one of `targets`", extra);
    }
  }
  std::string unasked;
  std::string blocked;
  const SteadyTime deadline = context.clock.steady() + kLongestMessage;
  for (const auto& [target, command] : commands) {
    Result<view::AlertAnswer> answer = failure(ErrorKind::timeout, "there was no time for it; send it again");
    if (context.clock.steady() < deadline) answer = context.ask(&view::Commands::alert, command);
    if (context.abandoned) return refuse(context, call, answer.error());
    if (!answer) unasked = answer.error().message;
    if (answer && answer->state == AlertState::blocked) blocked = answer->message;
    extra["results"].push_back(result_json(target, names[target], answer));
  }
  if (!unasked.empty()) {
    auto response = refuse(context, call.request, 503, unasked, {}, extra);
    response.headers.emplace_back("Retry-After", "30");
    return response;
  }
  Json body;
  body["success"] = true;
  body["timestamp"] = format_time(context.clock.now());
  body["message"] = !blocked.empty()    ? to_valid_utf8(blocked)
                    : !commands.empty() ? count_of(commands.size(), "target") + " looked after"
                    : !unknown.empty()  ? "no alert in it names a target that is watched here: nothing to do"
                                        : "no alert in it is firing: nothing to do";
  body.update(extra);
  return json_response(200, body);
}

constexpr std::array kAlertRoutes{Route{kAlertsPath, "POST", post_alerts, /*open=*/false, /*alerts=*/true}};

}  // namespace

std::span<const Route> alert_routes() {
  return kAlertRoutes;
}

}  // namespace wal_exporter::web
