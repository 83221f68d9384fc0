#include "app/hooks.h"

#include <unistd.h>

#include <array>
#include <utility>

#include "app/event_feed.h"
#include "base/jitter.h"

namespace wal_exporter::app {
namespace {

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

}  // namespace

std::vector<events::HookConfig> hook_configs(const settings::Settings& settings, const std::string& instance) {
  std::vector<events::HookConfig> out;
  for (const settings::Hook& hook : settings.hooks) {
    out.push_back(hook.config);
    if (hook.config.type == events::HookType::alertmanager) out.back().labels.emplace("instance", instance);
  }
  return out;
}

std::string own_instance(int port) {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) name = {"localhost"};
  return std::string(name.data()) + ":" + std::to_string(port);
}

std::vector<std::string> check_hooks(const settings::Settings& settings) {
  std::vector<std::string> out;
  for (const settings::Hook& hook : settings.hooks) {
    const auto parsed = events::check_template(hook.config);
    const auto checked = parsed ? events::check_hook(hook.config) : parsed;
    if (checked) continue;
    const Error& error = checked.error();
    std::string text =
        (parsed ? hook.place : hook.template_place) + ": hook " + hook.config.name + ": " + error.message;
    if (error.kind == ErrorKind::permission || error.kind == ErrorKind::not_found) {
      text += "; write the secret into that file, readable by the exporter's user";
    }
    out.push_back(std::move(text));
  }
  return out;
}

events::HookServices hook_services(std::shared_ptr<Clock> clock, Log log, std::shared_ptr<events::Bus> bus,
                                   std::shared_ptr<state::Store> store, std::function<void()> changed) {
  return {std::move(clock),   std::move(log), std::move(bus), std::make_shared<StoreMemory>(std::move(store)),
          std::move(changed), &random_jitter};
}

std::vector<events::HookStatus> hooks_before_start(const settings::Settings& settings) {
  std::vector<events::HookStatus> out;
  for (const settings::Hook& hook : settings.hooks) {
    events::HookStatus& one = out.emplace_back();
    one.name = hook.config.name;
    one.type = hook.config.type;
  }
  return out;
}

}  // namespace wal_exporter::app
