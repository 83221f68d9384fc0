#include "control/chart.h"

#include <functional>
#include <utility>

namespace wal_exporter::control {
namespace {

constexpr const char* kSamplesKey = "samples";
// What is lost where this process is killed; each write is some ten kilobytes.
constexpr Duration kSaveInterval = std::chrono::minutes(5);

}  // namespace

Chart::Chart(Ledger& ledger, Duration interval, Now now) {
  const auto share = static_cast<std::int64_t>(std::hash<std::string>()(ledger.target()) % 1000);
  next_ = now.steady + kSaveInterval + kSaveInterval * share / 1000;
  const auto stored = ledger.kept(kSamplesKey);
  if (!stored) return;
  auto samples = view::SampleHistory::from_text(*stored);
  if (!samples) {
    ledger.log()->error("{}; the chart starts anew [{}]", samples.error().message, ledger.target());
    return;
  }
  samples_ = *std::move(samples);
  kept_ = samples_.newest();
  // Nobody looked while this process was not there.
  const auto end = kept_ ? *kept_ + 2 * interval : Time{};
  if (kept_ && end < now.wall) samples_.add_gap(end);
}

void Chart::keep_now_and_then(Ledger& ledger, Now now) {
  if (now.steady >= next_) keep(ledger, now);
}

void Chart::keep(Ledger& ledger, Now now) {
  if (samples_.newest() == kept_) return;
  next_ = now.steady + kSaveInterval;
  if (ledger.keep(kSamplesKey, samples_.to_text())) kept_ = samples_.newest();
}

}  // namespace wal_exporter::control
