// SegmentServer: InfluxDB 1.x and 2.x: segments of 10 MiB per shard, a cache that is
// snapshotted when it is large or cold, and the backup of a shard, which snapshots it
// first. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "influxdb/debug_vars.h"
#include "scenario.h"
#include "server.h"

namespace wal_exporter::simulation {

enum class BackupReply {
  archive,      // done; 2.x also where another snapshot was running
  nothing,      // 1.x: closed without an answer: not known, another snapshot runs, or it failed
  not_found,    // 2.x
  failed,       // 2.x: 500
  unreachable,  // nobody listens, or no answer in time
};

class SegmentServer final : public Server {
 public:
  SegmentServer(Context& context, Disk& disk, Changed changed, const SegmentsOptions& options, Generation generation);

  // What lies there before the first start: of the shards that nothing is written to.
  void lay_out();

  using Answered = std::function<void(BackupReply)>;
  // Asks for a backup of one shard that holds nothing but what is dated in the far
  // future; the answer comes later, in any case.
  void back_up(const wal::Shard& shard, Answered answered);
  // Somebody else's backup keeps every shard busy until then.
  void be_busy(SteadyTime until) { busy_until_ = until; }

  // As /debug/vars tells it; nullopt: no answer.
  [[nodiscard]] std::optional<influxdb::DebugVars> figures() const;

  void heal() override;
  void write(std::uint64_t bytes) override;
  [[nodiscard]] std::shared_ptr<wal::Sample> read_wal() const override;
  [[nodiscard]] std::string version() const override {
    return generation_ == Generation::v2 ? "2.7.11" : options_.keeps_open_segment ? "1.7.11" : "1.8.10";
  }

 private:
  struct ShardState {
    wal::Shard on_disk;
    std::uint64_t cache_bytes = 0;
    SteadyTime last_write{};
    bool snapshotting = false;
    bool known = true;             // false: an orphan
    bool persistable = true;       // false: every snapshot fails
    std::uint64_t kept_inode = 0;  // 1.6, 1.7: opened at the start, and not written to since
  };

  [[nodiscard]] Duration replay_time() const override;
  void lose_memory() override;
  void begin_service() override;
  void add_segment(ShardState& shard);
  void append(ShardState& shard, std::uint64_t bytes);
  // `ended`: whether it went well.
  void snapshot(std::size_t index, std::function<void(bool)> ended);
  void look_for_work();
  // Of the disk that the WAL fills, and of the one that a snapshot does.
  [[nodiscard]] std::uint64_t room_for_wal() const;
  [[nodiscard]] std::uint64_t room_for_data() const;
  [[nodiscard]] std::uint64_t wal_bytes() const;

  const SegmentsOptions options_;
  const Generation generation_;
  std::vector<ShardState> shards_;
  std::uint64_t last_inode_ = 0;
  SteadyTime busy_until_{};
  Time started_{};
  // Open connections: false once answered.
  std::vector<std::pair<std::shared_ptr<bool>, Answered>> waiting_;
};

}  // namespace wal_exporter::simulation
