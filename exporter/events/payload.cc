#include "events/payload.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "base/text.h"

namespace wal_exporter::events {
namespace {

using Json = nlohmann::ordered_json;

// Slack's limit on the text of a section block.
constexpr std::size_t kSlackText = 3000;
constexpr std::size_t kSlackLead = 200;  // what a phone shows
constexpr std::string_view kEllipsis = "…";

std::size_t character_length(char first) {
  const auto byte = static_cast<unsigned char>(first);
  return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

// `piece(character)` says what stands for it. Valid UTF-8 is expected.
template <class Piece>
std::string cut(std::string_view text, std::size_t limit, const Piece& piece) {
  std::string out;
  std::size_t used = 0;  // characters in `out`
  std::size_t fits = 0;  // bytes of `out` that leave room for the ellipsis
  while (!text.empty()) {
    const std::size_t length = std::min(character_length(text.front()), text.size());
    const std::string_view written = piece(text.substr(0, length));
    const std::size_t characters = written.size() > length ? written.size() : 1;
    if (used + characters > limit) {
      out.resize(fits);
      out += kEllipsis;
      return out;
    }
    out += written;
    used += characters;
    if (used + 1 <= limit) fits = out.size();
    text.remove_prefix(length);
  }
  return out;
}

std::string mrkdwn(std::string_view text, std::size_t limit) {
  return cut(to_valid_utf8(text), limit, [](std::string_view character) -> std::string_view {
    if (character == "&") return "&amp;";
    if (character == "<") return "&lt;";
    if (character == ">") return "&gt;";
    return character;
  });
}

std::string_view colour(Severity severity) {
  switch (severity) {
    case Severity::info:
      return "#1a7f37";
    case Severity::warning:
      return "#9a6700";
    case Severity::critical:
      return "#cf222e";
    case Severity::count:
      break;
  }
  return "#1a7f37";
}

// verbatim: Slack makes no links of its own from the text.
Json section(std::string text) {
  return {{"type", "section"}, {"text", {{"type", "mrkdwn"}, {"text", std::move(text)}, {"verbatim", true}}}};
}

}  // namespace

std::string shortened(std::string_view text, std::size_t limit) {
  return cut(to_valid_utf8(text), limit, [](std::string_view character) { return character; });
}

std::vector<std::string> advice(const Event& event) {
  const Json detail = Json::parse(event.detail, nullptr, /*allow_exceptions=*/false);
  std::vector<std::string> out;
  if (!detail.is_object()) return out;
  if (const auto cause = detail.find("not_shrinking"); cause != detail.end() && cause->is_object()) {
    const auto text = cause->find("detail");
    if (text != cause->end() && text->is_string()) out.push_back(text->get<std::string>());
  }
  const auto lines = detail.find("recommendations");
  if (lines == detail.end() || !lines->is_array()) return out;
  for (const Json& line : *lines) {
    if (line.is_string()) out.push_back(line.get<std::string>());
  }
  return out;
}

Outlook outlook_of(const Event& event) {
  const Json detail = Json::parse(event.detail, nullptr, /*allow_exceptions=*/false);
  if (!detail.is_object()) return {};
  return {text_of(detail.value("replay", Json::object()), "text"), text_of(detail, "next")};
}

std::string format_minute(Time time) {
  std::string text = format_time(time).substr(0, std::string_view("2026-01-30T10:30").size());
  std::replace(text.begin(), text.end(), 'T', ' ');
  return text + " UTC";
}

Payload webhook_payload(const Event& event, const HookConfig& config, const std::optional<Template>& body_template) {
  Payload out;
  out.method = config.method;
  out.path = config.path;
  bool typed = false;
  for (const auto& [name, value] : config.headers) {
    typed = typed || lower_case(name) == "content-type";
    out.headers.emplace_back(name, value);
  }
  if (!typed) out.headers.emplace_back("Content-Type", "application/json");
  out.body = body_template ? body_template->render(event) : dump(to_json(event));
  return out;
}

Payload slack_payload(const Event& event) {
  const std::string severity(to_string(event.severity));
  const std::string type(to_string(event.type));
  // Names before the summary, which may be long.
  const std::string lead = "*" + severity + "* · " + mrkdwn(event.target, kSlackLead) + " · " + type;
  Json blocks = Json::array();
  blocks.push_back(section(lead + "\n" + mrkdwn(event.summary, kSlackText - 4 * kSlackLead)));
  const Outlook outlook = outlook_of(event);
  std::string facts;
  if (!outlook.replay.empty()) facts = "A restart would replay " + outlook.replay + ".";
  if (!outlook.next.empty()) facts += (facts.empty() ? "" : "\n") + outlook.next;
  if (!facts.empty()) blocks.push_back(section(mrkdwn(facts, kSlackText)));
  std::string lines;
  for (const std::string& line : advice(event)) lines += (lines.empty() ? "• " : "\n• ") + line;
  if (!lines.empty()) blocks.push_back(section(mrkdwn(lines, kSlackText)));
  std::string origin = format_time(event.time);
  if (event.id > 0) origin += " · event " + std::to_string(event.id);
  blocks.push_back({{"type", "context"}, {"elements", Json::array({{{"type", "mrkdwn"}, {"text", origin}}})}});
  Json body;
  // What notifications and screen readers show.
  body["text"] = severity + ": " + mrkdwn(event.target, kSlackLead) + ": " + mrkdwn(event.summary, kSlackLead);
  body["attachments"] = Json::array({{{"color", std::string(colour(event.severity))}, {"blocks", std::move(blocks)}}});
  Payload out;
  out.headers.emplace_back("Content-Type", "application/json; charset=utf-8");
  out.body = dump(body);
  return out;
}

}  // namespace wal_exporter::events
