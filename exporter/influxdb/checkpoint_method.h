// CheckpointMethod: one way to make a server persist its pending data.
//
// Every method reads the WAL before it acts and after; the outcome is what the
// WAL shows, not what the server says. run() blocks, is bounded by its limits,
// and ends soon after `stop` is requested, at a safe point. One method serves
// one target; run() is never called twice at once.
#pragma once

#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "influxdb/outcome.h"
#include "influxdb/rewrite_plan.h"
#include "wal/source.h"

namespace wal_exporter::influxdb {

struct CheckpointRequest {
  // Shards with fewer pending bytes than this are left alone; 0: none is.
  std::uint64_t skip_below_bytes = 0;
  // Shards that are not asked for, whatever they hold.
  std::vector<wal::ShardKey> leave_alone{};
  // The server is known to be the one that writes this WAL: it has persisted shards of it.
  bool server_proven = false;
  // 1.x: points to write again, so that the files of these shards, which are kept open, go.
  std::vector<Rewrite> rewrites{};
};

class CheckpointMethod {
 public:
  virtual ~CheckpointMethod() = default;

  // The value of `checkpoint.method` that names it: backup, nudge, http, none.
  [[nodiscard]] virtual std::string_view name() const = 0;
  [[nodiscard]] virtual Outcome run(const CheckpointRequest& request, std::stop_token stop) = 0;
};

}  // namespace wal_exporter::influxdb
