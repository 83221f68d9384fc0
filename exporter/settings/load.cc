#include "settings/load.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <system_error>
#include <utility>

#include "base/file.h"
#include "base/text.h"
#include "base/yaml.h"
#include "settings/forms.h"
#include "settings/read_hooks.h"
#include "settings/read_target.h"
#include "settings/read_web.h"
#include "settings/reader.h"

namespace wal_exporter::settings {
namespace {

constexpr std::size_t kLargestFile = kMiB;
constexpr std::size_t kMostTargets = 1000;
constexpr const char* kFilesVariable = "WAL_MAX_FILES";
constexpr const char* kSizeVariable = "WAL_MAX_SIZE_GB";
constexpr const char* kCooldownVariable = "WAL_CHECKPOINT_COOLDOWN_MS";
// What stands in for influxdb.ca_file and its neighbours.
constexpr std::array<std::pair<const char*, const char*>, 4> kTlsVariables{
    {{"INFLUXDB_CA_FILE", "ca_file"},
     {"INFLUXDB_CLIENT_CERT_FILE", "client_cert_file"},
     {"INFLUXDB_CLIENT_KEY_FILE", "client_key_file"},
     {"INFLUXDB_INSECURE_SKIP_VERIFY", "insecure_skip_verify"}}};
constexpr std::string_view kOnlyTargetName = "influxdb";
constexpr std::string_view kLeast = "a minimal file is: targets: [{wal: {directory: /var/lib/influxdb/wal}}]";

// Set and not empty: compose files hand on unset variables as empty ones.
std::optional<std::string> variable(const Environment& environment, const std::string& name) {
  auto value = environment(name);
  return value && !value->empty() ? value : std::nullopt;
}

// Adds to `mistakes` what can't be used.
void read_tls_defaults(const Environment& environment, http::Tls& out, std::vector<std::string>& mistakes) {
  const std::array<std::string*, 3> files{&out.ca_file, &out.client_cert_file, &out.client_key_file};
  for (std::size_t i = 0; i < files.size(); ++i) {
    const auto value = variable(environment, kTlsVariables[i].first);
    if (!value) continue;
    *files[i] = *value;
    if (!value->starts_with('/')) {
      mistakes.push_back(std::string("environment variable ") + kTlsVariables[i].first + ": " + shown(*value) +
                         " is not an absolute path; write one");
    }
  }
  const char* const insecure = kTlsVariables[3].first;
  const auto value = variable(environment, insecure);
  out.insecure_skip_verify = value == "true";
  if (value && *value != "true" && *value != "false") {
    mistakes.push_back(std::string("environment variable ") + insecure + ": " + shown(*value) +
                       " is not usable; write true or false");
  }
}

Defaults read_defaults(const Environment& environment, std::vector<std::string>& mistakes) {
  Defaults out;
  const auto refuse = [&](const std::string& name, const std::string& value, const std::string& form) {
    mistakes.push_back("environment variable " + name + ": " + shown(value) + " is not usable; write " + form);
  };
  if (const auto value = variable(environment, kFilesVariable)) {
    const auto number = whole_number(*value);
    if (number && *number >= kFilesRange.least && *number <= kFilesRange.most) {
      out.max_files = number;
    } else {
      refuse(kFilesVariable, *value, "a whole number from 1 to 1000000000");
    }
  }
  if (const auto value = variable(environment, kSizeVariable)) {
    const auto number = decimal_number(*value);
    const double bytes = number.value_or(0) * static_cast<double>(kGiB);
    if (number && bytes >= 1 && bytes <= static_cast<double>(kSizeRange.most)) {
      out.max_size = static_cast<std::uint64_t>(std::llround(bytes));
    } else {
      refuse(kSizeVariable, *value, "a number of GiB above 0 and up to 1048576, such as 1 or 0.5");
    }
  }
  if (const auto value = variable(environment, kCooldownVariable)) {
    const auto number = whole_number(*value);
    constexpr auto most = std::chrono::duration_cast<std::chrono::milliseconds>(kLongestDuration).count();
    if (number && *number <= static_cast<std::uint64_t>(most)) {
      out.cooldown = std::chrono::milliseconds(*number);
    } else {
      refuse(kCooldownVariable, *value,
             "a whole number of milliseconds from 0 to " + std::to_string(most) + ", such as 300000");
    }
  }
  read_tls_defaults(environment, out.tls, mistakes);
  return out;
}

// Whose targets have no key of their own. `lacking` gets the names.
using Lacking = std::map<std::string, std::vector<std::string>>;

bool has_key(const YamlNode& target, std::string_view group, std::string_view key) {
  const auto find = [](const YamlNode& node, std::string_view wanted) -> const YamlNode* {
    for (const YamlEntry& entry : node.entries) {
      if (entry.key == wanted) return entry.value;
    }
    return nullptr;
  };
  const YamlNode* found = find(target, group);
  return found != nullptr && find(*found, key) != nullptr;
}

// What each variable that is set does.
std::vector<std::string> effects(const Defaults& defaults, const Lacking& lacking) {
  constexpr std::size_t kShown = 10;
  std::vector<std::string> out;
  const auto add = [&](const char* name, const std::string& key, const std::string& value) {
    const auto found = lacking.find(key);
    std::string line = std::string("environment variable ") + name + ": ";
    if (found == lacking.end()) {
      out.push_back(line + "no effect; every target has " + key + " of its own");
      return;
    }
    const std::vector<std::string>& names = found->second;
    const std::vector<std::string> first(names.begin(),
                                         names.begin() + static_cast<std::ptrdiff_t>(std::min(kShown, names.size())));
    line += key + " is " + value + " for " + (names.size() == 1 ? "target " : "targets ") + join(first, ", ");
    if (names.size() > kShown) line += " and " + std::to_string(names.size() - kShown) + " more";
    out.push_back(line);
  };
  if (defaults.max_files) add(kFilesVariable, "thresholds.max_files", std::to_string(*defaults.max_files));
  if (defaults.max_size) add(kSizeVariable, "thresholds.max_size", format_bytes(*defaults.max_size));
  if (defaults.cooldown) add(kCooldownVariable, "checkpoint.cooldown", format_duration(*defaults.cooldown));
  const http::Tls& tls = defaults.tls;
  const std::array<std::string, 4> set{tls.ca_file, tls.client_cert_file, tls.client_key_file,
                                       tls.insecure_skip_verify ? "true" : ""};
  for (std::size_t i = 0; i < set.size(); ++i) {
    const auto& [name, key] = kTlsVariables[i];
    if (!set[i].empty()) add(name, std::string("influxdb.") + key, escape_control(set[i]));
  }
  return out;
}

void note_lacking(const YamlNode* target, const std::string& name, Lacking& lacking) {
  std::vector<std::pair<const char*, const char*>> keys{
      {"thresholds", "max_files"}, {"thresholds", "max_size"}, {"checkpoint", "cooldown"}};
  for (const auto& [variable_name, key] : kTlsVariables) keys.emplace_back("influxdb", key);
  for (const auto& [group, key] : keys) {
    if (target == nullptr || !has_key(*target, group, key)) {
      lacking[std::string(group) + "." + key].push_back(escape_control(name));
    }
  }
}

// The command line's own values, checked as those of the file are.
Result<Overrides> read_overrides(const Sources& sources) {
  Overrides out;
  if (!sources.wal_directory.empty()) {
    std::error_code error;
    const auto absolute = std::filesystem::absolute(sources.wal_directory, error);
    if (error) return failure(ErrorKind::invalid, "--wal.directory: " + error.message() + "; write an absolute path");
    out.wal_directory = absolute.lexically_normal().string();
  }
  if (!sources.influxdb_url.empty()) {
    auto url = check_url(sources.influxdb_url);
    if (!url) return failure(ErrorKind::invalid, "--influxdb.url: " + url.error().message);
    out.influxdb_url = *std::move(url);
  }
  return out;
}

// In place of what the file says.
Result<void> read_web_of(const Sources& sources, Web& out) {
  auto users = parse_local_users(sources.local_users);
  if (!users) return failure(users.error().kind, "--web.local-users: " + users.error().message);
  auto names = parse_own_names(sources.own_names);
  if (!names) return failure(names.error().kind, "--web.own-names: " + names.error().message);
  if (!users->empty()) out.local_users = *std::move(users);
  if (!names->empty()) out.own_names = *std::move(names);
  return {};
}

void read_name(const Section& section, bool only, std::map<std::string, int>& seen, std::string& out) {
  Reader& reader = section.reader();
  if (section.find("name") == nullptr) {
    if (!only) {
      reader.problem(section.line("name"), "name: it is missing; with several targets each needs one of its own");
    }
    out = kOnlyTargetName;
    section.hold("name", out);
    return;
  }
  if (!section.text("name", out)) return;
  if (const auto checked = check_target_name(out); !checked) {
    return reader.problem(section.line("name"), "name: " + checked.error().message);
  }
  const auto [first, is_new] = seen.emplace(out, section.line("name"));
  if (!is_new) {
    reader.problem(section.line("name"), "name: " + shown(out) + " is the name of another target too, on line " +
                                             std::to_string(first->second) + "; give each its own");
  }
}

// The entries of `targets`; none where a problem was added.
std::vector<const YamlNode*> read_list(const Section& top) {
  const YamlNode* list = top.find("targets");
  if (list != nullptr && (list->kind == YamlNode::Kind::scalar || list->kind == YamlNode::Kind::map)) {
    complain(top, "targets", "it is not a list; put '- ' before the first key of each target; " + std::string(kLeast));
  } else if (list == nullptr || list->items.empty()) {
    top.reader().missing(top.line("targets"),
                         (list == nullptr ? "targets is missing; " : "targets is empty; ") + std::string(kLeast));
  } else if (list->items.size() > kMostTargets) {
    top.reader().problem(list->line, "targets: there are more than 1000; watch them with several exporters");
  } else {
    return list->items;
  }
  return {};
}

Settings read_tree(Reader& reader, const YamlNode& root, const Defaults& defaults, const Overrides& overrides,
                   const std::filesystem::path& folder) {
  const Section top(reader, &root, "", root.line);
  Settings out;
  const auto targets = read_list(top);
  std::uint64_t history_limit = out.history_limit;
  top.count("history_limit", history_limit, {1, 10'000'000});
  out.history_limit = history_limit;
  read_path(top.section("alerts"), "token_file", folder, out.alerts_token_file);
  out.web = read_web(top.section("web"));

  std::map<std::string, int> seen;
  Lacking lacking;
  std::vector<std::string> names;
  for (const YamlNode* item : targets) {
    const Section section(reader, item, "target", item->line);
    std::string name;
    reader.begin({}, item->line);
    read_name(section, targets.size() == 1, seen, name);
    reader.set_name("target " + escape_control(name));
    note_lacking(item, name, lacking);
    names.push_back(name);
    out.targets.push_back(read_target(section, defaults, overrides, folder));
    out.targets.back().name = std::move(name);
  }
  if (!targets.empty()) out.hooks = read_hooks(top, names, folder);
  out.from_environment = effects(defaults, lacking);
  return out;
}

Result<Settings> parse_with(const std::string& yaml, const std::string& name, const Environment& environment,
                            const Overrides& overrides, const std::filesystem::path& folder) {
  const std::string shown_name = escape_control(name);
  if (yaml.size() > kLargestFile) {
    return failure(ErrorKind::invalid, shown_name + ":1: larger than 1 MiB; settings are never that large");
  }
  std::vector<std::string> mistakes;
  const Defaults defaults = read_defaults(environment, mistakes);
  const auto refused = [&] { return failure(ErrorKind::invalid, join(mistakes, "\n")); };
  const auto tree = parse_yaml(yaml, name);
  if (!tree || tree->root().kind == YamlNode::Kind::null) {
    mistakes.push_back(tree ? shown_name + ":1: no settings in it; " + std::string(kLeast) : tree.error().message);
    return refused();
  }
  Reader reader(name, environment);
  auto settings = read_tree(reader, tree->root(), defaults, overrides, folder);
  const std::size_t count = settings.targets.size();
  if (count > 1 && !(overrides.wal_directory.empty() && overrides.influxdb_url.empty())) {
    mistakes.push_back(std::string(overrides.wal_directory.empty() ? "--influxdb.url" : "--wal.directory") +
                       " is for a single target, but " + shown_name + " has " + std::to_string(count) +
                       "; leave it out and set it in the file, for each target");
  }
  reader.done(known_keys);
  if (!reader.good()) mistakes.push_back(reader.problems());
  if (!mistakes.empty()) return refused();
  settings.in_force = reader.in_force();
  settings.said = reader.take_said();
  return settings;
}

}  // namespace

Keys known_keys() {
  // One of each group that is read only where it is there.
  constexpr const char* kEach = R"(
targets: [{checkpoint: {http: {}, windows: [{from: "00:00", to: "01:00"}]}}]
hooks: [{type: webhook}, {type: slack}, {type: alertmanager}]
)";
  const Environment nothing = [](const std::string&) { return std::nullopt; };
  Reader reader("", nothing);
  const auto tree = parse_yaml(kEach, "");
  static_cast<void>(read_tree(reader, tree->root(), {}, {}, {}));
  return reader.asked();
}

Environment process_environment() {
  return [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  };
}

Result<Settings> load(const Sources& sources, const Environment& environment) {
  const auto overrides = read_overrides(sources);
  if (!overrides) return tl::unexpected(overrides.error());
  if (!sources.config_file.empty()) {
    auto text = read_file(sources.config_file, kLargestFile, "settings file");
    if (!text) {
      Error error = text.error();
      error.message += "; --config.file names a YAML file that this user may read";
      return tl::unexpected(std::move(error));
    }
    std::error_code error;
    std::filesystem::path folder = std::filesystem::absolute(sources.config_file, error).parent_path();
    if (error) folder = std::filesystem::path(sources.config_file).parent_path();
    auto settings = parse_with(*text, sources.config_file, environment, *overrides, folder);
    if (!settings) return settings;
    if (const auto read = read_web_of(sources, settings->web); !read) return tl::unexpected(read.error());
    return settings;
  }
  if (overrides->wal_directory.empty()) {
    return failure(ErrorKind::invalid,
                   "nothing to watch: give --config.file=FILE, or --wal.directory=DIR for a single target");
  }
  std::vector<std::string> mistakes;
  const Defaults defaults = read_defaults(environment, mistakes);
  if (defaults.tls.client_cert_file.empty() != defaults.tls.client_key_file.empty()) {
    mistakes.push_back(std::string("environment variables ") + kTlsVariables[1].first + " and " +
                       kTlsVariables[2].first + " go together; set both");
  }
  if (!mistakes.empty()) return failure(ErrorKind::invalid, join(mistakes, "\n"));
  auto settings = parse_with("targets: [{}]", "command line", environment, *overrides, {});
  if (!settings) return settings;
  settings->said = {};
  if (const auto read = read_web_of(sources, settings->web); !read) return tl::unexpected(read.error());
  return settings;
}

Result<Settings> parse(const std::string& yaml, const std::string& name, const Environment& environment) {
  return parse_with(yaml, name, environment, Overrides{}, std::filesystem::path(name).parent_path());
}

}  // namespace wal_exporter::settings
