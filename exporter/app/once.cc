#include "app/once.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <ostream>

#include "app/convert.h"
#include "app/method.h"
#include "app/node.h"
#include "app/probe.h"
#include "app/restart.h"
#include "app/sampling.h"
#include "base/bytes.h"
#include "base/text.h"
#include "http/client.h"
#include "policy/engine.h"
#include "policy/memory.h"
#include "policy/recommend.h"
#include "state/database.h"
#include "state/store.h"
#include "view/json.h"
#include "view/view.h"

namespace wal_exporter::app {
namespace {

using policy::Health;

struct Looked {
  std::shared_ptr<const view::TargetView> view;
  std::optional<NudgeOutlook> outlook;  // of a nudge that somebody asks for
};

// The state of an exporter that runs here, where there is one that we may read;
// none is made. nullptr: look without it.
std::unique_ptr<state::Store> existing_store(const settings::Settings& settings, const Flags& flags, const Log& log) {
  std::error_code ignored;
  if (!std::filesystem::exists(std::filesystem::path(flags.state_directory) / state::kDatabaseName, ignored)) {
    return nullptr;
  }
  auto opened = state::open_store(flags.state_directory, settings.history_limit);
  if (opened) return *std::move(opened);
  log->debug("{}; looking without what it remembers", opened.error().message);
  return nullptr;
}

// What the running exporter remembers of a target; nothing where there is none, or
// its state is not for us to read.
policy::Memory remembered_of(const settings::Target& target, state::Store* store, const Log& log) {
  if (store == nullptr) return {};
  const auto stored = store->get(target.name, "policy");
  if (!stored) log->warn("{}", stored.error().message);
  if (!stored || !*stored) return {};
  const auto memory = policy::from_text(**stored);
  if (memory) return *memory;
  log->warn("{} [{}]", memory.error().message, target.name);
  return {};
}

// One look and the questions, put into a view. `judged_before`: with hysteresis and
// the time that a count must last, as --explain does; otherwise by what is seen alone.
Looked look_once(const settings::Target& target, policy::Memory memory, bool judged_before,
                 const std::shared_ptr<Clock>& clock, const Log& log) {
  auto view = std::make_shared<view::TargetView>();
  Looked looked;
  view->name = target.name;
  view->wal_directory = target.wal.directory.string();
  view->server_asked = !target.influxdb.url.empty();
  view->dry_run = target.dry_run;
  view->cooldown = target.checkpoint.cooldown;
  std::optional<influxdb::NodeFacts> facts;
  ServerQuestions questions(target, clock);
  if (view->server_asked) {
    ServerAnswer answer = questions.ask("", {});
    if (!answer.server.up) log->warn("InfluxDB is not reachable: {} [{}]", answer.server.error, target.name);
    view->server = std::move(answer.server);
    facts = std::move(answer.node);
  }
  Looker looker(target, /*only_look=*/true, clock, log);
  const Look look = looker.look(view->server ? view->server->version : "", {});
  view->version = look.version;
  // A server that does not say its version is asked by what its directory tells.
  if (look.version == "3" && view->server && view->server->up && !facts) facts = questions.ask("3", {}).node;
  const NodeKnowledge node = node_knowledge(target, facts);
  const MethodChoice choice = choose_method(target, look.version);
  view->method = choice.name;
  view->counters.samples = 1;
  policy::Rules rules = rules_of(target, look.version, node.rules);
  if (!judged_before) {
    memory.levels.reset();
    memory.files_over_since.reset();
  }
  const Time now = clock->now();
  view->restart = restart_view_of(target.restart, memory, now);
  policy::Situation situation;
  if (look.sample) {
    view->sample = *look.sample;
    view->last_sample_success = true;
    view->thresholds = policy::resolve(rules.thresholds, *view->sample);
    view->stale_at = view->sample->taken_at + 2 * rules.sample_interval;
    if (!judged_before) rules.files_grace = Duration::zero();
    memory = policy::observe(rules, memory, *view->sample, now);
    view->health = memory.levels->worse();
    view->forecast = policy::forecast(forecast_rules_of(target), policy::GrowthHistory(Duration::zero()),
                                      view->sample->pending, view->thresholds);
    view->not_shrinking = policy::not_shrinking(*view->sample, node.rules, now, own_trigger_of(memory), std::nullopt);
    situation.sample = view->sample.get();
  } else {
    view->error = look.sample.error().message;
    log->error("looking at the WAL failed: {} [{}]", view->error, target.name);
  }
  if (look.version == "3") view->node = node_view(node, view->sample.get());
  situation.now = now;
  situation.dry_run = target.dry_run;
  add_pause_and_windows(target, memory, situation);
  situation.server_unreachable = view->server && !view->server->up;
  if (view->server) situation.server_error = view->server->error;
  situation.method_disabled = choice.disabled;
  if (choice.name == "nudge" && look.sample && look.version == "3") {
    const auto mode = influxdb::NudgeMode::patient;
    looked.outlook = nudge_outlook(target, *view->sample, node.rules, mode, /*requested=*/true, now);
    NudgeOutlook unasked = nudge_outlook(target, *view->sample, node.rules, mode, /*requested=*/false, now);
    if (choice.disabled.empty()) situation.plan_blockers = std::move(unasked.blockers);
    if (unasked.plan) situation.points = unasked.plan->points;
  }
  view->decision = policy::decide(rules, memory, situation);
  if (view->health) {
    view->recommendations = policy::recommend(*view->health, *view->sample, view->decision, view->not_shrinking);
  }
  if (view->health && view->node) {
    for (std::string& line :
         node_recommendations(target, *view->node, view->server ? view->server->version : "", memory, now)) {
      view->recommendations.push_back(std::move(line));
    }
  }
  view->last_checkpoint = memory.last_end;
  view->last_success = memory.last_success;
  view->cooldown_until = policy::cooldown_until(rules, memory, now);
  view->next_allowed = policy::next_allowed(rules, memory, now);
  looked.view = std::move(view);
  return looked;
}

int exit_code(const view::View& view) {
  int worst = kExitOk;
  // The order of weight: 2 (critical), 3 (no sample), 1, 0.
  const auto weight = [](int code) { return code == 2 ? 3 : code == 3 ? 2 : code; };
  for (const auto& target : view.targets) {
    const int code = target->health ? static_cast<int>(*target->health) : kExitOnceNoSample;
    if (weight(code) > weight(worst)) worst = code;
  }
  return worst;
}

void print_text(const view::TargetView& target, Time now, std::ostream& out) {
  out << escape_control(target.name) << ": " << policy::to_string(target.health) << "\n";
  out << "  WAL            " << escape_control(target.wal_directory)
      << (target.version.empty() ? "" : " (InfluxDB " + target.version + ".x)") << "\n";
  if (target.sample == nullptr) {
    out << "  error          " << escape_control(target.error) << "\n";
    return;
  }
  const wal::Sample& sample = *target.sample;
  out << "  pending        " << influxdb::extent_text(sample.pending);
  if (sample.oldest_pending) out << ", the oldest for " << format_duration_rough(now - *sample.oldest_pending);
  out << "\n";
  if (sample.layout == wal::Layout::node) out << "  retained       " << influxdb::extent_text(sample.retained) << "\n";
  out << "  warning above  " << target.thresholds.warning_files << " files or "
      << format_bytes(target.thresholds.warning_bytes) << "\n  critical above " << target.thresholds.critical_files
      << " files or " << format_bytes(target.thresholds.critical_bytes) << "\n";
  out << "  restart        would replay for about "
      << format_duration_rough(std::chrono::duration_cast<Duration>(
             std::chrono::duration<double>(target.forecast.replay_estimate_seconds)))
      << "\n";
  if (target.not_shrinking) {
    out << "  not shrinking  " << policy::to_string(target.not_shrinking->cause) << ": "
        << escape_control(target.not_shrinking->detail) << "\n";
  }
  for (const wal::InvalidFile& file : sample.invalid) {
    out << "  damaged        " << escape_control(file.file) << " (" << wal::to_string(file.reason) << ") "
        << escape_control(file.detail) << "\n";
  }
  if (target.server) {
    out << "  server         "
        << (target.server->up ? "up, version " + escape_control(target.server->version)
                              : escape_control(target.server->error))
        << "\n";
  }
  out << "  decision       " << policy::to_string(target.decision.action) << ": "
      << escape_control(target.decision.explanation) << "\n";
  for (const std::string& line : target.recommendations) out << "  advice         " << escape_control(line) << "\n";
}

void print(const view::View& view, bool json, Time now, std::ostream& out) {
  if (json) {
    out << view::to_json(view, now).dump(2) << "\n";
    return;
  }
  for (const auto& target : view.targets) print_text(*target, now, out);
}

void explain_text(const Looked& looked, std::ostream& out) {
  const view::TargetView& target = *looked.view;
  const policy::Decision& decision = target.decision;
  std::vector<std::string_view> names;
  for (const policy::Blocker blocker : decision.blockers) names.push_back(policy::to_string(blocker));
  out << escape_control(target.name) << ": " << policy::to_string(target.health) << "\n  action   "
      << policy::to_string(decision.action) << "\n  reason   "
      << (decision.reason ? policy::to_string(*decision.reason) : std::string_view("none")) << "\n  blockers "
      << (names.empty() ? "none" : join(names, ", ")) << "\n  because  "
      << escape_control(target.error.empty() ? decision.explanation : target.error) << "\n";
  if (target.not_shrinking) {
    out << "  not shrinking, " << policy::to_string(target.not_shrinking->cause) << ": "
        << escape_control(target.not_shrinking->detail) << "\n";
  }
  if (!looked.outlook) return;
  out << "  plan     "
      << (looked.outlook->plan ? escape_control(looked.outlook->plan->explanation) : std::string("none can be made"))
      << "\n";
  if (target.node && target.node->budget) {
    out << "  budget   " << target.node->budget->remaining << " of " << target.node->budget->limit
        << " snapshots left until old data goes unseen after a restart\n";
  }
  for (const auto& [blocker, why] : looked.outlook->blockers) {
    out << "  plan blocked by " << policy::to_string(blocker) << ": " << escape_control(why) << "\n";
  }
}

}  // namespace

int run_once(const settings::Settings& settings, const Flags& flags, std::shared_ptr<Clock> clock, const Log& log,
             std::ostream& out) {
  view::View view;
  const auto store = existing_store(settings, flags, log);
  for (const settings::Target& target : settings.targets) {
    policy::Memory memory = remembered_of(target, store.get(), log);
    view.targets.push_back(look_once(target, std::move(memory), /*judged_before=*/false, clock, log).view);
  }
  print(view, flags.json, clock->now(), out);
  return exit_code(view);
}

int run_explain(const settings::Settings& settings, const Flags& flags, std::shared_ptr<Clock> clock, const Log& log,
                std::ostream& out) {
  const auto store = existing_store(settings, flags, log);
  view::View view;
  std::vector<Looked> all;
  for (const settings::Target& target : settings.targets) {
    all.push_back(look_once(target, remembered_of(target, store.get(), log), /*judged_before=*/true, clock, log));
    view.targets.push_back(all.back().view);
  }
  if (flags.json) {
    print(view, true, clock->now(), out);
  } else {
    for (const Looked& looked : all) explain_text(looked, out);
  }
  return std::all_of(all.begin(), all.end(), [](const Looked& looked) { return looked.view->sample != nullptr; })
             ? kExitOk
             : kExitFailure;
}

int run_healthcheck(const Flags& flags, std::ostream& out) {
  const std::size_t colon = flags.listen_address.rfind(':');
  std::string host = colon == std::string::npos ? std::string() : flags.listen_address.substr(0, colon);
  const std::string port = colon == std::string::npos ? flags.listen_address : flags.listen_address.substr(colon + 1);
  if (host.empty() || host == "0.0.0.0") host = "127.0.0.1";
  if (host == "[::]") host = "[::1]";
  http::Client client;
  http::Request request;
  request.url = "http://" + host + ":" + port + "/-/healthy";
  request.timeout = std::chrono::seconds(5);
  const auto response = client.send(request, {});
  if (!response) {
    out << response.error().message << "; is the exporter running, and is --web.listen-address the one it was given?\n";
    return kExitFailure;
  }
  out << request.url << " answered " << response->status << "\n";
  return response->status == 200 ? kExitOk : kExitFailure;
}

}  // namespace wal_exporter::app
