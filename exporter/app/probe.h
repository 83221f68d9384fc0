// ServerProbe: asks one target's InfluxDB whether it is up and which version it
// is, on a thread of its own, so that a server that hangs holds up nothing else.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "base/clock.h"
#include "influxdb/server.h"
#include "settings/settings.h"

namespace walx::app {

// Reads the token file and asks once. A token that can't be read is the answer's
// error.
[[nodiscard]] influxdb::ServerFacts ask_target(http::Client& client, const settings::Target& target, const Clock& clock,
                                               const std::stop_token& stop);

class ServerProbe {
 public:
  // Asks at once, then every `interval`; answers go to `on_answer`, on the probe's
  // thread.
  ServerProbe(const settings::Target& target, Duration interval, std::shared_ptr<Clock> clock,
              std::function<void(influxdb::ServerFacts)> on_answer);
  ~ServerProbe();

 private:
  void run(const std::stop_token& stop);

  const settings::Target target_;
  const Duration interval_;
  const std::shared_ptr<Clock> clock_;
  const std::function<void(influxdb::ServerFacts)> on_answer_;
  Mutex mutex_;  // guards the wish to stop
  CondVar woken_;
  bool stopping_ WALX_GUARDED_BY(mutex_) = false;
  std::jthread thread_;
};

}  // namespace walx::app
