#include "faults.h"

#include <utility>

#include "base/bytes.h"

namespace wal_exporter::simulation {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

}  // namespace

Faults::Faults(const Surroundings& around, Exporter& exporter)
    : around_(around), exporter_(exporter), settings_(draw_settings(around.scenario, around.context.random)) {}

void Faults::later(Duration after, std::function<void()> what) {
  around_.context.schedule.in(after, [this, storm = storm_, what = std::move(what)] {
    if (storm == storm_) what();
  });
}

SteadyTime Faults::for_a_while(Duration mean) {
  return around_.context.schedule.steady() + around_.context.random.around(mean);
}

void Faults::storm() {
  ++storm_;
  around_.context.note("storm");
  around_.invariants.calm(false);
  exporter_.set_kills(true);
  next_fault();
  next_request();
}

void Faults::calm() {
  ++storm_;
  around_.context.note("calm");
  around_.disk.heal();
  around_.store->fail(false);
  Server& server = around_.server();
  server.heal();
  exporter_.heal();
  firing_.clear();
  // Who was paused was paused by a person, who resumes.
  exporter_.pause(std::nullopt);
  const auto begin = [this, &server] {
    server.start();
    exporter_.start(settings_);
    around_.invariants.calm(true);
  };
  if (exporter_.is_stopping()) return later(seconds(20), begin);
  begin();
}

void Faults::next_fault() {
  later(around_.context.random.around(around_.scenario.between_faults), [this] {
    switch (around_.context.random.below(3)) {
      case 0:
        fault_of_machine();
        break;
      case 1:
        fault_of_server();
        break;
      default:
        fault_of_exporter();
    }
    next_fault();
  });
}

void Faults::fault_of_machine() {
  Random& random = around_.context.random;
  switch (random.below(5)) {
    case 0: {
      around_.context.note("disk full");
      const std::uint64_t room = random.below(200) * kMiB;
      return around_.disk.fill(room, for_a_while(hours(1)));
    }
    case 1:
      around_.context.note("disk fails");
      return around_.disk.fail(for_a_while(minutes(20)));
    case 2:
      around_.context.note("disk slow");
      return around_.disk.slow_down(for_a_while(minutes(40)));
    case 3:
      return set_clock();
    default:
      around_.context.note("state fails");
      around_.store->fail(true);
      later(random.around(minutes(30)), [this] { around_.store->fail(false); });
  }
}

void Faults::set_clock() {
  Random& random = around_.context.random;
  const Duration most[] = {seconds(2), minutes(10), hours(3), 3 * kDay};
  const Duration by = random.between(Duration(1), random.one_of(most));
  const Duration signed_by = random.coin() ? by : -by;
  around_.context.schedule.set_clock(signed_by);
  around_.invariants.clock_set(signed_by);
  around_.context.note("clock set", (signed_by < Duration::zero() ? "back " : "forward ") + format_duration(by));
}

void Faults::fault_of_server() {
  Random& random = around_.context.random;
  Server& server = around_.server();
  switch (random.below(6)) {
    case 0:
      return server.restart();
    case 1:
      server.kill();
      return later(random.around(hours(1)), [&server] { server.start(); });
    case 2:
      around_.context.note("server hangs");
      return server.hang(for_a_while(minutes(20)));
    case 3:
      around_.context.note("snapshots fail");
      return server.fail_snapshots(for_a_while(hours(3)));
    case 4:
      if (around_.segments != nullptr) {
        around_.context.note("another backup runs");
        return around_.segments->be_busy(for_a_while(minutes(30)));
      }
      around_.context.note("a write from the future");
      return around_.node->date_next_write(random.between(Duration(minutes(1)), 2 * kDay));
    default:
      if (around_.node == nullptr || !random.coin()) return server.restart();
      around_.context.note("newest file damaged");
      around_.node->damage_newest();
      return later(random.around(hours(2)), [this] { around_.node->repair(); });
  }
}

void Faults::fault_of_exporter() {
  Random& random = around_.context.random;
  switch (random.below(6)) {
    case 0:
      exporter_.kill();
      return later(random.around(minutes(10)), [this] { exporter_.start(settings_); });
    case 1:
      return exporter_.stop(
          [this] { later(around_.context.random.around(minutes(10)), [this] { exporter_.start(settings_); }); });
    case 2:
      around_.context.note("another process holds the lock");
      return exporter_.set_other_holder(for_a_while(minutes(20)));
    case 3:
      around_.context.note("the restart method is broken");
      return exporter_.break_restart_method(for_a_while(hours(3)));
    case 4:
      around_.context.note("the server's settings can't be read");
      return exporter_.hide_server_settings(for_a_while(hours(1)));
    default:
      exporter_.kill();
      exporter_.start(settings_);
  }
}

void Faults::next_request() {
  later(around_.context.random.around(around_.scenario.between_requests), [this] {
    request();
    next_request();
  });
}

void Faults::request() {
  Random& random = around_.context.random;
  switch (random.below(8)) {
    case 0: {
      view::PrepareRestartCommand command;
      command.target = settings_.name;
      command.max_wait = random.between(Duration(seconds(1)), Duration(minutes(50)));
      command.actor = "person";
      command.override_soft = random.coin();
      command.in_any_window = random.coin();
      return exporter_.prepare_restart(command);
    }
    case 1:
      return exporter_.pause(random.between(Duration(seconds(1)), Duration(hours(5))));
    case 2:
      return exporter_.pause(std::nullopt);
    case 3:
      settings_ = draw_settings(around_.scenario, random);
      around_.context.note("settings reload");
      return exporter_.stop([this] { exporter_.start(settings_); });
    case 4:
      if (firing_.empty()) {
        firing_ = "alert " + std::to_string(++alerts_);
        alert();
      }
      return;
    default: {
      view::CheckpointCommand command;
      command.target = settings_.name;
      command.override_soft = random.below(4) == 0;
      command.wait = random.between(Duration::zero(), Duration(minutes(30)));
      command.at_once = random.below(4) == 0;
      command.actor = "person";
      return exporter_.checkpoint(command);
    }
  }
}

void Faults::alert() {
  exporter_.alert({settings_.name, "WAL critical", {firing_}}, [this] { firing_.clear(); });
  if (!firing_.empty()) {
    later(minutes(5), [this] {
      if (!firing_.empty()) alert();
    });
  }
}

}  // namespace wal_exporter::simulation
