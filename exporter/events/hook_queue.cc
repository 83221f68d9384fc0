#include "events/hook_queue.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>
#include <utility>

#include "base/text.h"

namespace wal_exporter::events {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kBatch = 200;
// Events that the filter leaves out move the stored id at most this often. After a crash
// they are read again, which costs less than a synchronous write for each.
constexpr Duration kIdleSave = std::chrono::seconds(30);

bool in_audit(const Event& event) {
  return event.id > 0;
}

}  // namespace

HookQueue::HookQueue(const HookConfig& config, Channel& channel, std::shared_ptr<HookMemory> memory, Log log)
    : config_(config),
      channel_(channel),
      memory_(std::move(memory)),
      log_(std::move(log)),
      key_("hook/" + config.name) {}

bool HookQueue::restore(Time now, SteadyTime steady) {
  if (const auto begun = begin(now); !begun) {
    if (!std::exchange(reading_fails_, true)) {
      log_->error("hook {}: {}; it waits until that works", config_.name, begun.error().message);
    }
    return false;
  }
  restored_ = true;
  reading_fails_ = false;
  // Stores where a new hook begins.
  remember(steady, /*at_once=*/true);
  return true;
}

Result<void> HookQueue::begin(Time now) {
  const auto kept = memory_->get(key_);
  if (!kept) return tl::unexpected(kept.error());
  Json memory = Json::parse(kept->value_or("{}"), nullptr, /*allow_exceptions=*/false);
  if (!memory.is_object()) memory = Json::object();
  const Json cursor = memory.value("cursor", Json());
  if (!cursor.is_number_integer()) return begin_new(now);
  read_ = cursor.get<std::int64_t>();
  const Json read = memory.value("read", Json());
  const Json waiting = memory.value("waiting", Json());
  if (read.is_number_integer() && waiting.is_number_unsigned()) {
    backlog_ = Backlog{read_, read.get<std::int64_t>(), waiting.get<std::uint64_t>(), 0, std::nullopt};
  }
  for (const Json& id : memory.value("done", Json::array())) {
    if (id.is_number_integer()) done_.insert(id.get<std::int64_t>());
  }
  if (memory.contains("channel")) channel_.restore(memory["channel"], now);
  return {};
}

// A new hook gets no earlier events, but a state (Alertmanager's) is made from them.
Result<void> HookQueue::begin_new(Time now) {
  const auto newest = memory_->newest_id();
  if (!newest) return tl::unexpected(newest.error());
  for (std::int64_t id = 0; channel_.tells_a_state() && id < *newest;) {
    const auto events = memory_->events_after(id, kBatch);
    if (!events) return tl::unexpected(events.error());
    for (const Event& event : *events) static_cast<void>(event.id <= *newest && channel_.take(event));
    id = events->size() < kBatch ? *newest : events->back().id;
  }
  channel_.begin(now);
  read_ = *newest;
  return {};
}

void HookQueue::read_audit(Time now) {
  for (bool last = false; !last;) {
    auto events = memory_->events_after(read_, kBatch);
    if (!events) {
      if (!std::exchange(reading_fails_, true)) {
        log_->error("hook {}: reading events: {}", config_.name, events.error().message);
      }
      return;
    }
    reading_fails_ = false;
    last = events->size() < kBatch;
    for (Event& event : *events) {
      const bool taken = channel_.take(event) && !done_.contains(event.id);
      if (backlog_ && !backlog_->trimmed) backlog_->trimmed = event.id > backlog_->cursor + 1;
      if (backlog_ && taken && event.id <= backlog_->read) ++backlog_->found;
      read_ = std::max(read_, event.id);
      if (taken) events_.push_back(std::move(event));
    }
    if (last || (backlog_ && read_ >= backlog_->read)) settle_backlog();
    drop_surplus(now);
  }
}

void HookQueue::add(std::deque<Event> unkept) {
  for (Event& event : unkept) {
    if (channel_.take(event)) events_.push_back(std::move(event));
  }
}

// The audit keeps history_limit entries. Queued events may have been lost from it while this
// hook was not running. They count as lost only if the first of them is gone; otherwise there
// are fewer now because the filter has changed.
void HookQueue::settle_backlog() {
  const std::optional<Backlog> backlog = std::exchange(backlog_, std::nullopt);
  if (!backlog || backlog->found >= backlog->waiting || !backlog->trimmed.value_or(true)) return;
  const std::uint64_t lost = backlog->waiting - backlog->found;
  log_->warn("hook {}: {} dropped, because the audit (history_limit) no longer has what waited", config_.name,
             count_of(lost, "event"));
  dropped_ += lost;
}

void HookQueue::drop_surplus(Time now) {
  if (events_.size() > config_.max_queue) {
    const std::size_t surplus = events_.size() - config_.max_queue;
    drop(surplus, "more than max_queue (" + std::to_string(config_.max_queue) + ") wait");
  }
  const auto young = std::find_if(events_.begin(), events_.end(),
                                  [&](const Event& event) { return now - event.time <= config_.max_age; });
  const auto old = static_cast<std::size_t>(young - events_.begin());
  if (old > 0) drop(old, "they waited longer than max_age (" + format_duration(config_.max_age) + ")");
}

// Logged once until the hook works again, and always counted.
void HookQueue::drop(std::size_t count, const std::string& why) {
  if (dropped_in_row_ == 0) {
    log_->warn("hook {}: {} dropped, because {}; hook_dropped_total counts what follows", config_.name,
               count_of(count, "event"), why);
  }
  std::vector<std::size_t> oldest(count);
  std::iota(oldest.begin(), oldest.end(), std::size_t{0});
  refused(oldest);
}

void HookQueue::refused(const std::vector<std::size_t>& which) {
  dropped_ += which.size();
  dropped_in_row_ += which.size();
  take_off(which);
}

std::uint64_t HookQueue::delivered(const std::vector<std::size_t>& which) {
  take_off(which);
  return std::exchange(dropped_in_row_, 0);
}

void HookQueue::take_off(const std::vector<std::size_t>& which) {
  save_at_once_ = true;
  for (auto index = which.rbegin(); index != which.rend(); ++index) {
    const auto event = events_.begin() + static_cast<std::ptrdiff_t>(*index);
    if (in_audit(*event)) done_.insert(event->id);
    events_.erase(event);
  }
  // What no waiting event precedes is behind the cursor.
  const auto kept = std::find_if(events_.begin(), events_.end(), in_audit);
  done_.erase(done_.begin(), done_.lower_bound(kept == events_.end() ? read_ + 1 : kept->id));
}

std::deque<Event> HookQueue::unkept() const {
  std::deque<Event> out;
  std::remove_copy_if(events_.begin(), events_.end(), std::back_inserter(out), in_audit);
  return out;
}

void HookQueue::remember(SteadyTime now, bool at_once) {
  if (!restored_) return;
  save_at_once_ = save_at_once_ || at_once;
  if (!save_at_once_ && now < last_saved_ + kIdleSave) return;
  const auto kept = std::find_if(events_.begin(), events_.end(), in_audit);
  Json memory;
  memory["cursor"] = kept == events_.end() ? read_ : kept->id - 1;
  if (kept != events_.end()) {
    memory["read"] = read_;
    memory["waiting"] = std::count_if(kept, events_.end(), in_audit);
  }
  if (!done_.empty()) memory["done"] = done_;
  if (Json channel = channel_.memory(); !channel.is_null()) memory["channel"] = std::move(channel);
  std::string text = memory.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text != saved_) {
    const auto put = memory_->put(key_, text);
    if (!put) {
      if (!std::exchange(writing_fails_, true)) log_->error("hook {}: {}", config_.name, put.error().message);
      return;
    }
    saved_ = std::move(text);
    last_saved_ = now;
  }
  writing_fails_ = false;
  save_at_once_ = false;
}

}  // namespace wal_exporter::events
