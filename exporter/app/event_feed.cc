#include "app/event_feed.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

namespace wal_exporter::app {
namespace {

// Another process (the command line) may write to the same audit.
constexpr Duration kLongestWithoutLook = std::chrono::seconds(5);

state::EventQuery query_of(const view::EventFilter& filter, std::size_t limit) {
  state::EventQuery query;
  query.target = filter.target;
  if (filter.type) query.kind = std::string(events::to_string(*filter.type));
  query.limit = limit;
  return query;
}

}  // namespace

events::Event to_event(state::AuditEntry entry) {
  events::Event event;
  event.id = entry.id;
  event.time = entry.time;
  event.target = std::move(entry.target);
  event.type = events::parse_type(entry.kind).value_or(events::Type::health);
  event.summary = std::move(entry.summary);
  const auto detail = nlohmann::json::parse(entry.detail, nullptr, /*allow_exceptions=*/false);
  if (detail.is_object() && detail.contains("severity") && detail["severity"].is_string()) {
    event.severity = events::parse_severity(detail["severity"].get<std::string>()).value_or(events::Severity::info);
  }
  event.detail = std::move(entry.detail);
  return event;
}

std::vector<events::Event> to_events(std::vector<state::AuditEntry> entries) {
  std::vector<events::Event> out;
  out.reserve(entries.size());
  for (state::AuditEntry& entry : entries) out.push_back(to_event(std::move(entry)));
  return out;
}

EventFeed::EventFeed(std::shared_ptr<state::Store> store, std::shared_ptr<events::Bus> bus,
                     std::shared_ptr<Clock> clock)
    : store_(std::move(store)), bus_(std::move(bus)), clock_(std::move(clock)) {
  subscription_ = bus_->subscribe([this](const std::shared_ptr<const events::Event>&) {
    const MutexLock lock(mutex_);
    ++count_;
    told_.notify_all();
  });
}

EventFeed::~EventFeed() {
  bus_->unsubscribe(subscription_);
}

Result<view::EventPage> EventFeed::page(const view::EventFilter& filter, std::optional<std::int64_t> before,
                                        std::size_t limit) const {
  state::EventQuery query = query_of(filter, limit + 1);
  query.before = before;
  auto entries = store_->events(query);
  if (!entries) return tl::unexpected(entries.error());
  view::EventPage page;
  const bool more = entries->size() > limit;
  if (more) entries->resize(limit);
  page.events = to_events(*std::move(entries));
  if (more && !page.events.empty()) page.next_before = page.events.back().id;
  return page;
}

Result<std::vector<events::Event>> EventFeed::after(const view::EventFilter& filter, std::int64_t after,
                                                    std::size_t limit, Duration wait) {
  state::EventQuery query = query_of(filter, limit);
  query.after = after;
  query.oldest_first = true;
  const SteadyTime deadline = clock_->steady() + wait;
  while (true) {
    std::uint64_t seen = 0;
    {
      const MutexLock lock(mutex_);
      if (stopping_) return failure(ErrorKind::cancelled, "the exporter is shutting down");
      seen = count_;
    }
    auto entries = store_->events(query);
    if (!entries) return tl::unexpected(entries.error());
    if (!entries->empty() || clock_->steady() >= deadline) return to_events(*std::move(entries));
    const MutexLock lock(mutex_);
    const SteadyTime next = std::min(deadline, clock_->steady() + kLongestWithoutLook);
    while (!stopping_ && count_ == seen && clock_->steady() < next) clock_->wait_until(told_, mutex_, next);
    // Time is up and nothing was told: another look would find the same.
    if (!stopping_ && count_ == seen && clock_->steady() >= deadline) return std::vector<events::Event>();
  }
}

Result<std::int64_t> EventFeed::newest() const {
  return store_->newest_id();
}

void EventFeed::stop() {
  const MutexLock lock(mutex_);
  stopping_ = true;
  told_.notify_all();
}

}  // namespace wal_exporter::app
