#include "app/prepare.h"

#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>

#include "app/owners.h"
#include "app/target.h"
#include "app/way_in.h"
#include "base/text.h"
#include "state/store.h"

namespace wal_exporter::app {
namespace {

constexpr Duration kSampleMargin = std::chrono::seconds(25);  // two fresh samples and the way

// nullopt: no exporter runs with this state directory.
std::optional<bool> ask_daemon(const Flags& flags, const std::string& target, std::ostream& out) {
  const auto way = way_by_control(flags.state_directory);
  if (!way) return std::nullopt;
  const auto response = way->ask(
      "POST",
      "/api/v1/targets/" + percent_encode(target) + "/prepare-restart?max_wait=" + format_duration(flags.max_wait),
      flags.max_wait + kSampleMargin);
  // It has gone, its file stayed.
  if (!response && (response.error().kind == ErrorKind::unavailable || response.error().kind == ErrorKind::not_found)) {
    return std::nullopt;
  }
  if (!response) {
    out << escape_control(target) << ": Not safe: " << response.error().message << "\n";
    return false;
  }
  const auto body = nlohmann::json::parse(response->body, nullptr, /*allow_exceptions=*/false);
  const bool readable = body.is_object() && body.contains("message") && body["message"].is_string();
  const std::string said =
      readable ? body["message"].get<std::string>() : "it answered " + std::to_string(response->status);
  const bool safe = response->status == 200 && body.is_object() && body.value("safe", false);
  out << escape_control(target) << ": " << escape_control(said) << "\n";
  return safe;
}

}  // namespace

int run_prepare_restart(const settings::Settings& settings, const Flags& flags, std::shared_ptr<Clock> clock,
                        const Log& log, std::ostream& out) {
  bool all_safe = true;
  std::shared_ptr<state::Store> store;
  const Machinery machinery = Machinery::of_process(clock);
  for (const settings::Target& target : settings.targets) {
    if (const auto safe = ask_daemon(flags, target.name, out)) {
      all_safe = all_safe && *safe;
      continue;
    }
    if (store == nullptr) {
      auto opened = state::open_store(flags.state_directory, settings.history_limit);
      if (!opened) {
        log->error("{}", opened.error().message);
        return kExitFailure;
      }
      store = *std::move(opened);
      settle_owners(*store, owners_of(settings.targets, *machinery.pool, clock), log);
    }
    settings::Target alone = target;
    alone.rules.schedule.reset();
    Target runtime(alone, Services{machinery, store, log, flags.state_directory, [] {}, nullptr},
                   control::Purpose::requests);
    const auto answer = runtime.prepare_restart(
        {target.name, flags.max_wait, "command line", /*override_soft=*/false, /*in_any_window=*/true});
    out << escape_control(target.name) << ": " << escape_control(answer.message) << "\n";
    all_safe = all_safe && answer.safe;
  }
  // What hangs goes on until the process ends. A job that ended as the last to know the pool
  // would wait in it for itself.
  machinery.pool->stop(clock->steady() + std::chrono::seconds(1));
  return all_safe ? kExitOk : kExitFailure;
}

}  // namespace wal_exporter::app
