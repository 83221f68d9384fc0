#include "events/template.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/text.h"

namespace wal_exporter::events {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kNames[] = {"id", "time", "target", "type", "severity", "summary", "detail", "event"};
constexpr std::string_view kDetail = "detail.";

std::string trim(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return std::string(text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1));
}

bool is_known(std::string_view name) {
  if (name.starts_with(kDetail)) {
    const bool odd = std::any_of(name.begin(), name.end(),
                                 [](char c) { return !is_letter_or_digit(c) && c != '_' && c != '-' && c != '.'; });
    return !odd && !name.ends_with('.') && name.find("..") == std::string_view::npos;
  }
  return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
}

// Whether `text`, begun inside a string or not, ends inside one.
bool ends_in_string(std::string_view text, bool in_string) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"') {
      in_string = !in_string;
    } else if (text[i] == '\\' && in_string) {
      ++i;
    }
  }
  return in_string;
}

Json find(const Json& event, std::string_view name) {
  if (name == "event") return event;
  const Json* at = &event;
  while (!name.empty()) {
    const std::size_t dot = std::min(name.find('.'), name.size());
    const std::string key(name.substr(0, dot));
    if (!at->is_object() || !at->contains(key)) return nullptr;
    at = &(*at)[key];
    name.remove_prefix(std::min(dot + 1, name.size()));
  }
  return *at;
}

std::string plain(const Json& value) {
  if (value.is_null()) return {};
  return value.is_string() ? value.get<std::string>() : dump(value);
}

Event hostile_event() {
  Event event;
  event.target = "\"plant\"\n";
  event.summary = "a \"quoted\" \\ text\n\t<b>&</b>";
  event.detail = R"({"reason":"\"\n"})";
  return event;
}

}  // namespace

BodyFormat body_format(std::string_view content_type) {
  const std::string lower = lower_case(content_type);
  if (lower.find("json") != std::string::npos) return BodyFormat::json;
  return lower.starts_with("application/x-www-form-urlencoded") ? BodyFormat::form : BodyFormat::text;
}

Result<Template> Template::parse(std::string_view text, BodyFormat format) {
  constexpr std::size_t kLargest = 64 * 1024;
  if (text.size() > kLargest) return failure(ErrorKind::invalid, "it is larger than 64 KiB; write a shorter template");
  Template out;
  out.format_ = format;
  bool in_string = false;
  while (!text.empty()) {
    const std::size_t open = std::min(text.find("{{"), text.size());
    if (open > 0) {
      out.pieces_.push_back({std::string(text.substr(0, open)), false, false});
      in_string = ends_in_string(text.substr(0, open), in_string);
      text.remove_prefix(open);
      continue;
    }
    const std::size_t close = text.find("}}");
    if (close == std::string_view::npos) {
      return failure(ErrorKind::invalid, "a {{ in it has no }}; write names as {{summary}}");
    }
    const std::string name = trim(text.substr(2, close - 2));
    if (!is_known(name)) {
      return failure(ErrorKind::invalid, "'{{" + escape_control(name.substr(0, 60)) +
                                             "}}' is not a name it knows; write one of " + join(kNames, ", ") +
                                             " or detail.KEY");
    }
    out.pieces_.push_back({name, true, in_string});
    text.remove_prefix(close + 2);
  }
  if (format == BodyFormat::json && !Json::accept(out.render(hostile_event()))) {
    return failure(ErrorKind::invalid,
                   "what it gives is not JSON; check its quotes, commas and brackets, or set the header Content-Type "
                   "to what it is");
  }
  return out;
}

std::string Template::render(const Event& event) const {
  const Json json = to_json(event);
  std::string out;
  for (const Piece& piece : pieces_) {
    if (!piece.is_name) {
      out += piece.text;
      continue;
    }
    const Json value = find(json, piece.text);
    if (format_ == BodyFormat::json) {
      if (piece.in_string) {
        const std::string quoted = dump(Json(plain(value)));
        out += quoted.substr(1, quoted.size() - 2);
      } else {
        out += dump(value);
      }
    } else {
      out += format_ == BodyFormat::form ? percent_encode(plain(value)) : plain(value);
    }
  }
  return out;
}

}  // namespace wal_exporter::events
