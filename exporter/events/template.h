// The body of a webhook as its owner writes it: text with {{ names }}.
//
// Names are those of the event's JSON: id, time, target, type, severity, summary,
// detail, detail.KEY.KEY, and event for all of it. Nothing else: no conditions, no
// loops, and an unknown name is an error when the template is read, not when an
// event is to be told.
//
// What stands in for a name is written so that it can't break out of its place: in
// JSON inside quotes as the inside of a string, outside of quotes as a value with
// quotes of its own; in a web form percent-encoded; in anything else as it is.
//
// Pure; safe from any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "events/event.h"

namespace wal_exporter::events {

enum class BodyFormat { json, form, text };

// From a Content-Type: whatever says json, application/x-www-form-urlencoded, all else.
[[nodiscard]] BodyFormat body_format(std::string_view content_type);

class Template {
 public:
  // For json the template is also tried with an event full of quotes and line
  // breaks: one that does not give JSON is an error.
  [[nodiscard]] static Result<Template> parse(std::string_view text, BodyFormat format);

  // A name that the event has no value for becomes null in JSON, and nothing inside quotes or
  // outside of JSON.
  [[nodiscard]] std::string render(const Event& event) const;

 private:
  struct Piece {
    std::string text;  // literal, or a name where `is_name`
    bool is_name = false;
    bool in_string = false;  // JSON: stands between quotes
  };

  BodyFormat format_ = BodyFormat::json;
  std::vector<Piece> pieces_;
};

}  // namespace wal_exporter::events
