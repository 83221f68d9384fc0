// What must hold after every step of the simulation, whatever happens: the nine
// invariants, each with its name and, where it is checked, the mistake that breaks it.
//
// Told of everything that goes into Control and comes out of it, it keeps an account of
// its own: it believes Control nothing that it can know itself. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "clocks.h"
#include "control/control.h"
#include "control/effects.h"
#include "events/event.h"
#include "memory_meter.h"
#include "run.h"
#include "settings/settings.h"
#include "shard_account.h"

namespace wal_exporter::simulation {

enum class Invariant {
  acts_alone_and_allowed = 1,
  waits_hold = 2,
  nudges_keep_to_their_plan = 3,
  decisions_are_true = 4,
  events_are_told_once = 5,
  what_is_said_happens = 6,
  gets_below_the_limit = 7,
  memory_is_bounded = 8,
  everybody_is_answered = 9,
};

[[nodiscard]] std::string_view name_of(Invariant invariant);

struct Violation : std::runtime_error {
  Violation(Invariant broken, const std::string& what);
  Invariant invariant;
};

class Invariants {
 public:
  explicit Invariants(const Context& context) : context_(context) {}

  // Our process, or a target with other settings.
  void started(const settings::Target& settings);
  // What its last step had come to when it was killed.
  enum class Cut { at_rest, effects, step };
  // `saved`: what Control remembers was on disk when it last came to rest.
  void killed(bool saved, Cut cut);
  void stopped();

  // What goes in.
  void clock_set(Duration by);
  void server_is_ahead(Duration by) { server_ahead_ = by; }
  // nullopt: resumed. Before the step, and after it.
  void about_to_pause(std::optional<Duration> length);
  void paused(std::optional<Duration> length);
  void asked_for_checkpoint(std::uint64_t number, const view::CheckpointCommand& command);
  void asked_for_preparation(std::uint64_t number, const view::PrepareRestartCommand& command);
  void asked_by_alert(std::uint64_t number);
  void sampled(const control::SampleTaken& taken);
  void answered(const control::ServerAnswer& answer);
  void run_ends(const control::RunEnded& ended);
  void restart_acts(bool acts) { restart_acts_ = acts; }

  // What comes out.
  void told(const events::Event& event);
  void wanted(const control::Control& control, const control::Effect& effect);
  void nudge_point(const NudgePoint& point, const wal::NodeRules& rules);
  // An input has been worked through; then `effects` are carried out. `store_works`: what
  // is written to the state database is on disk.
  void step(const control::Control& control, const control::Effects& effects, bool store_works);

  // From now on nothing goes wrong and nobody helps; false: that is over.
  void calm(bool is_calm);
  [[nodiscard]] const ShardAccount& shards() const { return shards_; }
  // The WAL is below its limit, whatever a sample says.
  void below_limit(bool is_below) { below_limit_ = below_limit_ || is_below; }

  [[nodiscard]] std::uint64_t checks() const { return checks_; }
  [[nodiscard]] std::uint64_t liveness_checked() const { return liveness_checked_; }
  [[nodiscard]] std::uint64_t probes() const { return probes_; }
  [[nodiscard]] std::uint64_t promises() const { return promises_kept_; }
  [[nodiscard]] Held most_held() const { return most_held_; }

  // Asks at a moment at which nothing else happens: what comes must be what the view
  // said. `number`: of the request.
  struct Probe {
    std::uint64_t number = 0;
    bool running = false;
    std::uint64_t pending = 0;
    std::vector<policy::Blocker> blockers;
  };
  void probe(Probe probe) { probe_ = std::move(probe); }

 private:
  struct Asked {
    policy::Reason reason = policy::Reason::manual;
    bool lifts_soft = false;  // windows and maintenance
    bool in_any_window = false;
    bool at_once = false;
    bool person = false;
    SteadyTime deadline{};
    bool asked_resting = false;  // a shard that rests, for this one
  };
  struct Said {
    Time next_allowed{};
    std::uint64_t epoch = 0;
  };

  [[noreturn]] void broken(Invariant invariant, const std::string& what) const;
  [[nodiscard]] SteadyTime now() const { return context_.schedule.steady(); }
  [[nodiscard]] Time wall() const { return context_.schedule.wall(); }
  // By the server's clock, at the latest: a target takes less than 2 s for no difference.
  [[nodiscard]] Time server_wall() const { return wall() + server_ahead_ + std::chrono::seconds(2); }

  // invariants_acting.cc: 1, 2, 3
  void check_start(const control::Control& control, const control::RunCheckpoint& run);
  void check_waits(const control::RunCheckpoint& run, bool own);
  void check_restart(const control::Control& control);
  void account_end(const control::Control& control);
  // invariants_said.cc: 4, 5, 6
  void check_decision(const control::Control& control) const;
  [[nodiscard]] bool is_true(policy::Blocker blocker, const control::Control& control) const;
  void check_promise(const control::Control& control);
  void check_probe(const Result<view::CheckpointAnswer>& given);
  void told_of_health(const events::Event& event);
  void told_of_checkpoint(const events::Event& event);
  // invariants.cc: 7, 8, 9
  void check_liveness(const control::Control& control);
  void check_memory();
  void check_answers() const;
  void check_reply(const control::Reply& reply);
  [[nodiscard]] Duration longest_wait(const control::Control& control) const;
  [[nodiscard]] bool could_act(const control::Control& control) const;

  const Context& context_;
  Clocks clocks_;
  Duration server_ahead_{};
  std::uint64_t checks_ = 0;

  // Of our process as it runs now.
  settings::Target settings_;
  std::map<std::uint64_t, Asked> asked_;
  std::shared_ptr<const wal::Sample> sample_;
  std::optional<control::ServerAnswer> answer_;
  bool knows_node_ = false;
  std::optional<control::RunCheckpoint> running_;
  std::optional<control::RunEnded> ending_;  // goes in with the step that is under way
  bool restart_acts_ = false;
  bool restart_was_under_way_ = false;
  bool was_running_ = false;
  bool starts_ = false;  // in the step that is under way
  std::uint64_t steps_in_a_second_ = 0;
  std::int64_t second_ = -1;

  // Across its lives. What holds is taken back where it could not be kept on disk; what
  // may be said is not.
  std::optional<Moment> holds_start_, holds_end_, holds_failure_;
  std::uint32_t holds_failures_ = 0;
  std::optional<Moment> start_, end_, failure_;
  std::vector<Moment> restarts_;
  ShardAccount shards_;
  bool reverted_ = false;  // to what was kept long ago, and no sample has told it the time since
  std::optional<Time> holds_pause_, pause_;

  // 5
  std::int64_t last_event_ = 0;
  std::string told_health_;
  std::int64_t end_told_ = 0;        // of which checkpoint
  std::set<std::int64_t> runs_;      // of this process, by their numbers
  bool may_be_interrupted_ = false;  // the last start that was told has no end yet
  bool considered_ = false;

  // 6
  std::uint64_t epoch_ = 0;
  bool clock_was_set_ = false;  // until the next sample, waits are not cut to their length
  std::optional<Said> said_;
  std::optional<policy::Health> health_;
  std::pair<std::size_t, bool> at_rest_{};  // how many shards' snapshots fail; whether nothing else is pending
  std::optional<Probe> probe_;
  std::uint64_t probes_ = 0;
  std::uint64_t promises_kept_ = 0;

  // 7
  std::optional<SteadyTime> calm_since_;
  bool below_limit_ = false;
  std::uint64_t liveness_checked_ = 0;
  // 8
  Held most_held_;
};

}  // namespace wal_exporter::simulation
