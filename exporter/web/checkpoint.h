// The parameters of the requests that act, and the answers about checkpoints. Pure; safe
// from any thread.
#pragma once

#include <string>

#include "base/result.h"
#include "base/time.h"
#include "view/commands.h"
#include "web/request.h"
#include "web/response.h"

namespace wal_exporter::web {

inline constexpr Duration kDefaultWait = std::chrono::seconds(30);
inline constexpr Duration kLongestWait = std::chrono::minutes(30);

struct CheckpointOptions {
  Duration wait = kDefaultWait;
  bool override_soft = false;
  bool at_once = false;
};

// From `wait` (a duration, at most 30m), `override` (true or false) and `mode`
// (patient or at_once).
[[nodiscard]] Result<CheckpointOptions> parse_checkpoint_options(const Parameters& parameters);

// `max_wait` of prepare-restart: a duration, 60s unless given, at most 30m.
[[nodiscard]] Result<Duration> parse_max_wait(const Parameters& parameters);
// `for`: a duration, or `until`: an RFC 3339 time; 1h unless given, at most 30d from
// `now`. A pause always ends, because one without an end would be forgotten.
[[nodiscard]] Result<Duration> parse_pause(const Parameters& parameters, Time now);
// `mode`: patient unless given; at_once is true.
[[nodiscard]] Result<bool> parse_mode(const Parameters& parameters);

// succeeded and no_op 200, running 202 with a Location, busy and blocked 409,
// failed and unverified 502, gone 503. Every body begins with success, timestamp
// and message; those of the older service's route (`seed`) end there when the
// status is 200. `now` stands in for a timestamp the answer does not have.
[[nodiscard]] Response checkpoint_response(const view::CheckpointAnswer& answer, const std::string& target, bool seed,
                                           Time now);

}  // namespace wal_exporter::web
