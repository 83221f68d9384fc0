// The routes that Prometheus scrapes: all metrics, and those of one target.
#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <memory>
#include <optional>

#include "base/gzip.h"
#include "base/text.h"
#include "metrics/openmetrics.h"
#include "web/action.h"
#include "web/negotiate.h"
#include "web/seat.h"

namespace wal_exporter::web {
namespace {

constexpr const char* kTimeoutHeader = "X-Prometheus-Scrape-Timeout-Seconds";
constexpr Duration kUsualProbe = std::chrono::seconds(5);
constexpr Duration kLongestProbe = std::chrono::seconds(30);
// For the way back, as the blackbox exporter has it.
constexpr Duration kTimeoutOffset = std::chrono::milliseconds(500);

// `seat` is empty where there is none: the answer is the refusal.
struct Scrape {
  std::shared_ptr<const Seat> seat;
  Response response;
  metrics::Format format = metrics::Format::text;
};

Scrape begin_scrape(const Context& context, const Call& call) {
  const std::size_t most = context.exposition.max_requests;
  auto seat = std::make_shared<const Seat>(context.scrapes, most > 0 ? most : std::numeric_limits<std::size_t>::max());
  if (!seat->held()) {
    return {nullptr, refuse(context, call.request, 503, "already answering " + count_of(most, "scrape"),
                            "scrape less often or from fewer places, or raise --web.max-requests")};
  }
  Scrape out;
  out.format = wanted_format(call.request.headers);
  out.response = text_response(200, std::string(metrics::content_type(out.format)), {});
  out.response.seat = seat;
  out.response.headers.emplace_back("Vary", "Accept");
  out.seat = std::move(seat);
  return out;
}

Response get_metrics(const Context& context, const Call& call) {
  Scrape scrape = begin_scrape(context, call);
  if (scrape.seat == nullptr) return std::move(scrape.response);
  if (takes_gzip(call.request.headers)) {
    scrape.response.headers.emplace_back("Content-Encoding", "gzip");
    scrape.response.body = context.metrics.gzipped(scrape.format);
  } else {
    scrape.response.body = context.metrics.text(scrape.format);
  }
  return std::move(scrape.response);
}

// How long a probe may wait, by what the scraper says it waits itself.
Result<Duration> wait_of(const Request& request) {
  const auto sent = header_values(request.headers, kTimeoutHeader);
  if (sent.empty()) return kUsualProbe;
  const std::string& text = sent.front();
  double seconds = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, seconds);
  if (sent.size() > 1 || parsed.ec != std::errc{} || parsed.ptr != end || !(seconds > 0)) {
    return failure(ErrorKind::invalid, std::string("the header ") + kTimeoutHeader +
                                           " must be a number of seconds above 0, not \"" + escape_control(text) +
                                           "\"");
  }
  const auto timeout = std::chrono::duration_cast<Duration>(
      std::chrono::duration<double>(std::min(seconds, to_seconds(kLongestProbe + kTimeoutOffset))));
  return std::max(timeout - kTimeoutOffset, timeout / 2);
}

Response get_probe(const Context& context, const Call& call) {
  const auto name = parameter(call.query, "target");
  if (!name) return refuse(context, call.request, name.error());
  if (!*name || (*name)->empty()) {
    return refuse(context, call.request, 400, "the parameter target is missing",
                  "ask for /probe?target=NAME, the name of a target of the settings");
  }
  const auto wait = wait_of(call.request);
  if (!wait) return refuse(context, call.request, wait.error());
  Scrape scrape = begin_scrape(context, call);
  if (scrape.seat == nullptr) return std::move(scrape.response);

  const SteadyTime begin = context.clock.steady();
  // Where as many wait as may, what is known is told at once.
  const Seat waiting(context.waiting, context.max_waiting);
  const auto answer = context.ask(&view::Commands::probe, **name, waiting.held() ? *wait : Duration::zero());
  if (!answer) {
    return answer.error().kind == ErrorKind::not_found ? no_such_target(context, call.request, **name)
                                                       : refuse(context, call.request, answer.error());
  }
  const bool success = answer->target->last_sample_success && (answer->in_time || !waiting.held());
  const std::string text = metrics::render_probe(*answer->target, success, context.clock.steady() - begin);
  const bool open = scrape.format == metrics::Format::openmetrics;
  scrape.response.body = (open ? metrics::to_openmetrics(text) : text) + std::string(metrics::end_of(scrape.format));
  return std::move(scrape.response);
}

constexpr std::array kMetricsRoutes{
    Route{kMetricsPath, "GET", get_metrics},
    Route{"/probe", "GET", get_probe},
};

}  // namespace

std::span<const Route> metrics_routes() {
  return kMetricsRoutes;
}

}  // namespace wal_exporter::web
