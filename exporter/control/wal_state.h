// WalState: the WAL as the last samples showed it, and when to take the next one.
// One thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/log.h"
#include "control/inputs.h"
#include "policy/engine.h"
#include "policy/forecast.h"
#include "view/view.h"
#include "wal/sample.h"

namespace wal_exporter::control {

class WalState {
 public:
  // `interval`: between two samples where nothing seems to happen; `longest`: of the
  // windows over which growth is taken.
  WalState(Duration interval, Duration longest_window);

  // A sample was taken, well or not: says in `log` where that is news. True: it shows
  // the WAL.
  bool take(const SampleTaken& taken, Now now, spdlog::logger& log, const std::string& target);
  // What a checkpoint left, as its own run read it; the next sample is still due.
  void take_after_run(std::shared_ptr<const wal::Sample> sample, spdlog::logger& log, const std::string& target);
  // What was written lately is no measure of what will be: it was a nudge.
  void forget_growth() { history_.clear(); }

  // Something in the directory changed: the next sample may come at once.
  void changed() { change_seen_ = true; }
  [[nodiscard]] bool change_seen() const { return change_seen_; }

  // Whether to take a sample now. `stale`: the last one is too old or dated in the
  // future.
  [[nodiscard]] bool is_due(Now now, bool stale) const;
  // A sample is to be taken that begins after this call; nullopt: one is under way, and
  // the next follows it. `number` of the one that will serve the call.
  struct Asked {
    std::uint64_t number = 0;
    bool begins_now = false;
  };
  Asked ask();
  // take() asks for another at once where somebody asked meanwhile.
  [[nodiscard]] bool must_ask_again() const { return again_; }
  [[nodiscard]] std::uint64_t finished() const { return finished_; }
  // The number of the sample that shows the WAL as it is: the last one, where another may not
  // come yet, else the one under way, or the next, which is due then.
  std::uint64_t current(Now now);

  // When is_due() may become true by time alone.
  [[nodiscard]] SteadyTime next(Now now) const;

  // The last good sample; nullptr: there was none yet.
  [[nodiscard]] const std::shared_ptr<const wal::Sample>& sample() const { return sample_; }
  // Why the last sample failed; empty: it went well.
  [[nodiscard]] const std::string& error() const { return error_; }
  [[nodiscard]] const std::string& watch_degraded() const { return watch_degraded_; }
  [[nodiscard]] const policy::GrowthHistory& history() const { return history_; }
  void count_into(view::Counters& counters) const;

 private:
  void count(Duration elapsed);
  void accept(std::shared_ptr<const wal::Sample> sample, spdlog::logger& log, const std::string& target);

  const Duration interval_;
  std::shared_ptr<const wal::Sample> sample_;
  std::string error_;
  std::string watch_degraded_ = "not watched yet";
  policy::GrowthHistory history_;
  std::uint64_t source_ = 0;
  wal::Extent written_;
  wal::Extent written_before_;  // by readers of the WAL that were replaced
  std::uint64_t asked_ = 0;     // the number of the last sample asked for
  std::uint64_t finished_ = 0;  // and of the last one that ended
  bool again_ = false;          // one more is wanted when that one has ended
  bool change_seen_ = false;
  SteadyTime next_periodic_{};
  SteadyTime earliest_{};
  std::uint64_t samples_ = 0;
  std::uint64_t failures_ = 0;
  view::Histogram duration_;
};

}  // namespace wal_exporter::control
