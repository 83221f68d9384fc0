#include "control/server_state.h"

#include <algorithm>
#include <utility>

namespace wal_exporter::control {
namespace {

constexpr Duration kLimitsAtTheLatest = std::chrono::seconds(15);
constexpr Duration kLongestInterval = std::chrono::seconds(15);

}  // namespace

ServerState::ServerState(const settings::Target& settings, Ledger& ledger, bool judges_at_once, Now now)
    : settings_(settings),
      judges_at_once_(judges_at_once),
      limits_deadline_(now.steady + kLimitsAtTheLatest),
      seen_up_(now.steady),
      version_(settings.influxdb.version) {
  if (!settings.influxdb.url.empty()) next_ = now.steady;
  if (const auto facts = ledger.kept(kNodeKey)) {
    remembered_facts_ = node_facts_from(*facts);
    const HeardOfServer heard = heard_from(*facts);
    last_version_ = heard.version;
    last_build_ = heard.build;
    match_ = WalMatch(heard.writes_seen);
  }
  refresh(ledger.log());
}

void ServerState::asked(Now now) {
  asking_ = true;
  next_ = now.steady + std::clamp<Duration>(settings_.rules.sample_interval, std::chrono::seconds(1), kLongestInterval);
}

void ServerState::take(ServerAnswer answer, Ledger& ledger, Now now) {
  asking_ = false;
  const Log& log = ledger.log();
  const bool was_up = is_up();
  const bool tells_of_node = answer.node.has_value();
  influxdb::ServerFacts& facts = answer.server;
  if (facts.up && !was_up) {
    log->info("InfluxDB {} is up [{}]", facts.version.empty() ? "(which does not say its version)" : facts.version,
              settings_.name);
  }
  if (!facts.up && (was_up || !server_)) {
    log->warn("InfluxDB is not reachable: {} [{}]", facts.error, settings_.name);
  }
  if (facts.up && !facts.error.empty() && (!server_ || server_->error != facts.error)) {
    log->warn("InfluxDB is up, but {} [{}]", facts.error, settings_.name);
  }
  if (facts.up) seen_up_ = now.steady;
  clock_.take(facts.clock_offset, now);
  if (facts.up) match_.answered(answer.written_lines, facts.process_id, now.steady);
  server_ = std::move(facts);
  wal_metrics_ = std::move(answer.metrics);
  blockers_ = std::move(answer.blockers);
  rewrites_ = std::move(answer.rewrites);
  ++answers_;
  if (answer.node) node_facts_ = std::move(answer.node);
  const bool is_other_version = !server_->version.empty() && server_->version != last_version_;
  if (is_other_version) last_version_ = server_->version;
  if (is_other_version) last_build_ = server_->build;
  if (!tells_of_node && !is_other_version && not_measured() == node_.not_measured) return;
  if (tells_of_node || is_other_version) keep(ledger);
  refresh(log);
}

void ServerState::keep(Ledger& ledger) const {
  const auto& known = node_facts_ && node_facts_->snapshot_size ? node_facts_ : remembered_facts_;
  ledger.keep(kNodeKey, to_text(known, {last_version_, last_build_, match_.writes_seen()}));
}

void ServerState::sampled(const wal::Sample& sample, Ledger& ledger, Now now) {
  const bool seen_before = match_.writes_seen();
  match_.sampled(sample, clock(now), now.steady);
  if (is_node() && match_.writes_seen() != seen_before) keep(ledger);
  if (not_measured() != node_.not_measured) refresh(ledger.log());
}

std::string ServerState::not_measured() const {
  if (!is_node()) return {};
  const bool by_memory = !node_facts_ || (!node_facts_->snapshot_size && remembered_facts_);
  return match_.why_not(by_memory ? remembered_facts_ : node_facts_, last_version_, last_build_, node_.rules);
}

void ServerState::found(wal::Generation version, Ledger& ledger, Now now) {
  if (version == wal::Generation::unknown || version == version_) return;
  version_ = version;
  if (!settings_.influxdb.url.empty()) next_ = now.steady;
  refresh(ledger.log());
  ledger.log()->info("{} is a WAL of InfluxDB {}.x [{}]", settings_.wal.directory.string(), wal::to_string(version_),
                     settings_.name);
}

// What is known of a 3.x node changes the limits and the floor between nudges.
void ServerState::refresh(const Log& log) {
  // Until the server answers, what it said last holds.
  const bool by_memory = remembered_facts_ && (!node_facts_ || !node_facts_->snapshot_size);
  node_ = node_knowledge(settings_, by_memory ? remembered_facts_ : node_facts_);
  // Why it does not say so now is worth knowing all the same.
  if (by_memory && node_facts_) {
    node_.warnings.insert(node_.warnings.end(), node_facts_->problems.begin(), node_facts_->problems.end());
  }
  node_.not_measured = not_measured();
  if (!node_.not_measured.empty()) node_.warnings.push_back(node_.not_measured);
  const bool asked = settings_.influxdb.url.empty() || node_facts_;
  if (is_node() && asked && node_.warnings != warned_) {
    warned_ = node_.warnings;
    for (const std::string& warning : node_.warnings) log->warn("{} [{}]", warning, settings_.name);
  }
  rules_ = policy::rules_for(settings_.rules, version_, node_.rules);
  const auto& known = by_memory ? remembered_facts_ : node_facts_;
  rules_.server = {last_version_, is_node() && known && known->fails_on_error.value_or(false)};
  if (judges_at_once_) rules_.files_grace = Duration::zero();
}

bool ServerState::awaits_answers() const {
  return !settings_.influxdb.url.empty() && !node_facts_ && is_node();
}

bool ServerState::awaits_limits(Now now) const {
  return awaits_answers() && !settings_.influxdb.snapshot_size && !remembered_facts_ && !is_down() &&
         now.steady < limits_deadline_;
}

std::optional<Duration> ServerState::down_for(Now now) const {
  if (!server_ || !server_->port_closed) return std::nullopt;
  return now.steady - seen_up_;
}

}  // namespace wal_exporter::control
