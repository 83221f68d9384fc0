#include "app/hooks.h"

#include <random>
#include <utility>

#include "app/event_feed.h"

namespace wal_exporter::app {
namespace {

events::HookType type_of(settings::HookType type) {
  switch (type) {
    case settings::HookType::webhook:
      return events::HookType::webhook;
    case settings::HookType::slack:
      return events::HookType::slack;
    case settings::HookType::alertmanager:
      return events::HookType::alertmanager;
  }
  return events::HookType::webhook;
}

class StoreMemory final : public events::HookMemory {
 public:
  explicit StoreMemory(std::shared_ptr<state::Store> store) : store_(std::move(store)) {}

  [[nodiscard]] Result<std::vector<events::Event>> events_after(std::int64_t id, std::size_t limit) override {
    state::EventQuery query;
    query.after = id;
    query.limit = limit;
    query.oldest_first = true;
    auto entries = store_->events(query);
    if (!entries) return tl::unexpected(entries.error());
    return to_events(*std::move(entries));
  }
  [[nodiscard]] Result<std::int64_t> newest_id() override { return store_->newest_id(); }
  [[nodiscard]] Result<std::optional<std::string>> get(const std::string& key) override {
    return store_->get(kNoTarget, key);
  }
  [[nodiscard]] Result<void> put(const std::string& key, const std::string& value) override {
    return store_->put(kNoTarget, key, value);
  }

 private:
  // Targets have names of at least one byte.
  const std::string kNoTarget;
  const std::shared_ptr<state::Store> store_;
};

double hook_jitter() {
  thread_local std::minstd_rand random{std::random_device{}()};
  return std::uniform_real_distribution<double>(-1, 1)(random);
}

}  // namespace

std::vector<events::HookConfig> hook_configs(const settings::Settings& settings) {
  std::vector<events::HookConfig> out;
  for (const settings::Hook& hook : settings.hooks) {
    events::HookConfig config;
    config.name = hook.name;
    config.type = type_of(hook.type);
    config.urls = hook.urls;
    config.url_file = hook.url_file;
    config.login = {hook.bearer_token_file, hook.username, hook.password_file, hook.secret_header_file};
    for (const std::string& name : hook.events) {
      if (const auto type = events::parse_type(name)) config.filter.types.push_back(*type);
    }
    for (const std::string& name : hook.severities) {
      if (const auto severity = events::parse_severity(name)) config.filter.severities.push_back(*severity);
    }
    config.filter.targets = hook.targets;
    config.method = hook.method;
    config.path = hook.path;
    config.headers = hook.headers;
    config.body_template = hook.body_template;
    config.hmac_secret_file = hook.hmac_secret_file;
    config.resend = hook.resend;
    config.labels = hook.labels;
    if (hook.type == settings::HookType::alertmanager) {
      for (const settings::Target& target : settings.targets) config.known_targets.push_back(target.name);
    }
    config.timeout = hook.timeout;
    config.max_queue = hook.max_queue;
    config.max_age = hook.max_age;
    config.retry_first = hook.retry_first;
    config.retry_longest = hook.retry_longest;
    out.push_back(std::move(config));
  }
  return out;
}

Result<void> check_hooks(const settings::Settings& settings) {
  const auto configs = hook_configs(settings);
  for (std::size_t i = 0; i < configs.size(); ++i) {
    const auto checked = events::check_hook(configs[i]);
    if (checked) continue;
    const Error& error = checked.error();
    const settings::Hook& hook = settings.hooks[i];
    const bool of_template = error.message.starts_with("template:");
    std::string text =
        (of_template ? hook.template_place : hook.place).text + ": hook " + hook.name + ": " + error.message;
    if (error.kind == ErrorKind::permission || error.kind == ErrorKind::not_found) {
      text += "; write the secret into that file, readable by the exporter's user";
    }
    return failure(error.kind, std::move(text));
  }
  return {};
}

std::shared_ptr<events::HookMemory> hook_memory(std::shared_ptr<state::Store> store) {
  return std::make_shared<StoreMemory>(std::move(store));
}

events::HookServices hook_services(std::shared_ptr<Clock> clock, Log log, std::shared_ptr<events::Bus> bus,
                                   std::shared_ptr<state::Store> store, std::function<void()> changed) {
  return {std::move(clock),   std::move(log), std::move(bus), hook_memory(std::move(store)),
          std::move(changed), &hook_jitter};
}

std::vector<view::HookView> hook_views(const std::vector<events::HookStatus>& statuses) {
  std::vector<view::HookView> out;
  for (const events::HookStatus& status : statuses) {
    view::HookView one;
    one.name = status.name;
    one.type = events::to_string(status.type);
    one.receivers = status.receivers;
    one.deliveries = status.deliveries;
    one.failures = status.failures;
    one.dropped = status.dropped;
    one.queue_length = status.queue_length;
    one.last_error = status.last_error;
    one.last_error_at = status.last_error_at;
    one.last_success = status.last_success;
    out.push_back(std::move(one));
  }
  return out;
}

std::vector<view::HookView> hook_views(const settings::Settings& settings) {
  std::vector<view::HookView> out;
  for (const events::HookConfig& config : hook_configs(settings)) {
    view::HookView one;
    one.name = config.name;
    one.type = events::to_string(config.type);
    out.push_back(std::move(one));
  }
  return out;
}

}  // namespace wal_exporter::app
