// Requests: who asked for a checkpoint or for the preparation of a restart, what each
// waits for, and until when. Everybody gets one answer, by the deadline at the latest,
// also when the process stops. One thread at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "control/alert_ledger.h"
#include "control/inputs.h"
#include "control/ledger.h"
#include "view/commands.h"

namespace wal_exporter::control {

struct Parts;

class Requests {
 public:
  // Restores from `ledger` which alerts had their checkpoint.
  explicit Requests(Ledger& ledger);

  // Each returns the number under which the answer comes (effects.h: Reply), at once or
  // by a later call of answer(). Where a sample must be taken first, it is asked for.
  std::uint64_t checkpoint(Parts& parts, view::CheckpointCommand command, Now now);
  std::uint64_t alert(Parts& parts, const view::AlertCommand& command, Now now);
  // Of Asker::own_restart: the answer goes to the restarter.
  std::uint64_t prepare_restart(Parts& parts, view::PrepareRestartCommand command, Asker asker, Now now);

  // Answers whoever has what it waited for, or whose time is over; in the order in
  // which they asked. May start a checkpoint.
  void answer(Parts& parts, Now now);

  [[nodiscard]] bool empty() const { return waiting_.empty(); }
  // Somebody's checkpoint, or preparation, begins with the next sample, so the policy begins none.
  [[nodiscard]] bool awaits_checkpoint() const;
  // The first of all deadlines.
  [[nodiscard]] SteadyTime next() const;

 private:
  enum class Phase {
    other_run,  // another checkpoint is to end first
    wait,       // what holds a preparation back ends by itself, and in time
    sample,     // a sample that began after the request
    own_run,    // the checkpoint that was started for it
  };
  struct Waiting {
    std::uint64_t number = 0;
    std::variant<view::CheckpointCommand, view::PrepareRestartCommand> command;
    Asker asker = Asker::somebody;
    std::vector<std::string> alerts;  // the instances that this checkpoint serves; none: it is no alert's
    Phase phase = Phase::sample;
    SteadyTime deadline{};   // of the phase
    SteadyTime max_until{};  // of the whole preparation
    std::uint64_t sample = 0;
    std::int64_t run = 0;
  };

  // Whether it was answered.
  [[nodiscard]] bool advance(Parts& parts, Waiting& waiting, Now now);
  [[nodiscard]] bool advance_checkpoint(Parts& parts, Waiting& waiting, const view::CheckpointCommand& command,
                                        Now now);
  [[nodiscard]] bool advance_preparation(Parts& parts, Waiting& waiting, const view::PrepareRestartCommand& command,
                                         Now now);
  // What is left to do for a preparation once the WAL is known: an answer, or nullopt
  // where a checkpoint was started.
  [[nodiscard]] std::optional<view::PrepareRestartAnswer> prepare(Parts& parts, Waiting& waiting,
                                                                  const view::PrepareRestartCommand& command, Now now);
  // The next phase is a sample, or no waiting at all where none can be taken.
  void await_sample(Parts& parts, Waiting& waiting, SteadyTime deadline);
  void reply(Parts& parts, const Waiting& waiting, Result<view::CheckpointAnswer> answer, Now now);
  void reply(Parts& parts, const Waiting& waiting, view::PrepareRestartAnswer answer, Now now);

  std::uint64_t last_ = 0;
  std::vector<Waiting> waiting_;
  AlertLedger alerts_;
  std::vector<policy::Blocker> alert_refused_by_;  // as the audit has it: an alert is sent again and again
};

}  // namespace wal_exporter::control
