#include "app/target.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "app/convert.h"
#include "app/method.h"
#include "base/bytes.h"
#include "base/text.h"
#include "policy/recommend.h"
#include "view/json.h"

namespace wal_exporter::app {
namespace {

using policy::Health;

constexpr Duration kProbeInterval = std::chrono::seconds(15);
// Events ask for a look at once, but looks stay a small part of the time.
constexpr Duration kLookSpacing = std::chrono::seconds(1);
constexpr int kLookSpacingFactor = 20;
constexpr Duration kLongestIdle = std::chrono::seconds(30);
// What the limits of a 3.x node follow is asked for at the start.
constexpr Duration kLimitsAtTheLatest = std::chrono::seconds(15);
constexpr const char* kMemoryKey = "policy";
constexpr const char* kNodeKey = "node";

// As the audit has it; empty: none.
std::string health_told_last(state::Store& store, const std::string& target) {
  state::EventQuery query;
  query.target = target;
  query.kind = std::string(events::to_string(events::Type::health));
  query.limit = 1;
  const auto entries = store.events(query);
  if (!entries || entries->empty()) return {};
  const auto detail = nlohmann::json::parse(entries->front().detail, nullptr, /*allow_exceptions=*/false);
  return detail.is_object() && detail.contains("to") && detail["to"].is_string() ? detail["to"].get<std::string>()
                                                                                 : std::string();
}

}  // namespace

Target::Target(settings::Target settings, Services services, bool acts_unasked)
    : settings_(std::move(settings)),
      services_(std::move(services)),
      forecast_rules_(forecast_rules_of(settings_)),
      acts_unasked_(acts_unasked),
      judge_at_(services_.clock->steady() + kLimitsAtTheLatest),
      history_(std::max(forecast_rules_.short_window, forecast_rules_.long_window)) {
  {
    const MutexLock lock(mutex_);
    version_ = fixed_version(settings_);
    const auto facts = services_.store->get(settings_.name, kNodeKey);
    if (facts && *facts) remembered_facts_ = node_facts_from(**facts);
    refresh_rules();
    const auto stored = services_.store->get(settings_.name, kMemoryKey);
    if (stored && *stored) {
      const auto memory = policy::from_text(**stored);
      if (memory) memory_ = *memory;
      if (!memory) services_.log->error("{} [{}]", memory.error().message, settings_.name);
    } else if (!stored) {
      services_.log->error("{} [{}]", stored.error().message, settings_.name);
    }
    const auto alerts = services_.store->get(settings_.name, kAlertsKey);
    if (alerts && *alerts) alerts_ = AlertLedger::from_text(**alerts);
    told_before_start_ = health_told_last(*services_.store, settings_.name);
    saved_ = memory_;
    load_restart();
    restore_samples();
    if (!memory_.last_scheduled) memory_.last_scheduled = services_.clock->now();
    decision_ = policy::decide(rules_, memory_, situation(std::nullopt));
    recorded_ = decision_;  // that nothing is known at the start is no news
    publish();
  }
  sampler_ = std::make_unique<Sampler>(
      settings_, services_.clock, services_.log, services_.watches, [this](Look look) { on_look(std::move(look)); },
      [this] { on_change(); });
  if (!settings_.influxdb.url.empty()) {
    const Duration interval =
        std::clamp<Duration>(settings_.sampling.interval, std::chrono::seconds(1), kProbeInterval);
    probe_ = std::make_unique<ServerProbe>(settings_, interval, services_.clock,
                                           [this](ServerAnswer answer) { on_answer(std::move(answer)); });
  }
  take_up_restart();
  control_ = std::jthread([this] { control(); });
}

Target::~Target() {
  stop();
}

void Target::stop() {
  std::jthread worker;
  std::jthread restart;
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
    worker_.request_stop();
    restart_thread_.request_stop();
    changed_.notify_all();
    worker = std::move(worker_);
    restart = std::move(restart_thread_);
  }
  if (control_.joinable()) control_.join();
  if (restart.joinable()) restart.join();
  if (worker.joinable()) worker.join();
  probe_.reset();
  sampler_.reset();
  const MutexLock lock(mutex_);
  remember();
  remember_samples(/*at_once=*/true);
}

bool Target::restarting() const {
  const MutexLock lock(mutex_);
  return restart_phase_ == RestartPhase::restarting;
}

std::shared_ptr<const view::TargetView> Target::view() const {
  const MutexLock lock(view_mutex_);
  return view_;
}

std::string Target::not_ready() const {
  const MutexLock lock(view_mutex_);
  return not_ready_;
}

std::optional<view::CheckpointRun> Target::run(std::int64_t id) const {
  const MutexLock lock(mutex_);
  if (running_ && running_->id == id) return running_;
  const auto found =
      std::find_if(ended_.begin(), ended_.end(), [&](const view::CheckpointRun& run) { return run.id == id; });
  if (found == ended_.end()) return std::nullopt;
  return *found;
}

void Target::on_look(Look look) {
  const MutexLock lock(mutex_);
  take_look(std::move(look));
  changed_.notify_all();
}

void Target::on_change() {
  const MutexLock lock(mutex_);
  change_seen_ = true;
  changed_.notify_all();
}

void Target::on_answer(ServerAnswer answer) {
  const MutexLock lock(mutex_);
  const bool was_up = server_ && server_->up;
  influxdb::ServerFacts& facts = answer.server;
  if (facts.up && !was_up) {
    services_.log->info("InfluxDB {} is up [{}]",
                        facts.version.empty() ? "(which does not say its version)" : facts.version, settings_.name);
  }
  if (!facts.up && (was_up || !server_)) {
    services_.log->warn("InfluxDB is not reachable: {} [{}]", facts.error, settings_.name);
  }
  if (facts.up && !facts.error.empty() && (!server_ || server_->error != facts.error)) {
    services_.log->warn("InfluxDB is up, but {} [{}]", facts.error, settings_.name);
  }
  sampler_->set_server_version(facts.version);
  if (facts.up) server_seen_up_ = services_.clock->steady();
  server_ = std::move(facts);
  wal_metrics_ = std::move(answer.metrics);
  ++answers_;
  if (answer.node) {
    node_facts_ = std::move(answer.node);
    if (node_facts_->snapshot_size) {
      const auto put = services_.store->put(settings_.name, kNodeKey, to_text(*node_facts_));
      if (!put && !std::exchange(state_failing_, true)) {
        services_.log->error("{} [{}]", put.error().message, settings_.name);
      }
    }
    refresh_rules();
  }
  judge_sample();
  // An empty directory takes the server's word for what it will be.
  if (version_.empty()) change_seen_ = true;
  changed_.notify_all();
}

// What is known of a 3.x node changes the limits and the floor between nudges.
void Target::refresh_rules() {
  // Until the server answers, what it said last holds.
  const bool by_memory = remembered_facts_ && (!node_facts_ || !node_facts_->snapshot_size);
  NodeKnowledge node = node_knowledge(settings_, by_memory ? remembered_facts_ : node_facts_);
  // Why it does not say so now is worth knowing all the same.
  if (by_memory && node_facts_) {
    node.warnings.insert(node.warnings.end(), node_facts_->problems.begin(), node_facts_->problems.end());
  }
  const bool asked = settings_.influxdb.url.empty() || node_facts_;
  if (version_ == "3" && asked && node.warnings != warned_) {
    warned_ = node.warnings;
    for (const std::string& warning : node.warnings) services_.log->warn("{} [{}]", warning, settings_.name);
  }
  node_ = std::move(node);
  rules_ = rules_of(settings_, version_, node_.rules);
}

void Target::take_look(Look look) {
  const SteadyTime now = services_.clock->steady();
  if (look.number > 0) {
    looks_ = std::max(looks_, look.number);
    look_wanted_ = false;
    next_periodic_ = now + settings_.sampling.interval;
    earliest_look_ = now + std::max(kLookSpacing, look.took * kLookSpacingFactor);
    watch_degraded_ = look.watch_degraded;
  }
  ++counters_.samples;
  counters_.sample_duration.observe(to_seconds(look.took));
  if (!look.sample) {
    ++counters_.sample_failures;
    if (error_ != look.sample.error().message) {
      services_.log->error("looking at the WAL failed: {} [{}]", look.sample.error().message, settings_.name);
    }
    error_ = look.sample.error().message;
    return;
  }
  if (!error_.empty()) services_.log->info("looking at the WAL works again [{}]", settings_.name);
  error_.clear();
  if (look.source != source_) {
    written_before_ = counters_.written;
    source_ = look.source;
  }
  if (!look.version.empty() && look.version != version_) {
    version_ = look.version;
    refresh_rules();
    if (!stopping_ && probe_ != nullptr) probe_->set_layout(version_);
    services_.log->info("{} is a WAL of InfluxDB {}.x [{}]", settings_.wal.directory.string(), version_,
                        settings_.name);
  }
  sample_ = *look.sample;
  counters_.written = written_before_;
  counters_.written += sample_->written;
  history_.add({sample_->taken_at, sample_->pending});
  judged_ = false;
  judge_sample();
}

std::optional<NudgeOutlook> Target::outlook(std::optional<influxdb::NudgeMode> mode) const {
  const MethodChoice choice = choose_method(settings_, version_);
  if (choice.name != "nudge" || sample_ == nullptr || sample_->layout != wal::Layout::node) return std::nullopt;
  return nudge_outlook(settings_, *sample_, node_.rules, mode.value_or(influxdb::NudgeMode::patient), mode.has_value(),
                       services_.clock->now());
}

bool Target::awaits_answers() const {
  return !settings_.influxdb.url.empty() && !node_facts_ && version_ == "3";
}

policy::Situation Target::situation(std::optional<influxdb::NudgeMode> mode) const {
  policy::Situation situation;
  situation.now = services_.clock->now();
  situation.sample = sample_.get();
  situation.in_flight = running_.has_value();
  situation.dry_run = settings_.dry_run;
  add_pause_and_windows(settings_, memory_, situation);
  situation.server_unreachable = server_ && !server_->up;
  if (server_) situation.server_error = server_->error;
  // Its own preparation is asked for, and goes through.
  if (restart_phase_ >= RestartPhase::restarting || (restart_phase_ == RestartPhase::preparing && !mode)) {
    situation.plan_blockers.emplace_back(policy::Blocker::in_flight, "InfluxDB is being restarted; wait for its end");
  }
  const MethodChoice choice = choose_method(settings_, version_);
  situation.method_disabled = choice.disabled;
  if (choice.disabled.empty()) {
    if (choice.name == "nudge" && awaits_answers()) {
      situation.plan_blockers.emplace_back(policy::Blocker::server_unreachable,
                                           "its settings, which the plan rests on, are not known yet" +
                                               (server_ && !server_->error.empty() ? ": " + server_->error : ""));
    } else if (auto nudge = outlook(mode)) {
      situation.interval_binds_requests = true;
      situation.plan_blockers.insert(situation.plan_blockers.end(), nudge->blockers.begin(), nudge->blockers.end());
      if (nudge->plan) situation.points = nudge->plan->points;
    }
  }
  return situation;
}

void Target::request_look() {
  look_wanted_ = true;
  sampler_->request();
}

void Target::explain_pending() {
  not_shrinking_.reset();
  const Time now = services_.clock->now();
  if (policy::is_stale(rules_, sample_.get(), now)) return;
  const auto rate = policy::growth(history_, forecast_rules_.short_window);
  not_shrinking_ = policy::not_shrinking(*sample_, node_.rules, now, own_trigger_of(memory_),
                                         rate ? std::optional<double>(rate->files_per_second) : std::nullopt);
}

// Looks where it is time, judges, decides, acts, and tells.
void Target::step() {
  const SteadyTime steady = services_.clock->steady();
  const Time now = services_.clock->now();
  const bool clock_went_back = sample_ != nullptr && sample_->taken_at > now + std::chrono::seconds(1);
  const bool stale = policy::is_stale(rules_, sample_.get(), now);
  // A change seen while a look is under way asks for another: that one may have
  // passed the place already.
  const bool due = steady >= next_periodic_ || ((change_seen_ || stale || clock_went_back) && steady >= earliest_look_);
  if (due && !look_wanted_) {
    change_seen_ = false;
    request_look();
  }
  judge_sample();
  explain_pending();
  if (stale && health_) {
    const std::optional<Health> before = std::exchange(health_, std::nullopt);
    samples_.add_gap(now);
    services_.log->error("no fresh sample for {}: health is unknown [{}]",
                         format_duration_rough(now - sample_->taken_at), settings_.name);
    note_health(before);
  }
  decision_ = policy::decide(rules_, memory_, situation(std::nullopt));
  memory_ = policy::after_decision(std::move(memory_), decision_, now);
  if (policy::schedule_due(rules_, memory_, now) && !stale &&
      (!decision_.reason || decision_.action == policy::Action::checkpoint)) {
    memory_ = policy::after_schedule(std::move(memory_), now);
  }
  if (const auto why = policy::restart_consideration(rules_, memory_, now); why && !stale) {
    consider_restart(*why);
  }
  step_restart();
  const bool news = decision_.action != recorded_.action || decision_.reason != recorded_.reason ||
                    decision_.blockers != recorded_.blockers;
  if (news) {
    recorded_ = decision_;
    nlohmann::ordered_json detail;
    detail["action"] = policy::to_string(decision_.action);
    detail["reason"] = decision_.reason ? nlohmann::ordered_json(policy::to_string(*decision_.reason)) : nullptr;
    detail["blockers"] = nlohmann::ordered_json::array();
    for (const policy::Blocker blocker : decision_.blockers) detail["blockers"].push_back(policy::to_string(blocker));
    record("decision", decision_.explanation, detail.dump());
  }
  if (decision_.action == policy::Action::checkpoint && acts_unasked_ && restart_phase_ == RestartPhase::idle)
    start_run(*decision_.reason, std::nullopt, "policy");
  remember();
  remember_samples(/*at_once=*/false);
  publish();
}

SteadyTime Target::next_step() const {
  const SteadyTime steady = services_.clock->steady();
  const Time now = services_.clock->now();
  SteadyTime next = std::min(steady + kLongestIdle, look_wanted_ ? SteadyTime::max() : next_periodic_);
  const auto at = [&](std::optional<Time> time) {
    if (time && *time > now) next = std::min(next, steady + (*time - now));
  };
  if (change_seen_ && !look_wanted_) next = std::min(next, std::max(earliest_look_, steady));
  if (sample_ != nullptr) at(sample_->taken_at + 2 * rules_.sample_interval + std::chrono::milliseconds(1));
  at(policy::next_allowed(rules_, memory_, now));
  at(memory_.paused_until);
  if (!judged_) next = std::min(next, std::max(judge_at_, steady));
  at(policy::cooldown_until(rules_, memory_, now));
  if (rules_.schedule && memory_.last_scheduled) at(*memory_.last_scheduled + *rules_.schedule);
  if (memory_.blocked_since) at(*memory_.blocked_since + rules_.restart_after_blocked);
  // The boundary lets a nudge go, and changes what counts as the future.
  if (version_ == "3") at(node_.rules.next_multiple(now));
  if (memory_.files_over_since) at(*memory_.files_over_since + rules_.files_grace);
  return next;
}

void Target::control() {
  const MutexLock lock(mutex_);
  while (!stopping_) {
    step();
    changed_.notify_all();
    // on_look and its like notify; a step answers each.
    services_.clock->wait_until(changed_, mutex_, next_step());
  }
}

std::optional<std::int64_t> Target::append(const std::string& kind, const std::string& summary,
                                           const std::string& detail) {
  const auto id = services_.store->append({0, services_.clock->now(), settings_.name, kind, summary, detail});
  if (id) {
    state_failing_ = false;
    last_id_ = std::max(last_id_, *id);
    return *id;
  }
  if (!std::exchange(state_failing_, true)) services_.log->error("{} [{}]", id.error().message, settings_.name);
  return std::nullopt;
}

void Target::record(const std::string& kind, const std::string& summary, const std::string& detail) {
  static_cast<void>(append(kind, summary, detail));
}

std::int64_t Target::emit(events::Type type, events::Severity severity, const std::string& summary,
                          nlohmann::ordered_json detail) {
  ++counters_.events[type];
  detail["severity"] = events::to_string(severity);
  if (!detail.contains("sample")) {
    detail["sample"] = sample_ == nullptr ? nlohmann::ordered_json(nullptr) : view::event_sample_json(*sample_);
  }
  events::Event event;
  event.time = services_.clock->now();
  event.target = settings_.name;
  event.type = type;
  event.severity = severity;
  event.summary = summary;
  event.detail = detail.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  event.id = append(std::string(events::to_string(type)), summary, event.detail).value_or(0);
  const std::int64_t id = event.id > 0 ? event.id : ++last_id_;
  if (services_.bus != nullptr) services_.bus->publish(std::move(event));
  return id;
}

void Target::remember() {
  if (memory_ == saved_) return;
  const auto put = services_.store->put(settings_.name, kMemoryKey, policy::to_text(memory_));
  if (put) {
    saved_ = memory_;
    state_failing_ = false;
  } else if (!std::exchange(state_failing_, true)) {
    services_.log->error("{} [{}]", put.error().message, settings_.name);
  }
}

}  // namespace wal_exporter::app
