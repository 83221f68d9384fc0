#include "events/runner.h"

#include <algorithm>
#include <exception>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/backoff.h"
#include "base/text.h"
#include "events/sender.h"

namespace wal_exporter::events {
namespace {

using Json = nlohmann::ordered_json;
using Verdict = Attempt::Verdict;

constexpr std::size_t kBatch = 200;
// How often a refused request is tried: the receiver may be in the middle of a change.
constexpr int kRefusedTries = 3;
constexpr double kJitter = 0.2;
constexpr Duration kMemoryPause = std::chrono::seconds(5);
constexpr Duration kUnforeseenPause = std::chrono::seconds(5);
// Events that the filter leaves out move the stored id at most this often. After a crash
// they are read again, which costs less than a synchronous write for each.
constexpr Duration kIdleSave = std::chrono::seconds(30);
constexpr Duration kNoLimit = std::chrono::hours(1);

std::vector<std::string> receivers_of(const HookConfig& config) {
  std::vector<std::string> out;
  if (config.type == HookType::slack) return out;
  for (const std::string& url : config.urls) out.push_back(scheme_and_host(url));
  return out;
}

std::string events_text(std::size_t count) {
  return std::to_string(count) + (count == 1 ? " event" : " events");
}

}  // namespace

HookRunner::HookRunner(HookConfig config, std::unique_ptr<Channel> channel, HookServices services, HookHandover before)
    : config_(std::move(config)),
      key_("hook/" + config_.name),
      services_(std::move(services)),
      channel_(std::move(channel)) {
  {
    const MutexLock lock(mutex_);
    status_ = std::move(before.status);
    status_.name = config_.name;
    status_.type = config_.type;
    status_.receivers = receivers_of(config_);
    status_.queue_length = 0;
    unkept_ = std::move(before.unkept);
  }
  // Subscribe before reading the audit, so that no event is missed in between.
  subscription_ = services_.bus->subscribe([this](const std::shared_ptr<const Event>& event) { on_event(*event); });
  try {
    restore();
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
  } catch (...) {
    services_.bus->unsubscribe(subscription_);
    throw;
  }
}

HookRunner::~HookRunner() {
  stop();
}

HookStatus HookRunner::status() const {
  const MutexLock lock(mutex_);
  return status_;
}

void HookRunner::finish(SteadyTime deadline) {
  const MutexLock lock(mutex_);
  finish_by_ = deadline;
  wake_.notify_all();
}

void HookRunner::cancel() {
  thread_.request_stop();
  const MutexLock lock(mutex_);
  if (!finish_by_) finish_by_ = SteadyTime::min();
  wake_.notify_all();
}

void HookRunner::stop() {
  services_.bus->unsubscribe(subscription_);
  cancel();
  if (thread_.joinable()) thread_.join();
}

HookHandover HookRunner::hand_over() {
  HookHandover out;
  const MutexLock lock(mutex_);
  out.status = status_;
  for (Event& event : queue_) {
    if (event.id == 0) out.unkept.push_back(std::move(event));
  }
  for (Event& event : unkept_) out.unkept.push_back(std::move(event));
  return out;
}

template <class Change>
void HookRunner::update(const Change& change) {
  {
    const MutexLock lock(mutex_);
    change(status_);
  }
  if (services_.changed) services_.changed();
}

// Called in the publisher's thread.
void HookRunner::on_event(const Event& event) {
  const MutexLock lock(mutex_);
  if (event.id == 0) {
    if (unkept_.size() >= config_.max_queue) {
      unkept_.pop_front();
      ++status_.dropped;
    }
    unkept_.push_back(event);
  }
  woken_ = true;
  wake_.notify_all();
}

void HookRunner::restore() {
  const auto complain = [&](const Error& error) {
    if (!std::exchange(reading_failing_, true)) {
      services_.log->error("hook {}: {}; it waits until that works", config_.name, error.message);
    }
  };
  const auto kept = services_.memory->get(key_);
  if (!kept) return complain(kept.error());
  const Json memory = *kept ? Json::parse(**kept, nullptr, /*allow_exceptions=*/false) : Json(nullptr);
  const auto cursor = memory.is_object() ? memory.find("cursor") : memory.end();
  if (memory.is_object() && cursor != memory.end() && cursor->is_number_integer()) {
    read_ = cursor->get<std::int64_t>();
    backlog_ = backlog_of(memory, read_);
    if (memory.contains("channel")) channel_->restore(memory["channel"], services_.clock->now());
  } else {
    const auto newest = services_.memory->newest_id();
    if (!newest) return complain(newest.error());
    if (const auto begun = begin_at(*newest); !begun) return complain(begun.error());
  }
  restored_ = true;
  reading_failing_ = false;
  // Stores where a new hook begins.
  remember(/*at_once=*/true);
}

// A new hook gets no earlier events, but a state (Alertmanager's) is made from them.
Result<void> HookRunner::begin_at(std::int64_t newest) {
  for (std::int64_t id = 0; channel_->tells_a_state() && id < newest;) {
    const auto events = services_.memory->events_after(id, kBatch);
    if (!events) return tl::unexpected(events.error());
    for (const Event& event : *events) static_cast<void>(event.id <= newest && channel_->take(event));
    id = events->size() < kBatch ? newest : events->back().id;
  }
  if (channel_->tells_a_state()) channel_->restore(channel_->memory(), services_.clock->now());
  read_ = newest;
  return {};
}

// Reads new events, in order.
void HookRunner::collect() {
  if (!restored_) restore();
  if (!restored_) return;
  while (true) {
    auto events = services_.memory->events_after(read_, kBatch);
    if (!events) {
      if (!std::exchange(reading_failing_, true)) {
        services_.log->error("hook {}: reading events: {}", config_.name, events.error().message);
      }
      break;
    }
    reading_failing_ = false;
    const bool last = events->size() < kBatch;
    for (Event& event : *events) {
      const std::int64_t id = event.id;
      const bool taken = channel_->take(event);
      if (taken) queue_.push_back(std::move(event));
      find_backlog(id, taken);
      read_ = std::max(read_, id);
    }
    if (last || (backlog_ && read_ >= backlog_->read)) settle_backlog();
    drop_surplus();
    if (last) break;
  }
  std::deque<Event> unkept;
  {
    const MutexLock lock(mutex_);
    unkept.swap(unkept_);
  }
  for (Event& event : unkept) {
    if (channel_->take(event)) queue_.push_back(std::move(event));
  }
  drop_surplus();
}

std::optional<HookRunner::Backlog> HookRunner::backlog_of(const Json& memory, std::int64_t cursor) {
  const auto read = memory.find("read");
  const auto waiting = memory.find("waiting");
  if (read == memory.end() || !read->is_number_integer()) return std::nullopt;
  if (waiting == memory.end() || !waiting->is_number_unsigned()) return std::nullopt;
  return Backlog{cursor, read->get<std::int64_t>(), waiting->get<std::uint64_t>(), 0, std::nullopt};
}

void HookRunner::find_backlog(std::int64_t id, bool taken) {
  if (!backlog_) return;
  if (!backlog_->trimmed) backlog_->trimmed = id > backlog_->cursor + 1;
  if (taken && id <= backlog_->read) ++backlog_->found;
}

// The audit keeps history_limit entries. Queued events may have been lost from it while this
// hook was not running. They count as lost only if the first of them is gone; otherwise there
// are fewer now because the filter has changed.
void HookRunner::settle_backlog() {
  const std::optional<Backlog> backlog = std::exchange(backlog_, std::nullopt);
  if (!backlog || backlog->found >= backlog->waiting || !backlog->trimmed.value_or(true)) return;
  const std::uint64_t lost = backlog->waiting - backlog->found;
  services_.log->warn("hook {}: {} dropped, because the audit (history_limit) no longer has what waited", config_.name,
                      events_text(lost));
  update([&](HookStatus& status) { status.dropped += lost; });
}

void HookRunner::drop_surplus() {
  if (queue_.size() > config_.max_queue) {
    const std::size_t surplus = queue_.size() - config_.max_queue;
    drop(surplus, "more than max_queue (" + std::to_string(config_.max_queue) + ") wait");
  }
  const Time now = services_.clock->now();
  const auto young = std::find_if(queue_.begin(), queue_.end(),
                                  [&](const Event& event) { return now - event.time <= config_.max_age; });
  const auto old = static_cast<std::size_t>(young - queue_.begin());
  if (old > 0) drop(old, "they waited longer than max_age (" + format_duration(config_.max_age) + ")");
}

// Drops events from the front of the queue. Logged once until the hook works again, and
// always counted.
void HookRunner::drop(std::size_t count, const std::string& why) {
  if (dropped_in_row_ == 0) {
    services_.log->warn("hook {}: {} dropped, because {}; hook_dropped_total counts what follows", config_.name,
                        events_text(count), why);
  }
  dropped_in_row_ += count;
  save_at_once_ = true;
  queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(count));
  update([&](HookStatus& status) {
    status.dropped += count;
    status.queue_length = queue_.size();
  });
}

// When the next delivery is due; nullopt: not before something happens.
std::optional<SteadyTime> HookRunner::due() const {
  if (!restored_) return not_before_;
  if (!queue_.empty() || channel_->has_news()) return not_before_.value_or(SteadyTime::min());
  const auto resend = channel_->resend();
  if (!resend) return std::nullopt;
  const SteadyTime next = last_told_ ? *last_told_ + *resend : SteadyTime::min();
  return std::max(next, not_before_.value_or(SteadyTime::min()));
}

Duration HookRunner::pause_after_failure() const {
  // Alerts that are not sent again end by themselves, so never wait longer than `resend`.
  const bool alerts = config_.type == HookType::alertmanager;
  const Duration longest = alerts ? std::min(config_.retry_longest, config_.resend) : config_.retry_longest;
  return backoff(config_.retry_first, longest, failed_in_row_, kJitter, services_.jitter ? services_.jitter() : 0.0);
}

void HookRunner::attempt(Duration longest, const std::stop_token& stop) {
  const Time now = services_.clock->now();
  const Delivery delivery = channel_->deliver(queue_, now, longest, stop);
  if (stop.stop_requested() && delivery.verdict == Verdict::failed) return;  // it failed because of the stop
  const SteadyTime ended = services_.clock->steady();
  const auto take_off = [&] {
    save_at_once_ = true;
    queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(delivery.events));
  };
  if (delivery.verdict == Verdict::delivered) {
    take_off();
    last_told_ = ended;
    not_before_.reset();
    if (failed_in_row_ > 0) {
      services_.log->info("hook {} works again after {} failures, {} dropped meanwhile", config_.name, failed_in_row_,
                          dropped_in_row_);
    }
    if (!std::exchange(partly_failing_, delivery.failures > 0) && delivery.failures > 0) {
      services_.log->warn("hook {}: not all receivers took it: {}", config_.name, delivery.message);
    }
    failed_in_row_ = 0;
    refused_in_row_ = 0;
    dropped_in_row_ = 0;
    update([&](HookStatus& status) {
      status.deliveries += delivery.events;
      status.failures += delivery.failures;
      status.queue_length = queue_.size();
      status.last_success = services_.clock->now();
      if (delivery.failures == 0) return;
      status.last_error = delivery.message;
      status.last_error_at = now;
    });
    return;
  }
  ++failed_in_row_;
  const bool gives_up = delivery.verdict == Verdict::refused && ++refused_in_row_ >= kRefusedTries;
  if (delivery.verdict == Verdict::failed) refused_in_row_ = 0;
  if (gives_up) {
    refused_in_row_ = 0;
    for (std::size_t i = 0; i < delivery.events; ++i) {
      const Event& event = queue_[i];
      services_.log->error("hook {}: event {} ({} of {}) is dropped, its receiver refuses it: {}", config_.name,
                           event.id, to_string(event.type), event.target, delivery.message);
    }
    take_off();
    dropped_in_row_ += delivery.events;
    last_told_ = ended;
  }
  note_failure(delivery, now, gives_up ? delivery.events : 0);
}

void HookRunner::note_failure(const Delivery& delivery, Time now, std::size_t dropped) {
  Duration asked = delivery.retry_after.value_or(Duration{});
  // Alerts that are not sent again end by themselves, so a longer Retry-After is cut.
  if (config_.type == HookType::alertmanager) asked = std::min(asked, config_.resend);
  const Duration pause = std::max(pause_after_failure(), asked);
  not_before_ = services_.clock->steady() + pause;
  const auto level = failed_in_row_ == 1 ? spdlog::level::warn : spdlog::level::debug;
  services_.log->log(level, "hook {}: {}; {} waiting, next try in {}", config_.name, delivery.message,
                     events_text(queue_.size()), format_duration_rough(pause));
  update([&](HookStatus& status) {
    status.failures += delivery.failures;
    status.dropped += dropped;
    status.queue_length = queue_.size();
    status.last_error = delivery.message;
    status.last_error_at = now;
  });
}

// Stores how far this hook has come: at once if `at_once` is given, or if something was
// delivered or dropped; otherwise at most every kIdleSave.
void HookRunner::remember(bool at_once) {
  if (!restored_) return;
  save_at_once_ = save_at_once_ || at_once;
  const SteadyTime now = services_.clock->steady();
  if (!save_at_once_ && now < last_saved_ + kIdleSave) return;
  const auto kept = std::find_if(queue_.begin(), queue_.end(), [](const Event& event) { return event.id > 0; });
  Json memory;
  memory["cursor"] = kept == queue_.end() ? read_ : kept->id - 1;
  if (kept != queue_.end()) {
    memory["read"] = read_;
    memory["waiting"] = std::count_if(kept, queue_.end(), [](const Event& event) { return event.id > 0; });
  }
  if (Json channel = channel_->memory(); !channel.is_null()) memory["channel"] = std::move(channel);
  std::string text = memory.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text != saved_) {
    const auto put = services_.memory->put(key_, text);
    if (!put) {
      if (!std::exchange(saving_failing_, true)) services_.log->error("hook {}: {}", config_.name, put.error().message);
      return;
    }
    saved_ = std::move(text);
    last_saved_ = now;
  }
  saving_failing_ = false;
  save_at_once_ = false;
}

// An exception that left this thread would end the process, so all are caught here.
void HookRunner::run(const std::stop_token& stop) {
  while (true) {
    try {
      work(stop);
      break;
    } catch (const std::exception& exception) {
      note_unforeseen(exception.what());
    }
    if (!pause_unforeseen(stop)) break;
  }
  finished_ = true;
  if (services_.changed) services_.changed();
}

void HookRunner::note_unforeseen(const char* what) {
  try {
    services_.log->error("hook {}: {}; it goes on in {}", config_.name, what, format_duration(kUnforeseenPause));
    update([&](HookStatus& status) {
      ++status.failures;
      status.last_error = what;
      status.last_error_at = services_.clock->now();
    });
  } catch (const std::exception&) {
    // Not even enough memory to report it.
  }
}

// Waits before the next try. False if the hook is to end.
bool HookRunner::pause_unforeseen(const std::stop_token& stop) {
  const SteadyTime deadline = services_.clock->steady() + kUnforeseenPause;
  const MutexLock lock(mutex_);
  while (!finish_by_ && !stop.stop_requested() && services_.clock->steady() < deadline) {
    services_.clock->wait_until(wake_, mutex_, deadline);
  }
  woken_ = true;
  return !finish_by_ && !stop.stop_requested();
}

void HookRunner::work(const std::stop_token& stop) {
  while (true) {
    std::size_t before = queue_.size();
    bool look = false;
    std::optional<SteadyTime> finish_by;
    {
      const MutexLock lock(mutex_);
      look = std::exchange(woken_, false) || finish_by_;
    }
    if (look || reading_failing_) {
      collect();
    } else {
      drop_surplus();
    }
    remember(/*at_once=*/false);
    if (queue_.size() != before) update([&](HookStatus& status) { status.queue_length = queue_.size(); });
    const SteadyTime now = services_.clock->steady();
    const std::optional<SteadyTime> next = due();
    const bool now_due = restored_ && next && *next <= now;
    {
      const MutexLock lock(mutex_);
      finish_by = finish_by_;
      if (finish_by && (!now_due || now >= *finish_by || stop.stop_requested())) break;
      if (!now_due) {
        // If reading or storing failed, try again after a while even if nothing new happens.
        const SteadyTime deadline =
            std::min(next.value_or(SteadyTime::max()),
                     reading_failing_ || saving_failing_ ? now + kMemoryPause : SteadyTime::max());
        if (!woken_ && !finish_by_) services_.clock->wait_until(wake_, mutex_, deadline);
        continue;
      }
    }
    attempt(finish_by ? *finish_by - now : kNoLimit, stop);
    remember(/*at_once=*/false);
  }
  const auto lost =
      static_cast<std::size_t>(std::count_if(queue_.begin(), queue_.end(), [](const Event& e) { return e.id == 0; }));
  remember(/*at_once=*/true);
  if (!queue_.empty()) {
    services_.log->info("hook {}: {} waiting until the next start{}", config_.name, events_text(queue_.size()),
                        lost > 0 ? ", without " + std::to_string(lost) + " that could not be kept" : "");
  }
}

}  // namespace wal_exporter::events
