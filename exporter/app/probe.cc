#include "app/probe.h"

#include <utility>

#include "base/file.h"

namespace walx::app {

influxdb::ServerFacts ask_target(http::Client& client, const settings::Target& target, const Clock& clock,
                                 const std::stop_token& stop) {
  std::string token;
  if (!target.influxdb.token_file.empty()) {
    auto read = read_secret(target.influxdb.token_file, "influxdb.token_file");
    if (!read) {
      influxdb::ServerFacts facts;
      facts.error = read.error().message;
      facts.asked_at = clock.now();
      return facts;
    }
    token = *std::move(read);
  }
  return influxdb::ask_server(client, target.influxdb.url, token, target.influxdb.timeout, clock, stop);
}

ServerProbe::ServerProbe(const settings::Target& target, Duration interval, std::shared_ptr<Clock> clock,
                         std::function<void(influxdb::ServerFacts)> on_answer)
    : target_(target),
      interval_(interval),
      clock_(std::move(clock)),
      on_answer_(std::move(on_answer)),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

ServerProbe::~ServerProbe() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
    woken_.notify_all();
  }
  thread_.request_stop();
  thread_.join();
}

void ServerProbe::run(const std::stop_token& stop) {
  http::Client client;
  while (true) {
    const SteadyTime next = clock_->steady() + interval_;
    influxdb::ServerFacts facts = ask_target(client, target_, *clock_, stop);
    {
      const MutexLock lock(mutex_);
      if (stopping_) return;
    }
    on_answer_(std::move(facts));
    const MutexLock lock(mutex_);
    while (!stopping_ && clock_->steady() < next) clock_->wait_until(woken_, mutex_, next);
    if (stopping_) return;
  }
}

}  // namespace walx::app
