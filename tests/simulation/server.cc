#include "server.h"

#include <utility>

namespace wal_exporter::simulation {

Server::Server(Context& context, Disk& disk, Changed changed)
    : context_(context), disk_(disk), changed_(std::move(changed)) {}

void Server::kill() {
  if (state_ == State::down) return;
  context_.note("server killed");
  state_ = State::down;
  ++life_;
  lose_memory();
}

void Server::start() {
  if (state_ != State::down) return;
  ++life_;
  state_ = State::replaying;
  const Duration replay = replay_time();
  context_.note("server starts", format_duration(replay));
  later(replay, [this] {
    state_ = State::up;
    context_.note("server up");
    begin_service();
  });
}

influxdb::ServerFacts Server::facts() const {
  influxdb::ServerFacts facts;
  facts.asked_at = context_.schedule.wall();
  if (state_ != State::up) {
    facts.error = "connection refused";
    facts.port_closed = true;
  } else if (hangs()) {
    facts.error = "no answer within 5s";
  } else {
    facts.up = true;
    facts.version = version();
    facts.clock_offset = std::chrono::duration_cast<std::chrono::seconds>(ahead_);
  }
  return facts;
}

void Server::later(Duration after, std::function<void()> what) {
  context_.schedule.in(after, [this, life = life_, what = std::move(what)] {
    if (life == life_) what();
  });
}

}  // namespace wal_exporter::simulation
