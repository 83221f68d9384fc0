#include "app/check.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <sstream>
#include <system_error>
#include <utility>

#include "app/hooks.h"
#include "app/owners.h"
#include "base/descriptors.h"
#include "base/file.h"
#include "base/mutex.h"
#include "base/pool.h"
#include "base/text.h"
#include "http/tls.h"
#include "settings/odd.h"
#include "web/own_names.h"

namespace wal_exporter::app {
namespace {

namespace fs = std::filesystem;

// As messages begin: "FILE:LINE: checkpoint.cooldown: "; without a file the key alone.
std::string place(const settings::Settings& settings, std::size_t group, const std::string& key) {
  const settings::Said& said = settings.said;
  const settings::SaidValue* value = group < said.groups.size() ? said.groups[group].find(key) : nullptr;
  return (value == nullptr ? "" : said.at(value->line)) + key + ": ";
}

// The files that are named, and what is not checked. For the group's place in the file.
void look_at_tls(const settings::Settings& settings, std::size_t group, const std::string& prefix, const http::Tls& tls,
                 std::vector<std::string>& mistakes, std::vector<std::string>& warnings) {
  const std::string of_hook =
      prefix.empty() ? "hook " + settings.hooks[group - 1 - settings.targets.size()].config.name + ": " : "";
  for (const http::TlsProblem& problem : http::problems_of(tls)) {
    mistakes.push_back(place(settings, group, prefix + problem.key) + of_hook + problem.text);
  }
  if (!tls.insecure_skip_verify) return;
  const std::string who = prefix.empty() ? "the receiver" : "InfluxDB";
  warnings.push_back(place(settings, group, prefix + "insecure_skip_verify") + of_hook +
                     "INSECURE: the certificate of " + who +
                     " is NOT checked, so whoever is on the way can pose as it and read the secrets that are sent; "
                     "name its CA in " +
                     prefix + "ca_file and remove this");
}

bool is_folder(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

// Each target judges and acts by itself, so two on one WAL would checkpoint one server
// twice as often as its cooldown, its backoff and its breaker allow.
void look_for_shared_directories(const settings::Settings& settings, const Owners& owners,
                                 std::vector<std::string>& warnings) {
  std::map<std::string, const settings::Target*> seen;
  for (std::size_t i = 0; i < settings.targets.size(); ++i) {
    const settings::Target& target = settings.targets[i];
    const Owner& owner = owners.at(target.name);
    const settings::Target* twin = nullptr;
    // By each of its names: a link, or a mount of it elsewhere.
    for (const std::string& name : {owner.directory, owner.resolved, owner.inode}) {
      if (name.empty()) continue;
      const auto [first, is_new] = seen.emplace(name, &target);
      if (!is_new && first->second != &target) twin = first->second;
    }
    if (twin == nullptr) continue;
    const std::string directory = target.wal.directory.string();
    const std::string other = twin->wal.directory.string();
    warnings.push_back(
        place(settings, 1 + i, "wal.directory") + escape_control(directory) +
        (directory == other ? " is" : " leads to " + escape_control(other) + ",") + " the directory of target " +
        escape_control(twin->name) +
        " too: both checkpoint one InfluxDB, each without regard to the other's waits; remove one, or set "
        "checkpoint.method: none for it");
  }
}

void look_at_data(const settings::Settings& settings, std::size_t i, std::vector<std::string>& warnings) {
  const settings::Target& target = settings.targets[i];
  const fs::path& wal = target.wal.directory;
  if (!target.wal.data_directory.empty()) {
    if (is_folder(target.wal.data_directory)) return;
    warnings.push_back(place(settings, 1 + i, "influxdb.data_directory") +
                       escape_control(target.wal.data_directory.string()) +
                       " is not a directory that can be seen, so its free space is not known");
    return;
  }
  const settings::SaidGroup* said = 1 + i < settings.said.groups.size() ? &settings.said.groups[1 + i] : nullptr;
  const bool of_version_3 = target.influxdb.version == wal::Generation::v3 || is_folder(wal / "wal");
  if (said == nullptr || said->find("checkpoint.min_free_size") == nullptr || of_version_3 || !is_folder(wal)) return;
  std::error_code error;
  const fs::path real = fs::canonical(wal, error);
  if (is_folder((wal / "").lexically_normal().parent_path().parent_path() / "data")) return;
  if (!error && is_folder(real.parent_path() / "data")) return;
  warnings.push_back(place(settings, 1 + i, "checkpoint.min_free_size") +
                     "no effect, the data's directory is not known; set influxdb.data_directory");
}

// Of each target that asks a server and has acted: a lock, and for questions and for checkpoints a connection
// with the two that wake curl.
void look_at_descriptors(const settings::Settings& settings, std::vector<std::string>& warnings) {
  constexpr std::uint64_t kOwn = 64;
  constexpr std::uint64_t kClients = 128;
  constexpr std::uint64_t kEachTarget = 7;
  constexpr std::uint64_t kEachHook = 3;
  const std::uint64_t need =
      kOwn + kClients + kEachTarget * settings.targets.size() + kEachHook * settings.hooks.size();
  const std::uint64_t limit = descriptor_limit();
  if (limit >= need) return;
  warnings.push_back("limit on open files: " + std::to_string(limit) + " are allowed, but " +
                     count_of(settings.targets.size(), "target") + ", " + count_of(settings.hooks.size(), "hook") +
                     " and clients may need " + std::to_string(need) +
                     "; where they run out, samples and connections fail. Set LimitNOFILE=" + std::to_string(need) +
                     " in the unit, or ulimit -n " + std::to_string(need) + " before the start");
}

struct DataLooks {
  Mutex mutex;
  CondVar changed;
  bool done WAL_EXPORTER_GUARDED_BY(mutex) = false;
  std::vector<std::string> warnings WAL_EXPORTER_GUARDED_BY(mutex);
};

// A directory that hangs holds up nothing: what is not seen in two seconds is not warned of.
std::vector<std::string> data_warnings(const settings::Settings& settings, Pool& pool, Clock& clock) {
  constexpr Duration kAtMost = std::chrono::seconds(2);
  const auto looks = std::make_shared<DataLooks>();
  pool.submit([looks, settings](const std::stop_token&) {
    std::vector<std::string> found;
    for (std::size_t i = 0; i < settings.targets.size(); ++i) look_at_data(settings, i, found);
    const MutexLock lock(looks->mutex);
    looks->warnings = std::move(found);
    looks->done = true;
    looks->changed.notify_all();
  });
  const SteadyTime deadline = clock.steady() + kAtMost;
  const MutexLock lock(looks->mutex);
  while (!looks->done && clock.steady() < deadline) clock.wait_until(looks->changed, looks->mutex, deadline);
  return looks->warnings;
}

}  // namespace

Checked check(const Flags& flags, const settings::Settings& settings, const std::shared_ptr<Clock>& clock) {
  constexpr std::size_t kAtOnce = 8;
  Checked out;
  Pool pool(kAtOnce, clock);
  if (!flags.web_config_file.empty()) {
    auto web = web::WebConfig::load(flags.web_config_file, clock->now());
    if (web) out.web = *std::move(web);
    if (!web) out.mistakes = lines_of(web.error().message);
    out.mistakes_in_web = out.mistakes.size();
  }
  if (!settings.alerts_token_file.empty()) {
    auto token = read_secret(settings.alerts_token_file, "alerts.token_file");
    if (token) out.web.users.set_alerts_token(*std::move(token));
    if (!token) {
      out.mistakes.push_back(place(settings, 0, "alerts.token_file") + token.error().message +
                             "; it names the file with the token that Alertmanager sends, which this user must be "
                             "able to read");
    }
  }
  web::Access access;
  access.own_names = web::machine_names();
  for (const auto& user : settings.web.local_users) {
    if (std::find(access.users.begin(), access.users.end(), user.uid) == access.users.end()) {
      access.users.push_back(user.uid);
    }
  }
  access.own_names.insert(access.own_names.end(), settings.web.own_names.begin(), settings.web.own_names.end());
  out.web.users.set_access(std::move(access));
  for (std::string& line : check_hooks(settings)) out.mistakes.push_back(std::move(line));
  for (std::size_t i = 0; i < settings.hooks.size(); ++i) {
    look_at_tls(settings, 1 + settings.targets.size() + i, "", settings.hooks[i].config.tls, out.mistakes,
                out.warnings);
  }
  for (std::size_t i = 0; i < settings.targets.size(); ++i) {
    look_at_tls(settings, 1 + i, "influxdb.", settings.targets[i].influxdb.tls, out.tokens, out.warnings);
    const std::string& file = settings.targets[i].influxdb.token_file;
    if (!file.empty()) {
      if (const auto token = read_secret(file, "the token file"); !token) {
        out.tokens.push_back(place(settings, 1 + i, "influxdb.token_file") + token.error().message +
                             "; write the token into that file, readable by the exporter's user");
      }
    }
  }
  for (std::string& line : settings::oddities(settings, clock->now())) out.warnings.push_back(std::move(line));
  out.warnings.insert(out.warnings.end(), out.web.notes.begin(), out.web.notes.end());
  look_at_descriptors(settings, out.warnings);
  look_for_shared_directories(settings, owners_of(settings.targets, pool, clock), out.warnings);
  for (std::string& line : data_warnings(settings, pool, *clock)) out.warnings.push_back(std::move(line));
  // Without waiting for a directory that hangs.
  static_cast<void>(pool.stop(clock->steady()));
  return out;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) out.push_back(std::move(line));
  return out;
}

void log_each(const Log& log, spdlog::level::level_enum level, const std::vector<std::string>& lines) {
  for (const std::string& line : lines) log->log(level, "{}", line);
}

}  // namespace wal_exporter::app
