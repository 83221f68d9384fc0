#include "app/exporter.h"

#include <algorithm>
#include <exception>
#include <iterator>
#include <utility>

#include "app/check.h"
#include "app/control_file.h"
#include "app/hooks.h"
#include "app/owners.h"
#include "app/way_in.h"
#include "base/text.h"

namespace wal_exporter::app {
namespace {

// Of the 20 s that an end may take.
constexpr Duration kTargetsEndWithin = std::chrono::seconds(14);
constexpr Duration kHookFlush = std::chrono::seconds(3);
constexpr Duration kJobsEndWithin = std::chrono::seconds(1);
// A process that is being killed still holds its port for a moment.
constexpr Duration kPortFreeWithin = std::chrono::seconds(2);
constexpr Duration kPortRetry = std::chrono::milliseconds(100);
constexpr std::size_t kHistoryWithoutState = 200;

// What time, room or rights may mend is no reason to watch nothing; a file of somebody else's, of a
// newer version or with damage is for a person to look at before anything is written.
bool needs_a_person(const Error& error) {
  return error.kind == ErrorKind::invalid || error.kind == ErrorKind::corrupt || error.kind == ErrorKind::internal;
}

void wait_for(Clock& clock, Duration length) {
  const SteadyTime end = clock.steady() + length;
  Mutex mutex;
  CondVar nobody;
  const MutexLock lock(mutex);
  while (clock.steady() < end) clock.wait_until(nobody, mutex, end);
}

// What is known of the targets before any of them runs, for whoever asks in the
// first moments after the port is open.
std::shared_ptr<const view::View> first_view(const settings::Settings& settings, const std::string& state_problem,
                                             Time now) {
  auto view = std::make_shared<view::View>();
  view->started = now;
  view->last_reload_success = now;
  view->hooks = hooks_before_start(settings);
  view->state_problem = state_problem;
  view->settings = std::make_shared<const RedactedText>(settings.in_force);
  for (const settings::Target& target : settings.targets) {
    auto known = std::make_shared<view::TargetView>();
    known->name = target.name;
    known->wal_directory = target.wal.directory.string();
    known->server_asked = !target.influxdb.url.empty();
    known->cooldown = target.rules.cooldown;
    known->dry_run = target.dry_run;
    known->decision.why = "there is no sample of the WAL yet, so nothing is done";
    view->targets.push_back(std::move(known));
    view->not_ready.push_back(target.name + ": the first sample of the WAL is still being taken");
  }
  return view;
}

std::vector<std::string> warnings_of(Checked&& checked) {
  std::vector<std::string> out = std::move(checked.warnings);
  out.insert(out.end(), checked.tokens.begin(), checked.tokens.end());
  return out;
}

// "target plant: added" with what else is to be said of it.
void remark(std::vector<std::string>& changes, const std::map<std::string, std::string>& remarks) {
  for (std::string& line : changes) {
    for (const auto& [name, text] : remarks) {
      const std::string begin = "target " + escape_control(name) + ": ";
      if (line == begin + "added" || line == begin + "removed") line += ", " + text;
    }
  }
}

// All at once: each may take a while to come to a safe point.
void stop_all(const std::vector<std::shared_ptr<Target>>& targets, SteadyTime deadline) {
  for (const auto& target : targets) target->begin_stop();
  for (const auto& target : targets) target->stop(deadline);
}

}  // namespace

Exporter::Exporter(Flags flags, settings::Environment environment, std::shared_ptr<Clock> clock, Log log,
                   std::shared_ptr<state::KeptStore> store, std::optional<state::TargetLock> state_lock,
                   std::string control_token)
    : flags_(std::move(flags)),
      environment_(std::move(environment)),
      clock_(std::move(clock)),
      log_(std::move(log)),
      store_(std::move(store)),
      watch_only_(store_->problem()),
      feed_(store_, bus_, clock_),
      lock_(std::move(state_lock)),
      control_token_(std::move(control_token)),
      machinery_(Machinery::of_process(clock_)),
      publisher_(clock_, flags_.exporter_metrics ? metrics::Own::all : metrics::Own::needed,
                 [this](view::View& view) { fill(view); }),
      hooks_(hook_services(clock_, log_, bus_, store_, [this] { publisher_.mark_changed(); })) {
  const MutexLock lock(status_mutex_);
  reload_success_ = publisher_.started();
}

Result<std::unique_ptr<Exporter>> Exporter::start(Flags flags, settings::Settings settings,
                                                  settings::Environment environment, std::shared_ptr<Clock> clock,
                                                  Log log) {
  web::ServerOptions options;
  options.listen_addresses = flags.listen_addresses;
  options.service_manager = flags.systemd_socket;
  options.unix_mode = flags.socket_mode;
  Checked checked = check(flags, settings, clock);
  if (!checked.mistakes.empty()) return failure(ErrorKind::invalid, join(checked.mistakes, "\n"));
  const std::vector<std::string> warnings = warnings_of(std::move(checked));
  log_each(log, spdlog::level::warn, warnings);
  auto token = random_token();
  if (!token) return tl::unexpected(token.error());
  checked.web.users.set_control_token(*token);
  const auto web = std::make_shared<const web::WebConfig>(std::move(checked.web));
  options.web = web;
  auto lock = state::TargetLock::acquire_daemon(flags.state_directory);
  // One that is being stopped holds it for a moment more, as it holds the port.
  const SteadyTime lock_free_by = clock->steady() + kPortFreeWithin;
  while (!lock && lock.error().kind == ErrorKind::conflict && clock->steady() < lock_free_by) {
    wait_for(*clock, kPortRetry);
    lock = state::TargetLock::acquire_daemon(flags.state_directory);
  }
  // The targets have locks of their own, so they never act at once.
  const bool shared = !lock && lock.error().kind == ErrorKind::conflict;
  if (shared) log->error("{}", lock.error().message);
  auto opened = lock || shared ? state::open_store(flags.state_directory, settings.history_limit)
                               : Result<std::unique_ptr<state::Store>>(tl::unexpected(lock.error()));
  std::string problem;
  if (!opened) {
    if (needs_a_person(opened.error())) return tl::unexpected(opened.error());
    problem = opened.error().message;
    log->error(
        "{}. Watching and alerting go on WITHOUT STATE, checkpoints and restarts are off: cooldowns, failures and "
        "pauses of before are not known. Fix that and restart the exporter",
        problem);
    opened = state::memory_store(kHistoryWithoutState);
  }
  const bool owns = lock && problem.empty();
  std::unique_ptr<Exporter> exporter(
      new Exporter(std::move(flags), std::move(environment), clock, log,
                   std::make_shared<state::KeptStore>(*std::move(opened), clock, log, std::move(problem)),
                   owns ? std::optional<state::TargetLock>(*std::move(lock)) : std::nullopt, *token));
  {
    const MutexLock reloading(exporter->reload_mutex_);
    exporter->said_ = settings.said;
    const MutexLock status(exporter->status_mutex_);
    exporter->reload_answer_.warnings = warnings;
    exporter->in_force_ = std::make_shared<const RedactedText>(settings.in_force);
  }
  Publisher& publisher = exporter->publisher_;
  publisher.begin(first_view(settings, exporter->watch_only_, publisher.started()));
  const SteadyTime port_free_by = clock->steady() + kPortFreeWithin;
  if (exporter->lock_) {
    const auto socket = control_socket(exporter->flags_.state_directory);
    if (socket) options.control_socket = *socket;
    if (!socket) log->info("no control socket: {}", socket.error().message);
  }
  const web::Dependencies parts{publisher.views(), *exporter,      publisher.page(),
                                *exporter->clock_, exporter->log_, exporter->flags_.exposition};
  auto server = web::Server::start(options, parts);
  if (!server && server.error().kind == ErrorKind::conflict) {
    log->info("{} is in use; trying for {}", escape_control(join(options.listen_addresses, ", ")),
              format_duration(kPortFreeWithin));
  }
  while (!server && server.error().kind == ErrorKind::conflict && clock->steady() < port_free_by) {
    wait_for(*clock, kPortRetry);
    server = web::Server::start(options, parts);
  }
  if (!server) return tl::unexpected(server.error());
  exporter->server_ = *std::move(server);
  const std::vector<std::string> addresses = exporter->server_->addresses();
  {
    const MutexLock status(exporter->status_mutex_);
    exporter->listening_ = addresses;
  }
  for (const std::string& address : addresses) exporter->log_->info("listening on {}", escape_control(address));
  if (const auto written = exporter->write_way_in(*web); !written) return tl::unexpected(written.error());
  exporter->web_config_ = std::make_unique<WebConfigKeeper>(
      exporter->flags_.web_config_file, web, *exporter->server_, publisher.page(), clock, log,
      [asked = exporter.get()](const std::string& refused) { asked->web_config_looked_at(refused); },
      [asked = exporter.get()](const web::WebConfig& now) {
        if (const auto written = asked->write_way_in(now); !written) asked->log_->warn("{}", written.error().message);
      });
  const auto applied = exporter->apply(settings);
  if (!applied) return tl::unexpected(applied.error());
  for (const auto& [name, text] : *applied) exporter->log_->info("target {}: {}", escape_control(name), text);
  publisher.start();
  return exporter;
}

Result<void> Exporter::write_way_in(const web::WebConfig& web) const {
  if (!lock_) return {};
  const std::vector<std::string> addresses = server_->addresses();
  const auto socket = control_socket(flags_.state_directory);
  const std::string own = socket ? "unix:" + *socket : "";
  const bool has_own = std::find(addresses.begin(), addresses.end(), own) != addresses.end();
  const bool is_tls = web.context != nullptr && !has_own;
  return write_control(flags_.state_directory, {url_of(has_own ? own : addresses.front(), is_tls), control_token_,
                                                is_tls ? web.context->key_pin() : ""});
}

Exporter::~Exporter() {
  stop();
}

void Exporter::stop() {
  {
    // A reload that runs has changed the targets by then, and no other begins.
    const MutexLock lock(reload_mutex_);
    if (std::exchange(ending_, true)) return;
  }
  if (web_config_ != nullptr) web_config_->stop();
  std::vector<std::shared_ptr<Target>> targets;
  {
    const MutexLock lock(targets_mutex_);
    targets = targets_;
  }
  stop_all(targets, clock_->steady() + kTargetsEndWithin);
  // After the targets, whose last events they tell.
  hooks_.stop(kHookFlush);
  feed_.stop();
  if (server_ != nullptr) {
    server_->stop();
    const auto control = read_control(flags_.state_directory);
    if (control && control->token == control_token_) remove_control(flags_.state_directory);
  }
  publisher_.stop();
  // What hangs in a directory or a server goes on until the process ends.
  machinery_.pool->stop(clock_->steady() + kJobsEndWithin);
}

// Targets whose settings are unchanged go on undisturbed. Nothing has changed where
// this is refused; where a target can't be started, the others are there.
Result<Exporter::Remarks> Exporter::apply(settings::Settings settings) {
  for (settings::Target& target : settings.targets) {
    target.watch_only = watch_only_;
    target.rules.restart.enabled = target.rules.restart.enabled && watch_only_.empty();
  }
  std::vector<std::shared_ptr<Target>> before;
  {
    const MutexLock lock(targets_mutex_);
    before = targets_;
  }
  const auto kept = [&](const settings::Target& wanted) {
    return std::find_if(before.begin(), before.end(), [&](const auto& target) { return target->settings() == wanted; });
  };
  std::vector<std::shared_ptr<Target>> leaving;
  std::copy_if(before.begin(), before.end(), std::back_inserter(leaving), [&](const auto& target) {
    return std::none_of(settings.targets.begin(), settings.targets.end(),
                        [&](const settings::Target& wanted) { return target->settings() == wanted; });
  });
  for (const auto& target : leaving) {
    if (!target->restarting()) continue;
    return failure(ErrorKind::conflict, "InfluxDB of target " + escape_control(target->settings().name) +
                                            " is being restarted, and half a restart is worse than none; reload again "
                                            "when that has ended");
  }
  // While the hooks still know them: what is told of a target that leaves is for them.
  Remarks remarks;
  for (const auto& target : leaving) {
    const std::string& name = target->settings().name;
    const bool stays = std::any_of(settings.targets.begin(), settings.targets.end(),
                                   [&](const settings::Target& wanted) { return wanted.name == name; });
    if (stays) continue;
    target->leave();
    if (target->view()->health == policy::Health::critical) remarks[name] = "while it was critical";
  }
  // First the hooks: a new target's first events are for them.
  hooks_.apply(hook_configs(settings, own_instance(port())));
  stop_all(leaving, clock_->steady() + kTargetsEndWithin);
  settle_owners(*store_, owners_of(settings.targets, *machinery_.pool, clock_), log_);
  std::vector<std::shared_ptr<Target>> after;
  std::string failed;
  for (const settings::Target& wanted : settings.targets) {
    const auto found = kept(wanted);
    if (found != before.end()) {
      after.push_back(*found);
      continue;
    }
    try {
      after.push_back(std::make_shared<Target>(wanted, Services{machinery_, store_, log_, flags_.state_directory,
                                                                [this] { publisher_.mark_changed(); }, bus_}));
      const auto view = after.back()->view();
      if (view->paused_until) {
        remarks[wanted.name] = "actions still paused until " + format_time(*view->paused_until) +
                               (view->paused_by.empty() ? "" : " " + policy::by_whom(escape_control(view->paused_by)));
      }
    } catch (const std::exception& error) {
      failed = "target " + escape_control(wanted.name) + " could not be started: " + error.what();
    }
  }
  const MutexLock lock(targets_mutex_);
  targets_ = std::move(after);
  if (!failed.empty()) return failure(ErrorKind::internal, std::move(failed));
  return remarks;
}

Result<view::ReloadAnswer> Exporter::reload() {
  const MutexLock lock(reload_mutex_);
  const auto fail = [&](const Error& error) -> Result<view::ReloadAnswer> {
    const std::vector<std::string> lines = lines_of(error.message);
    const std::string begin =
        error.kind == ErrorKind::internal ? "reload incomplete: " : "reload refused, previous settings stay in use: ";
    if (lines.size() == 1) {
      log_->error("{}{}", begin, error.message);
    } else {
      log_->error("{}{}", begin, count_of(lines.size(), "mistake"));
      log_each(log_, spdlog::level::err, lines);
    }
    {
      const MutexLock status(status_mutex_);
      reload_successful_ = false;
      reload_error_ = error.message;
      reload_waits_for_web_ = false;
    }
    publisher_.publish_now();
    return tl::unexpected(error);
  };
  if (ending_) return failure(ErrorKind::cancelled, "the exporter is shutting down");
  const auto settings = settings::load(flags_.sources, environment_);
  if (!settings) return fail(settings.error());
  Checked checked = check(flags_, *settings, clock_);
  if (checked.mistakes.empty()) {
    if (std::string why = web_config_->refusal_of(checked.web); !why.empty()) {
      checked.mistakes.push_back(std::move(why));
      ++checked.mistakes_in_web;
    }
  }
  if (!checked.mistakes.empty()) {
    const bool waits_for_web =
        checked.mistakes.size() == checked.mistakes_in_web && settings::changes(said_, settings->said).empty();
    auto failed = fail({ErrorKind::invalid, join(checked.mistakes, "\n")});
    const MutexLock status(status_mutex_);
    reload_waits_for_web_ = waits_for_web;
    return failed;
  }
  view::ReloadAnswer answer{settings::changes(said_, settings->said), {}};
  for (std::string& line : web_config_->changes_to(checked.web)) answer.changes.push_back(std::move(line));
  const auto applied = apply(*settings);
  if (!applied) return fail(applied.error());
  remark(answer.changes, *applied);
  said_ = settings->said;
  checked.web.users.set_control_token(control_token_);
  if (const auto taken = web_config_->take(checked.web); !taken) {
    return fail({ErrorKind::internal, taken.error().message});
  }
  answer.warnings = warnings_of(std::move(checked));
  {
    const MutexLock status(status_mutex_);
    reload_successful_ = true;
    reload_error_.clear();
    web_config_refused_.clear();
    reload_waits_for_web_ = false;
    reload_success_ = clock_->now();
    reload_answer_ = answer;
    in_force_ = std::make_shared<const RedactedText>(settings->in_force);
  }
  publisher_.publish_now();
  log_->info("settings reloaded: {}", answer.summary());
  log_each(log_, spdlog::level::info, answer.changes);
  log_each(log_, spdlog::level::warn, answer.warnings);
  return answer;
}

void Exporter::web_config_looked_at(const std::string& refused) {
  {
    const MutexLock status(status_mutex_);
    web_config_refused_ = refused;
    // A reload that failed is mended by a reload alone, unless nothing but this file was in its way.
    if (refused.empty() && std::exchange(reload_waits_for_web_, false)) {
      reload_successful_ = true;
      reload_error_.clear();
    }
    if (refused.empty() && reload_successful_) reload_success_ = clock_->now();
  }
  publisher_.publish_now();
}

Result<std::shared_ptr<Target>> Exporter::find(const std::string& name) const {
  const MutexLock lock(targets_mutex_);
  std::vector<std::string> names;
  for (const auto& target : targets_) {
    if (target->settings().name == name) return target;
    names.push_back(escape_control(target->settings().name));
  }
  return failure(ErrorKind::not_found,
                 "no target named " + escape_control(name) + (names.empty() ? "" : "; known: " + join(names, ", ")));
}

// After each of the next four: who reads right after the answer sees what it says.
Result<view::CheckpointAnswer> Exporter::checkpoint(const view::CheckpointCommand& command) {
  const auto target = find(command.target);
  if (!target) return tl::unexpected(target.error());
  auto answer = (*target)->checkpoint(command);
  publisher_.publish_now();
  return answer;
}

Result<view::PrepareRestartAnswer> Exporter::prepare_restart(const view::PrepareRestartCommand& command) {
  const auto target = find(command.target);
  if (!target) return tl::unexpected(target.error());
  auto answer = (*target)->prepare_restart(command);
  publisher_.publish_now();
  return answer;
}

Result<view::AlertAnswer> Exporter::alert(const view::AlertCommand& command) {
  const auto target = find(command.target);
  if (!target) return tl::unexpected(target.error());
  auto answer = (*target)->alert(command);
  publisher_.publish_now();
  return answer;
}

Result<view::PauseAnswer> Exporter::pause(const view::PauseCommand& command) {
  const auto target = find(command.target);
  if (!target) return tl::unexpected(target.error());
  auto answer = (*target)->pause(command);
  publisher_.publish_now();
  return answer;
}

Result<std::vector<view::SamplePoint>> Exporter::samples(const std::string& target, std::optional<Time> since,
                                                         std::size_t limit) {
  const auto found = find(target);
  if (!found) return tl::unexpected(found.error());
  return (*found)->samples(since, limit);
}

Result<view::ProbeAnswer> Exporter::probe(const std::string& target, Duration wait) {
  const auto found = find(target);
  if (!found) return tl::unexpected(found.error());
  return (*found)->probe(wait);
}

Result<view::CheckpointPlan> Exporter::plan(const std::string& target, bool at_once) {
  const auto found = find(target);
  if (!found) return tl::unexpected(found.error());
  return (*found)->plan(at_once);
}

Result<view::HistoryPage> Exporter::history(const std::string& target, std::optional<std::int64_t> before,
                                            std::size_t limit) {
  auto entries = store_->history(target, before, limit + 1);
  if (!entries) return tl::unexpected(entries.error());
  view::HistoryPage page{*std::move(entries), std::nullopt};
  if (page.entries.size() <= limit) return page;
  page.entries.resize(limit);
  if (limit > 0) page.next_before = page.entries.back().id;
  return page;
}

Result<std::optional<view::CheckpointRun>> Exporter::run(const std::string& target, std::int64_t id) {
  const auto found = find(target);
  if (!found) return tl::unexpected(found.error());
  return (*found)->run(id);
}

void Exporter::fill(view::View& view) {
  {
    const MutexLock status(status_mutex_);
    view.last_reload_successful = reload_successful_ && web_config_refused_.empty();
    view.last_reload_success = reload_success_;
    view.last_reload_error = reload_successful_ ? web_config_refused_ : reload_error_;
    view.last_reload_changes = reload_answer_.changes;
    view.settings_warnings = reload_answer_.warnings;
    view.listening = listening_;
    view.settings = in_force_;
  }
  std::vector<std::shared_ptr<Target>> targets;
  {
    const MutexLock lock(targets_mutex_);
    targets = targets_;
  }
  view.hooks = hooks_.status();
  view.state_problem = store_->problem();
  for (const auto& target : targets) {
    // In this order: whoever is told that a target is ready sees its sample.
    std::string missing = target->not_ready();
    view.targets.push_back(target->view());
    if (!missing.empty()) view.not_ready.push_back(std::move(missing));
  }
}

}  // namespace wal_exporter::app
