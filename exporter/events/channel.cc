#include "events/channel.h"

#include <algorithm>
#include <exception>
#include <nlohmann/json.hpp>
#include <numeric>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "base/text.h"
#include "events/alert_book.h"
#include "events/damper.h"

namespace wal_exporter::events {
namespace {

BodyFormat format_of(const HookConfig& config) {
  for (const auto& [name, value] : config.headers) {
    if (lower_case(name) == "content-type") return body_format(value);
  }
  return BodyFormat::json;
}

// Webhook and Slack: one event, one request; damped, several in one.
class MessageChannel final : public Channel {
 public:
  MessageChannel(const HookConfig& config, std::optional<Template> body)
      : config_(config), template_(std::move(body)), sender_(config) {
    // What waits is neither too old nor too much in the end.
    if (config.damping) damper_.emplace(config.max_age / 2, config.max_queue / 2);
  }

  [[nodiscard]] Result<void> check() const override { return sender_.check(); }

  [[nodiscard]] bool take(const Event& event) override {
    return concerns(config_.filter, event) && severe_enough(config_.filter, event.severity);
  }

  [[nodiscard]] Delivery deliver(const std::deque<Event>& queue, Time now, Duration longest,
                                 const std::stop_token& stop) override {
    Delivery out;
    std::vector<const Event*> told;
    out.events = damper_ ? damper_->pick(queue, now) : std::vector<std::size_t>(queue.empty() ? 0 : 1, 0);
    for (const std::size_t i : out.events) told.push_back(&queue[i]);
    if (told.empty()) {
      out.verdict = Attempt::Verdict::delivered;  // nothing is due
      return out;
    }
    const Event event = summed_up(told);
    const Payload payload =
        config_.type == HookType::slack ? slack_payload(event) : webhook_payload(event, config_, template_);
    Attempt attempt = sender_.send(0, payload, now, std::min(longest, config_.timeout), stop);
    out.verdict = attempt.verdict;
    if (damper_ && out.verdict == Attempt::Verdict::delivered) damper_->told(told, now);
    out.failures = attempt.verdict == Attempt::Verdict::delivered ? 0 : 1;
    out.message = std::move(attempt.message);
    out.retry_after = attempt.retry_after;
    return out;
  }

  [[nodiscard]] Time due(const std::deque<Event>& queue, Time now) const override {
    return damper_ ? damper_->due(queue, now).value_or(now) : now;
  }

  [[nodiscard]] nlohmann::ordered_json memory() const override {
    return damper_ ? damper_->memory() : nlohmann::ordered_json(nullptr);
  }
  void restore(const nlohmann::ordered_json& memory, Time /*now*/) override {
    if (damper_) damper_->restore(memory);
  }

 private:
  const HookConfig config_;
  const std::optional<Template> template_;
  Sender sender_;
  std::optional<Damper> damper_;
};

class AlertChannel final : public Channel {
 public:
  explicit AlertChannel(const HookConfig& config)
      : config_(config), book_(config.labels, config.resend, config.watchdog) {
    if (!config_.known_targets.empty()) book_.keep_targets(config_.known_targets, {});
    for (std::size_t i = 0; i < config_.urls.size(); ++i) senders_.push_back(std::make_unique<Sender>(config_));
  }

  [[nodiscard]] Result<void> check() const override { return Sender(config_).check(); }

  [[nodiscard]] bool take(const Event& event) override {
    if (!concerns(config_.filter, event)) return false;
    const bool changed = book_.apply(event, severe_enough(config_.filter, event.severity));
    news_ = news_ || changed;
    return changed;
  }

  // Sends the whole state to every Alertmanager at the same time, so that a slow one delays no
  // other. One success is enough.
  [[nodiscard]] Delivery deliver(const std::deque<Event>& queue, Time now, Duration longest,
                                 const std::stop_token& stop) override {
    Delivery out;
    out.events.resize(queue.size());
    std::iota(out.events.begin(), out.events.end(), std::size_t{0});
    now_ = now;
    const Payload payload = book_.payload(now);
    bool delivered = false;
    bool failed = false;
    for (const Attempt& attempt : tell_all(payload, now, std::min(longest, config_.timeout), stop)) {
      delivered = delivered || attempt.verdict == Attempt::Verdict::delivered;
      failed = failed || attempt.verdict == Attempt::Verdict::failed;
      if (attempt.verdict == Attempt::Verdict::delivered) continue;
      ++out.failures;
      out.message += (out.message.empty() ? "" : "; ") + attempt.message;
      if (attempt.retry_after) out.retry_after = std::max(out.retry_after.value_or(Duration{}), *attempt.retry_after);
    }
    if (delivered) {
      out.verdict = Attempt::Verdict::delivered;
      out.retry_after.reset();
      book_.forget(now);
    } else if (!failed) {
      out.verdict = Attempt::Verdict::refused;
    }
    if (out.verdict != Attempt::Verdict::failed) news_ = false;
    return out;
  }

  [[nodiscard]] bool has_news() const override { return news_; }

  [[nodiscard]] std::optional<Duration> resend() const override {
    return book_.tells(now_) ? std::optional<Duration>(config_.resend) : std::nullopt;
  }

  [[nodiscard]] bool tells_a_state() const override { return true; }
  [[nodiscard]] nlohmann::ordered_json memory() const override { return book_.memory(); }

  void restore(const nlohmann::ordered_json& memory, Time now) override {
    book_.restore(memory);
    follow_settings(now);
  }

  void begin(Time now) override {
    follow_settings(now);
    book_.begin(now);
    news_ = book_.tells(now);
  }

 private:
  void follow_settings(Time now) {
    now_ = now;
    book_.keep_concerned(config_.filter, now);
    if (!config_.known_targets.empty()) book_.keep_targets(config_.known_targets, now);
    // Alertmanager may have been restarted too, so active alerts are sent again.
    news_ = book_.tells(now);
  }

  [[nodiscard]] std::vector<Attempt> tell_all(const Payload& payload, Time now, Duration timeout,
                                              const std::stop_token& stop) {
    std::vector<Attempt> attempts(senders_.size());
    // Runs in a thread of its own, so no exception may leave it.
    const auto tell = [&](std::size_t i) {
      try {
        attempts[i] = senders_[i]->send(i, payload, now, timeout, stop);
      } catch (const std::exception& exception) {
        attempts[i].message = senders_[i]->shown(i) + ": " + exception.what();
      }
    };
    std::vector<std::jthread> others;
    std::vector<std::size_t> here;
    if (!senders_.empty()) here.push_back(0);
    others.reserve(senders_.size());
    for (std::size_t i = 1; i < senders_.size(); ++i) {
      try {
        others.emplace_back(tell, i);
      } catch (const std::system_error&) {
        here.push_back(i);  // no more threads to be had: one after the other
      }
    }
    for (const std::size_t i : here) tell(i);
    others.clear();
    return attempts;
  }

  const HookConfig config_;
  std::vector<std::unique_ptr<Sender>> senders_;  // one per Alertmanager
  AlertBook book_;
  Time now_{};  // of the last delivery
  bool news_ = false;
};

}  // namespace

Time Channel::due(const std::deque<Event>& /*queue*/, Time now) const {
  return now;
}

nlohmann::ordered_json Channel::memory() const {
  return nullptr;
}

void Channel::begin(Time /*now*/) {}

void Channel::restore(const nlohmann::ordered_json& /*memory*/, Time /*now*/) {}

Result<std::unique_ptr<Channel>> make_channel(const HookConfig& config) {
  if (config.type == HookType::alertmanager) return std::make_unique<AlertChannel>(config);
  std::optional<Template> body;
  if (!config.body_template.empty()) {
    auto parsed = Template::parse(config.body_template, format_of(config));
    if (!parsed) return failure(parsed.error().kind, "template: " + parsed.error().message);
    body = *std::move(parsed);
  }
  return std::make_unique<MessageChannel>(config, std::move(body));
}

}  // namespace wal_exporter::events
