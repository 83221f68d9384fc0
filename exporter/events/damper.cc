#include "events/damper.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "base/json.h"
#include "base/text.h"
#include "events/payload.h"

namespace wal_exporter::events {
namespace {

using Json = nlohmann::ordered_json;
using std::chrono::minutes;

constexpr std::array<Duration, 4> kWaits = {minutes(1), minutes(5), minutes(15), minutes(30)};
constexpr Duration kQuiet = std::chrono::hours(1);
constexpr Duration kBurst = minutes(1);
constexpr std::size_t kMostInBurst = 5;
constexpr std::size_t kMostNamed = 5;

Json detail_of(const Event& event) {
  Json detail = Json::parse(event.detail, nullptr, /*allow_exceptions=*/false);
  return detail.is_object() ? detail : Json::object();
}

bool only_starts(const Event& event) {
  return event.type == Type::checkpoint && text_of(detail_of(event), "state") == "started";
}

// "critical", "checkpoint succeeded", "restart ready"
std::string what_happened(const Event& event) {
  const Json detail = detail_of(event);
  switch (event.type) {
    case Type::health:
      return text_of(detail, "to");
    case Type::checkpoint:
      return "checkpoint " + (detail.contains("outcome") ? text_of(detail, "outcome") : text_of(detail, "state"));
    case Type::restart:
      return "restart " + text_of(detail, "step");
    case Type::restart_consideration:
    case Type::count:
      break;
  }
  return "restart considered";
}

// The newest of what says how it stands: of health, if there is one.
const Event& newest_state(const std::vector<const Event*>& events) {
  const auto health =
      std::find_if(events.rbegin(), events.rend(), [](const Event* event) { return event->type == Type::health; });
  return health == events.rend() ? *events.back() : **health;
}

// "critical 14 times, healthy 13 times", in the order of their first.
std::string counted(const std::vector<std::string>& words, bool times) {
  std::vector<std::pair<std::string, std::uint64_t>> counts;
  for (const std::string& word : words) {
    const auto found = std::find_if(counts.begin(), counts.end(), [&](const auto& one) { return one.first == word; });
    if (found == counts.end()) {
      counts.emplace_back(word, 1);
    } else {
      ++found->second;
    }
  }
  std::vector<std::string> parts;
  for (const auto& [word, count] : counts) {
    if (!times) {
      parts.push_back(std::to_string(count) + " " + word);
    } else {
      parts.push_back(count == 1 ? word : word + " " + count_of(count, "time"));
    }
  }
  return join(parts, ", ");
}

Event of_one_target(std::vector<const Event*> events) {
  const Event* first = events.front();
  const Event* last = events.back();
  // That a checkpoint started says nothing once more is known.
  const auto kept =
      std::stable_partition(events.begin(), events.end() - 1, [](const Event* one) { return !only_starts(*one); });
  events.erase(kept, events.end() - 1);
  if (events.size() == 1) return *events.front();
  const Event& state = newest_state(events);
  std::vector<std::string> words;
  for (const Event* event : events) words.push_back(what_happened(*event));
  Event out = state;
  out.id = last->id;
  out.time = last->time;
  out.summary = counted(words, /*times=*/true) + " from " + format_minute(first->time) + " to " +
                format_minute(last->time) + "; last: " + state.summary;
  return out;
}

Event of_many_targets(const std::vector<const Event*>& events, const std::set<std::string>& targets) {
  Event out;
  std::vector<std::string> words;
  for (const std::string& target : targets) {
    std::vector<const Event*> its;
    std::copy_if(events.begin(), events.end(), std::back_inserter(its),
                 [&](const Event* event) { return event->target == target; });
    const Event& state = newest_state(its);
    words.push_back(what_happened(state));
    if (words.size() == 1 || state.severity > out.severity) {
      out.severity = state.severity;
      out.type = state.type;
    }
  }
  out.id = events.back()->id;
  out.time = events.back()->time;
  out.target = count_of(targets.size(), "target");
  std::vector<std::string> named(targets.begin(), targets.end());
  const std::size_t more = named.size() > kMostNamed ? named.size() - kMostNamed : 0;
  named.resize(named.size() - more);
  out.summary = counted(words, /*times=*/false) + ": " + join(named, ", ") +
                (more > 0 ? " and " + std::to_string(more) + " more" : "");
  out.detail = dump({{"targets", Json(std::vector<std::string>(targets.begin(), targets.end()))}});
  return out;
}

}  // namespace

Event summed_up(const std::vector<const Event*>& events) {
  std::set<std::string> targets;
  for (const Event* event : events) targets.insert(event->target);
  Event out = targets.size() == 1 ? of_one_target(events) : of_many_targets(events, targets);
  if (events.size() == 1) return out;
  Json detail = detail_of(out);
  detail["severity"] = to_string(out.severity);
  if (!detail.contains("sample")) detail["sample"] = nullptr;
  detail["summed_up"] = {{"events", events.size()},
                         {"since", format_time(events.front()->time)},
                         {"until", format_time(events.back()->time)}};
  out.detail = dump(detail);
  return out;
}

Time Damper::due_of(const Event& event, Time now) const {
  const auto found = paces_.find(event.target);
  if (found == paces_.end()) return now;
  const Pace& pace = found->second;
  const bool quiet = pace.last > now || now - pace.last >= kQuiet;  // or the clock was set back
  if (quiet || event.severity > pace.worst) return now;
  return std::max(now, pace.last + std::min(kWaits.at(pace.step), longest_));
}

// When another message may go out, of whatever target.
Time Damper::all_due(Time now) const {
  const auto counts =
      std::count_if(recent_.begin(), recent_.end(), [&](Time when) { return when <= now && now - when < kBurst; });
  return counts < static_cast<std::ptrdiff_t>(kMostInBurst)
             ? now
             : std::max(now, recent_.front() + std::min(kBurst, longest_));
}

std::vector<std::size_t> Damper::pick(const std::deque<Event>& queue, Time now) const {
  const bool surplus = queue.size() > most_;
  std::vector<std::size_t> out;
  if (!surplus && all_due(now) > now) return out;
  std::set<std::string> ready;
  for (const Event& event : queue) {
    if (surplus || due_of(event, now) <= now) ready.insert(event.target);
  }
  if (ready.empty()) return out;
  const bool many = ready.size() >= kMostInBurst;
  std::string only;
  for (std::size_t i = 0; i < queue.size(); ++i) {
    if (!ready.contains(queue[i].target)) continue;
    if (out.empty()) only = queue[i].target;
    if (many || queue[i].target == only) out.push_back(i);
  }
  return out;
}

std::optional<Time> Damper::due(const std::deque<Event>& queue, Time now) const {
  if (queue.empty()) return std::nullopt;
  if (queue.size() > most_) return now;
  Time first = Time::max();
  for (const Event& event : queue) first = std::min(first, due_of(event, now));
  return std::max(first, all_due(now));
}

void Damper::told(const std::vector<const Event*>& events, Time now) {
  std::map<std::string, Severity> worst;
  for (const Event* event : events) {
    Severity& severity = worst.try_emplace(event->target, event->severity).first->second;
    severity = std::max(severity, event->severity);
  }
  for (const auto& [target, severity] : worst) {
    const auto found = paces_.find(target);
    const bool goes_on = found != paces_.end() && found->second.last <= now && now - found->second.last < kQuiet;
    Pace& pace = paces_[target];
    pace.step = goes_on ? std::min(pace.step + 1, kWaits.size() - 1) : 0;
    pace.worst = goes_on ? std::max(pace.worst, severity) : severity;
    pace.last = now;
  }
  std::erase_if(paces_, [&](const auto& one) { return now - one.second.last >= kQuiet; });
  recent_.push_back(now);
  while (recent_.size() > kMostInBurst) recent_.pop_front();
}

Json Damper::memory() const {
  Json out = Json::array();
  for (const auto& [target, pace] : paces_) {
    out.push_back({{"target", to_valid_utf8(target)},
                   {"last", format_time(pace.last)},
                   {"step", pace.step},
                   {"worst", to_string(pace.worst)}});
  }
  return out;
}

void Damper::restore(const Json& memory) {
  paces_.clear();
  if (!memory.is_array()) return;
  for (const Json& one : memory) {
    const auto last = parse_time(text_of(one, "last"));
    const auto worst = parse_severity(text_of(one, "worst"));
    if (!last || !worst || !one.contains("step") || !one["step"].is_number_unsigned()) continue;
    paces_[text_of(one, "target")] = {*last, std::min(one["step"].get<std::size_t>(), kWaits.size() - 1), *worst};
  }
}

}  // namespace wal_exporter::events
