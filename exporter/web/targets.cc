// The routes that show targets: as they are now, their history and their samples.
#include <array>
#include <limits>

#include "base/text.h"
#include "view/json.h"
#include "web/action.h"

namespace wal_exporter::web {
namespace {

constexpr std::int64_t kDefaultHistory = 100;
constexpr std::int64_t kLongestHistory = 1000;
constexpr std::int64_t kLongestSamples = 2000;

Response get_targets(const Context& context, const Call&) {
  return json_response(200, view::to_json(*context.views.current(), context.clock.now()));
}

Response get_target(const Context& context, const Call& call) {
  return json_response(200, view::to_json(*call.target, context.clock.now()));
}

Response get_history(const Context& context, const Call& call) {
  const std::string& name = call.target->name;
  const auto limit = number_parameter(call.query, "limit", kLongestHistory);
  if (!limit) return refuse(context, call.request, limit.error());
  const auto before = number_parameter(call.query, "before", std::numeric_limits<std::int64_t>::max());
  if (!before) return refuse(context, call.request, before.error());

  const auto page =
      context.ask(&view::Commands::history, name, *before, static_cast<std::size_t>(limit->value_or(kDefaultHistory)));
  if (!page) return refuse(context, call, page.error());
  Json entries = Json::array();
  for (const auto& entry : page->entries) entries.push_back(view::to_json(entry));
  Json body;
  body["entries"] = std::move(entries);
  body["next_before"] = page->next_before ? Json(*page->next_before) : Json(nullptr);
  return json_response(200, body);
}

Response get_samples(const Context& context, const Call& call) {
  const std::string& name = call.target->name;
  const auto limit = number_parameter(call.query, "limit", kLongestSamples);
  if (!limit) return refuse(context, call.request, limit.error());
  const auto text = parameter(call.query, "since");
  if (!text) return refuse(context, call.request, text.error());
  std::optional<Time> since;
  if (*text) {
    const auto time = parse_time(**text);
    if (!time)
      return refuse(context, call.request, {ErrorKind::invalid, "the parameter since: " + time.error().message});
    since = *time;
  }
  const auto samples =
      context.ask(&view::Commands::samples, name, since, static_cast<std::size_t>(limit->value_or(kLongestSamples)));
  if (!samples) return refuse(context, call, samples.error());
  Json points = Json::array();
  for (const auto& point : *samples) points.push_back(view::to_json(point));
  Json body;
  body["target"] = to_valid_utf8(name);
  body["samples"] = std::move(points);
  return json_response(200, body);
}

constexpr std::array kTargetRoutes{
    Route{"/api/v1/targets", "GET", get_targets},
    Route{"/api/v1/targets/{name}", "GET", get_target},
    Route{"/api/v1/targets/{name}/history", "GET", get_history},
    Route{"/api/v1/targets/{name}/samples", "GET", get_samples},
};

}  // namespace

std::span<const Route> target_routes() {
  return kTargetRoutes;
}

}  // namespace wal_exporter::web
