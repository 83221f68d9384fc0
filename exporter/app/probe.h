// ServerProbe: asks one target's InfluxDB whether it is up, which version it is,
// and (3.x, after each of its starts) what its settings are, on a thread of its own, so that a server that hangs holds
// up nothing else.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "base/clock.h"
#include "influxdb/node_facts.h"
#include "influxdb/server_facts.h"
#include "influxdb/wal_metrics.h"
#include "settings/settings.h"

namespace wal_exporter::app {

struct ServerAnswer {
  influxdb::ServerFacts server;
  std::optional<influxdb::NodeFacts> node;      // 3.x: set where it was asked this time
  std::optional<influxdb::WalMetrics> metrics;  // 2.x: what it says of its WAL; nullopt: nothing
};

// Asks one server, question by question. One thread at a time.
class ServerQuestions {
 public:
  ServerQuestions(const settings::Target& target, std::shared_ptr<Clock> clock)
      : target_(target), clock_(std::move(clock)) {}

  // A token that can't be read is the answer's error. `layout`: the version that the
  // directory tells ("3"; empty: not known), for a server that does not say its own.
  [[nodiscard]] ServerAnswer ask(const std::string& layout, const std::stop_token& stop);

 private:
  const settings::Target target_;
  const std::shared_ptr<Clock> clock_;
  http::Client client_;
  std::optional<std::string> asked_process_;  // whose settings are known
  int asks_until_retry_ = 0;
};

class ServerProbe {
 public:
  // Asks at once, then every `interval`; answers go to `on_answer`, on the probe's
  // thread.
  ServerProbe(const settings::Target& target, Duration interval, std::shared_ptr<Clock> clock,
              std::function<void(ServerAnswer)> on_answer);
  ~ServerProbe();

  // What the directory tells; asks again at once where that is news.
  void set_layout(const std::string& version) WAL_EXPORTER_EXCLUDES(mutex_);

 private:
  void run(const std::stop_token& stop);

  const Duration interval_;
  const std::shared_ptr<Clock> clock_;
  ServerQuestions questions_;  // the thread's alone
  const std::function<void(ServerAnswer)> on_answer_;
  Mutex mutex_;  // guards the wish to stop
  CondVar woken_;
  bool stopping_ WAL_EXPORTER_GUARDED_BY(mutex_) = false;
  std::string layout_ WAL_EXPORTER_GUARDED_BY(mutex_);
  bool news_ WAL_EXPORTER_GUARDED_BY(mutex_) = false;
  std::jthread thread_;
};

}  // namespace wal_exporter::app
