#include <algorithm>
#include <utility>

#include "influxdb/nudge_plan.h"
#include "run.h"

namespace wal_exporter::simulation {
namespace {

using influxdb::NudgeStep;
using influxdb::Outcome;
using influxdb::OutcomeKind;
using std::chrono::milliseconds;
using std::chrono::seconds;

// As influxdb/nudge.cc and nudge.h have them.
constexpr Duration kIdlePause = seconds(2);
constexpr Duration kProofPause = seconds(1);
constexpr Duration kProofTimeout = seconds(60);

class NudgeRun final : public Run, public std::enable_shared_from_this<NudgeRun> {
 public:
  NudgeRun(Context& context, NodeServer& server, const settings::Target& settings, control::RunCheckpoint effect,
           NudgeCalls calls, Look look, Ended ended)
      : Run(context, std::move(look), std::move(ended), settings.checkpoint.nudge.max_duration),
        server_(server),
        bounds_(settings.checkpoint.nudge),
        effect_(std::move(effect)),
        calls_(std::move(calls)) {}

  void begin() override {
    if (!read()) return end(OutcomeKind::failed, "the WAL can't be read");
    start_ = latest_;
    planned_at_ = server_time();
    auto plan = influxdb::plan_nudge(*latest_, effect_.rules, effect_.mode, effect_.boundary_passed, planned_at_);
    if (!plan) return end(OutcomeKind::failed, plan.error().message);
    plan_ = *std::move(plan);
    if (plan_.points == 0 || plan_.cover_to == 0) return end(OutcomeKind::no_op, "nothing to do");
    if (plan_.points > bounds_.max_points || plan_.duration > bounds_.max_duration) {
      return end(OutcomeKind::failed, "too_long: " + plan_.explanation);
    }
    newest_ = latest_->periods.back().number;
    newest_since_ = context().schedule.steady();
    drive();
  }

 private:
  void drive() {
    if (is_proven()) return succeed();
    if (is_stopped()) return end(OutcomeKind::failed, "stopped");
    if (is_late()) return end(OutcomeKind::failed, "out of time");
    if (triggered_ || written_ >= plan_.points) return await_proof();
    const bool snapshotted = covered(*latest_) != covered(*start_);
    switch (influxdb::next_step(plan_, latest_->periods.size(), written_, snapshotted, server_time())) {
      case NudgeStep::filler:
        return write(plan_.filler_time, false);
      case NudgeStep::trigger:
        return trigger();
      case NudgeStep::wait_boundary:
        return wait(std::clamp<Duration>(*plan_.boundary - server_time(), milliseconds(1), kIdlePause));
      case NudgeStep::wait_others:
        if (context().schedule.steady() - newest_since_ < kProofTimeout) {
          return wait(
              std::min<Duration>(kIdlePause, std::max<Duration>(effect_.rules.flush_interval, milliseconds(10))));
        }
        break;
      case NudgeStep::unreachable:
        break;
    }
    end(OutcomeKind::failed, "the server snapshotted part of the files by itself meanwhile");
  }

  void trigger() {
    const Time now = server_time();
    Time date = std::max(now, plan_.boundary.value_or(now));
    if (plan_.trigger_time) {
      date = *plan_.trigger_time;
      trigger_after_ = newest_;
      calls_.on_trigger(std::nullopt, date);
      if (is_over()) return;  // our process was killed as it kept that
    }
    triggered_ = true;
    write(date, true);
  }

  void write(Time date, bool is_trigger) {
    calls_.on_point({plan_, written_ + 1, date, is_trigger, planned_at_});
    server_.write_point(date, [self = shared_from_this()](WriteReply reply) {
      if (!self->is_over()) self->written(reply);
    });
  }

  void written(WriteReply reply) {
    if (reply != WriteReply::written) {
      static_cast<void>(read());
      if (is_over()) return;
      if (is_proven()) return succeed();
      return end(OutcomeKind::failed, reply == WriteReply::refused ? "a write was refused" : "no answer to a write");
    }
    ++written_;
    go_on();
  }

  void wait(Duration duration) {
    context().schedule.in(std::min(duration, std::max<Duration>(left(), milliseconds(1))), [self = shared_from_this()] {
      if (!self->is_over()) self->go_on();
    });
  }

  void go_on() {
    if (!read()) return end(OutcomeKind::failed, "the WAL can't be read");
    if (!is_over()) drive();
  }

  void await_proof() {
    if (!proof_until_) proof_until_ = context().schedule.steady() + kProofTimeout;
    if (context().schedule.steady() < *proof_until_) return wait(kProofPause);
    end(OutcomeKind::unverified, "every point was taken, but no snapshot came");
  }

  [[nodiscard]] bool read() {
    const auto sample = look();
    if (!sample) return false;
    latest_ = *sample;
    if (!latest_->periods.empty() && latest_->periods.back().number > newest_) {
      newest_ = latest_->periods.back().number;
      newest_since_ = context().schedule.steady();
    }
    if (!trigger_after_) return true;
    for (auto period = latest_->periods.rbegin(); period != latest_->periods.rend(); ++period) {
      if (period->number <= *trigger_after_) break;
      if (period->max_time != plan_.trigger_time) continue;
      trigger_after_.reset();
      calls_.on_trigger(period->number, *plan_.trigger_time);
      break;
    }
    return true;
  }

  [[nodiscard]] Time server_time() { return context().schedule.wall() + effect_.clock_offset; }
  [[nodiscard]] static std::uint64_t covered(const wal::Sample& sample) {
    return sample.snapshot ? sample.snapshot->wal_file_sequence : 0;
  }
  [[nodiscard]] bool is_proven() const { return covered(*latest_) >= plan_.cover_to; }

  void succeed() { end(OutcomeKind::succeeded, "covered by a snapshot"); }

  void end(OutcomeKind kind, std::string message) {
    Outcome outcome{kind, std::move(message), {}, written_, {}, {}};
    if (start_ != nullptr) {
      for (const wal::Period& period : start_->periods) {
        if (period.number <= covered(*latest_)) outcome.reclaimed += {1, period.bytes};
      }
    }
    finish(std::move(outcome));
  }

  NodeServer& server_;
  const influxdb::NudgeSettings bounds_;
  const control::RunCheckpoint effect_;
  const NudgeCalls calls_;
  influxdb::NudgePlan plan_;
  std::shared_ptr<const wal::Sample> start_;
  std::shared_ptr<const wal::Sample> latest_;
  Time planned_at_{};
  std::uint64_t written_ = 0;
  bool triggered_ = false;
  std::optional<std::uint64_t> trigger_after_;  // the newest file before our own trigger, until that is seen
  std::uint64_t newest_ = 0;
  SteadyTime newest_since_{};
  std::optional<SteadyTime> proof_until_;
};

}  // namespace

std::shared_ptr<Run> make_nudge_run(Context& context, NodeServer& server, const settings::Target& settings,
                                    const control::RunCheckpoint& effect, NudgeCalls calls, Run::Look look,
                                    Run::Ended ended) {
  return std::make_shared<NudgeRun>(context, server, settings, effect, std::move(calls), std::move(look),
                                    std::move(ended));
}

}  // namespace wal_exporter::simulation
