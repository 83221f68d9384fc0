#include "app/probe.h"

#include <utility>

#include "app/convert.h"
#include "influxdb/api.h"

namespace wal_exporter::app {
namespace {

constexpr int kAsksUntilRetry = 20;

}  // namespace

ServerAnswer ServerQuestions::ask(const std::string& layout, const std::stop_token& stop) {
  ServerAnswer answer;
  const auto read = influxdb::read_token(target_.influxdb.token_file);
  const std::string token = read.value_or("");
  // Whether it is up shows without a token, too: a server that wants one is.
  answer.server = influxdb::ask_server(client_, target_.influxdb.url, token, target_.influxdb.timeout, *clock_, stop);
  if (!read && answer.server.up) answer.server.error = read.error().message;
  const Version known = fixed_version(target_);
  if (answer.server.up && (known == "2" || (known.empty() && !answer.server.version.starts_with("1.") &&
                                            major_version(answer.server.version) != "3"))) {
    // Only an opinion: that it can't be had is no trouble.
    auto metrics = influxdb::ask_wal_metrics(client_, target_.influxdb.url, token, target_.influxdb.timeout, stop);
    if (metrics) answer.metrics = *std::move(metrics);
  }
  const bool is_node = major_version(answer.server.version) == "3" ||
                       (answer.server.version.empty() && (fixed_version(target_) == "3" || layout == "3"));
  if (!answer.server.up || !is_node) return answer;
  // Its settings can change only with a start; what could not be asked is asked
  // again now and then.
  if (asked_process_ == answer.server.process_id && --asks_until_retry_ != 0) return answer;
  if (!read) {
    answer.node.emplace().problems = {read.error().message};
    asked_process_.reset();  // asked as soon as there is a token
    return answer;
  }
  answer.node = influxdb::ask_node(client_, target_.influxdb.url, token, target_.wal.directory.filename().string(),
                                   target_.influxdb.timeout, stop);
  asked_process_ = answer.server.process_id;
  asks_until_retry_ = answer.node->problems.empty() ? -1 : kAsksUntilRetry;
  return answer;
}

ServerProbe::ServerProbe(const settings::Target& target, Duration interval, std::shared_ptr<Clock> clock,
                         std::function<void(ServerAnswer)> on_answer)
    : interval_(interval),
      clock_(clock),
      questions_(target, std::move(clock)),
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

void ServerProbe::set_layout(const std::string& version) {
  const MutexLock lock(mutex_);
  if (layout_ == version) return;
  layout_ = version;
  news_ = true;
  woken_.notify_all();
}

void ServerProbe::run(const std::stop_token& stop) {
  while (true) {
    const SteadyTime next = clock_->steady() + interval_;
    std::string layout;
    {
      const MutexLock lock(mutex_);
      layout = layout_;
      news_ = false;
    }
    ServerAnswer answer = questions_.ask(layout, stop);
    {
      const MutexLock lock(mutex_);
      if (stopping_) return;
    }
    on_answer_(std::move(answer));
    const MutexLock lock(mutex_);
    while (!stopping_ && !news_ && clock_->steady() < next) clock_->wait_until(woken_, mutex_, next);
    if (stopping_) return;
  }
}

}  // namespace wal_exporter::app
