// NodeServer: InfluxDB 3: one WAL file per flush, snapshots by the rules 1 to 6 of
// exporter/influxdb/FACTS.md, writes that are answered with their flush. One thread.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "influxdb/node_facts.h"
#include "scenario.h"
#include "server.h"

namespace wal_exporter::simulation {

enum class WriteReply {
  written,      // 204: on disk
  refused,      // an error of the server: the WAL can't be written, or it ends itself
  unreachable,  // nobody listens, the connection broke, or no answer in time
};

class NodeServer final : public Server {
 public:
  NodeServer(Context& context, Disk& disk, Changed changed, const NodeOptions& options);

  using Answered = std::function<void(WriteReply)>;
  // Writes one point dated `date`; the answer comes with the flush, in any case.
  void write_point(Time date, Answered answered);
  // Somebody's clock is wrong: what is written next is dated `ahead`.
  void date_next_write(Duration ahead) { next_ahead_ = ahead; }
  // The newest file is damaged: the server exits at its next write, and at the
  // first after every start, until somebody moves the file away.
  void damage_newest();
  // Somebody moves a damaged file out of wal/.
  void repair();

  void heal() override;
  void write(std::uint64_t bytes) override;
  [[nodiscard]] std::shared_ptr<wal::Sample> read_wal() const override;
  [[nodiscard]] std::string version() const override { return "3.10.0"; }
  // What its system tables say; `readable`: the token may read them.
  [[nodiscard]] influxdb::NodeFacts settings(bool readable) const;
  [[nodiscard]] const wal::NodeRules& rules() const { return options_.rules; }

 private:
  struct Buffer {
    std::uint64_t bytes = 0;
    Time min_time{};
    Time max_time{};
    std::vector<Answered> waiting;
  };

  [[nodiscard]] Duration replay_time() const override;
  void lose_memory() override;
  void begin_service() override {}
  void buffer_write(std::uint64_t bytes, Time date, Answered answered);
  void flush();
  // How many periods a flush has snapshotted now.
  [[nodiscard]] std::size_t due() const;
  void snapshot(std::size_t count);
  void answer(std::vector<Answered> waiting, WriteReply reply);

  const NodeOptions options_;
  std::optional<Buffer> buffer_;
  std::deque<wal::Period> pending_;
  std::uint64_t pending_bytes_ = 0;
  wal::Extent retained_;
  std::uint64_t last_file_ = 0;
  std::optional<wal::Snapshot> snapshot_;
  std::deque<Time> snapshot_times_;  // the newest first, of those that count for a start
  std::uint64_t snapshot_files_ = 0;
  bool snapshotting_ = false;
  Duration next_ahead_{};
  bool newest_damaged_ = false;
};

}  // namespace wal_exporter::simulation
