// VanishState: whether files that vanished (wal/vanished.h) went under a running
// InfluxDB, which then still writes where nobody sees it. One thread at a time.
//
// With InfluxDB stopped a person may move what he likes. So where it can be asked, it is,
// right after the sample that misses them: it counts only if it is up and was not started
// meanwhile (down in between, or another process id). A start ends it: what those files alone
// held is lost then, or persisted. An end of the exporter does not end it: what stands is kept,
// and holds until a WAL file (3.x: a snapshot) is newer.
//
// The last look is kept as well, so that what vanishes while the exporter does not run is missed
// by the next one. It counts where InfluxDB says since when it runs (1.x, 2.x), or whether it is
// the same process (3.x). Where it does not, a start and a move can't be ruled out, and all that
// is told is a line in the log. Killed, the exporter leaves a look that is five minutes old, or
// that before the directory went: what a checkpoint removed since then counts as vanished with
// a directory that is replaced.
//
// Without influxdb.url nobody knows, and it is told as such. Of 3.x, where a stop, a move and a
// start leave nothing else behind, the next file ends it that comes after a pause in which they
// may have been; a server that goes on writing has lost them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "control/inputs.h"
#include "control/ledger.h"
#include "control/server_state.h"
#include "control/wal_state.h"
#include "wal/sample.h"

namespace wal_exporter::control {

// Under which what stands is kept.
inline constexpr const char* kVanishedKey = "vanished";
// And the last look.
inline constexpr const char* kLookKey = "look";

class VanishState {
 public:
  // Restores from `ledger` what stood at the end of an earlier process.
  explicit VanishState(Ledger& ledger);

  // A sample shows the WAL. True: the server is to be asked now.
  [[nodiscard]] bool take(const wal::Sample& sample, const ServerState& server, Ledger& ledger);
  // The last look of an earlier process, until a sample has gone well; nullptr: none is known.
  [[nodiscard]] const std::shared_ptr<const wal::Sample>& before() const { return before_; }
  // What the next process is to compare with.
  void keep_look(const WalState& wal, Ledger& ledger, Now now);
  void keep_look_now_and_then(const WalState& wal, Ledger& ledger, Now now);

  // The server is being asked: whether also since when it runs.
  [[nodiscard]] bool asks_for_start() { return start_asked_ = suspected_ || standing_; }
  // The server has answered. True: it is to be asked again now.
  [[nodiscard]] bool answered(const ServerState& server, Ledger& ledger);

  // Whether the server's word is awaited; what health is depends on it.
  [[nodiscard]] bool suspects() const { return suspected_.has_value(); }
  // What vanished and matters; nullopt: nothing.
  [[nodiscard]] const std::optional<wal::Vanished>& standing() const { return standing_; }
  // For people, where something does.
  [[nodiscard]] std::string text() const;

 private:
  void judge(const ServerState& server, bool ran, Ledger& ledger);
  void note_newest(const wal::Sample& sample);
  [[nodiscard]] bool may_have_started(const wal::Sample& sample, Duration flush_interval);
  void keep(Ledger& ledger) const;
  void excuse(const std::string& why, Ledger& ledger);

  std::uint64_t number_ = 0;  // of the last that was taken in
  wal::Layout layout_ = wal::Layout::segments;
  std::optional<wal::Vanished> suspected_;
  std::optional<wal::Vanished> standing_;
  bool is_of_before_ = false;    // standing_ is of an earlier process
  bool knew_process_ = false;    // as an earlier process saw it
  bool missed_before_ = false;   // suspected_: since the last look of an earlier process
  bool under_server_ = true;     // standing_: InfluxDB is known to have run
  bool may_be_emptied_ = false;  // suspected_: by a server that leaves no manifest of such a snapshot
  wal::Extent excused_;          // part of what the source counts as vanished
  std::optional<Time> wrote_;    // 3.x: the newest file, by the server's clock

  std::shared_ptr<const wal::Sample> before_;
  std::optional<Time> kept_look_;  // when it was taken
  SteadyTime next_look_{};         // to be kept

  // Of the server.
  std::string process_;
  bool was_down_ = false;
  bool start_asked_ = false;
  std::optional<Time> started_;
  std::uint64_t starts_ = 0;         // seen
  std::uint64_t starts_before_ = 0;  // at the last sample in which nothing new was missing
};

}  // namespace wal_exporter::control
