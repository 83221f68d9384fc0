// The routes that hand out events: a page of them, and a stream.
#include <array>
#include <limits>

#include "base/text.h"
#include "web/action.h"
#include "web/seat.h"

namespace wal_exporter::web {
namespace {

constexpr std::int64_t kDefaultEvents = 100;
constexpr std::int64_t kLongestEvents = 1000;
// Only sending shows that a client is gone, and proxies cut connections that are silent.
constexpr Duration kHeartbeat = std::chrono::seconds(5);
// The longest wait for one part of a stream; bounds how long a stop takes.
constexpr Duration kPart = std::chrono::seconds(1);
constexpr std::size_t kBatch = 100;
// Then the stream ends. The client connects again by itself, and its login is checked again.
constexpr Duration kLongestStream = std::chrono::minutes(15);

// `target` and `type`.
Result<view::EventFilter> parse_filter(const Parameters& query) {
  view::EventFilter filter;
  auto target = parameter(query, "target");
  if (!target) return tl::unexpected(target.error());
  filter.target = *std::move(target);
  const auto type = parameter(query, "type");
  if (!type) return tl::unexpected(type.error());
  if (!*type) return filter;
  filter.type = events::parse_type(**type);
  if (filter.type) return filter;
  return failure(ErrorKind::invalid, "the parameter type must be one of " + join(names_of(events::kTypes), ", ") +
                                         ", not \"" + escape_control(**type) + "\"");
}

// The id that the client has seen last: from the header that browsers send when they connect
// again, else from the parameter. nullopt: the stream begins with the next event.
Result<std::optional<std::int64_t>> last_seen(const Request& request, const Parameters& query) {
  const auto headers = header_values(request.headers, "Last-Event-ID");
  auto text = parameter(query, "last_event_id");
  if (!text) return tl::unexpected(text.error());
  if (!headers.empty()) *text = headers.front();
  if (!*text || (*text)->empty()) return std::nullopt;
  if (**text == "0") return 0;
  const auto id = parse_positive(**text);
  if (id) return id;
  return failure(ErrorKind::invalid,
                 "Last-Event-ID must be the id of an event, not \"" + escape_control(**text) + "\"");
}

std::string message_of(const events::Event& event) {
  return "id: " + std::to_string(event.id) + "\nevent: " + std::string(events::to_string(event.type)) +
         "\ndata: " + events::to_json(event).dump() + "\n\n";
}

Response get_events(const Context& context, const Call& call) {
  const auto filter = parse_filter(call.query);
  if (!filter) return refuse(context, call.request, filter.error());
  const auto view = context.views.current();
  if (filter->target && find_target(*view, *filter->target) == nullptr) {
    return no_such_target(context, call.request, *filter->target);
  }
  const auto limit = number_parameter(call.query, "limit", kLongestEvents);
  if (!limit) return refuse(context, call.request, limit.error());
  const auto before = number_parameter(call.query, "before", std::numeric_limits<std::int64_t>::max());
  if (!before) return refuse(context, call.request, before.error());
  const auto page =
      context.ask(&view::Commands::events, *filter, *before, static_cast<std::size_t>(limit->value_or(kDefaultEvents)));
  if (!page) return refuse(context, call, page.error());
  Json list = Json::array();
  for (const auto& event : page->events) list.push_back(events::to_json(event));
  Json body;
  body["events"] = std::move(list);
  body["next_before"] = page->next_before ? Json(*page->next_before) : Json(nullptr);
  return json_response(200, body);
}

Response get_event_stream(const Context& context, const Call& call) {
  const auto filter = parse_filter(call.query);
  if (!filter) return refuse(context, call.request, filter.error());
  const auto view = context.views.current();
  if (filter->target && find_target(*view, *filter->target) == nullptr) {
    return no_such_target(context, call.request, *filter->target);
  }
  const auto seen = last_seen(call.request, call.query);
  if (!seen) return refuse(context, call.request, seen.error());
  auto seat = std::make_shared<Seat>(context.streams, context.max_streams);
  if (!seat->held()) {
    auto response = refuse(context, call.request, 503,
                           "all " + std::to_string(context.max_streams) + " places for event streams are taken",
                           "ask /api/v1/events now and then instead, or try again later");
    response.headers.emplace_back("Retry-After", "10");
    return response;
  }
  const auto newest = context.ask(&view::Commands::newest_event);
  if (!newest) return refuse(context, call, newest.error());

  Response response = text_response(200, "text/event-stream; charset=utf-8", "retry: 3000\n: connected\n\n");
  response.headers.emplace_back("X-Accel-Buffering", "no");  // nginx in front would keep it until it ends
  // An id above the newest one comes from an earlier state directory.
  std::int64_t after = std::min(seen->value_or(*newest), *newest);
  SteadyTime heartbeat = context.clock.steady() + kHeartbeat;
  const SteadyTime end = context.clock.steady() + kLongestStream;
  response.stream = [&context, seat = std::move(seat), filter = *filter, after, heartbeat,
                     end]() mutable -> std::optional<std::string> {
    if (context.abandoned || context.clock.steady() >= end) return std::nullopt;
    const auto found = context.ask(&view::Commands::events_after, filter, after, kBatch, kPart);
    if (!found) return std::nullopt;
    std::string part;
    for (const events::Event& event : *found) {
      part += message_of(event);
      after = event.id;
    }
    const SteadyTime now = context.clock.steady();
    if (!part.empty()) {
      heartbeat = now + kHeartbeat;
    } else if (now >= heartbeat) {
      heartbeat = now + kHeartbeat;
      part = ": still here\n\n";
    }
    return part;
  };
  return response;
}

constexpr std::array kEventRoutes{
    Route{"/api/v1/events", "GET", get_events},
    Route{"/api/v1/events/stream", "GET", get_event_stream},
};

}  // namespace

std::span<const Route> event_routes() {
  return kEventRoutes;
}

}  // namespace wal_exporter::web
