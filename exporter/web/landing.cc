#include "web/landing.h"

#include "base/bytes.h"
#include "base/text.h"
#include "view/json.h"
#include "web/request.h"

namespace walx::web {
namespace {

std::string cell(std::string_view text) {
  return "<td>" + escape_html(text) + "</td>";
}

std::string last_checkpoint(const view::TargetView& target) {
  if (target.running) return "running since " + format_time(target.running->started);
  return target.last_checkpoint ? format_time(*target.last_checkpoint) : "none yet";
}

std::string row(const view::TargetView& target, Time now) {
  const auto* sample = target.sample.get();
  const auto link = "/api/v1/targets/" + percent_encode(target.name);
  auto note = view::unknown_reason(target, now);
  if (note.empty() && !target.error.empty()) note = "the last look failed: " + target.error;
  if (note.empty()) note = target.decision.explanation;
  return "<tr><td><a href=\"" + escape_html(link) + "\">" + escape_html(target.name) + "</a></td>" +
         cell(policy::to_string(view::health_at(target, now))) +
         cell(sample != nullptr ? std::to_string(sample->pending.files) : "") +
         cell(sample != nullptr ? format_bytes(sample->pending.bytes) : "") + cell(last_checkpoint(target)) +
         cell(sample != nullptr ? format_time(sample->taken_at) : "never") + cell(note) + "</tr>\n";
}

}  // namespace

std::string escape_html(std::string_view text) {
  std::string out;
  for (const char c : escape_control(text)) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string landing_page(const view::View& view, Time now) {
  std::string out =
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>InfluxDB WAL exporter</title></head>\n"
      "<body>\n<h1>InfluxDB WAL exporter</h1>\n"
      "<table>\n<tr><th>Target</th><th>Health</th><th>Pending files</th><th>Pending size</th>"
      "<th>Last checkpoint</th><th>Sampled at</th><th>Note</th></tr>\n";
  for (const auto& target : view.targets) out += row(*target, now);
  out += "</table>\n";
  if (!view.not_ready.empty()) out += "<p>Not ready yet: " + escape_html(join(view.not_ready, ", ")) + "</p>\n";
  if (!view.last_reload_successful) {
    out += "<p>The last reload of the settings failed: " + escape_html(view.last_reload_error) + "</p>\n";
  }
  out +=
      "<ul>\n<li><a href=\"/metrics\">Metrics</a></li>\n<li><a href=\"/api/v1/targets\">All targets as JSON</a></li>\n"
      "<li><a href=\"/wal-management/stats\">WAL statistics of the first target</a></li>\n"
      "<li><a href=\"/-/healthy\">Healthy</a>, <a href=\"/-/ready\">ready</a></li>\n</ul>\n</body>\n</html>\n";
  return out;
}

}  // namespace walx::web
