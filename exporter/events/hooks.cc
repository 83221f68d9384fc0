#include "events/hooks.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

namespace wal_exporter::events {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kNamesKey = "hooks";
constexpr Duration kFlushStep = std::chrono::milliseconds(20);

std::shared_ptr<HookRunner> find(const std::vector<std::shared_ptr<HookRunner>>& runners, const std::string& name) {
  const auto found =
      std::find_if(runners.begin(), runners.end(), [&](const auto& runner) { return runner->config().name == name; });
  return found == runners.end() ? nullptr : *found;
}

}  // namespace

Result<void> check_template(const HookConfig& config) {
  const auto channel = make_channel(config);
  if (!channel) return tl::unexpected(channel.error());
  return {};
}

Result<void> check_hook(const HookConfig& config) {
  const auto channel = make_channel(config);
  if (!channel) return tl::unexpected(channel.error());
  return (*channel)->check();
}

Hooks::~Hooks() {
  stop(Duration::zero());
}

// Forgets a removed hook: one added later under the same name starts anew.
void Hooks::forget_others(const std::vector<HookConfig>& configs) {
  const auto kept = services_.memory->get(kNamesKey);
  if (!kept) return services_.log->error("hooks: {}", kept.error().message);
  const Json before = *kept ? Json::parse(**kept, nullptr, /*allow_exceptions=*/false) : Json(nullptr);
  Json names = Json::array();
  for (const HookConfig& config : configs) names.push_back(config.name);
  if (names == before || (names.empty() && before.is_null())) return;
  if (before.is_array()) {
    for (const Json& name : before) {
      if (!name.is_string() || std::find(names.begin(), names.end(), name) != names.end()) continue;
      static_cast<void>(services_.memory->put("hook/" + name.get<std::string>(), ""));
    }
  }
  const auto put = services_.memory->put(kNamesKey, names.dump());
  if (!put) services_.log->error("hooks: {}", put.error().message);
}

void Hooks::apply(std::vector<HookConfig> configs) {
  Runners before;
  {
    const MutexLock lock(mutex_);
    before = runners_;
  }
  for (const auto& runner : before) {
    if (std::find(configs.begin(), configs.end(), runner->config()) != configs.end()) continue;
    const bool named = std::any_of(configs.begin(), configs.end(),
                                   [&](const HookConfig& config) { return config.name == runner->config().name; });
    runner->stop(named ? Queued::handed_on : Queued::dropped);
  }
  forget_others(configs);
  std::vector<HookStatus> gone = gone_after(before, configs);
  Runners after;
  for (HookConfig& config : configs) {
    const auto same = find(before, config.name);
    if (same != nullptr && same->config() == config) {
      after.push_back(same);
      continue;
    }
    auto channel = make_channel(config);
    if (!channel) {
      services_.log->error("hook {}: {}", config.name, channel.error().message);
      continue;
    }
    const std::string name = config.name;
    try {
      after.push_back(std::make_shared<HookRunner>(std::move(config), *std::move(channel), services_,
                                                   same != nullptr ? same->hand_over() : before_it_left(name)));
    } catch (const std::system_error& error) {
      services_.log->error("hook {} has no thread ({}); a reload tries again", name, error.what());
    }
  }
  const MutexLock lock(mutex_);
  runners_ = std::move(after);
  gone_ = std::move(gone);
}

// A counter that vanished with what it has just counted would tell nobody.
std::vector<HookStatus> Hooks::gone_after(const Runners& before, const std::vector<HookConfig>& configs) const {
  std::vector<HookStatus> out;
  const auto add = [&](HookStatus status) {
    const bool back = std::any_of(configs.begin(), configs.end(),
                                  [&](const HookConfig& config) { return config.name == status.name; });
    if (back || status.dropped == 0) return;
    status.receivers.clear();
    out.push_back(std::move(status));
  };
  const MutexLock lock(mutex_);
  for (const HookStatus& status : gone_) add(status);
  for (const auto& runner : before) add(runner->status());
  return out;
}

HookHandover Hooks::before_it_left(const std::string& name) const {
  const MutexLock lock(mutex_);
  const auto found = std::find_if(gone_.begin(), gone_.end(), [&](const HookStatus& one) { return one.name == name; });
  return found == gone_.end() ? HookHandover{} : HookHandover{*found, {}};
}

void Hooks::stop(Duration flush) {
  Runners runners;
  {
    const MutexLock lock(mutex_);
    runners = runners_;
  }
  const SteadyTime deadline = services_.clock->steady() + flush;
  for (const auto& runner : runners) runner->finish(deadline);
  if (flush > Duration::zero()) {
    Mutex mutex;
    CondVar never;
    const MutexLock lock(mutex);
    while (services_.clock->steady() < deadline &&
           !std::all_of(runners.begin(), runners.end(), [](const auto& runner) { return runner->finished(); })) {
      services_.clock->wait_until(never, mutex, std::min(deadline, services_.clock->steady() + kFlushStep));
    }
  }
  for (const auto& runner : runners) runner->cancel();
  for (const auto& runner : runners) runner->stop();
}

std::vector<HookStatus> Hooks::status() const {
  const MutexLock lock(mutex_);
  std::vector<HookStatus> out;
  out.reserve(runners_.size());
  for (const auto& runner : runners_) out.push_back(runner->status());
  out.insert(out.end(), gone_.begin(), gone_.end());
  return out;
}

}  // namespace wal_exporter::events
