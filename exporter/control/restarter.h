// Restarter: restarts InfluxDB where checkpoints don't help: waits until nothing
// holds it back, checks and prepares, acts, and sees that InfluxDB is up again.
//
// Each state holds what belongs to it alone, so that leaving it lets go of that,
// the lock included. What was begun is kept on disk before the act, so that the next
// process of ours sees it to its end. One thread at a time.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "control/inputs.h"
#include "control/ledger.h"
#include "control/restart_record.h"
#include "events/restart_step.h"
#include "policy/restart_verdict.h"
#include "settings/settings.h"
#include "view/commands.h"
#include "view/view.h"

namespace wal_exporter::control {

struct Parts;

class Restarter {
 public:
  // Restores from `ledger` the last result, and a restart that an earlier process began
  // and did not see the end of.
  Restarter(const settings::Target& settings, bool acts_unasked, Ledger& ledger, Now now);

  // Goes on with what time, a sample, an answer of the server or the end of a
  // checkpoint allows.
  void step(Parts& parts, Now now);
  // `plan`: what the restart would do, in words; or why it can't be made.
  void checked(Parts& parts, const Result<std::string>& plan, Now now);
  void prepared(Parts& parts, view::PrepareRestartAnswer answer, Now now);
  void locked(Parts& parts, Result<HeldLock> lock, Now now);
  // `done`: what was done, in words.
  void restarted(Parts& parts, const Result<std::string>& done, Now now);
  // This process ends: what was not begun is left to the next one, and what was begun
  // too, once the act has ended.
  void stop(Parts& parts, Now now);
  // After an earlier process was killed: asks for what the first step needs.
  void take_up(Parts& parts) const;

  // No checkpoint of `asker` starts now.
  [[nodiscard]] bool holds_checkpoints(Asker asker) const;
  // InfluxDB is being told to restart, or about to be.
  [[nodiscard]] bool is_acting() const;
  // When time alone changes something.
  [[nodiscard]] SteadyTime next() const;
  [[nodiscard]] view::RestartView view_of(const Parts& parts, Now now) const;
  // What to tell a person about restarts; nullopt: nothing.
  [[nodiscard]] std::optional<std::string> advice(const Parts& parts) const;
  void count_into(view::Counters& counters) const;

 private:
  struct Idle {};
  // Considered, and held back; as last told.
  struct Waiting {
    std::vector<policy::Blocker> blockers;
    std::string why;
  };
  struct Checking {};
  struct Preparing {
    std::string plan;
    // What came of the preparation. Until `deadline` a checkpoint that it gave up on
    // comes to its safe point.
    std::optional<view::PrepareRestartAnswer> answer;
    SteadyTime deadline{};
  };
  struct Locking {
    std::string plan;
  };
  struct Acting {
    RestartStart start;
    SteadyTime begun{};
    HeldLock lock;
  };
  struct Starting {
    RestartStart start;
    SteadyTime begun{};
    SteadyTime deadline{};
    Time acted{};               // an answer of the server to a question from before it says nothing
    std::uint64_t answers = 0;  // that had come by then
    HeldLock lock;              // nullptr: it could not be taken up again
    // Seen up; the sample to compare is waited for until `sample_deadline`.
    std::optional<SteadyTime> up_at;
    std::uint64_t sample = 0;
    SteadyTime sample_deadline{};
  };
  using State = std::variant<Idle, Waiting, Checking, Preparing, Locking, Acting, Starting>;

  void step_waiting(Parts& parts, Now now);
  void settle_preparation(Parts& parts, Now now);
  void step_starting(Parts& parts, Now now);
  void conclude(Parts& parts, Starting& starting, Now now);

  void tell(Parts& parts, events::RestartStep step, const std::string& summary, nlohmann::ordered_json more, Now now);
  // It goes on waiting; told.
  void hold(Parts& parts, const policy::RestartVerdict& verdict, Now now);
  void end(Parts& parts, events::RestartStep step, const std::string& summary, bool success,
           nlohmann::ordered_json more, Now now);
  // Nothing was done to InfluxDB, and nothing will be in this episode.
  void give_up(Parts& parts, events::RestartStep step, const std::string& summary, Now now);
  // What came of it is for the next process to see.
  void leave(Parts& parts, bool success, const std::string& summary, Now now);
  void keep_result(Parts& parts, bool success, const std::string& summary, Now now);

  State state_;
  std::optional<view::RestartView::Result> last_;
  std::uint64_t restarts_ = 0;
  std::uint64_t failures_ = 0;
};

}  // namespace wal_exporter::control
