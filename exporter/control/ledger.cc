#include "control/ledger.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "view/json.h"

namespace wal_exporter::control {
namespace {

// Above every id that the audit will ever give, and exact as a number of JSON.
constexpr std::int64_t kNotKept = std::int64_t{1} << 52;

}  // namespace

Ledger::Ledger(std::string target, std::shared_ptr<state::Store> store, std::shared_ptr<events::Bus> bus, Log log)
    : target_(std::move(target)), store_(std::move(store)), bus_(std::move(bus)), log_(std::move(log)) {
  for (const events::TypeRow& type : events::kTypes) events_[type.value] = 0;
}

std::int64_t Ledger::tell(events::Type type, events::Severity severity, const std::string& summary,
                          nlohmann::ordered_json detail, const wal::Sample* sample, Time now) {
  ++events_[type];
  detail["severity"] = events::to_string(severity);
  if (!detail.contains("sample")) {
    detail["sample"] = sample == nullptr ? nlohmann::ordered_json(nullptr) : view::event_sample_json(*sample);
  }
  events::Event event;
  event.time = now;
  event.target = target_;
  event.type = type;
  event.severity = severity;
  event.summary = summary;
  event.detail = events::dump(detail);
  event.id = append(std::string(events::to_string(type)), summary, event.detail, now).value_or(0);
  const std::int64_t id = event.id > 0 ? event.id : kNotKept + ++not_kept_;
  if (bus_ != nullptr) bus_->publish(std::move(event));
  return id;
}

void Ledger::note(const std::string& kind, const std::string& summary, const std::string& detail, Time now) {
  static_cast<void>(append(kind, summary, detail, now));
}

bool Ledger::keep(const std::string& key, const std::string& value) {
  const auto put = store_->put(target_, key, value);
  if (!put) {
    complain(put.error());
    return false;
  }
  failing_ = false;
  return true;
}

std::optional<std::string> Ledger::kept(const std::string& key) {
  auto stored = store_->get(target_, key);
  if (!stored) {
    complain(stored.error());
    return std::nullopt;
  }
  return *std::move(stored);
}

std::optional<std::string> Ledger::last_event(events::Type type) {
  state::EventQuery query;
  query.target = target_;
  query.kind = std::string(events::to_string(type));
  query.limit = 1;
  const auto entries = store_->events(query);
  if (!entries || entries->empty()) return std::nullopt;
  return entries->front().detail;
}

std::optional<std::int64_t> Ledger::append(const std::string& kind, const std::string& summary,
                                           const std::string& detail, Time now) {
  const auto id = store_->append({0, now, target_, kind, summary, detail});
  if (!id) {
    complain(id.error());
    return std::nullopt;
  }
  failing_ = false;
  return *id;
}

void Ledger::complain(const Error& error) {
  if (!std::exchange(failing_, true)) log_->error("{} [{}]", error.message, target_);
}

}  // namespace wal_exporter::control
