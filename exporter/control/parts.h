// Parts: everything that makes up a target, as a plain value. Each part keeps its own
// state; what follows from what stands in control.cc. One thread at a time.
#pragma once

#include <memory>

#include "control/chart.h"
#include "control/checkpointer.h"
#include "control/effects.h"
#include "control/health_state.h"
#include "control/ledger.h"
#include "control/requests.h"
#include "control/restarter.h"
#include "control/server_state.h"
#include "control/vanish_state.h"
#include "control/wal_state.h"
#include "policy/decision.h"
#include "policy/forecast.h"
#include "policy/memory.h"
#include "policy/shard_book.h"
#include "settings/settings.h"

namespace wal_exporter::control {

// Under which what the policy remembers is kept.
inline constexpr const char* kMemoryKey = "policy";
// And what is known of single shards.
inline constexpr const char* kShardsKey = "shards";

struct Parts {
  // Restores from `kept_by` what earlier processes left. `judges_at_once`: without
  // hysteresis, and a count over a limit need not last.
  Parts(settings::Target target, bool acts, bool judges_at_once, Ledger kept_by, Now now);
  Parts(const Parts&) = delete;
  Parts& operator=(const Parts&) = delete;

  const settings::Target settings;
  const bool acts_unasked;  // false: only what somebody asks for is done
  Ledger ledger;
  policy::Memory memory;
  policy::ShardBook shards;
  WalState wal;
  ServerState server;
  Chart chart;
  VanishState vanish;
  HealthState health;
  Checkpointer checkpointer;
  Restarter restarter;
  Requests requests;
  policy::Decision decision;  // what would be done now, unasked
  bool stopping = false;      // nothing is begun any more
  Effects effects;            // wanted, and not taken yet

  // A sample that begins after now. Returns its number.
  std::uint64_t ask_for_sample();
  // A sample as it was read, with what the book of shards says of it; the book forgets what
  // the sample shows no longer to hold.
  [[nodiscard]] std::shared_ptr<const wal::Sample> with_shards(std::shared_ptr<const wal::Sample> sample, Now now);
  // Whether what the policy remembers is on disk now. Writes only where it changed.
  bool keep_memory();

  policy::Memory kept_memory;     // as on disk
  policy::ShardBook kept_shards;  // likewise
};

}  // namespace wal_exporter::control
