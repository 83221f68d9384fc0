#include "influxdb/nudge.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/text.h"
#include "http/address.h"
#include "influxdb/api.h"
#include "influxdb/run_observer.h"

namespace wal_exporter::influxdb {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Between samples while waiting for a boundary or for writes of others.
constexpr Duration kIdlePause = seconds(2);
// The snapshot file comes after the answer to the write that caused it.
constexpr Duration kFirstProofPause = milliseconds(20);
constexpr Duration kLongestProofPause = seconds(1);

using SamplePtr = std::shared_ptr<const wal::Sample>;

[[nodiscard]] std::uint64_t covered_to(const wal::Sample& sample) {
  return sample.snapshot ? sample.snapshot->wal_file_sequence : 0;
}

// A measurement: a comma or a space would end it, '#' in front makes a comment.
[[nodiscard]] Result<std::string> escape_table(const std::string& table) {
  const bool control =
      std::any_of(table.begin(), table.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
  if (table.empty() || control || table.front() == '#' || table.front() == '_' || table.back() == '\\') {
    return failure(ErrorKind::invalid, "checkpoint.nudge.table: \"" + escape_control(table) +
                                           "\" can't be the name of a table; use a plain word such as checkpoint");
  }
  std::string out;
  for (const char c : table) {
    if (c == ',' || c == ' ' || c == '=') out += '\\';
    out += c;
  }
  return out;
}

class Nudge final : public CheckpointMethod {
 public:
  Nudge(NudgeOptions options, std::shared_ptr<wal::WalSource> source, std::shared_ptr<Clock> clock, Log log)
      : options_(std::move(options)), source_(std::move(source)), clock_(std::move(clock)), log_(std::move(log)) {}

  [[nodiscard]] std::string_view name() const override { return "nudge"; }
  [[nodiscard]] Outcome run(const CheckpointRequest& request, std::stop_token stop) override;

 private:
  // Why a run ended without proof.
  struct Trouble {
    OutcomeKind kind = OutcomeKind::failed;
    std::string message;
  };

  // The last point of an at-once nudge; forgotten once its file has been found.
  struct OwnTrigger {
    Time date{};
    std::uint64_t after = 0;  // the newest file before it was written
  };

  struct Run {
    NudgePlan plan;
    SamplePtr start;
    http::Client client;
    http::Request request;
    std::string table;  // escaped
    std::uint64_t written = 0;
    bool triggered = false;
    std::optional<OwnTrigger> own_trigger;
    // The newest file so far, and when it was first seen.
    std::uint64_t newest = 0;
    SteadyTime newest_since{};
    bool told_of_waiting = false;
  };

  [[nodiscard]] Outcome nudge(const std::stop_token& stop);
  [[nodiscard]] std::optional<Trouble> drive(Run& run, RunObserver& observer);
  [[nodiscard]] std::optional<Trouble> take(NudgeStep step, Run& run, RunObserver& observer);
  [[nodiscard]] std::optional<Trouble> write(Run& run, RunObserver& observer, Time date);
  [[nodiscard]] std::optional<Trouble> trigger(Run& run, RunObserver& observer);
  [[nodiscard]] std::optional<Trouble> wait(Run& run, RunObserver& observer, Duration duration);
  [[nodiscard]] std::optional<Trouble> wait_to_be_seen(Run& run, RunObserver& observer);
  [[nodiscard]] std::optional<Trouble> wait_for_proof(Run& run, RunObserver& observer);
  [[nodiscard]] std::optional<Trouble> take_sample(Run& run, RunObserver& observer);
  void report_trigger(Run& run, const wal::Sample& sample) const;
  [[nodiscard]] std::optional<Trouble> interruption(const RunObserver& observer) const;
  [[nodiscard]] Trouble refused(const http::Response& response) const;
  [[nodiscard]] Outcome conclude(const Run& run, const wal::Sample& now, const std::optional<Trouble>& trouble) const;

  [[nodiscard]] static bool proven(const Run& run, const wal::Sample& sample) {
    return covered_to(sample) >= run.plan.cover_to;
  }

  [[nodiscard]] Time server_time() const { return clock_->now() + options_.clock_offset; }

  const NudgeOptions options_;
  const std::shared_ptr<wal::WalSource> source_;
  const std::shared_ptr<Clock> clock_;
  const Log log_;
  Pause pause_;
};

Outcome Nudge::run(const CheckpointRequest&, std::stop_token stop) {
  const Time started = clock_->now();
  const SteadyTime begin = clock_->steady();
  Outcome outcome = nudge(stop);
  outcome.started = started;
  outcome.elapsed = clock_->steady() - begin;
  return outcome;
}

Outcome Nudge::nudge(const std::stop_token& stop) {
  Outcome outcome;
  const auto token = read_token(options_.token_file);
  const auto table = escape_table(options_.table);
  auto request =
      api_request(options_.url, "/api/v3/write_lp?db=" + percent_encode(options_.database) + "&precision=nanosecond",
                  "Bearer", token.value_or(""), std::max(options_.write_timeout, 4 * options_.rules.flush_interval));
  const std::array<const Error*, 3> errors = {token ? nullptr : &token.error(), table ? nullptr : &table.error(),
                                              request ? nullptr : &request.error()};
  for (const Error* error : errors) {
    if (error == nullptr) continue;
    outcome.message = error->message;
    return outcome;
  }

  RunObserver observer(*source_, *clock_, pause_, clock_->steady() + options_.max_duration, stop);
  if (const auto sampled = observer.take_sample(); !sampled) {
    outcome.message = sampled.error().message;
    return outcome;
  }
  auto plan = plan_nudge(observer.latest(), options_.rules, options_.mode, options_.boundary_passed, server_time());
  if (!plan) {
    outcome.message = plan.error().message;
    return outcome;
  }
  if (plan->points == 0 || plan->cover_to == 0) {
    outcome.kind = OutcomeKind::no_op;
    outcome.message = plan->points == 0 ? plan->explanation
                                        : "nothing to do yet: the first pending file holds data dated after " +
                                              format_time(plan->boundary.value_or(server_time())) +
                                              ", so the server would keep it and all after it";
    return outcome;
  }
  if (plan->points > options_.max_points || plan->duration > options_.max_duration) {
    outcome.message = "too_long: " + plan->explanation + "; allowed are " + count_of(options_.max_points, "point") +
                      " and " + format_duration_rough(options_.max_duration) +
                      " (checkpoint.nudge.max_points, max_duration); nothing was written";
    return outcome;
  }
  log_->info("Nudge: {}", plan->explanation);

  Run run;
  run.client = http::Client(options_.tls);
  run.plan = std::move(*plan);
  run.start = observer.latest_ptr();
  run.request = std::move(*request);
  run.request.method = "POST";
  run.request.headers = {{"Content-Type", "text/plain; charset=utf-8"}};
  run.request.max_response_bytes = kMaxAnswerBytes;
  run.table = *table;
  auto trouble = drive(run, observer);
  // The run may have succeeded although it ended with an error, for instance if the server
  // went away after the last point. So the WAL decides.
  if (trouble && !observer.stopped()) static_cast<void>(take_sample(run, observer));
  if (trouble && proven(run, observer.latest())) trouble.reset();
  return conclude(run, observer.latest(), trouble);
}

std::optional<Nudge::Trouble> Nudge::drive(Run& run, RunObserver& observer) {
  run.newest = run.start->periods.back().number;
  run.newest_since = clock_->steady();
  while (!proven(run, observer.latest())) {
    if (auto trouble = interruption(observer)) return trouble;
    if (run.triggered || run.written >= run.plan.points) return wait_for_proof(run, observer);
    const wal::Sample& sample = observer.latest();
    const bool snapshotted = covered_to(sample) != covered_to(*run.start);
    if (run.written > 0 && !snapshotted && run.newest == run.start->periods.back().number) {
      if (auto trouble = wait_to_be_seen(run, observer)) return trouble;
      continue;
    }
    const NudgeStep step = next_step(run.plan, sample.periods.size(), run.written, snapshotted, server_time());
    if (auto trouble = take(step, run, observer)) return trouble;
  }
  return std::nullopt;
}

// The server answers a point once it is in a WAL file. If no new file shows, the directory
// lags behind (a network filesystem), or it belongs to another server.
std::optional<Nudge::Trouble> Nudge::wait_to_be_seen(Run& run, RunObserver& observer) {
  if (clock_->steady() - run.newest_since < options_.proof_timeout) return wait(run, observer, milliseconds(500));
  return Trouble{OutcomeKind::unverified, http::printable_url(options_.url) + " took " +
                                              count_of(run.written, "point") +
                                              ", but no new WAL file came "
                                              "within " +
                                              format_duration_rough(options_.proof_timeout) +
                                              "; check that influxdb.url and wal.directory belong to the same server"};
}

std::optional<Nudge::Trouble> Nudge::take(NudgeStep step, Run& run, RunObserver& observer) {
  switch (step) {
    case NudgeStep::filler:
      return write(run, observer, run.plan.filler_time);
    case NudgeStep::trigger:
      return trigger(run, observer);
    case NudgeStep::wait_boundary: {
      const Duration rest = *run.plan.boundary - server_time();
      if (!std::exchange(run.told_of_waiting, true)) {
        log_->info("Nudge: {} written, waiting {} for {}", count_of(run.written, "point"), format_duration_rough(rest),
                   format_time(*run.plan.boundary));
      }
      return wait(run, observer, std::clamp<Duration>(rest, milliseconds(1), kIdlePause));
    }
    case NudgeStep::wait_others:
      if (clock_->steady() - run.newest_since < options_.proof_timeout) {
        return wait(
            run, observer,
            std::min<Duration>(kIdlePause, std::max<Duration>(options_.rules.flush_interval, milliseconds(10))));
      }
      [[fallthrough]];
    case NudgeStep::unreachable:
      break;
  }
  return Trouble{
      OutcomeKind::failed,
      "the server snapshotted part of the files by itself meanwhile: with " +
          count_of(observer.latest().periods.size(), "file") + " pending, the goal of " +
          std::to_string(run.plan.goal) + " is further away than the points left; others write to it, so " +
          (run.plan.everything ? "try again at a quieter time" : "it will get there by itself, or try again")};
}

std::optional<Nudge::Trouble> Nudge::trigger(Run& run, RunObserver& observer) {
  const Time now = server_time();
  Time date = std::max(now, run.plan.boundary.value_or(now));
  if (run.plan.trigger_time) {
    date = *run.plan.trigger_time;
    run.own_trigger = OwnTrigger{date, run.newest};
    if (options_.on_future_trigger) options_.on_future_trigger(std::nullopt, date);
  }
  run.triggered = true;
  return write(run, observer, date);
}

std::optional<Nudge::Trouble> Nudge::write(Run& run, RunObserver& observer, Time date) {
  run.request.body =
      run.table + ",source=influxdb_wal_exporter value=1i " + std::to_string(date.time_since_epoch().count()) + "\n";
  http::Request request = run.request;
  request.timeout = std::clamp<Duration>(observer.left(), milliseconds(1), request.timeout);
  request.connect_timeout = std::min(request.connect_timeout, request.timeout);
  const auto response = run.client.send(request, observer.stop());
  if (!response) {
    if (auto trouble = interruption(observer)) return trouble;
    return Trouble{OutcomeKind::failed, response.error().message +
                                            "; check that InfluxDB runs, and check its log; whether this point "
                                            "was still written is not known"};
  }
  if (response->status < 200 || response->status >= 300) return refused(*response);
  ++run.written;
  log_->debug("Nudge: point {} of {} written", run.written, run.plan.points);
  return take_sample(run, observer);
}

std::optional<Nudge::Trouble> Nudge::wait(Run& run, RunObserver& observer, Duration duration) {
  observer.wait(duration);
  if (auto trouble = interruption(observer)) return trouble;
  return take_sample(run, observer);
}

std::optional<Nudge::Trouble> Nudge::wait_for_proof(Run& run, RunObserver& observer) {
  const auto found = observer.sample_until({kFirstProofPause, kLongestProofPause, options_.proof_timeout},
                                           [&](const wal::Sample& sample) {
                                             report_trigger(run, sample);
                                             return proven(run, sample);
                                           });
  if (found && *found) return std::nullopt;
  if (observer.stopped()) return interruption(observer);
  if (!found) return Trouble{OutcomeKind::failed, found.error().message};
  return Trouble{OutcomeKind::unverified,
                 "the server took every point, but made no snapshot that covers WAL file " +
                     std::to_string(run.plan.cover_to) + " within " + format_duration_rough(options_.proof_timeout) +
                     "; check its log and its disk, and check that influxdb.url and wal.directory belong to "
                     "the same server and that influxdb.snapshot_size is what it runs with"};
}

std::optional<Nudge::Trouble> Nudge::take_sample(Run& run, RunObserver& observer) {
  const auto sampled = observer.take_sample();
  if (!sampled) return Trouble{OutcomeKind::failed, observer.stopped() ? "stopped" : sampled.error().message};
  const auto& periods = observer.latest().periods;
  if (!periods.empty() && periods.back().number > run.newest) {
    run.newest = periods.back().number;
    run.newest_since = clock_->steady();
  }
  report_trigger(run, observer.latest());
  return std::nullopt;
}

void Nudge::report_trigger(Run& run, const wal::Sample& sample) const {
  if (!run.own_trigger) return;
  for (auto period = sample.periods.rbegin(); period != sample.periods.rend(); ++period) {
    if (period->number <= run.own_trigger->after) return;
    if (period->max_time != run.own_trigger->date) continue;
    if (options_.on_future_trigger) options_.on_future_trigger(period->number, run.own_trigger->date);
    run.own_trigger.reset();
    return;
  }
}

std::optional<Nudge::Trouble> Nudge::interruption(const RunObserver& observer) const {
  if (observer.stopped()) return Trouble{OutcomeKind::failed, "stopped"};
  if (!observer.late()) return std::nullopt;
  return Trouble{OutcomeKind::failed, "out of time: the limit is " + format_duration(options_.max_duration) +
                                          " (checkpoint.nudge.max_duration), and each point takes the server longer "
                                          "than its flush interval says"};
}

Nudge::Trouble Nudge::refused(const http::Response& response) const {
  Trouble trouble{OutcomeKind::failed, "POST /api/v3/write_lp to database " + escape_control(options_.database) +
                                           " answered " + status_text(response)};
  std::string remedy = remedy_for(response.status, !options_.token_file.empty());
  if (response.status == 422) {
    remedy =
        "InfluxDB 3 Core allows five databases, and a sixth would be made: set checkpoint.nudge.database to one that "
        "exists";
  } else if (response.status == 400) {
    remedy =
        "check checkpoint.nudge.database (it begins with a letter or a digit) and that checkpoint.nudge.table is not a "
        "table of yours";
  } else if (response.body.find("ahead of this one") != std::string::npos) {
    remedy =
        "its newest WAL file is damaged, and the server exits now and at the first write after every start: keep it "
        "stopped, move that file out of wal/ and keep it, see that `influxdb_wal_exporter --once` finds nothing more, "
        "then start it";
  }
  if (!remedy.empty()) trouble.message += "; " + remedy;
  return trouble;
}

Outcome Nudge::conclude(const Run& run, const wal::Sample& now, const std::optional<Trouble>& trouble) const {
  Outcome outcome;
  outcome.steps = run.written;
  for (const wal::Period& period : run.start->periods) {
    if (period.number <= covered_to(now)) outcome.reclaimed += {1, period.bytes};
  }
  const std::string written = std::to_string(run.written) + " of " + count_of(run.plan.points, "point");
  const std::string pending = count_of(now.periods.size(), "file") + " pending";
  if (trouble) {
    outcome.kind = trouble->kind;
    outcome.message = trouble->message == "stopped" ? "stopped after " + written + ", " + pending
                                                    : trouble->message + " (" + written + " written, " + pending + ")";
    if (outcome.reclaimed.files > 0) {
      outcome.message += "; of what was there, " + extent_text(outcome.reclaimed) + " are covered";
    }
    return outcome;
  }
  outcome.kind = OutcomeKind::succeeded;
  outcome.message = extent_text(outcome.reclaimed) + " covered by snapshot " +
                    std::to_string(now.snapshot ? now.snapshot->sequence : 0) + ", " + written + " written, " + pending;
  if (run.triggered && run.plan.trigger_time) {
    outcome.message += "; the last point is dated " + format_time(*run.plan.trigger_time) +
                       ", so the server's own next snapshot waits for data dated " +
                       format_time(*run.plan.trigger_time + options_.rules.gen1_duration) + " or later, or for " +
                       count_of(options_.rules.all_goal(), "file");
  }
  return outcome;
}

}  // namespace

std::unique_ptr<CheckpointMethod> make_nudge(NudgeOptions options, std::shared_ptr<wal::WalSource> source,
                                             std::shared_ptr<Clock> clock, Log log) {
  return std::make_unique<Nudge>(std::move(options), std::move(source), std::move(clock), std::move(log));
}

constexpr MethodKind kNudgeKind{
    Method::nudge,
    "nudge",
    wal::Generation::v3,
    /*is_automatic=*/true,
    /*writes_points=*/true,
    [](const MethodSettings& target) -> std::string {
      if (!target.checkpoint.nudge.enabled) {
        return "a nudge writes points into InfluxDB, so it is off until checkpoint.nudge.enabled is true";
      }
      if (target.server.url.empty()) return "set influxdb.url, such as http://127.0.0.1:8181";
      if (target.integrity == wal::Integrity::off) {
        return "a nudge needs the data times in the WAL's headers; set wal.integrity to header";
      }
      return {};
    },
    [](const MethodSettings& target, MethodRun run) {
      NudgeOptions options{target.server, target.checkpoint.nudge};
      options.mode = run.mode;
      options.boundary_passed = run.boundary_passed;
      options.rules = run.rules;
      options.clock_offset = run.clock_offset;
      options.on_future_trigger = std::move(run.on_future_trigger);
      return make_nudge(std::move(options), std::move(run.source), std::move(run.clock), std::move(run.log));
    }};

}  // namespace wal_exporter::influxdb
