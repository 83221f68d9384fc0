#include "web/action.h"

#include "base/text.h"
#include "web/guard.h"

namespace wal_exporter::web {
namespace {

constexpr const char* kShuttingDown = "the exporter is shutting down";

int status_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::invalid:
      return 400;
    case ErrorKind::not_found:
      return 404;
    case ErrorKind::conflict:
      return 409;
    case ErrorKind::unavailable:
    case ErrorKind::timeout:
    case ErrorKind::cancelled:
      return 503;
    default:
      return 500;
  }
}

}  // namespace

Response refuse(const Context& context, const Request& request, int status, const std::string& reason,
                const std::string& remedy, const Json& extra) {
  if (context.abandoned) return error_response(503, kShuttingDown);
  if (!is_changing(request.method)) return error_response(status, reason, remedy, extra);
  // Every answer to a POST has these three.
  Json body;
  body["success"] = false;
  body["timestamp"] = format_time(context.clock.now());
  body["message"] = to_valid_utf8(remedy.empty() ? reason : reason + "; " + remedy);
  body["error"] = to_valid_utf8(reason);
  if (!remedy.empty()) body["remedy"] = to_valid_utf8(remedy);
  body.update(extra);
  return json_response(status, body);
}

Response refuse(const Context& context, const Request& request, const Error& error) {
  return refuse(context, request, status_of(error.kind), error.message, {});
}

Response refuse(const Context& context, const Call& call, const Error& error) {
  const bool gone = error.kind == ErrorKind::not_found && call.target != nullptr;
  return gone ? no_such_target(context, call.request, call.target->name) : refuse(context, call.request, error);
}

constexpr std::size_t kMostNamed = 20;

Response no_such_target(const Context& context, const Request& request, const std::string& name) {
  Json names = Json::array();
  std::vector<std::string> known;
  // Held: a loop over a member of what is returned would outlive it.
  const auto view = context.views.current();
  for (const auto& target : view->targets) {
    names.push_back(to_valid_utf8(target->name));
    if (known.size() < kMostNamed) known.push_back(escape_control(target->name));
  }
  if (names.size() > kMostNamed) known.push_back("and " + std::to_string(names.size() - kMostNamed) + " more");
  return refuse(context, request, 404, "no target named \"" + escape_control(name) + "\"",
                names.empty() ? "see the settings" : "known: " + join(known, ", "), {{"targets", std::move(names)}});
}

std::shared_ptr<const view::TargetView> find_target(const view::View& view, const std::string& name) {
  for (const auto& target : view.targets) {
    if (target->name == name) return target;
  }
  return nullptr;
}

Chosen choose_target(const Context& context, const Call& call) {
  const auto view = context.views.current();
  const auto name = parameter(call.query, "target");
  if (!name) return {nullptr, refuse(context, call.request, name.error())};
  if (*name) {
    auto target = find_target(*view, **name);
    if (target == nullptr) return {nullptr, no_such_target(context, call.request, **name)};
    return {std::move(target), {}};
  }
  if (view->targets.empty()) {
    return {nullptr,
            refuse(context, call.request, 503, "no target is known yet", "ask again in a moment; see /-/ready")};
  }
  return {view->targets.front(), {}};
}

}  // namespace wal_exporter::web
