#include "control/server_clock.h"

#include <utility>

namespace wal_exporter::control {
namespace {

constexpr Duration kSame = std::chrono::seconds(2);
constexpr Duration kRemembered = std::chrono::hours(24);

}  // namespace

void ServerClock::take(std::optional<Duration> measured, Now now) {
  if (!measured) return;
  const bool first = !heard_ || now.steady - *heard_ > kRemembered;
  offset_ = offset(now);
  heard_ = now.steady;
  const std::optional<Duration> before = std::exchange(unconfirmed_, std::nullopt);
  if (std::chrono::abs(*measured - offset_) < kSame) return;
  if (first || (before && std::chrono::abs(*measured - *before) < kSame)) {
    offset_ = *measured;
  } else {
    unconfirmed_ = measured;
  }
}

Duration ServerClock::offset(Now now) const {
  return heard_ && now.steady - *heard_ <= kRemembered ? offset_ : Duration::zero();
}

}  // namespace wal_exporter::control
