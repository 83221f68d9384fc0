// A WAL in memory and the backup port of a 1.x server in front of it, by the rules
// measured on 1.6.7 (exporter/influxdb/FACTS.md).
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "unit/http/fake_server.h"
#include "wal/source.h"

namespace wal_exporter::tests {

class FakeWal final : public wal::WalSource {
 public:
  // A shard whose segments have these sizes; the last one is open.
  void add(const std::string& database, std::uint64_t id, const std::vector<std::uint64_t>& sizes) {
    const MutexLock lock(mutex_);
    wal::Shard shard;
    shard.database = database;
    shard.retention_policy = "autogen";
    shard.id = id;
    for (const auto bytes : sizes) append(shard, bytes);
    shards_.push_back(shard);
  }
  // The snapshot of 1.x: the open segment is closed unless it is empty, then all
  // closed ones go.
  void snapshot(std::uint64_t id) {
    const MutexLock lock(mutex_);
    if (wal::Shard* shard = find(id)) {
      roll(*shard);
      shard->segments.erase(shard->segments.begin(), shard->segments.end() - 1);
    }
  }
  // What a snapshot that is refused or fails leaves.
  void close_open_segment(std::uint64_t id) {
    const MutexLock lock(mutex_);
    if (wal::Shard* shard = find(id)) roll(*shard);
  }
  // The end of a snapshot that began when the shard had only its first `count` segments.
  void end_other_snapshot(std::uint64_t id, std::ptrdiff_t count) {
    const MutexLock lock(mutex_);
    if (wal::Shard* shard = find(id)) {
      shard->segments.erase(shard->segments.begin(), shard->segments.begin() + count);
    }
  }
  void drop(std::uint64_t id) {
    const MutexLock lock(mutex_);
    std::erase_if(shards_, [&](const wal::Shard& shard) { return shard.id == id; });
  }
  // The first of the folders with this number.
  void drop_first(std::uint64_t id) {
    const MutexLock lock(mutex_);
    shards_.erase(
        std::find_if(shards_.begin(), shards_.end(), [&](const wal::Shard& shard) { return shard.id == id; }));
  }
  void set_free(std::uint64_t bytes) {
    const MutexLock lock(mutex_);
    free_ = bytes;
  }
  // Called at the start of each sample with its number, from 1.
  void on_look(std::function<std::optional<Error>(int)> hook) { hook_ = std::move(hook); }
  [[nodiscard]] bool knows(std::uint64_t id) {
    const MutexLock lock(mutex_);
    return find(id) != nullptr;
  }
  [[nodiscard]] int looks() {
    const MutexLock lock(mutex_);
    return looks_;
  }

  [[nodiscard]] Result<std::shared_ptr<const wal::Sample>> take_sample(std::stop_token stop) override {
    int number = 0;
    {
      const MutexLock lock(mutex_);
      number = ++looks_;
    }
    if (stop.stop_requested()) return failure(ErrorKind::cancelled, "stopped");
    if (hook_) {
      if (auto error = hook_(number)) return tl::unexpected<Error>(*error);
    }
    const MutexLock lock(mutex_);
    auto sample = std::make_shared<wal::Sample>();
    sample->shards = shards_;
    sample->data_filesystem_avail_bytes = free_;
    for (auto& shard : sample->shards) {
      shard.pending = {};
      for (const auto& segment : shard.segments) {
        if (segment.bytes > 0) shard.pending += {1, segment.bytes};
      }
      sample->pending += shard.pending;
    }
    return sample;
  }

 private:
  void append(wal::Shard& shard, std::uint64_t bytes) WAL_EXPORTER_REQUIRES(mutex_) {
    wal::Segment segment;
    segment.number = shard.segments.empty() ? 1 : shard.segments.back().number + 1;
    segment.name = "_0000" + std::to_string(segment.number) + ".wal";
    segment.inode = ++inode_;
    segment.bytes = bytes;
    shard.segments.push_back(segment);
  }
  void roll(wal::Shard& shard) WAL_EXPORTER_REQUIRES(mutex_) {
    if (shard.segments.back().bytes > 0) append(shard, 0);
  }
  wal::Shard* find(std::uint64_t id) WAL_EXPORTER_REQUIRES(mutex_) {
    for (auto& shard : shards_) {
      if (shard.id == id) return &shard;
    }
    return nullptr;
  }

  Mutex mutex_;
  std::vector<wal::Shard> shards_ WAL_EXPORTER_GUARDED_BY(mutex_);
  std::uint64_t inode_ WAL_EXPORTER_GUARDED_BY(mutex_) = 100;
  int looks_ WAL_EXPORTER_GUARDED_BY(mutex_) = 0;
  std::optional<std::uint64_t> free_ WAL_EXPORTER_GUARDED_BY(mutex_);
  std::function<std::optional<Error>(int)> hook_;  // set before the first sample
};

class FakeBackupPort {
 public:
  // Takes the place of the next answer.
  using Answer = std::function<void(Peer&, std::uint64_t id)>;

  explicit FakeBackupPort(std::shared_ptr<FakeWal> wal)
      : wal_(std::move(wal)), server_([this](Peer& peer) { serve(peer); }) {}

  void next(Answer answer, int times = 1) {
    const MutexLock lock(mutex_);
    for (int i = 0; i < times; ++i) answers_.push_back(answer);
  }
  // As while another snapshot of the shard runs: closes the open segment, says nothing.
  void next_refused(int times = 1) {
    next([this](Peer&, std::uint64_t id) { wal_->close_open_segment(id); }, times);
  }
  // Answers the question which shards there are: {"plant/autogen/7"}. As long as this was not
  // called, it has no answer, as of a server that does not know the question.
  void lists(std::vector<std::string> paths) {
    const MutexLock lock(mutex_);
    listed_ = std::move(paths);
  }
  // The ids asked for, in order.
  [[nodiscard]] std::vector<std::uint64_t> asked() {
    const MutexLock lock(mutex_);
    return asked_;
  }
  [[nodiscard]] std::string address() const { return server_.address(); }
  [[nodiscard]] std::string port() const { return std::to_string(server_.port()); }

  static std::string empty_archive() { return std::string(1024, '\0'); }

 private:
  void serve(Peer& peer) {
    const std::string request = peer.read_until("\n");
    const auto line = nlohmann::json::parse(request.substr(std::min<std::size_t>(2, request.size())), nullptr, false);
    if (request.starts_with("\x03\x03")) return list(peer, line);
    if (!request.starts_with(std::string("\x03\x00", 2))) return peer.reset();
    if (!line.is_object() || line.value("Since", "") != "2100-01-01T00:00:00Z") return;
    const auto id = line.value("ShardID", std::uint64_t{0});
    Answer answer;
    {
      const MutexLock lock(mutex_);
      asked_.push_back(id);
      if (!answers_.empty()) {
        answer = answers_.front();
        answers_.pop_front();
      }
    }
    if (answer) return answer(peer, id);
    if (!wal_->knows(id)) return;
    wal_->snapshot(id);
    peer.send(empty_archive());
  }

  void list(Peer& peer, const nlohmann::json& line) {
    const MutexLock lock(mutex_);
    if (!listed_ || !line.is_object() || line.value("BackupDatabase", "x") != "") return;
    peer.send(nlohmann::json{{"Paths", listed_->empty() ? nlohmann::json() : nlohmann::json(*listed_)}}.dump() + "\n");
  }

  std::shared_ptr<FakeWal> wal_;
  Mutex mutex_;
  std::deque<Answer> answers_ WAL_EXPORTER_GUARDED_BY(mutex_);
  std::vector<std::uint64_t> asked_ WAL_EXPORTER_GUARDED_BY(mutex_);
  std::optional<std::vector<std::string>> listed_ WAL_EXPORTER_GUARDED_BY(mutex_);
  FakeServer server_;  // last: its thread ends before what it uses
};

}  // namespace wal_exporter::tests
