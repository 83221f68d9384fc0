#include "app/once.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <ostream>

#include "app/owners.h"
#include "app/server_questions.h"
#include "app/wal_reader.h"
#include "base/bytes.h"
#include "base/text.h"
#include "control/control.h"
#include "control/situation.h"
#include "control/target_view.h"
#include "policy/recommend.h"
#include "state/database.h"
#include "state/store.h"
#include "view/json.h"
#include "view/view.h"

namespace wal_exporter::app {
namespace {

using policy::Health;

constexpr std::size_t kMostFound = 20;

// The state of an exporter that runs here, where there is one that we may read;
// none is made. nullptr: go by what is seen alone.
std::unique_ptr<state::Store> existing_store(const settings::Settings& settings, const Flags& flags, const Log& log) {
  std::error_code ignored;
  if (!std::filesystem::exists(std::filesystem::path(flags.state_directory) / state::kDatabaseName, ignored)) {
    return nullptr;
  }
  auto opened = state::open_store(flags.state_directory, settings.history_limit);
  if (opened) return *std::move(opened);
  log->debug("{}; continuing without the kept state", opened.error().message);
  return nullptr;
}

// What is to go where before the exporter would run with these settings.
std::vector<state::Handover> handovers_of(const settings::Settings& settings, state::Store* store,
                                          const std::shared_ptr<Clock>& clock, const Log& log) {
  if (store == nullptr) return {};
  Pool pool(/*concurrency=*/8, clock);
  auto out = handovers_for(*store, owners_of(settings.targets, pool, clock));
  if (out) return *std::move(out);
  log->warn("{}", out.error().message);
  return {};
}

// What the running exporter remembers of a target, to go by and not to change.
std::shared_ptr<state::Store> copy_of_memory(const settings::Target& target, state::Store* store,
                                             const std::vector<state::Handover>& handovers, const Log& log) {
  std::shared_ptr<state::Store> copy = state::memory_store(/*history_limit=*/1);
  const auto its = std::find_if(handovers.begin(), handovers.end(),
                                [&](const state::Handover& one) { return one.to == target.name; });
  const bool is_others = std::any_of(handovers.begin(), handovers.end(), [&](const state::Handover& one) {
    return one.from == target.name && one.keys.empty();
  });
  if (its == handovers.end() && is_others) return copy;
  for (const char* key :
       {control::kMemoryKey, control::kNodeKey, control::kShardsKey, control::kVanishedKey, control::kLookKey}) {
    const auto value = store == nullptr ? Result<std::optional<std::string>>(std::nullopt)
                                        : store->get(its == handovers.end() ? target.name : its->from, key);
    const bool moves = its == handovers.end() || its->keys.empty() ||
                       std::find(its->keys.begin(), its->keys.end(), key) != its->keys.end();
    if (!value) log->warn("{}", value.error().message);
    if (value && *value && moves) static_cast<void>(copy->put(target.name, key, **value));
  }
  return copy;
}

// Takes one sample and asks the server, as the exporter does; nothing is done to
// InfluxDB and nothing is kept.
std::unique_ptr<control::Control> look_once(const settings::Target& target, control::Purpose purpose,
                                            state::Store* store, const std::vector<state::Handover>& handovers,
                                            const std::shared_ptr<Clock>& clock, const Log& log) {
  const auto now = [&] { return control::Now{clock->now(), clock->steady()}; };
  auto out = std::make_unique<control::Control>(target, purpose, copy_of_memory(target, store, handovers, log), nullptr,
                                                null_log(), now());
  const control::Parts& parts = out->parts();
  WalReader reader(target, /*reads_once=*/true, clock, log);
  ServerQuestions questions(target, clock);
  control::TakeSample wanted;  // the server is asked first
  out->on_time(now());
  for (bool more = true; more;) {
    more = false;
    for (const control::Effect& effect : out->take_effects()) {
      if (const auto* sample = std::get_if<control::TakeSample>(&effect)) wanted = *sample;
      if (const auto* question = std::get_if<control::AskServer>(&effect)) {
        out->on_answer(questions.ask(*question, {}), now());
        more = true;
      }
    }
    if (!more && parts.wal.finished() == 0) {
      wanted.server_version = parts.server.last_version();
      out->on_sample(reader.read(wanted, {}), now());
      more = true;
    }
  }
  // Nobody else will say what the limits are.
  if (!parts.health.judged()) out->on_time({clock->now(), parts.server.limits_deadline()});
  if (parts.server.is_down()) log->warn("InfluxDB is not reachable: {} [{}]", parts.server.error(), target.name);
  if (!parts.wal.error().empty()) log->error("cannot read the WAL: {} [{}]", parts.wal.error(), target.name);
  return out;
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
      << (target.version == wal::Generation::unknown
              ? ""
              : " (InfluxDB " + std::string(wal::to_string(target.version)) + ".x)")
      << "\n";
  if (target.sample == nullptr) {
    out << "  error          " << escape_control(target.error) << "\n";
    return;
  }
  const wal::Sample& sample = *target.sample;
  out << "  pending        " << wal::extent_text(sample.pending);
  if (sample.oldest_pending)
    out << ", oldest " << format_duration_rough(std::max(now - *sample.oldest_pending, Duration::zero()));
  out << "\n";
  if (sample.kept_open.files > 0) {
    out << "  kept open      " << wal::extent_text(sample.kept_open) << ", persisted; a restart replays them again\n";
  }
  if (sample.layout == wal::Layout::node) out << "  retained       " << wal::extent_text(sample.retained) << "\n";
  out << "  warning above  " << target.thresholds.warning_files << " files or "
      << format_bytes(target.thresholds.warning_bytes) << "\n  critical above " << target.thresholds.critical_files
      << " files or " << format_bytes(target.thresholds.critical_bytes) << "\n";
  out << "  restart        replay takes " << policy::replay_text(target.forecast.replay_estimate_seconds) << "\n";
  if (target.not_shrinking) {
    out << "  snapshot       " << escape_control(policy::advice(*target.not_shrinking)) << "\n";
  }
  std::size_t found = 0;
  for (const auto* files : {&sample.invalid, &sample.unknown}) {
    for (const wal::InvalidFile& file : *files) {
      if (++found > kMostFound) continue;
      out << "  found          " << escape_control(file.file) << " (" << wal::to_string(file.reason) << ") "
          << escape_control(file.detail) << "\n";
    }
  }
  if (found > kMostFound) out << "  found          " << found - kMostFound << " more; --format json names all\n";
  if (target.server) {
    out << "  server         "
        << (target.server->up ? "up, version " + escape_control(target.server->version)
                              : escape_control(target.server->error))
        << "\n";
  }
  out << "  decision       " << policy::to_string(target.decision.action) << ": "
      << escape_control(target.decision.explanation()) << "\n";
  for (const std::string& line : target.recommendations) {
    // The older service's two lines for a healthy WAL advise nothing.
    if (line != policy::kOptimal && line != policy::kContinue)
      out << "  advice         " << escape_control(line) << "\n";
  }
}

void print(const view::View& view, bool json, Time now, std::ostream& out) {
  if (json) {
    out << view::to_json(view, now).dump(2) << "\n";
    return;
  }
  for (const auto& target : view.targets) print_text(*target, now, out);
}

void explain_text(const view::TargetView& target, const std::optional<control::NudgeOutlook>& outlook,
                  std::ostream& out) {
  const policy::Decision& decision = target.decision;
  const std::vector<std::string_view> names = policy::names(decision.blockers);
  std::string verdict = "nothing to do";
  if (decision.action != policy::Action::none) {
    verdict = policy::to_string(decision.action);
    if (decision.reason) verdict += " (reason " + std::string(policy::to_string(*decision.reason)) + ")";
  } else if (!names.empty()) {
    verdict = "held back by " + join(names, ", ");
  }
  out << escape_control(target.name) << ": " << policy::to_string(target.health) << "\n  decision " << verdict << ": "
      << escape_control(target.error.empty() ? decision.explanation() : target.error) << "\n";
  if (target.not_shrinking) {
    out << "  snapshot " << escape_control(policy::advice(*target.not_shrinking)) << "\n";
  }
  if (!outlook) return;
  out << "  plan     " << (outlook->plan ? escape_control(outlook->plan->explanation) : std::string("none can be made"))
      << "\n";
  if (target.node && target.node->budget) {
    out << "  budget   " << target.node->budget->remaining << " of " << target.node->budget->limit
        << " snapshots left until old data goes unseen after a restart\n";
  }
  for (const policy::Blocked& blocked : outlook->blockers) {
    out << "  plan blocked by " << policy::to_string(blocked.blocker) << ": " << escape_control(blocked.why) << "\n";
  }
}

}  // namespace

int run_once(const settings::Settings& settings, const Flags& flags, std::shared_ptr<Clock> clock, const Log& log,
             std::ostream& out) {
  view::View view;
  const auto store = existing_store(settings, flags, log);
  const auto handovers = handovers_of(settings, store.get(), clock, log);
  for (const settings::Target& target : settings.targets) {
    const auto control = look_once(target, control::Purpose::judge_at_once, store.get(), handovers, clock, log);
    view.targets.push_back(control::view_of(*control, {clock->now(), clock->steady()}));
  }
  print(view, flags.json, clock->now(), out);
  return exit_code(view);
}

int run_explain(const settings::Settings& settings, const Flags& flags, std::shared_ptr<Clock> clock, const Log& log,
                std::ostream& out) {
  const auto store = existing_store(settings, flags, log);
  const auto handovers = handovers_of(settings, store.get(), clock, log);
  view::View view;
  for (const settings::Target& target : settings.targets) {
    const auto control = look_once(target, control::Purpose::explain, store.get(), handovers, clock, log);
    const control::Now now{clock->now(), clock->steady()};
    view.targets.push_back(control::view_of(*control, now));
    if (flags.json) continue;
    explain_text(*view.targets.back(),
                 control::outlook_of(control->parts(), control::Asker::somebody, influxdb::NudgeMode::patient, now),
                 out);
  }
  if (flags.json) print(view, true, clock->now(), out);
  return std::all_of(view.targets.begin(), view.targets.end(),
                     [](const auto& target) { return target->sample != nullptr; })
             ? kExitOk
             : kExitFailure;
}

}  // namespace wal_exporter::app
