#include "settings/odd.h"

#include <algorithm>
#include <initializer_list>
#include <map>

#include "base/bytes.h"
#include "base/text.h"

namespace wal_exporter::settings {
namespace {

using events::Severity;
using events::Type;
using influxdb::Method;
using wal::Generation;

constexpr std::string_view kTls = "https://";

class Lines {
 public:
  explicit Lines(const Said& said) : said_(said) {}

  // Of `group`: each of `keys` that is said gets a line.
  void add(const SaidGroup& group, std::initializer_list<std::string_view> keys, const std::string& why) {
    for (const std::string_view key : keys) {
      if (const SaidValue* value = group.find(key)) add(group, value->line, value->key, why);
    }
  }
  // All that begin with `prefix`, but for `except`.
  void add_below(const SaidGroup& group, std::string_view prefix, const std::string& why,
                 std::initializer_list<std::string_view> except = {}) {
    for (const SaidValue& value : group.values) {
      if (!value.key.starts_with(prefix)) continue;
      if (std::find(except.begin(), except.end(), value.key) == except.end()) add(group, value.line, value.key, why);
    }
  }
  void add(const SaidGroup& group, int line, const std::string& key, const std::string& why) {
    const bool of_a_hook = group.name.starts_with("hook ") && !key.empty();
    lines_.emplace_back(
        line, said_.at(line) + (of_a_hook ? group.name + ": " : "") + (key.empty() ? group.name : key) + ": " + why);
  }
  // In the order of the file.
  [[nodiscard]] std::vector<std::string> take() {
    std::stable_sort(lines_.begin(), lines_.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    std::vector<std::string> out;
    for (auto& [line, text] : lines_) out.push_back(std::move(text));
    return out;
  }

 private:
  const Said& said_;
  std::vector<std::pair<int, std::string>> lines_;
};

bool is_once(const Window& window) {
  return std::holds_alternative<OnceWindow>(window.when);
}

// Whether a checkpoint may start by these within a year or so.
bool ever_opens(const std::vector<Window>& windows, const std::vector<Window>& maintenance, Time now) {
  constexpr int kMostSteps = 1000;
  constexpr Duration kStep = std::chrono::hours(1);  // where the end of maintenance is too far off to be found
  Time at = now;
  for (int step = 0; step < kMostSteps; ++step) {
    const WindowState open = windows.empty() ? WindowState{true, std::nullopt} : state_of(windows, at);
    const WindowState closed = state_of(maintenance, at);
    if (open.inside && !closed.inside) return true;
    if (open.inside) {
      at = closed.until.value_or(at + kStep);
    } else if (open.until) {
      at = *open.until;
    } else {
      return false;
    }
  }
  return false;
}

void look_at_windows(const Target& target, const SaidGroup& said, Time now, Lines& lines) {
  for (const auto& [key, windows] :
       {std::pair("maintenance", &target.maintenance), std::pair("checkpoint.windows", &target.checkpoint.windows)}) {
    for (std::size_t i = 0; i < windows->size(); ++i) {
      const Window& window = (*windows)[i];
      const WindowState state = state_of({window}, now);
      if (!is_once(window) || state.inside || state.until) continue;
      lines.add(said, {key},
                (windows->size() == 1 ? "its window" : "its window number " + std::to_string(i + 1)) +
                    " is over and does not come again; remove it");
    }
  }
  if (ever_opens(target.checkpoint.windows, target.maintenance, now)) return;
  if (target.checkpoint.windows.empty()) {
    lines.add(said, {"maintenance"},
              "it never ends, so no checkpoint ever starts; shorten it, or set checkpoint.method: none");
  } else {
    lines.add(said, {"checkpoint.windows"},
              "no window ever opens outside of maintenance, so no checkpoint ever starts; move one of the two");
  }
}

// `over_tls`: whether anything is asked over https; `url` says where not, up to "with https://".
void look_at_tls(const http::Tls& tls, const std::string& prefix, const std::string& url, bool over_tls,
                 const SaidGroup& said, Lines& lines) {
  for (const char* key : {"ca_file", "client_cert_file", "client_key_file", "insecure_skip_verify"}) {
    if (!over_tls) lines.add(said, {prefix + key}, "no effect, " + url + " with https://; remove it");
  }
  if (over_tls && tls.insecure_skip_verify) {
    lines.add(said, {prefix + "ca_file"}, "no effect while " + prefix + "insecure_skip_verify is true; remove that");
  }
}

void look_at_generation(const Target& target, const SaidGroup& said, Lines& lines) {
  const Generation version = target.influxdb.version;
  if (version == Generation::v1 || version == Generation::v2) {
    lines.add(said,
              {"influxdb.node_id", "influxdb.snapshot_size", "influxdb.flush_interval", "influxdb.gen1_duration",
               "influxdb.kept_files", "restart.allow_v3"},
              "no effect on InfluxDB " + std::string(version == Generation::v1 ? "1.x" : "2.x") +
                  ", it is for InfluxDB 3; remove it");
  }
  if (version == Generation::v2 || version == Generation::v3) {
    lines.add(
        said, {"influxdb.backup_address", "checkpoint.rewrite_kept_open"},
        "no effect on InfluxDB " + std::string(version == Generation::v3 ? "3" : "2.x") + ", it is for 1.x; remove it");
  }
  if (target.influxdb.url.empty()) {
    lines.add(said,
              {"influxdb.token_file", "influxdb.timeout", "influxdb.ca_file", "influxdb.client_cert_file",
               "influxdb.client_key_file", "influxdb.insecure_skip_verify"},
              "no effect without influxdb.url, the server is not asked; set influxdb.url or remove it");
  } else {
    look_at_tls(target.influxdb.tls, "influxdb.", "influxdb.url does not begin", target.influxdb.url.starts_with(kTls),
                said, lines);
  }
}

void look_at_method(const Target& target, const SaidGroup& said, Lines& lines) {
  const Method method = target.checkpoint.method;
  const Generation version = target.influxdb.version;
  const Duration spacing = version == Generation::v3 ? target.influxdb.gen1_duration.value_or(target.rules.min_interval)
                                                     : target.rules.min_interval;
  if (method == Method::none) {
    lines.add_below(said, "checkpoint.", "no effect with checkpoint.method: none; remove it",
                    {"checkpoint.method", "checkpoint.schedule"});
    lines.add(said, {"influxdb.backup_address"}, "no effect with checkpoint.method: none; remove it");
    // A watcher's `off` is said for the reader.
    if (target.rules.schedule) {
      lines.add(said, {"checkpoint.schedule"}, "no effect with checkpoint.method: none; remove it");
    }
    return;
  }
  const std::string below = "no effect below " + format_duration(spacing) +
                            ", the shortest time from the start of one checkpoint to the next; write " +
                            format_duration(spacing) + " or more";
  if (target.rules.cooldown < spacing) lines.add(said, {"checkpoint.cooldown"}, below);
  if (target.rules.schedule && *target.rules.schedule < spacing) lines.add(said, {"checkpoint.schedule"}, below);
  const bool no_nudge = version == Generation::v1 || version == Generation::v2;
  if (no_nudge || (method != Method::automatic && method != Method::nudge)) {
    lines.add_below(said, "checkpoint.nudge.",
                    no_nudge ? "no effect on InfluxDB 1.x and 2.x, a nudge is for InfluxDB 3; remove it"
                             : "no effect with this checkpoint.method; write auto or nudge, or remove it");
  } else if (!target.checkpoint.nudge.enabled) {
    lines.add_below(said, "checkpoint.nudge.", "no effect while checkpoint.nudge.enabled is false");
    if (method == Method::nudge) {
      lines.add(said, {"checkpoint.method"},
                "no checkpoint ever starts while checkpoint.nudge.enabled is false; set it to true");
    }
  }
  if (method != Method::http) {
    lines.add_below(said, "checkpoint.http.", "no effect without checkpoint.method: http; set that or remove it");
  } else {
    lines.add(said, {"influxdb.backup_address", "checkpoint.rewrite_kept_open"},
              "no effect with checkpoint.method: http; remove it");
  }
  if (method == Method::backup && version == Generation::v1 && target.influxdb.backup_address.empty()) {
    lines.add(said, {"checkpoint.method"},
              "no checkpoint ever starts: the backup of InfluxDB 1.x needs influxdb.backup_address; set it, such as "
              "127.0.0.1:8088");
  }
}

void look_at_limits(const Target& target, const SaidGroup& said, Lines& lines) {
  const policy::ThresholdRules& limits = target.rules.thresholds;
  const auto look_at_factor = [&](std::string_view key, double factor, const std::string& limit) {
    if (factor > 1) return;
    lines.add(said, {key},
              "whatever is above " + limit + " is critical at once, a warning is never told; write more than 1");
  };
  look_at_factor("thresholds.critical_files_factor", limits.critical_files_factor, "thresholds.max_files");
  look_at_factor("thresholds.critical_size_factor", limits.critical_bytes_factor, "thresholds.max_size");
  if (target.influxdb.version == Generation::v3 && limits.max_files && target.influxdb.snapshot_size &&
      *limits.max_files <= *target.influxdb.snapshot_size) {
    lines.add(said, {"thresholds.max_files"},
              "InfluxDB 3 keeps up to influxdb.snapshot_size (" + std::to_string(*target.influxdb.snapshot_size) +
                  ") files until it snapshots, so this warns before each snapshot; write more, or auto");
  }
  if (target.wal.integrity != wal::Integrity::full) {
    lines.add(said, {"wal.checksum_bytes_per_second"}, "no effect without wal.integrity: full; set that or remove it");
  }
  if (!target.watch && target.forecast.short_window < 2 * target.rules.sample_interval) {
    lines.add(said, {"forecast.short_window", "sampling.interval"},
              "without sampling.watch forecast.short_window (" + format_duration(target.forecast.short_window) +
                  ") holds fewer than two samples of " + format_duration(target.rules.sample_interval) +
                  ", so no growth is known; lengthen it or sample more often");
  }
}

void look_at_restart(const Target& target, const SaidGroup& said, Lines& lines) {
  const policy::RestartRules& rules = target.rules.restart;
  if (!rules.enabled) {
    // When one is considered is told also where none is made.
    lines.add_below(said, "restart.", "no effect while restart.enabled is false",
                    {"restart.after_failures", "restart.failure_spacing", "restart.after_blocked"});
    return;
  }
  const auto never = [&](const std::string& why) {
    lines.add(said, {"restart.enabled"}, "no restart is ever made: " + why);
  };
  if (target.dry_run) never("dry_run is true; set one of the two to false");
  if (rules.max_per_day == 0) never("restart.max_per_day is 0; write 1 or more, or set restart.enabled to false");
  if (target.influxdb.version == Generation::v3 && !rules.allow_v3) {
    never("this is InfluxDB 3 and restart.allow_v3 is false; a restart empties nothing there");
  }
  for (const auto& [way, prefix] :
       {std::pair(actions::Way::docker, "restart.docker."), std::pair(actions::Way::systemd, "restart.systemd."),
        std::pair(actions::Way::command, "restart.command.")}) {
    if (target.restart.method != way) lines.add_below(said, prefix, "no effect with this restart.method; remove it");
  }
  if (!rules.unprepared) {
    lines.add(said, {"restart.max_replay"}, "no effect while restart.unprepared is false");
    return;
  }
  const double critical =
      static_cast<double>(target.rules.thresholds.max_bytes) * target.rules.thresholds.critical_bytes_factor;
  const double replay = critical / static_cast<double>(target.forecast.replay_bytes_per_second);
  if (replay <= to_seconds(rules.max_replay)) return;
  const std::string line = "a WAL that is critical by size (" + format_bytes(static_cast<std::uint64_t>(critical)) +
                           ") replays for " + std::to_string(static_cast<std::uint64_t>(replay) + 1) +
                           "s at replay.bytes_per_second, longer than restart.max_replay (" +
                           format_duration(rules.max_replay) +
                           "), so an unprepared restart is never made for its "
                           "size; raise restart.max_replay or lower thresholds.max_size";
  lines.add(said, {said.find("restart.max_replay") != nullptr ? "restart.max_replay" : "restart.unprepared"}, line);
}

// Of which severities events of a type are.
bool is_told(Type type, Severity severity) {
  if (type == Type::checkpoint) return severity != Severity::critical;
  if (type == Type::restart_consideration) return severity == Severity::critical;
  return true;
}

void look_at_hook(const Settings& settings, const events::HookConfig& hook, const SaidGroup& said, Lines& lines) {
  const events::HookFilter& filter = hook.filter;
  const auto is_https = [](const std::string& url) { return url.starts_with(kTls); };
  look_at_tls(hook.tls, "", hook.type == events::HookType::alertmanager ? "no url begins" : "url does not begin",
              !hook.url_file.empty() || std::any_of(hook.urls.begin(), hook.urls.end(), is_https), said, lines);
  const auto has = [](const auto& list, const auto& one) {
    return list.empty() || std::find(list.begin(), list.end(), one) != list.end();
  };
  const bool restarts = std::any_of(settings.targets.begin(), settings.targets.end(), [&](const Target& target) {
    return target.rules.restart.enabled && has(filter.targets, target.name);
  });
  for (const events::TypeRow& type : events::kTypes) {
    if (!has(filter.types, type.value) || (type.value == Type::restart && !restarts)) continue;
    for (const events::SeverityRow& severity : events::kSeverities) {
      if (is_told(type.value, severity.value) && has(filter.severities, severity.value)) return;
    }
  }
  lines.add(said, said.line, {},
            filter.types == std::vector{Type::restart} && !restarts
                ? "it is told nothing: no target of it has restart.enabled; widen its filter or remove it"
                : "it is told nothing: no event has such a type and severity; widen its filter or remove it");
}

// One server watched twice, or one receiver told twice.
void look_for_twins(const Settings& settings, Lines& lines) {
  const std::vector<SaidGroup>& groups = settings.said.groups;
  std::map<std::string, const SaidGroup*> seen;
  const auto look = [&](const std::string& what, const SaidGroup& group, std::string_view key, const std::string& why) {
    const SaidValue* value = group.find(key);
    const auto [first, is_new] = seen.emplace(what, &group);
    if (!is_new && value != nullptr) {
      lines.add(group, value->line, value->key, "the same as of " + first->second->name + "; " + why);
    }
  };
  for (std::size_t i = 0; i < settings.targets.size(); ++i) {
    const Target& target = settings.targets[i];
    const SaidGroup& group = groups[1 + i];
    const std::string why = "a server has one WAL, so one of the two asks the wrong one; give each its own";
    if (!target.influxdb.url.empty()) look("url " + target.influxdb.url, group, "influxdb.url", why);
    if (!target.influxdb.backup_address.empty()) {
      look("backup " + target.influxdb.backup_address, group, "influxdb.backup_address", why);
    }
  }
  for (std::size_t i = 0; i < settings.hooks.size(); ++i) {
    const events::HookConfig& hook = settings.hooks[i].config;
    const SaidGroup& group = groups[1 + settings.targets.size() + i];
    const std::string why = "both tell it what both are told; give them different filters or remove one";
    for (const std::string& url : hook.urls) {
      look("hook " + url + hook.path, group, hook.type == events::HookType::alertmanager ? "urls" : "url", why);
    }
    if (!hook.url_file.empty()) look("file " + hook.url_file, group, "url_file", why);
  }
}

}  // namespace

std::vector<std::string> oddities(const Settings& settings, Time now) {
  const std::vector<SaidGroup>& groups = settings.said.groups;
  if (groups.size() != 1 + settings.targets.size() + settings.hooks.size()) return {};  // no file
  Lines lines(settings.said);
  for (std::size_t i = 0; i < settings.targets.size(); ++i) {
    const Target& target = settings.targets[i];
    const SaidGroup& said = groups[1 + i];
    look_at_generation(target, said, lines);
    look_at_method(target, said, lines);
    look_at_limits(target, said, lines);
    look_at_restart(target, said, lines);
    look_at_windows(target, said, now, lines);
  }
  for (std::size_t i = 0; i < settings.hooks.size(); ++i) {
    look_at_hook(settings, settings.hooks[i].config, groups[1 + settings.targets.size() + i], lines);
  }
  look_for_twins(settings, lines);
  return lines.take();
}

}  // namespace wal_exporter::settings
