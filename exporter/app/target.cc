#include "app/target.h"

#include <future>
#include <utility>
#include <variant>

#include "control/checkpointer.h"
#include "control/target_view.h"

namespace wal_exporter::app {
namespace {

constexpr const char* kGone = "The exporter is shutting down or its settings for this target have changed";

// Somebody waits for an answer; where the last holder lets go without one, the target
// has ended.
template <class T>
struct Pending {
  std::promise<std::optional<T>> promise;
  bool answered = false;

  ~Pending() {
    if (!answered) promise.set_value(std::nullopt);
  }
};

}  // namespace

Target::Target(settings::Target settings, Services services, control::Purpose purpose)
    : settings_(std::move(settings)),
      services_(std::move(services)),
      control_(settings_, purpose, services_.store, services_.bus, services_.log, now()),
      mailbox_(
          std::make_shared<Mailbox>(*services_.machinery.dispatcher,
                                    [this] { turn([](control::Control& to, control::Now at) { to.on_time(at); }); })),
      workers_(settings_, services_.machinery, services_.state_directory, services_.log,
               {[this, mailbox = std::weak_ptr<Mailbox>(mailbox_)](Workers::Input input) {
                  if (const auto there = mailbox.lock()) {
                    there->post([this, input = std::move(input)] { turn(input); });
                  }
                },
                [this, mailbox = std::weak_ptr<Mailbox>(mailbox_)](Workers::Input input) {
                  if (const auto there = mailbox.lock()) there->ask([&] { turn(input); });
                }}) {
  publish(now());
  post([](control::Control& to, control::Now at) { to.on_time(at); });
}

Target::~Target() {
  stop();
}

control::Now Target::now() const {
  return {services_.machinery.clock->now(), services_.machinery.clock->steady()};
}

void Target::post(Workers::Input input) {
  mailbox_->post([this, input = std::move(input)] { turn(input); });
}

void Target::ask(const Workers::Input& input) {
  mailbox_->ask([&] { turn(input); });
}

void Target::read(const std::function<void()>& reading) {
  mailbox_->ask(reading);
}

void Target::turn(const Workers::Input& input) {
  const control::Now at = now();
  input(control_, at);
  std::vector<control::Reply> replies;
  for (control::Effect& effect : control_.take_effects()) {
    std::visit(
        [&](auto& wanted) {
          if constexpr (std::is_same_v<std::decay_t<decltype(wanted)>, control::Reply>) {
            replies.push_back(std::move(wanted));
          } else {
            workers_.run(wanted);
          }
        },
        effect);
  }
  // First the view: whoever has an answer and looks sees what it says.
  publish(at);
  for (control::Reply& reply : replies) {
    if (auto waiting = awaited_.extract(reply.request)) waiting.mapped()(std::move(reply.answer));
  }
  mailbox_->wake_at(control_.next(at));
}

void Target::publish(control::Now at) {
  auto view = control::view_of(control_, at);
  std::string missing = control::not_ready(control_);
  {
    const MutexLock lock(mutex_);
    view_ = std::move(view);
    not_ready_ = std::move(missing);
    ended_ = ended_ || control_.has_ended();
    finished_sample_ = control_.parts().wal.finished();
    published_.notify_all();
  }
  services_.changed();
}

void Target::begin_stop() {
  post([this](control::Control& to, control::Now at) {
    to.stop(at);
    workers_.stop();
  });
}

void Target::stop(SteadyTime deadline) {
  begin_stop();
  {
    const MutexLock lock(mutex_);
    while (!ended_ && services_.machinery.clock->steady() < deadline) {
      services_.machinery.clock->wait_until(published_, mutex_, deadline);
    }
    ended_ = true;  // nobody waits again
    published_.notify_all();
  }
  mailbox_->ask([&] {
    const control::Now at = now();
    if (at.steady < deadline) control_.close(at);
    awaited_.clear();  // whoever still waits is told that the target has ended
  });
  mailbox_->close();
}

std::shared_ptr<const view::TargetView> Target::view() const {
  const MutexLock lock(mutex_);
  return view_;
}

std::string Target::not_ready() const {
  const MutexLock lock(mutex_);
  return not_ready_;
}

template <class T>
std::optional<T> Target::answer_to(const std::function<std::uint64_t(control::Control&, control::Now)>& request) {
  auto pending = std::make_shared<Pending<T>>();
  auto answer = pending->promise.get_future();
  mailbox_->post([this, request, pending = std::move(pending)] {
    turn([&](control::Control& to, control::Now at) {
      awaited_[request(to, at)] = [pending](Answer given) {
        pending->answered = true;
        pending->promise.set_value(std::get<T>(std::move(given)));
      };
    });
  });
  return answer.get();
}

Result<view::CheckpointAnswer> Target::checkpoint(const view::CheckpointCommand& command) {
  auto answer = answer_to<Result<view::CheckpointAnswer>>(
      [&](control::Control& to, control::Now at) { return to.checkpoint(command, at); });
  if (answer) return *std::move(answer);
  return failure(ErrorKind::cancelled, kGone);
}

view::PrepareRestartAnswer Target::prepare_restart(const view::PrepareRestartCommand& command) {
  auto answer = answer_to<view::PrepareRestartAnswer>(
      [&](control::Control& to, control::Now at) { return to.prepare_restart(command, at); });
  if (answer) return *std::move(answer);
  view::PrepareRestartAnswer gone;
  gone.timestamp = now().wall;
  gone.message = "Not safe: the exporter is shutting down";
  return gone;
}

Result<view::AlertAnswer> Target::alert(const view::AlertCommand& command) {
  auto answer = answer_to<Result<view::AlertAnswer>>(
      [&](control::Control& to, control::Now at) { return to.alert(command, at); });
  if (answer) return *std::move(answer);
  return failure(ErrorKind::cancelled, kGone);
}

Result<view::PauseAnswer> Target::pause(const view::PauseCommand& command) {
  Result<view::PauseAnswer> answer =
      failure(ErrorKind::cancelled,
              "The exporter is shutting down, or the settings of this target are being changed; try again");
  ask([&](control::Control& to, control::Now at) { answer = to.pause(command, at); });
  return answer;
}

view::ProbeAnswer Target::probe(Duration wait) {
  const SteadyTime deadline = services_.machinery.clock->steady() + wait;
  std::uint64_t number = 0;
  ask([&](control::Control& to, control::Now at) { number = to.probe(at); });
  const MutexLock lock(mutex_);
  while (finished_sample_ < number && !ended_ && services_.machinery.clock->steady() < deadline) {
    services_.machinery.clock->wait_until(published_, mutex_, deadline);
  }
  return {view_, number > 0 && finished_sample_ >= number};
}

view::CheckpointPlan Target::plan(bool at_once) {
  view::CheckpointPlan plan;
  plan.target = settings_.name;
  read([&] {
    plan = control::plan_of(control_.parts(), at_once ? influxdb::NudgeMode::at_once : influxdb::NudgeMode::patient,
                            now());
  });
  return plan;
}

std::optional<view::CheckpointRun> Target::run(std::int64_t id) {
  std::optional<view::CheckpointRun> run;
  read([&] { run = control_.parts().checkpointer.find(id); });
  return run;
}

std::vector<view::SamplePoint> Target::samples(std::optional<Time> since, std::size_t limit) {
  std::vector<view::SamplePoint> points;
  read([&] { points = control_.parts().chart.points(since, limit); });
  return points;
}

}  // namespace wal_exporter::app
