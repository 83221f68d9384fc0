// ServerQuestions: asks one target's InfluxDB whether it is up, which version it is,
// and (3.x, after each of its starts) what its settings are. One thread at a time.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "control/effects.h"
#include "control/inputs.h"
#include "http/client.h"
#include "settings/settings.h"

namespace wal_exporter::app {

class ServerQuestions {
 public:
  ServerQuestions(const settings::Target& target, std::shared_ptr<Clock> clock)
      : target_(target), clock_(std::move(clock)) {}

  // Blocks, within the settings' time limit. A token that can't be read is the answer's error. `layout`: the one
  // that the directory tells, for a server that does not say its own.
  [[nodiscard]] control::ServerAnswer ask(const control::AskServer& effect, const std::stop_token& stop);

 private:
  [[nodiscard]] std::vector<influxdb::RewritePlan> plan_rewrites(const std::vector<wal::ShardKey>& shards,
                                                                 const std::stop_token& stop);

  const settings::Target target_;
  const std::shared_ptr<Clock> clock_;
  http::Client client_{target_.influxdb.tls};
  std::optional<std::string> asked_process_;  // whose settings are known
  int asks_until_retry_ = 0;
  // Found out once an hour.
  std::map<wal::ShardKey, std::pair<SteadyTime, influxdb::RewritePlan>> rewrites_;
};

}  // namespace wal_exporter::app
