#include "app/server_questions.h"

#include <filesystem>
#include <utility>

#include "influxdb/api.h"
#include "influxdb/debug_vars.h"
#include "influxdb/rewrite.h"
#include "wal/detect.h"

namespace wal_exporter::app {
namespace {

constexpr int kAsksUntilRetry = 20;
// Each takes some queries; the others come with the next questions.
constexpr std::size_t kMostPlansAtOnce = 5;
constexpr Duration kPlanHolds = std::chrono::hours(1);

}  // namespace

control::ServerAnswer ServerQuestions::ask(const control::AskServer& effect, const std::stop_token& stop) {
  const wal::Generation layout = effect.layout;
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
    if (answer.metrics && answer.metrics->uptime) answer.server.started = clock_->now() - *answer.metrics->uptime;
  }
  if (answer.server.up && effect.wants_start && answer.server.version.starts_with("1.")) {
    const auto vars = influxdb::ask_debug_vars(client_, target_.influxdb, target_.influxdb.timeout, stop);
    if (vars && vars->started) {
      answer.server.started = *vars->started - answer.server.clock_offset.value_or(Duration::zero());
    }
  }
  if (answer.server.up) answer.rewrites = plan_rewrites(effect.kept_open, stop);
  const bool is_node = said == wal::Generation::v3 ||
                       (answer.server.version.empty() && (set == wal::Generation::v3 || layout == wal::Generation::v3));
  if (!answer.server.up || !is_node) return answer;
  answer.written_lines =
      influxdb::ask_written_lines(client_, target_.influxdb.url, token, target_.influxdb.timeout, stop);
  // Its settings can change only with a start; what could not be asked is asked
  // again now and then.
  if (asked_process_ == answer.server.process_id && --asks_until_retry_ != 0) return answer;
  if (!read) {
    answer.node.emplace().problems = {read.error().message};
    asked_process_.reset();  // asked as soon as there is a token
    return answer;
  }
  const auto ask = [&](const std::string& node_id) {
    return influxdb::ask_node(client_, target_.influxdb.url, token, node_id, target_.influxdb.timeout, stop,
                              answer.server);
  };
  const std::filesystem::path plain = wal::made_plain(target_.wal.directory);
  const std::string& set_id = target_.influxdb.node_id;
  answer.node = ask(set_id.empty() ? plain.filename().string() : set_id);
  if (set_id.empty() && !answer.node->problems.empty()) {
    // The folder's name may be that of a link.
    std::error_code error;
    const std::string real = std::filesystem::canonical(plain, error).filename().string();
    if (!error && real != plain.filename().string()) answer.node = ask(real);
  }
  // Enterprise keeps its catalog in the cluster's folder, whatever node was set for that.
  if (answer.server.build == "Enterprise" && answer.node->takes_writes == true && wal::holds_catalog(plain)) {
    answer.node->takes_writes.reset();
  }
  asked_process_ = answer.server.process_id;
  asks_until_retry_ = answer.node->problems.empty() ? -1 : kAsksUntilRetry;
  return answer;
}

std::vector<influxdb::RewritePlan> ServerQuestions::plan_rewrites(const std::vector<wal::ShardKey>& shards,
                                                                  const std::stop_token& stop) {
  std::vector<influxdb::RewritePlan> out;
  std::map<wal::ShardKey, std::pair<SteadyTime, influxdb::RewritePlan>> known;
  influxdb::Rewriter rewriter(target_.influxdb, target_.influxdb.timeout, *clock_);
  std::size_t asked = 0;
  for (const wal::ShardKey& shard : shards) {
    auto found = rewrites_.extract(shard);
    if (found.empty() || clock_->steady() >= found.mapped().first) {
      if (++asked > kMostPlansAtOnce) continue;
      const auto plan = rewriter.plan(shard, stop);
      influxdb::RewritePlan made{shard, {}, {}};
      if (plan) made.rewrite = *plan;
      if (!plan) made.why_not = plan.error().message;
      known[shard] = {clock_->steady() + kPlanHolds, std::move(made)};
    } else {
      known.insert(std::move(found));
    }
    out.push_back(known[shard].second);
  }
  rewrites_ = std::move(known);
  return out;
}

}  // namespace wal_exporter::app
