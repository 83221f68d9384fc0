// Server: InfluxDB as a process: starts with a replay of its WAL, runs, hangs, is
// killed. What it holds and does with it is in segment_server.h and node_server.h.
// Follows exporter/influxdb/FACTS.md. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "context.h"
#include "disk.h"
#include "influxdb/server_facts.h"
#include "wal/sample.h"

namespace wal_exporter::simulation {

class Server {
 public:
  using Changed = std::function<void()>;  // something in the WAL's directory changed

  Server(Context& context, Disk& disk, Changed changed);
  virtual ~Server() = default;
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  void kill();
  // Begins with the replay; where it runs already, nothing happens.
  void start();
  void restart() {
    kill();
    start();
  }
  // It answers nothing until then.
  void hang(SteadyTime until) { hangs_until_ = until; }
  // Its snapshots fail until then: the data directory can't be written.
  void fail_snapshots(SteadyTime until) { snapshots_fail_until_ = until; }
  virtual void heal() { hangs_until_ = snapshots_fail_until_ = SteadyTime{}; }

  // Takes and answers writes.
  [[nodiscard]] bool is_up() const { return state_ == State::up && !hangs(); }
  [[nodiscard]] bool is_replaying() const { return state_ == State::replaying; }
  [[nodiscard]] bool is_down() const { return state_ == State::down; }
  [[nodiscard]] bool hangs() const { return context_.schedule.steady() < hangs_until_; }
  [[nodiscard]] std::string process_id() const { return "process " + std::to_string(life_); }
  // What it says when it is asked now.
  [[nodiscard]] influxdb::ServerFacts facts() const;
  [[nodiscard]] Time wall() const { return context_.schedule.wall() + ahead_; }
  void set_ahead(Duration ahead) { ahead_ = ahead; }

  // Somebody writes `bytes`, dated now.
  virtual void write(std::uint64_t bytes) = 0;
  // The WAL as a sample shows it.
  [[nodiscard]] virtual std::shared_ptr<wal::Sample> read_wal() const = 0;
  [[nodiscard]] virtual std::string version() const = 0;

 protected:
  [[nodiscard]] virtual Duration replay_time() const = 0;
  // What was in memory alone is gone.
  virtual void lose_memory() = 0;
  // The replay is done.
  virtual void begin_service() = 0;

  // Calls `what` later, if this process still runs then.
  void later(Duration after, std::function<void()> what);
  [[nodiscard]] bool snapshots_fail() const { return context_.schedule.steady() < snapshots_fail_until_; }
  void tell_change() { changed_(); }
  [[nodiscard]] Context& context() const { return context_; }
  [[nodiscard]] const Disk& disk() const { return disk_; }

 private:
  enum class State { down, replaying, up };

  Context& context_;
  const Disk& disk_;
  const Changed changed_;
  State state_ = State::down;
  std::uint64_t life_ = 0;
  SteadyTime hangs_until_{};
  SteadyTime snapshots_fail_until_{};
  Duration ahead_{};
};

}  // namespace wal_exporter::simulation
