// The opt-in that frees a segment which InfluxDB 1.x up to 1.7 keeps open: a point that is there already
// is written again exactly, after which the next snapshot removes the file. FACTS.md, "1.x: the segment
// that was open before a restart".
//
// Nothing is written that was not planned and shown before, and nothing where the point is not as
// planned any more. The text of an error says why there is no plan or was no write.
#pragma once

#include <stop_token>

#include "base/clock.h"
#include "http/client.h"
#include "influxdb/options.h"
#include "influxdb/stored_point.h"

namespace wal_exporter::influxdb {

class Rewriter {
 public:
  Rewriter(const Endpoint& server, Duration timeout, Clock& clock)
      : server_(server), timeout_(timeout), clock_(clock), client_(server.tls) {}

  // Looks for a point. Reads alone.
  [[nodiscard]] Result<Rewrite> plan(const wal::ShardKey& shard, const std::stop_token& stop);
  // Reads the point, writes it, reads it again.
  [[nodiscard]] Result<void> run(const Rewrite& planned, const std::stop_token& stop);

 private:
  [[nodiscard]] Result<http::Response> send(const std::string& method, const std::string& path, std::string body,
                                            const std::stop_token& stop);
  // The series of each statement, as JSON arrays.
  [[nodiscard]] Result<std::vector<nlohmann::json>> query(const std::string& database, const std::string& statements,
                                                          const std::stop_token& stop);
  [[nodiscard]] Result<ShardTimes> times(const wal::ShardKey& shard, const std::stop_token& stop);
  [[nodiscard]] Result<std::optional<StoredPoint>> find(const wal::ShardKey& shard, const std::string& measurement,
                                                        const ShardTimes& times, const std::stop_token& stop);
  // How many points the series has; an error where the point is not as planned.
  [[nodiscard]] Result<std::uint64_t> read(const Rewrite& planned, const std::stop_token& stop);

  const Endpoint server_;
  const Duration timeout_;
  Clock& clock_;
  http::Client client_;
};

}  // namespace wal_exporter::influxdb
