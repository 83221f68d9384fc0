// WalReader: takes samples of one target's WAL. Finds out the layout first, and again
// as long as it is not certain. Not thread-safe: one thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "base/clock.h"
#include "base/log.h"
#include "control/effects.h"
#include "control/inputs.h"
#include "settings/settings.h"
#include "wal/source.h"

namespace wal_exporter::app {

class WalReader {
 public:
  // `reads_once`: there is no next sample, so a file that has just appeared is judged at
  // once.
  WalReader(const settings::Target& target, bool reads_once, std::shared_ptr<Clock> clock, Log log);

  // Blocks for as long as the directory takes.
  [[nodiscard]] control::SampleTaken read(const control::TakeSample& wanted, const std::stop_token& stop);
  // nullptr: the layout is not known yet. Safe to use beside read().
  [[nodiscard]] const std::shared_ptr<wal::WalSource>& source() const { return source_; }

 private:
  [[nodiscard]] Result<void> find_layout(const control::TakeSample& wanted, const std::stop_token& stop);

  const settings::Target target_;
  const bool reads_once_;
  const std::shared_ptr<Clock> clock_;
  const Log log_;
  std::shared_ptr<wal::WalSource> source_;
  std::uint64_t sources_ = 0;  // made so far
  wal::Layout layout_ = wal::Layout::segments;
  std::optional<Time> last_good_;  // when the last sample that went well was taken
  bool certain_ = false;           // the layout was seen or set, not assumed
  bool no_segments_ = false;       // in the last sample: an empty WAL, or a wrong folder that fills later
};

}  // namespace wal_exporter::app
