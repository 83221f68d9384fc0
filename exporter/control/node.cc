#include "control/node.h"

#include <algorithm>
#include <cstdio>
#include <limits>
#include <nlohmann/json.hpp>
#include <tuple>

#include "base/json.h"
#include "base/text.h"
#include "policy/odd_rules.h"

namespace wal_exporter::control {
namespace {

// Settings first, then the server; says where the value came from.
template <class T>
void choose(T& value, std::string& from, const std::optional<T>& set, const std::optional<T>& served) {
  if (set) {
    value = *set;
    from = "settings";
  } else if (served) {
    value = *served;
    from = "server";
  }
}

// From 3.11.7 on, as documented upstream.
bool snapshots_by_age(const std::string& version) {
  int major = 0;
  int minor = 0;
  int patch = 0;
  if (std::sscanf(version.c_str(), "%d.%d.%d", &major, &minor, &patch) != 3) return false;
  return std::tie(major, minor, patch) >= std::make_tuple(3, 11, 7);
}

// An empty object where it can't be read.
nlohmann::json kept_of(const std::string& text) {
  auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  return json.is_object() ? json : nlohmann::json::object();
}

bool choose_nudge(const settings::Target& target) {
  return target.checkpoint.method == influxdb::Method::nudge ||
         (target.checkpoint.method == influxdb::Method::automatic && target.checkpoint.nudge.enabled);
}

}  // namespace

std::string to_text(const std::optional<influxdb::NodeFacts>& said, const HeardOfServer& heard) {
  nlohmann::json json = nlohmann::json::object();
  if (!heard.version.empty()) json["version"] = to_valid_utf8(heard.version);
  if (!heard.build.empty()) json["build"] = to_valid_utf8(heard.build);
  if (heard.writes_seen) json["writes_seen"] = true;
  const influxdb::NodeFacts facts = said.value_or(influxdb::NodeFacts{});
  if (facts.other_engine) json["other_engine"] = true;
  if (facts.engine_known) json["engine_known"] = true;
  if (facts.takes_writes) json["takes_writes"] = *facts.takes_writes;
  if (facts.fails_on_error) json["fails_on_error"] = *facts.fails_on_error;
  if (facts.snapshot_size) json["snapshot_size"] = *facts.snapshot_size;
  if (facts.flush_interval) json["flush_interval"] = facts.flush_interval->count();
  if (facts.gen1_duration) json["gen1_duration"] = facts.gen1_duration->count();
  if (facts.kept_files) json["kept_files"] = *facts.kept_files;
  if (facts.lookback) json["lookback"] = facts.lookback->count();
  return json.dump();
}

std::optional<influxdb::NodeFacts> node_facts_from(const std::string& text) {
  const auto json = kept_of(text);
  const auto unsigned_of = [&](const char* key) -> std::optional<std::uint64_t> {
    if (!json.contains(key) || !json[key].is_number_unsigned()) return std::nullopt;
    return json[key].get<std::uint64_t>();
  };
  const auto duration_of = [&](const char* key) -> std::optional<Duration> {
    const auto nanoseconds = unsigned_of(key);
    constexpr auto kLargest = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    if (!nanoseconds || *nanoseconds == 0 || *nanoseconds > kLargest) return std::nullopt;
    return Duration(static_cast<std::int64_t>(*nanoseconds));
  };
  influxdb::NodeFacts facts;
  facts.snapshot_size = unsigned_of("snapshot_size");
  if (!facts.snapshot_size || *facts.snapshot_size == 0) return std::nullopt;
  facts.flush_interval = duration_of("flush_interval");
  facts.gen1_duration = duration_of("gen1_duration");
  facts.kept_files = unsigned_of("kept_files");
  facts.lookback = duration_of("lookback");
  if (json.contains("fails_on_error") && json["fails_on_error"].is_boolean()) {
    facts.fails_on_error = json["fails_on_error"].get<bool>();
  }
  facts.other_engine = json.contains("other_engine") && json["other_engine"] == true;
  facts.engine_known = json.contains("engine_known") && json["engine_known"] == true;
  if (json.contains("takes_writes") && json["takes_writes"].is_boolean()) {
    facts.takes_writes = json["takes_writes"].get<bool>();
  }
  return facts;
}

HeardOfServer heard_from(const std::string& text) {
  const auto json = kept_of(text);
  return {text_of(json, "version"), text_of(json, "build"),
          json.contains("writes_seen") && json["writes_seen"] == true};
}

view::NodeView node_knowledge(const settings::Target& target, const std::optional<influxdb::NodeFacts>& facts) {
  const influxdb::ServerOptions& set = target.influxdb;
  const influxdb::NodeFacts said = facts.value_or(influxdb::NodeFacts{});
  view::NodeView node;
  choose(node.rules.snapshot_size, node.snapshot_size_from, set.snapshot_size, said.snapshot_size);
  choose(node.rules.flush_interval, node.flush_interval_from, set.flush_interval, said.flush_interval);
  choose(node.rules.gen1_duration, node.gen1_duration_from, set.gen1_duration, said.gen1_duration);
  choose(node.rules.kept_files, node.kept_files_from, set.kept_files, said.kept_files);
  if (said.lookback) node.rules.lookback = *said.lookback;
  node.warnings = said.problems;
  // What stands among the problems, if it was told of other settings.
  const bool was_told = said.kept_files || said.lookback || said.flush_interval || said.snapshot_size;
  const auto assumed = [&](const std::string& from, const char* key, const std::string& value) {
    if (from != "default") return;
    std::string line = std::string("influxdb.") + key + " is not known and taken to be " + value + "; set it";
    if (set.url.empty()) line += ", or influxdb.url";
    if (!set.url.empty() && !was_told) line += ", or influxdb.token_file with a token that may read the system tables";
    node.warnings.push_back(std::move(line));
  };
  assumed(node.snapshot_size_from, "snapshot_size", std::to_string(node.rules.snapshot_size));
  assumed(node.flush_interval_from, "flush_interval", format_duration(node.rules.flush_interval));
  assumed(node.gen1_duration_from, "gen1_duration", format_duration(node.rules.gen1_duration));
  for (std::string& odd : policy::odd_rules(node.rules)) node.warnings.push_back(std::move(odd));
  return node;
}

NudgeOutlook nudge_outlook(const settings::Target& target, const wal::Sample& sample, const wal::NodeRules& rules,
                           influxdb::NudgeMode mode, bool requested, Time now) {
  using policy::Blocker;
  NudgeOutlook outlook;
  const auto plan = influxdb::plan_nudge(sample, rules, mode, !requested, now);
  if (!plan) {
    outlook.blockers.push_back({Blocker::method_disabled, plan.error().message});
    return outlook;
  }
  outlook.plan = *plan;
  if (const auto budget = policy::snapshot_budget(sample, rules); budget && budget->remaining < budget->floor) {
    outlook.blockers.push_back(
        {Blocker::snapshot_budget,
         std::to_string(budget->remaining) + " of " + std::to_string(budget->limit) +
             " snapshots are left until old data goes unseen after a restart, and a checkpoint leaves the last " +
             std::to_string(budget->floor) + " to the server"});
  }
  if (plan->points == 0) return outlook;
  const influxdb::NudgeSettings& nudge = target.checkpoint.nudge;
  // Without waiting for a boundary that has passed, most of the row may stay; and behind
  // the first file that stays, the nudge's own points stay too.
  if (!requested && plan->boundary) {
    const auto covered = static_cast<std::uint64_t>(
        std::count_if(sample.periods.begin(), sample.periods.end(),
                      [&](const wal::Period& period) { return period.number <= plan->cover_to; }));
    const std::uint64_t left = sample.periods.size() - covered;
    const std::uint64_t own_left = left > 0 && covered > 0 ? plan->points : 0;
    if ((left + own_left) * 2 > sample.periods.size()) {
      outlook.blockers.push_back(
          {Blocker::gen1_boundary, "only " + std::to_string(covered) + " of " + std::to_string(sample.periods.size()) +
                                       " pending files are dated before " + format_time(*plan->boundary) +
                                       ", so a nudge now would leave most" +
                                       (left * 2 > sample.periods.size() ? "" : ", with its own points behind them") +
                                       "; the next boundary is " + format_time(rules.next_multiple(now))});
    }
  }
  if (plan->points > nudge.max_points || plan->duration > nudge.max_duration) {
    outlook.blockers.push_back(
        {Blocker::too_long, std::to_string(plan->points) + " points in about " + format_duration_rough(plan->duration) +
                                " are needed, the bounds are " + std::to_string(nudge.max_points) + " and " +
                                format_duration(nudge.max_duration) + " (checkpoint.nudge.max_points, max_duration)"});
  }
  return outlook;
}

std::string clocks_differ(const wal::NodeRules& rules, Duration offset) {
  if (std::chrono::abs(offset) <= rules.gen1_duration) return {};
  return "clocks differ by " + format_duration_rough(std::chrono::abs(offset)) + ": InfluxDB's is " +
         (offset > Duration::zero() ? "ahead of" : "behind") + " this machine's by more than the gen1 duration (" +
         format_duration(rules.gen1_duration) +
         "), so no nudge is made; set both by NTP (timedatectl status, on both machines)";
}

view::NodeView node_view(view::NodeView node, const wal::Sample* sample) {
  if (sample == nullptr) return node;
  node.budget = policy::snapshot_budget(*sample, node.rules);
  if (std::string odd = policy::odd_kept_files(node.rules, *sample); !odd.empty()) {
    node.warnings.push_back(std::move(odd));
  }
  return node;
}

std::optional<policy::OwnTrigger> own_trigger_of(const policy::Memory& memory) {
  if (!memory.own_trigger_time) return std::nullopt;
  return policy::OwnTrigger{memory.own_trigger_file, *memory.own_trigger_time};
}

std::vector<std::string> node_recommendations(const settings::Target& target, const view::NodeView& node,
                                              const std::string& server_version, const policy::Memory& memory,
                                              Time now) {
  std::vector<std::string> out = node.warnings;
  if (node.budget && node.budget->is_low()) {
    std::string line = "Only " + std::to_string(node.budget->remaining) + " of " + std::to_string(node.budget->limit) +
                       " snapshots are left until old data goes unseen after a restart";
    if (node.budget->remaining > 0 && node.budget->days_left) {
      line += ", " +
              format_duration_rough(std::chrono::duration_cast<Duration>(
                  std::chrono::duration<double>(*node.budget->days_left * 86400))) +
              " at this rate";
    }
    out.push_back(line + "; snapshot less often (larger --wal-snapshot-size)");
  }
  if (snapshots_by_age(server_version) && choose_nudge(target)) {
    out.push_back("InfluxDB " + server_version +
                  " can snapshot by age itself: prefer its --force-snapshot-max-age to the nudge");
  }
  if (memory.own_trigger_time && *memory.own_trigger_time > now) {
    out.push_back(
        "The last nudge's trigger is dated " + format_time(*memory.own_trigger_time) +
        ": the server's own next snapshot comes later than usual, and no nudge is started before it has passed");
  }
  return out;
}

}  // namespace wal_exporter::control
