#include "events/runner.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "base/backoff.h"
#include "base/text.h"
#include "events/sender.h"

namespace wal_exporter::events {
namespace {

using Verdict = Attempt::Verdict;

// How often a refused request is tried: the receiver may be in the middle of a change.
constexpr int kRefusedTries = 3;
constexpr double kJitter = 0.2;
constexpr Duration kMemoryPause = std::chrono::seconds(5);
constexpr Duration kUnforeseenPause = std::chrono::seconds(5);
constexpr Duration kNoLimit = std::chrono::hours(1);

std::vector<std::string> receivers_of(const HookConfig& config) {
  std::vector<std::string> out;
  if (config.type == HookType::slack) return out;
  for (const std::string& url : config.urls) out.push_back(scheme_and_host(url));
  return out;
}

}  // namespace

HookRunner::HookRunner(HookConfig config, std::unique_ptr<Channel> channel, HookServices services, HookHandover before)
    : config_(std::move(config)),
      services_(std::move(services)),
      channel_(std::move(channel)),
      queue_(config_, *channel_, services_.memory, services_.log) {
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
    queue_.restore(services_.clock->now(), services_.clock->steady());
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

void HookRunner::stop(Queued becomes) {
  {
    const MutexLock lock(mutex_);
    becomes_ = becomes;
  }
  services_.bus->unsubscribe(subscription_);
  cancel();
  if (thread_.joinable()) thread_.join();
}

HookHandover HookRunner::hand_over() {
  const MutexLock lock(mutex_);
  HookHandover out{status_, queue_.unkept()};
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

// Reads new events if there may be some, and drops those that are too many or too old.
void HookRunner::collect(bool look) {
  const Time now = services_.clock->now();
  const std::size_t before = queue_.events().size();
  if (look && (queue_.restored() || queue_.restore(now, services_.clock->steady()))) {
    queue_.read_audit(now);
    std::deque<Event> unkept;
    {
      const MutexLock lock(mutex_);
      unkept.swap(unkept_);
    }
    queue_.add(std::move(unkept));
  }
  queue_.drop_surplus(now);
  const std::uint64_t dropped = queue_.take_dropped();
  if (dropped == 0 && queue_.events().size() == before) return;
  update([&](HookStatus& status) {
    status.dropped += dropped;
    status.queue_length = queue_.events().size();
  });
}

// When the next delivery is due; nullopt: not before something happens.
std::optional<SteadyTime> HookRunner::due() const {
  if (!queue_.restored()) return not_before_;
  if (channel_->has_news()) return not_before_.value_or(SteadyTime::min());
  if (!queue_.events().empty()) {
    const Time now = services_.clock->now();
    const Duration wait = channel_->due(queue_.events(), now) - now;
    const SteadyTime due = wait > Duration::zero() ? services_.clock->steady() + wait : SteadyTime::min();
    return std::max(due, not_before_.value_or(SteadyTime::min()));
  }
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
  const Delivery delivery = channel_->deliver(queue_.events(), now, longest, stop);
  if (stop.stop_requested() && delivery.verdict == Verdict::failed) return;  // it failed because of the stop
  const SteadyTime ended = services_.clock->steady();
  if (delivery.verdict == Verdict::delivered) {
    const std::uint64_t dropped = queue_.delivered(delivery.events);
    last_told_ = ended;
    not_before_.reset();
    if (failed_in_row_ > 0) {
      services_.log->info("hook {} works again after {} failures, {} dropped meanwhile", config_.name, failed_in_row_,
                          dropped);
    }
    if (!std::exchange(partly_failing_, delivery.failures > 0) && delivery.failures > 0) {
      services_.log->warn("hook {}: not all receivers took it: {}", config_.name, delivery.message);
    }
    failed_in_row_ = 0;
    refused_in_row_ = 0;
    update([&](HookStatus& status) {
      status.deliveries += delivery.events.size();
      status.failures += delivery.failures;
      status.queue_length = queue_.events().size();
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
    for (const std::size_t i : delivery.events) {
      const Event& event = queue_.events()[i];
      services_.log->error("hook {}: event {} ({} of {}) is dropped, its receiver refuses it: {}", config_.name,
                           event.id, to_string(event.type), event.target, delivery.message);
    }
    queue_.refused(delivery.events);
    last_told_ = ended;
  }
  note_failure(delivery, now);
}

void HookRunner::note_failure(const Delivery& delivery, Time now) {
  Duration asked = delivery.retry_after.value_or(Duration{});
  // Alerts that are not sent again end by themselves, so a longer Retry-After is cut.
  if (config_.type == HookType::alertmanager) asked = std::min(asked, config_.resend);
  const Duration pause = std::max(pause_after_failure(), asked);
  not_before_ = services_.clock->steady() + pause;
  const auto level = failed_in_row_ == 1 ? spdlog::level::warn : spdlog::level::debug;
  services_.log->log(level, "hook {}: {}; {} waiting, next try in {}", config_.name, delivery.message,
                     count_of(queue_.events().size(), "event"), format_duration_rough(pause));
  const std::uint64_t dropped = queue_.take_dropped();
  update([&](HookStatus& status) {
    status.failures += delivery.failures;
    status.dropped += dropped;
    status.queue_length = queue_.events().size();
    status.last_error = delivery.message;
    status.last_error_at = now;
  });
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
    bool look = false;
    std::optional<SteadyTime> finish_by;
    {
      const MutexLock lock(mutex_);
      look = std::exchange(woken_, false) || finish_by_;
    }
    collect(look || queue_.reading_fails());
    queue_.remember(services_.clock->steady(), /*at_once=*/false);
    const SteadyTime now = services_.clock->steady();
    const std::optional<SteadyTime> next = due();
    const bool now_due = queue_.restored() && next && *next <= now;
    {
      const MutexLock lock(mutex_);
      finish_by = finish_by_;
      if (finish_by && (!now_due || now >= *finish_by || stop.stop_requested())) break;
      if (!now_due) {
        // If reading or storing failed, try again after a while even if nothing new happens.
        const SteadyTime deadline =
            std::min(next.value_or(SteadyTime::max()),
                     queue_.reading_fails() || queue_.writing_fails() ? now + kMemoryPause : SteadyTime::max());
        if (!woken_ && !finish_by_) services_.clock->wait_until(wake_, mutex_, deadline);
        continue;
      }
    }
    attempt(finish_by ? *finish_by - now : kNoLimit, stop);
    queue_.remember(services_.clock->steady(), /*at_once=*/false);
  }
  queue_.remember(services_.clock->steady(), /*at_once=*/true);
  const std::size_t lost = queue_.unkept().size();
  if (queue_.events().empty()) return;
  Queued becomes = Queued::waits;
  {
    const MutexLock lock(mutex_);
    becomes = becomes_;
  }
  const std::string queued = count_of(queue_.events().size(), "queued event");
  const char* are = queue_.events().size() == 1 ? "is" : "are";
  if (becomes == Queued::dropped) {
    services_.log->warn("hook {}: removed, {} {} dropped", config_.name, queued, are);
    update([&](HookStatus& status) {
      status.dropped += queue_.events().size();
      status.queue_length = 0;
    });
  } else if (becomes == Queued::handed_on) {
    services_.log->info("hook {}: reconfigured, {} {} kept", config_.name, queued, are);
  } else {
    services_.log->info("hook {}: {} waiting until the next start{}", config_.name,
                        count_of(queue_.events().size(), "event"),
                        lost > 0 ? ", without " + std::to_string(lost) + " that could not be kept" : "");
  }
}

}  // namespace wal_exporter::events
