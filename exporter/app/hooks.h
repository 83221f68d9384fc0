// Hooks as the process has them: from the settings, over the state, into the view.
//
// Safe from any thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "events/hooks.h"
#include "settings/settings.h"
#include "state/store.h"

namespace wal_exporter::app {

// `instance`: what alerts call this exporter where their labels don't.
[[nodiscard]] std::vector<events::HookConfig> hook_configs(const settings::Settings& settings,
                                                           const std::string& instance);
// The machine's name and `port`: two exporters never have the same.
[[nodiscard]] std::string own_instance(int port);

// Every template, and every file that a hook names: a line for each hook that can't work,
// which says where in the settings. Reads files, so only for whoever will use the hooks.
[[nodiscard]] std::vector<std::string> check_hooks(const settings::Settings& settings);

// The audit is the queue; what hooks keep has no target.
[[nodiscard]] events::HookServices hook_services(std::shared_ptr<Clock> clock, Log log,
                                                 std::shared_ptr<events::Bus> bus, std::shared_ptr<state::Store> store,
                                                 std::function<void()> changed);

// What is shown of them before any of them runs.
[[nodiscard]] std::vector<events::HookStatus> hooks_before_start(const settings::Settings& settings);

}  // namespace wal_exporter::app
