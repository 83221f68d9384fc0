#include "web/landing.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "base/bytes.h"
#include "base/text.h"
#include "view/json.h"
#include "web/action.h"
#include "web/assets.h"
#include "web/negotiate.h"

namespace wal_exporter::web {
namespace {

// `html`: one element or one text; on a phone each would be a column of its own.
std::string cell(std::string_view name, const std::string& html) {
  return "<td data-name=\"" + std::string(name) + "\">" + html + "</td>";
}

std::string isolated(std::string_view text) {
  return "<bdi>" + escape_html(text) + "</bdi>";
}

// Shown to the second; the attribute holds the full time.
std::string moment(Time time) {
  const auto whole = format_time(time);
  return "<time datetime=\"" + whole + "\">" + whole.substr(0, 10) + " " + whole.substr(11, 8) + " UTC</time>";
}

std::string last_checkpoint(const view::TargetView& target) {
  if (target.running) return "<span>running since " + moment(target.running->started) + "</span>";
  if (!target.last_checkpoint) return "none yet";
  std::string out = "<span>" + moment(*target.last_checkpoint);
  if (target.last_run && target.last_run->outcome) {
    out += ", " + std::string(influxdb::to_string(target.last_run->outcome->kind));
  }
  return out + "</span>";
}

std::string pending(const view::TargetView& target) {
  if (target.sample == nullptr) return "not known yet";
  const auto& pending = target.sample->pending;
  const auto& limits = target.thresholds;
  return count_of(pending.files, "file") + " (limit " + std::to_string(limits.warning_files) + "), " +
         format_bytes(pending.bytes) + " (limit " + format_bytes(limits.warning_bytes) + ")";
}

std::string replay(const view::TargetView& target) {
  if (target.sample == nullptr) return "not known yet";
  const wal::Effect worst = target.findings.empty() ? wal::Effect::harmless : target.findings.front().finding.effect;
  if (worst == wal::Effect::stops_start) return "InfluxDB will not start again: do not restart";
  if (worst == wal::Effect::ends_at_write) return "InfluxDB will exit at its next write: do not restart";
  if (worst == wal::Effect::skipped) return "writes would be lost: do not restart";
  return "about " + format_duration_rough(std::chrono::duration_cast<Duration>(
                        std::chrono::duration<double>(target.forecast.replay_estimate_seconds)));
}

std::string note(const view::TargetView& target, Time now) {
  auto note = view::unknown_reason(target, now);
  if (note.empty() && !target.error.empty()) note = "the last sample failed: " + target.error;
  if (note.empty()) note = target.decision.explanation();
  for (const auto& found : target.findings) note += "; " + found.text;
  if (target.not_shrinking) {
    std::string advice = policy::advice(*target.not_shrinking);
    advice.front() = static_cast<char>(std::tolower(static_cast<unsigned char>(advice.front())));
    note += "; " + advice;
  }
  if (target.server && !target.server->up) {
    note += "; InfluxDB does not answer";
    if (!target.server->error.empty()) note += ": " + target.server->error;
  }
  if (target.paused) note += "; paused";
  if (target.dry_run) note += "; dry run";
  if (target.watch_degraded) note += "; watch degraded: " + target.watch_detail;
  return note;
}

std::string row(const view::TargetView& target, Time now) {
  const auto link = "/api/v1/targets/" + percent_encode(target.name);
  const std::string health(policy::to_string(view::health_at(target, now)));
  const auto* sample = target.sample.get();
  return "<tr>" + cell("Target", "<a href=\"" + escape_html(link) + "\">" + isolated(target.name) + "</a>") +
         cell("Health", "<span class=\"chip " + health + "\">" + health + "</span>") +
         cell("Replay time after a restart", replay(target)) + cell("Pending", pending(target)) +
         cell("Last checkpoint", last_checkpoint(target)) +
         cell("Last sample", sample != nullptr ? moment(sample->taken_at) : "never") +
         cell("Decision", isolated(note(target, now))) + "</tr>\n";
}

std::string table(const view::View& view, Time now) {
  std::string out =
      "<table>\n<thead><tr><th scope=\"col\">Target</th><th scope=\"col\">Health</th>"
      "<th scope=\"col\">Replay time after a restart</th><th scope=\"col\">Pending</th>"
      "<th scope=\"col\">Last checkpoint</th><th scope=\"col\">Last sample</th>"
      "<th scope=\"col\">Decision</th></tr></thead>\n<tbody>\n";
  for (const auto& target : view.targets) out += row(*target, now);
  return out + "</tbody>\n</table>";
}

std::string notice(std::string_view level, std::string_view title, const std::string& text) {
  return "<p class=\"notice\" data-level=\"" + std::string(level) + "\"><strong>" + std::string(title) +
         "</strong><span>" + escape_html(text) + "</span></p>\n";
}

std::string notices(const view::View& view) {
  std::string out;
  if (!view.not_ready.empty()) out += notice("warning", "Not ready yet", join(view.not_ready, ", "));
  if (!view.last_reload_successful) {
    out += notice("critical", "The last reload of the settings failed", view.last_reload_error);
  }
  return out;
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

std::string landing_page(const view::View& view, Time now, std::string_view metrics_path) {
  auto rest = page_template();
  std::string out;
  const auto fill_in = [&](std::string_view place, const std::string& text) {
    const auto found = rest.find(place);
    out += std::string(rest.substr(0, found)) + text;
    rest.remove_prefix(found + place.size());
  };
  fill_in("<!--events-->", join(names_of(events::kTypes), " "));
  fill_in("<!--notices-->", notices(view));
  fill_in("<!--targets-->", table(view, now));
  fill_in("<!--metrics-->", escape_html(metrics_path));
  return out + std::string(rest);
}

namespace {

Response get_landing(const Context& context, const Call&) {
  auto response =
      text_response(200, "text/html; charset=utf-8",
                    landing_page(*context.views.current(), context.clock.now(), context.exposition.telemetry_path));
  // The page may load from this server alone, and run no script but our files.
  response.headers.emplace_back("Content-Security-Policy",
                                "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
                                "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
  response.headers.emplace_back("Referrer-Policy", "no-referrer");
  response.headers.emplace_back("Cross-Origin-Opener-Policy", "same-origin");
  return response;
}

Response get_asset(const Context& context, const Call& call) {
  for (const auto& asset : assets()) {
    if (asset.name != call.names.front()) continue;
    Response response;
    response.content_type = asset.content_type;
    // Cached for a year, because the address holds the hash. Private, because with logins a
    // shared cache must not keep it.
    response.cache_control = "private, max-age=31536000, immutable";
    const bool zipped = takes_gzip(call.request.headers);
    const std::string_view etag = zipped ? asset.gzip_etag : asset.etag;
    response.headers.emplace_back("Vary", "Accept-Encoding");
    response.headers.emplace_back("ETag", etag);
    const auto known = header_values(call.request.headers, "If-None-Match");
    if (std::find(known.begin(), known.end(), etag) != known.end()) {
      response.status = 304;
      return response;
    }
    if (zipped) response.headers.emplace_back("Content-Encoding", "gzip");
    response.fixed_body = zipped ? asset.gzip : asset.bytes;
    return response;
  }
  return refuse(context, call.request, 404, "there is no asset \"" + escape_control(call.names.front()) + "\"",
                "load the page at / again: the exporter may have been updated");
}

constexpr std::array kPageRoutes{
    Route{"/", "GET", get_landing},
    Route{"/assets/{file}", "GET", get_asset},
};

}  // namespace

std::span<const Route> page_routes() {
  return kPageRoutes;
}

}  // namespace wal_exporter::web
