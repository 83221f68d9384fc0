#include "app/workers.h"

#include <atomic>
#include <utility>

#include "actions/restart_method.h"
#include "base/jitter.h"
#include "influxdb/checkpoint_method.h"
#include "influxdb/method_kind.h"
#include "state/lock.h"

namespace wal_exporter::app {
namespace {

using influxdb::OutcomeKind;

// Of jobs that are not slow; see base/pool.h.
constexpr std::size_t kJobsAtOnce = 8;
constexpr std::size_t kControlThreads = 2;

}  // namespace

Machinery Machinery::of_process(std::shared_ptr<Clock> clock) {
  Machinery out;
  out.pool = std::make_shared<Pool>(kJobsAtOnce, clock);
  out.dispatcher = std::make_shared<Dispatcher>(kControlThreads, clock);
  out.watches = std::make_shared<wal::WatchHub>(out.pool);
  out.clock = std::move(clock);
  return out;
}

struct Workers::Shared {
  Shared(settings::Target target, Machinery from, std::filesystem::path directory, Log to, Post how)
      : settings(std::move(target)),
        machinery(std::move(from)),
        state_directory(std::move(directory)),
        log(std::move(to)),
        post(std::move(how)),
        reader(settings, /*reads_once=*/false, machinery.clock, log),
        questions(settings, machinery.clock),
        restart(actions::make_restart_method(settings.restart, machinery.clock)) {}

  const settings::Target settings;
  const Machinery machinery;
  const std::filesystem::path state_directory;
  const Log log;
  const Post post;
  WalReader reader;                                 // the sample's job alone
  std::unique_ptr<wal::DirectoryWatch> watch;       // the sample's job alone
  std::atomic<bool> watches = true;                 // false: this target ends
  ServerQuestions questions;                        // the question's job alone
  std::unique_ptr<actions::RestartMethod> restart;  // the restart's jobs alone; nullptr: no method is set

  Mutex mutex;  // guards what checkpoints read of the samples' reader
  std::shared_ptr<wal::WalSource> source WAL_EXPORTER_GUARDED_BY(mutex);
};

Workers::Workers(settings::Target settings, Machinery machinery, std::filesystem::path state_directory, Log log,
                 Post post)
    : shared_(std::make_shared<Shared>(std::move(settings), std::move(machinery), std::move(state_directory),
                                       std::move(log), std::move(post))) {}

void Workers::run(const control::TakeSample& effect) {
  sample_ = shared_->machinery.pool->submit([shared = shared_, effect](const std::stop_token& stop) {
    control::SampleTaken taken = shared->reader.read(effect, stop);
    {
      const MutexLock lock(shared->mutex);
      shared->source = shared->reader.source();
    }
    const settings::Target& settings = shared->settings;
    if (settings.watch && taken.sample && shared->watches) {
      if (shared->watch == nullptr) {
        shared->watch = shared->machinery.watches->watch(
            settings.wal.directory, (*taken.sample)->layout,
            [later = shared->post.later] { later([](control::Control& to, control::Now now) { to.on_change(now); }); });
      } else {
        shared->watch->rearm();
      }
    }
    if (shared->watch != nullptr) {
      taken.watch_degraded = shared->watch->degraded();
    } else {
      taken.watch_degraded = settings.watch ? "not watched yet: no sample has succeeded" : "sampling.watch is off";
    }
    shared->post.later([taken = std::move(taken)](control::Control& to, control::Now now) mutable {
      to.on_sample(std::move(taken), now);
    });
  });
}

void Workers::run(const control::AskServer& effect) {
  question_ = shared_->machinery.pool->submit([shared = shared_, effect](const std::stop_token& stop) {
    shared->post.later([answer = shared->questions.ask(effect, stop)](control::Control& to, control::Now now) mutable {
      to.on_answer(std::move(answer), now);
    });
  });
}

void Workers::run(const control::RunCheckpoint& effect) {
  checkpoint_ = shared_->machinery.pool->submit([shared = shared_, effect](const std::stop_token& stop) {
    std::shared_ptr<wal::WalSource> source;  // there is one: the decision rests on a sample
    {
      const MutexLock lock(shared->mutex);
      source = shared->source;
    }
    control::RunEnded ended;
    ended.id = effect.id;
    influxdb::Outcome& outcome = ended.outcome;
    outcome.started = effect.started;
    const settings::Target& target = shared->settings;
    const influxdb::MethodSettings set{target.influxdb, target.checkpoint, target.wal.integrity};
    const auto keep_trigger = [&](std::optional<std::uint64_t> file, Time time) {
      shared->post.and_wait([file, time](control::Control& to, control::Now) { to.on_trigger(file, time); });
    };
    const influxdb::MethodChoice choice = influxdb::choose_method(set, effect.version);
    const auto method =
        choice.kind == nullptr || !choice.disabled.empty()
            ? nullptr
            : choice.kind->make(set, {source, effect.mode, effect.boundary_passed, effect.rules, effect.clock_offset,
                                      keep_trigger, shared->machinery.clock, shared->log});
    const auto lock = state::TargetLock::acquire(shared->state_directory, target.name);
    if (method == nullptr) {
      outcome.message = "the method of this checkpoint can't be used";
    } else if (lock) {
      outcome = method->run({effect.skip_below, effect.leave_alone, effect.server_proven, effect.rewrites}, stop);
    } else {
      outcome.kind = lock.error().kind == ErrorKind::conflict ? OutcomeKind::busy : OutcomeKind::failed;
      outcome.message = lock.error().message;
    }
    // Even a stopped run is judged by what the WAL shows.
    ended.after = source->take_sample({});
    ended.stopped = stop.stop_requested();
    ended.jitter = random_jitter();
    shared->post.later([ended = std::move(ended)](control::Control& to, control::Now now) mutable {
      to.on_run_ended(std::move(ended), now);
    });
  });
}

void Workers::run(const control::StopCheckpoint& /*effect*/) {
  checkpoint_.request_stop();
}

void Workers::run(const control::CheckRestart& /*effect*/) {
  restart_ = shared_->machinery.pool->submit([shared = shared_](const std::stop_token& stop) {
    auto plan = shared->restart == nullptr
                    ? Result<std::string>(failure(ErrorKind::invalid, "no restart.method is set"))
                    : shared->restart->check(stop);
    shared->post.later(
        [plan = std::move(plan)](control::Control& to, control::Now now) { to.on_restart_checked(plan, now); });
  });
}

void Workers::run(const control::TakeLock& /*effect*/) {
  shared_->machinery.pool->submit([shared = shared_](const std::stop_token&) {
    auto lock = state::TargetLock::acquire(shared->state_directory, shared->settings.name);
    Result<control::HeldLock> held =
        lock ? Result<control::HeldLock>(std::make_shared<const state::TargetLock>(*std::move(lock)))
             : tl::unexpected(lock.error());
    shared->post.later([held = std::move(held)](control::Control& to, control::Now now) mutable {
      to.on_restart_locked(std::move(held), now);
    });
  });
}

void Workers::run(const control::RestartInfluxdb& /*effect*/) {
  restart_ = shared_->machinery.pool->submit([shared = shared_](const std::stop_token& stop) {
    shared->post.later([done = shared->restart->restart(stop)](control::Control& to, control::Now now) {
      to.on_restarted(done, now);
    });
  });
}

void Workers::run(const control::StopRestart& /*effect*/) {
  restart_.request_stop();
}

void Workers::stop() {
  shared_->watches = false;
  sample_.request_stop();
  question_.request_stop();
}

}  // namespace wal_exporter::app
