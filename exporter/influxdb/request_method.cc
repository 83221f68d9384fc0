#include "influxdb/request_method.h"

#include <strings.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/text.h"
#include "http/address.h"
#include "http/client.h"
#include "influxdb/api.h"
#include "influxdb/run_observer.h"
#include "influxdb/verify.h"

namespace wal_exporter::influxdb {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// What was pending at the start, and how much of it is gone.
struct Proof {
  wal::Extent asked;
  wal::Extent reclaimed;
  bool complete = false;
};

[[nodiscard]] Proof prove_any(const wal::Sample& start, const wal::Sample& now) {
  Proof proof;
  if (start.layout == wal::Layout::segments) {
    const SegmentProof segments = prove(start.shards, now.shards);
    return {segments.asked, segments.reclaimed, segments.complete()};
  }
  const std::uint64_t covered = now.snapshot ? now.snapshot->wal_file_sequence : 0;
  for (const wal::Period& period : start.periods) {
    proof.asked += {1, period.bytes};
    if (period.number <= covered) proof.reclaimed += {1, period.bytes};
  }
  proof.complete = proof.asked == proof.reclaimed;
  return proof;
}

class RequestMethod final : public CheckpointMethod {
 public:
  RequestMethod(RequestOptions options, std::shared_ptr<wal::WalSource> source, std::shared_ptr<Clock> clock, Log log)
      : options_(std::move(options)), source_(std::move(source)), clock_(std::move(clock)), log_(std::move(log)) {}

  [[nodiscard]] std::string_view name() const override { return "http"; }
  [[nodiscard]] Outcome run(const CheckpointRequest& request, std::stop_token stop) override;

 private:
  [[nodiscard]] Outcome send(const std::stop_token& stop);
  [[nodiscard]] Result<http::Request> make_request() const;
  // What is wrong with the answer; empty: it is one of those expected.
  [[nodiscard]] std::string complaint(const Result<http::Response>& response) const;

  const RequestOptions options_;
  const std::shared_ptr<wal::WalSource> source_;
  const std::shared_ptr<Clock> clock_;
  const Log log_;
  http::Client client_{options_.tls};
  Pause pause_;
};

Outcome RequestMethod::run(const CheckpointRequest&, std::stop_token stop) {
  const Time started = clock_->now();
  const SteadyTime begin = clock_->steady();
  Outcome outcome = send(stop);
  outcome.started = started;
  outcome.elapsed = clock_->steady() - begin;
  return outcome;
}

Result<http::Request> RequestMethod::make_request() const {
  auto token = read_token(options_.token_file);
  if (!token) return tl::unexpected<Error>(token.error());
  // An Authorization header that the user configured replaces the token.
  const bool own = std::any_of(options_.headers.begin(), options_.headers.end(), [](const auto& header) {
    return ::strcasecmp(header.first.c_str(), "authorization") == 0;
  });
  const std::string slash = options_.path.starts_with('/') ? "" : "/";
  auto request =
      api_request(options_.url, slash + options_.path, "Bearer", own ? std::string() : *token, options_.timeout);
  if (!request) return request;
  request->method = options_.method;
  request->headers.assign(options_.headers.begin(), options_.headers.end());
  request->body = options_.body;
  request->max_response_bytes = kMaxLongAnswerBytes;
  return request;
}

std::string RequestMethod::complaint(const Result<http::Response>& response) const {
  if (!response) return response.error().message + "; check that the server runs and that influxdb.url is its address";
  const auto& expected = options_.expected_status;
  if (std::find(expected.begin(), expected.end(), response->status) != expected.end()) return {};
  std::vector<std::string> wanted;
  for (const int status : expected) wanted.push_back(std::to_string(status));
  std::string text = escape_control(options_.method + " " + http::printable_url(options_.url + options_.path)) +
                     " answered " + status_text(*response) + ", expected " + join(wanted, ", ");
  if (const std::string remedy = remedy_for(response->status, !options_.token_file.empty());
      !remedy.empty() && response->status != 404) {
    text += "; " + remedy;
  } else {
    text += "; check the method, path and expected status under checkpoint.http";
  }
  return text;
}

Outcome RequestMethod::send(const std::stop_token& stop) {
  Outcome outcome;
  const auto request = make_request();
  if (!request) {
    outcome.message = request.error().message;
    return outcome;
  }
  RunObserver observer(*source_, *clock_, pause_, clock_->steady() + options_.timeout, stop);
  if (const auto sampled = observer.take_sample(); !sampled) {
    outcome.message = sampled.error().message;
    return outcome;
  }
  const auto start = observer.latest_ptr();
  const Proof before = prove_any(*start, *start);
  if (before.asked.files == 0) {
    outcome.kind = OutcomeKind::no_op;
    outcome.message = "nothing is pending";
    return outcome;
  }

  const auto response = client_.send(*request, stop);
  const std::string wrong = complaint(response);
  if (response) outcome.steps = 1;
  const auto complete = [&](const wal::Sample& sample) { return prove_any(*start, sample).complete; };
  auto sampled = observer.take_sample();
  if (sampled && wrong.empty()) {
    const auto found = observer.sample_until({milliseconds(20), seconds(2), options_.timeout}, complete);
    if (!found) sampled = tl::unexpected<Error>(found.error());
  }

  const Proof proof = prove_any(*start, observer.latest());
  outcome.reclaimed = proof.reclaimed;
  const std::string gone = extent_text(proof.reclaimed) + " of " + extent_text(proof.asked) + " persisted";
  if (proof.complete) {
    outcome.kind = OutcomeKind::succeeded;
    outcome.message = extent_text(proof.reclaimed) + " persisted";
    if (!wrong.empty()) outcome.message += ", although: " + wrong;
  } else if (observer.stopped()) {
    outcome.message = "stopped after the request was sent (" + gone + ")";
  } else if (!wrong.empty()) {
    outcome.message = wrong + " (" + gone + ")";
  } else if (!sampled) {
    outcome.message = sampled.error().message + " (" + gone + ")";
  } else {
    outcome.kind = OutcomeKind::unverified;
    outcome.message = "the server answered " + std::to_string(response->status) +
                      ", but the WAL does not show it within " + format_duration_rough(options_.timeout) + " (" + gone +
                      "); check that the request under checkpoint.http makes this server persist its WAL, and that "
                      "influxdb.url and wal.directory belong to the same server";
  }
  return outcome;
}

}  // namespace

std::unique_ptr<CheckpointMethod> make_request_method(RequestOptions options, std::shared_ptr<wal::WalSource> source,
                                                      std::shared_ptr<Clock> clock, Log log) {
  return std::make_unique<RequestMethod>(std::move(options), std::move(source), std::move(clock), std::move(log));
}

constexpr MethodKind kRequestKind{Method::http,
                                  "http",
                                  wal::Generation::unknown,
                                  /*is_automatic=*/false,
                                  /*writes_points=*/false,
                                  [](const MethodSettings& target) -> std::string {
                                    if (!target.server.url.empty() && target.checkpoint.http) return {};
                                    return "the method http needs influxdb.url and checkpoint.http";
                                  },
                                  [](const MethodSettings& target, MethodRun run) {
                                    RequestOptions options{target.server, *target.checkpoint.http};
                                    options.timeout = target.checkpoint.timeout;
                                    return make_request_method(std::move(options), std::move(run.source),
                                                               std::move(run.clock), std::move(run.log));
                                  }};

}  // namespace wal_exporter::influxdb
