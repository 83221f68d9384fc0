// What each kind of hook says of an event: the request without its address and
// its secrets.
//
// Whatever text an event holds, the body is valid JSON (or what the webhook's
// template makes of it) and within the receiver's limits. Pure; safe from any
// thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "events/event.h"
#include "events/hook.h"
#include "events/template.h"

namespace wal_exporter::events {

struct Payload {
  std::string method = "POST";
  std::string path{};  // appended to the hook's URL
  std::vector<std::pair<std::string, std::string>> headers{};
  std::string body{};
};

// The lines that help whoever is told: why the WAL does not shrink, what to do.
[[nodiscard]] std::vector<std::string> advice(const Event& event);

// What a restart would replay ("75 files, 3.5 GiB, about 2m 30s"), and what the exporter does
// next, as the event says it; empty: it does not.
struct Outlook {
  std::string replay;
  std::string next;
};
[[nodiscard]] Outlook outlook_of(const Event& event);

// "2026-01-30 10:30 UTC": for texts that stand for hours.
[[nodiscard]] std::string format_minute(Time time);

// At most `limit` characters (code points) of valid UTF-8, "…" as the last one
// where something was cut off.
[[nodiscard]] std::string shortened(std::string_view text, std::size_t limit);

// Of a webhook, `config` saying how. The body is to_json(event) without a template.
[[nodiscard]] Payload webhook_payload(const Event& event, const HookConfig& config,
                                      const std::optional<Template>& body_template);

// An attachment in the colour of the severity, with blocks: the summary, the
// advice, time and id. Text is escaped as Slack asks for (& < >), so that nothing
// in it becomes a link or calls a channel, and cut to Slack's 3000 characters.
[[nodiscard]] Payload slack_payload(const Event& event);

}  // namespace wal_exporter::events
