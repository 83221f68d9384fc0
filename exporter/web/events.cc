// The routes of handler.h that hand out events.
#include <deque>
#include <limits>

#include "base/text.h"
#include "web/handler.h"
#include "web/place.h"

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

}  // namespace

Response Handler::get_events(const Call& call) {
  const auto filter = parse_filter(call.query);
  if (!filter) return refuse(call.request, filter.error());
  const auto view = dependencies_.views.current();
  if (filter->target && find(*view, *filter->target) == nullptr) {
    return no_such_target(call, *view, *filter->target);
  }
  const auto limit = number_parameter(call.query, "limit", kLongestEvents);
  if (!limit) return refuse(call.request, limit.error());
  const auto before = number_parameter(call.query, "before", std::numeric_limits<std::int64_t>::max());
  if (!before) return refuse(call.request, before.error());
  const auto page =
      dependencies_.queries.events(*filter, *before, static_cast<std::size_t>(limit->value_or(kDefaultEvents)));
  if (abandoned_) return error_response(503, "the exporter is shutting down");
  if (!page) return refuse(call.request, page.error());
  Json list = Json::array();
  for (const auto& event : page->events) list.push_back(events::to_json(event));
  Json body;
  body["events"] = std::move(list);
  body["next_before"] = page->next_before ? Json(*page->next_before) : Json(nullptr);
  return json_response(200, body);
}

Response Handler::get_event_stream(const Call& call) {
  const auto filter = parse_filter(call.query);
  if (!filter) return refuse(call.request, filter.error());
  const auto view = dependencies_.views.current();
  if (filter->target && find(*view, *filter->target) == nullptr) {
    return no_such_target(call, *view, *filter->target);
  }
  const auto seen = last_seen(call.request, call.query);
  if (!seen) return refuse(call.request, seen.error());
  auto place = std::make_shared<Place>(streams_, max_streams_);
  if (!place->held()) {
    auto response =
        refuse(call.request, 503, "all " + std::to_string(max_streams_) + " places for event streams are taken",
               "ask /api/v1/events now and then instead, or try again later");
    response.headers.emplace_back("Retry-After", "10");
    return response;
  }
  const auto newest = dependencies_.queries.newest_event();
  if (abandoned_) return error_response(503, "the exporter is shutting down");
  if (!newest) return refuse(call.request, newest.error());

  Response response = text_response(200, "text/event-stream; charset=utf-8", "retry: 3000\n: connected\n\n");
  // An id above the newest one comes from an earlier state directory.
  std::int64_t after = std::min(seen->value_or(*newest), *newest);
  SteadyTime heartbeat = dependencies_.clock.steady() + kHeartbeat;
  const SteadyTime end = dependencies_.clock.steady() + kLongestStream;
  response.stream = [this, place = std::move(place), filter = *filter, after, heartbeat,
                     end]() mutable -> std::optional<std::string> {
    if (abandoned_ || dependencies_.clock.steady() >= end) return std::nullopt;
    const auto found = dependencies_.queries.events_after(filter, after, kBatch, kPart);
    if (abandoned_ || !found) return std::nullopt;
    std::string part;
    for (const events::Event& event : *found) {
      part += message_of(event);
      after = event.id;
    }
    const SteadyTime now = dependencies_.clock.steady();
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

}  // namespace wal_exporter::web
