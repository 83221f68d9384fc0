#include "control/restart_record.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "base/text.h"

namespace wal_exporter::control {

view::RestartView restart_view_of(const settings::Target& target, const policy::Memory& memory, Time now) {
  const policy::RestartRules& rules = target.rules.restart;
  view::RestartView out;
  out.enabled = rules.enabled;
  if (target.restart.method) out.method = actions::to_string(*target.restart.method);
  if (rules.enabled) out.remaining_today = policy::restarts_left(rules, memory, now);
  return out;
}

std::string to_text(const view::RestartView::Result& result) {
  return nlohmann::json{
      {"time", format_time(result.time)}, {"success", result.success}, {"message", to_valid_utf8(result.message)}}
      .dump();
}

std::optional<view::RestartView::Result> restart_result_from(const std::string& text) {
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return std::nullopt;
  const auto time = json.find("time");
  const auto success = json.find("success");
  const auto message = json.find("message");
  if (time == json.end() || !time->is_string() || success == json.end() || !success->is_boolean() ||
      message == json.end() || !message->is_string()) {
    return std::nullopt;
  }
  const auto when = parse_time(time->get<std::string>());
  if (!when) return std::nullopt;
  return view::RestartView::Result{*when, success->get<bool>(), message->get<std::string>()};
}

std::string to_text(const RestartStart& start) {
  return nlohmann::json{{"time", format_time(start.at)},
                        {"plan", to_valid_utf8(start.plan)},
                        {"files", start.pending.files},
                        {"bytes", start.pending.bytes},
                        {"process_id", to_valid_utf8(start.process_id)},
                        {"done", start.done ? nlohmann::json(to_valid_utf8(*start.done)) : nlohmann::json(nullptr)}}
      .dump();
}

std::optional<RestartStart> restart_start_from(const std::string& text) {
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return std::nullopt;
  try {
    const auto at = parse_time(json.at("time").get<std::string>());
    if (!at) return std::nullopt;
    return RestartStart{*at,
                        json.at("plan").get<std::string>(),
                        {json.at("files").get<std::uint64_t>(), json.at("bytes").get<std::uint64_t>()},
                        json.at("process_id").get<std::string>(),
                        json.at("done").is_null() ? std::nullopt : std::optional(json.at("done").get<std::string>())};
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  }
}

}  // namespace wal_exporter::control
