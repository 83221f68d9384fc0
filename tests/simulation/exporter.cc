#include "exporter.h"

#include <algorithm>
#include <utility>

#include "control/target_view.h"
#include "policy/health.h"

namespace wal_exporter::simulation {
namespace {

using control::Control;
using control::Now;
using std::chrono::milliseconds;
using std::chrono::seconds;

// As app/target.cc has it.
constexpr Duration kStopsWithin = seconds(15);

bool contains(const std::vector<policy::Blocker>& blockers, policy::Blocker blocker) {
  return std::find(blockers.begin(), blockers.end(), blocker) != blockers.end();
}

}  // namespace

Exporter::Exporter(const Surroundings& around) : around_(around) {
  static_cast<void>(bus_->subscribe([this](const std::shared_ptr<const events::Event>& event) {
    const OutsideControl outside;
    around_.context.note("event", event->summary);
    around_.invariants.told(*event);
  }));
}

void Exporter::start(const settings::Target& settings) {
  if (control_ != nullptr) return;
  settings_ = settings;
  around_.context.note("exporter starts");
  around_.invariants.started(settings_);
  ++life_;
  layout_certain_ = false;
  asked_process_.clear();
  saved_ = true;
  {
    const InsideControl inside;
    control_ = std::make_unique<Control>(settings_, control::Purpose::serve, around_.store, bus_, log_,
                                         around_.context.schedule.now());
  }
  feed("first", [](Control& to, Now now) { to.on_time(now); });
}

void Exporter::kill() {
  if (control_ == nullptr) return;
  around_.context.note("exporter killed");
  ++killed_;
  ++life_;
  around_.store->kill_after(std::nullopt);
  around_.invariants.killed(saved_ && !around_.store->fails(), cut_);
  cut_ = Invariants::Cut::at_rest;
  if (run_ != nullptr) run_->abandon();
  run_.reset();
  sampling_ = change_told_ = restart_acts_ = restart_stopped_ = probing_ = false;
  alerts_.clear();
  control_.reset();
  if (when_stopped_) std::exchange(when_stopped_, nullptr)();
}

void Exporter::stop(std::function<void()> then) {
  if (control_ == nullptr || is_stopping()) return;
  when_stopped_ = std::move(then);
  around_.context.schedule.in(kStopsWithin, [this, life = life_] {
    if (life == life_) finish_stop();
  });
  feed("stop", [](Control& to, Now now) { to.stop(now); });
}

void Exporter::finish_stop() {
  around_.context.note("exporter stopped");
  control_->close(around_.context.schedule.now());
  around_.invariants.stopped();
  around_.invariants.killed(saved_ && !around_.store->fails(), Invariants::Cut::at_rest);
  ++life_;
  if (run_ != nullptr) run_->abandon();
  run_.reset();
  sampling_ = change_told_ = restart_acts_ = restart_stopped_ = probing_ = false;
  alerts_.clear();
  control_.reset();
  if (when_stopped_) std::exchange(when_stopped_, nullptr)();
}

void Exporter::heal() {
  other_holder_until_ = restart_broken_until_ = settings_hidden_until_ = SteadyTime{};
  kills_ = false;
  around_.store->kill_after(std::nullopt);
}

bool Exporter::is_to_be_killed() {
  return kills_ && around_.context.random.chance(around_.scenario.killed_in_a_million);
}

void Exporter::feed(const char* what, const Input& input) {
  if (control_ == nullptr) return;
  ++steps_;
  if (around_.context.log.prints()) around_.context.note(what);
  try {
    cut_ = Invariants::Cut::step;
    if (is_to_be_killed()) around_.store->kill_after(around_.context.random.below(4));
    {
      const InsideControl inside;
      input(*control_, around_.context.schedule.now());
    }
    around_.store->kill_after(std::nullopt);
    cut_ = Invariants::Cut::effects;
  } catch (const Killed&) {
    return kill();
  }
  saved_ = control_->parts().memory == control_->parts().kept_memory &&
           control_->parts().shards == control_->parts().kept_shards;
  carry_out_effects();
  cut_ = Invariants::Cut::at_rest;
  if (control_ == nullptr) return;
  if (is_stopping() && control_->has_ended()) return finish_stop();
  wake();
}

void Exporter::feed_in(Duration after, const char* what, Input input) {
  around_.context.schedule.in(after, [this, life = life_, what, input = std::move(input)] {
    if (life == life_) feed(what, input);
  });
}

void Exporter::carry_out_effects() {
  const std::uint64_t life = life_;
  const control::Effects effects = control_->take_effects();
  around_.invariants.step(*control_, effects, !around_.store->fails());
  for (const control::Effect& effect : effects) {
    if (is_to_be_killed()) return kill();
    around_.invariants.wanted(*control_, effect);
    std::visit([this](const auto& wanted) { carry_out(wanted); }, effect);
    if (life != life_) return;
  }
}

// Its mailbox calls it again when it wants that, or a moment later.
void Exporter::wake() {
  const Now now = around_.context.schedule.now();
  const SteadyTime next = std::max(control_->next(now), now.steady + milliseconds(1));
  around_.context.schedule.at(next, [this, life = life_, number = ++wake_] {
    if (life == life_ && number == wake_) feed("time", [](Control& to, Now at) { to.on_time(at); });
  });
}

void Exporter::changed() {
  if (!around_.scenario.watched || control_ == nullptr || change_told_) return;
  if (control_->parts().wal.change_seen() || control_->parts().wal.sample() == nullptr) return;
  change_told_ = true;
  around_.context.schedule.in(milliseconds(5), [this, life = life_] {
    if (life != life_) return;
    change_told_ = false;
    feed("change", [](Control& to, Now now) { to.on_change(now); });
  });
}

void Exporter::checkpoint(const view::CheckpointCommand& command) {
  feed("asked for a checkpoint", [&](Control& to, Now now) {
    const std::uint64_t number = to.checkpoint(command, now);
    const OutsideControl outside;
    around_.invariants.asked_for_checkpoint(number, command);
  });
}

void Exporter::prepare_restart(const view::PrepareRestartCommand& command) {
  feed("asked to prepare a restart", [&](Control& to, Now now) {
    const std::uint64_t number = to.prepare_restart(command, now);
    const OutsideControl outside;
    around_.invariants.asked_for_preparation(number, command);
  });
}

void Exporter::alert(const view::AlertCommand& command, std::function<void()> served) {
  feed("alert", [&](Control& to, Now now) {
    const std::uint64_t number = to.alert(command, now);
    const OutsideControl outside;
    around_.invariants.asked_by_alert(number);
    alerts_[number] = std::move(served);
  });
}

void Exporter::pause(std::optional<Duration> length) {
  if (is_stopping()) return;
  around_.invariants.about_to_pause(length);
  feed(length ? "pause" : "resume", [&](Control& to, Now now) {
    static_cast<void>(to.pause({settings_.name, length, "person"}, now));
    const OutsideControl outside;
    around_.invariants.paused(length);
  });
}

void Exporter::probe() {
  if (control_ == nullptr || is_stopping() || (kills_ && around_.scenario.killed_in_a_million > 0)) return;
  const control::Parts& parts = control_->parts();
  const SteadyTime now = around_.context.schedule.steady();
  if (!parts.requests.empty() || sampling_ || parts.wal.change_seen() || parts.wal.sample() == nullptr) return;
  if (around_.disk.fails(now) || around_.disk.is_slow(now)) return;
  // What a sample would show now is what the last one did.
  const auto there = around_.server().read_wal();
  if (there->pending != parts.wal.sample()->pending || !parts.wal.error().empty() || !parts.health.health() ||
      there->filesystem_avail_bytes != parts.wal.sample()->filesystem_avail_bytes ||
      there->data_filesystem_avail_bytes != parts.wal.sample()->data_filesystem_avail_bytes ||
      there->snapshot_files != parts.wal.sample()->snapshot_files || there->periods != parts.wal.sample()->periods) {
    return;
  }
  const auto view = control::view_of(*control_, around_.context.schedule.now());
  // A request would take a fresh sample, which is something else that happens.
  if (contains(view->request_blockers, policy::Blocker::sample_stale)) return;
  Invariants::Probe said{0, view->running.has_value(), there->pending.files, view->request_blockers};
  // Where one runs, a request waits for no sample, and goes by what is known.
  view::CheckpointCommand command;
  command.target = settings_.name;
  command.wait = Duration::zero();
  command.actor = "probe";
  probing_ = true;
  feed("probe", [&](Control& to, Now at) {
    said.number = to.checkpoint(command, at);
    const OutsideControl outside;
    around_.invariants.asked_for_checkpoint(said.number, command);
    around_.invariants.probe(said);
  });
  probing_ = false;
}

// --- workers ---

Result<std::shared_ptr<const wal::Sample>> Exporter::read_wal() const {
  if (around_.disk.fails(around_.context.schedule.steady())) {
    return failure(ErrorKind::unavailable, "reading the WAL: input/output error");
  }
  auto sample = around_.server().read_wal();
  const wal::Extent pending = around_.invariants.shards().must_be_emptied(
      *sample, control_->parts().shards, around_.context.schedule.wall(), around_.context.schedule.steady());
  const auto limits = policy::resolve(control_->parts().server.rules().thresholds, *sample);
  around_.invariants.below_limit(policy::judge(pending, limits).worse() == policy::Health::healthy);
  return sample;
}

control::SampleTaken Exporter::take_sample(const control::TakeSample& effect) {
  control::SampleTaken taken;
  taken.number = effect.number;
  taken.sample = read_wal();
  taken.version = settings_.influxdb.version;
  taken.source = life_;
  taken.watch_degraded = around_.scenario.watched ? "" : "sampling.watch is off";
  if (!taken.sample) return taken;
  const wal::Sample& sample = **taken.sample;
  // An empty directory takes the server's word for what it will be.
  layout_certain_ = layout_certain_ || sample.layout == wal::Layout::node || !sample.shards.empty() ||
                    wal::generation_of(effect.server_version) != wal::Generation::unknown;
  if (taken.version == wal::Generation::unknown && layout_certain_) {
    taken.version = sample.layout == wal::Layout::node
                        ? wal::Generation::v3
                        : wal::generation_of_segments(effect.server_version, sample.bucket_ids);
  }
  return taken;
}

void Exporter::carry_out(const control::TakeSample& effect) {
  Random& random = around_.context.random;
  control::SampleTaken taken = take_sample(effect);
  const bool slow = around_.disk.is_slow(around_.context.schedule.steady());
  sampling_ = true;
  taken.elapsed = probing_ ? milliseconds(1)
                  : slow   ? random.between(seconds(1), seconds(60))
                           : random.between(milliseconds(1), milliseconds(20));
  feed_in(taken.elapsed, "sample", [this, taken](Control& to, Now now) {
    sampling_ = false;
    {
      const OutsideControl outside;
      around_.invariants.sampled(taken);
    }
    to.on_sample(taken, now);
  });
}

control::ServerAnswer Exporter::ask_server() {
  control::ServerAnswer answer;
  answer.server = around_.server().facts();
  if (around_.node == nullptr || !answer.server.up) return answer;
  answer.server.process_id = around_.node->process_id();
  if (asked_process_ == answer.server.process_id) return answer;
  const bool readable = around_.context.schedule.steady() >= settings_hidden_until_;
  answer.node = around_.node->settings(readable);
  if (readable) asked_process_ = answer.server.process_id;
  return answer;
}

void Exporter::carry_out(const control::AskServer& /*effect*/) {
  control::ServerAnswer answer = ask_server();
  const bool hangs = !answer.server.up && !answer.server.port_closed;
  const Duration delay =
      hangs ? settings_.influxdb.timeout : around_.context.random.between(milliseconds(1), milliseconds(50));
  feed_in(delay, "answer", [this, answer](Control& to, Now now) {
    {
      const OutsideControl outside;
      around_.invariants.answered(answer);
    }
    to.on_answer(answer, now);
  });
}

bool Exporter::is_locked() const {
  return !lock_.expired() || around_.context.schedule.steady() < other_holder_until_;
}

void Exporter::carry_out(const control::RunCheckpoint& effect) {
  ++runs_;
  around_.context.note("checkpoint", policy::to_string(effect.reason));
  if (is_locked()) {
    return run_ended(effect, {influxdb::OutcomeKind::busy, "locked by another process", {}, 0, {}, {}}, false);
  }
  const auto look = [this] { return read_wal(); };
  const auto ended = [this, life = life_, effect](influxdb::Outcome outcome, bool stopped) {
    if (life != life_) return;
    run_.reset();
    run_ended(effect, std::move(outcome), stopped);
  };
  if (around_.node != nullptr) {
    NudgeCalls calls{[this](std::optional<std::uint64_t> file, Time date) {
                       feed("trigger", [&](Control& to, Now) { to.on_trigger(file, date); });
                     },
                     [this](const NudgePoint& point) { around_.invariants.nudge_point(point, around_.node->rules()); }};
    run_ = make_nudge_run(around_.context, *around_.node, settings_, effect, std::move(calls), look, ended);
  } else {
    run_ = make_backup_run(around_.context, *around_.segments, around_.scenario.generation, settings_, effect, look,
                           ended);
  }
  around_.context.schedule.in(milliseconds(1), [run = run_, this] {
    if (run == run_) run->begin();
  });
}

void Exporter::run_ended(const control::RunCheckpoint& effect, influxdb::Outcome outcome, bool stopped) {
  around_.context.note("checkpoint ended", outcome.message);
  control::RunEnded ended{effect.id, std::move(outcome), read_wal(), stopped, around_.context.random.jitter()};
  feed_in(milliseconds(1), "run ended", [this, ended](Control& to, Now now) {
    {
      const OutsideControl outside;
      around_.invariants.run_ends(ended);
    }
    to.on_run_ended(ended, now);
  });
}

void Exporter::carry_out(const control::StopCheckpoint& /*effect*/) {
  if (run_ != nullptr) run_->stop();
}

void Exporter::carry_out(const control::CheckRestart& /*effect*/) {
  const bool broken = around_.context.schedule.steady() < restart_broken_until_;
  feed_in(milliseconds(20), "restart checked", [broken](Control& to, Now now) {
    to.on_restart_checked(broken ? Result<std::string>(failure(ErrorKind::not_found, "no such program"))
                                 : Result<std::string>("run /usr/bin/restart"),
                          now);
  });
}

void Exporter::carry_out(const control::TakeLock& /*effect*/) {
  feed_in(milliseconds(2), "lock", [this](Control& to, Now now) {
    if (is_locked() || run_ != nullptr) {
      return to.on_restart_locked(failure(ErrorKind::conflict, "locked by another process"), now);
    }
    const auto lock = std::make_shared<const int>(0);
    lock_ = lock;
    to.on_restart_locked(control::HeldLock(lock), now);
  });
}

// What was begun goes on in InfluxDB's host when our process is killed.
void Exporter::carry_out(const control::RestartInfluxdb& /*effect*/) {
  Random& random = around_.context.random;
  ++restarts_;
  around_.context.note("InfluxDB is restarted");
  around_.invariants.restart_acts(true);
  restart_acts_ = true;
  restart_stopped_ = false;
  if (around_.context.schedule.steady() < restart_broken_until_) {
    return feed_in(random.between(milliseconds(10), seconds(5)), "restart failed", [this](Control& to, Now now) {
      restart_acts_ = false;
      around_.invariants.restart_acts(false);
      to.on_restarted(failure(ErrorKind::unavailable, "exit status 1"), now);
    });
  }
  const Duration stops = random.between(milliseconds(100), seconds(10));
  around_.context.schedule.in(stops, [this, life = life_] {
    if (life == life_ && restart_stopped_) {
      return restart_ended(failure(ErrorKind::cancelled, "stopped before InfluxDB was told"));
    }
    around_.server().restart();
    if (life == life_) restart_ended("ran /usr/bin/restart");
  });
}

void Exporter::restart_ended(Result<std::string> done) {
  feed("restarted", [this, done = std::move(done)](Control& to, Now now) {
    restart_acts_ = false;
    {
      const OutsideControl outside;
      around_.invariants.restart_acts(false);
    }
    to.on_restarted(done, now);
  });
}

void Exporter::carry_out(const control::StopRestart& /*effect*/) {
  restart_stopped_ = true;
}

void Exporter::carry_out(const control::Reply& effect) {
  const auto found = alerts_.find(effect.request);
  if (found == alerts_.end()) return;
  using State = view::AlertAnswer::State;
  const auto& answer = std::get<Result<view::AlertAnswer>>(effect.answer);
  const auto served = std::move(found->second);
  alerts_.erase(found);
  if (answer && answer->state != State::blocked) served();
}

}  // namespace wal_exporter::simulation
