// How a restart of InfluxDB that is under way, and the result of the last one, are
// kept in the state database; and what the settings say of restarts. Pure; safe from
// any thread.
#pragma once

#include <optional>
#include <string>

#include "policy/restart_verdict.h"
#include "settings/settings.h"
#include "view/view.h"

namespace wal_exporter::control {

// What the settings and the memory say; `state` is idle.
[[nodiscard]] view::RestartView restart_view_of(const settings::Target& target, const policy::Memory& memory, Time now);

// A restart that is under way, with what was there before it.
struct RestartStart {
  Time at{};
  std::string plan;  // what is done, in words
  wal::Extent pending;
  std::string process_id;           // of InfluxDB 3; empty: not known
  std::optional<std::string> done;  // what was done; nullopt: it was not seen to end

  friend bool operator==(const RestartStart&, const RestartStart&) = default;
};

[[nodiscard]] std::string to_text(const view::RestartView::Result& result);
[[nodiscard]] std::string to_text(const RestartStart& start);
// nullopt: it can't be read.
[[nodiscard]] std::optional<view::RestartView::Result> restart_result_from(const std::string& text);
[[nodiscard]] std::optional<RestartStart> restart_start_from(const std::string& text);

}  // namespace wal_exporter::control
