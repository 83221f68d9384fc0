#include "app/server_questions.h"

#include <utility>

#include "influxdb/api.h"

namespace wal_exporter::app {
namespace {

constexpr int kAsksUntilRetry = 20;

}  // namespace

control::ServerAnswer ServerQuestions::ask(wal::Generation layout, const std::stop_token& stop) {
  control::ServerAnswer answer;
  const auto read = influxdb::read_token(target_.influxdb.token_file);
  const std::string token = read.value_or("");
  // Whether it is up shows without a token, too: a server that wants one is.
  answer.server = influxdb::ask_server(client_, target_.influxdb.url, token, target_.influxdb.timeout, *clock_, stop);
  if (!read && answer.server.up) answer.server.error = read.error().message;
  const wal::Generation set = target_.influxdb.version;
  const wal::Generation said = wal::generation_of(answer.server.version);
  if (answer.server.up &&
      (set == wal::Generation::v2 ||
       (set == wal::Generation::unknown && !answer.server.version.starts_with("1.") && said != wal::Generation::v3))) {
    // Only an opinion: that it can't be had is no trouble.
    auto metrics = influxdb::ask_wal_metrics(client_, target_.influxdb.url, token, target_.influxdb.timeout, stop);
    if (metrics) answer.metrics = *std::move(metrics);
  }
  const bool is_node = said == wal::Generation::v3 ||
                       (answer.server.version.empty() && (set == wal::Generation::v3 || layout == wal::Generation::v3));
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

}  // namespace wal_exporter::app
