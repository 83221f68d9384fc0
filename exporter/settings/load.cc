#include "settings/load.h"

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <system_error>

#include "base/file.h"
#include "base/text.h"
#include "base/yaml.h"
#include "settings/forms.h"
#include "settings/read_hooks.h"
#include "settings/read_target.h"
#include "settings/reader.h"

namespace wal_exporter::settings {
namespace {

constexpr std::size_t kLargestFile = kMiB;
constexpr std::size_t kMostTargets = 1000;
constexpr std::string_view kOnlyTargetName = "influxdb";
constexpr std::string_view kLeast = "the least is:  targets: [{wal: {directory: /var/lib/influxdb/wal}}]";

// Set and not empty: compose files hand on unset variables as empty ones.
std::optional<std::string> variable(const Environment& environment, const std::string& name) {
  auto value = environment(name);
  return value && !value->empty() ? value : std::nullopt;
}

tl::unexpected<Error> bad_variable(const std::string& name, const std::string& value, const std::string& form) {
  return failure(ErrorKind::invalid,
                 "environment variable " + name + ": " + shown(value) + " is not usable; write " + form);
}

Result<Defaults> read_defaults(const Environment& environment) {
  Defaults out;
  const std::string files_name = "WAL_MAX_FILES";
  if (const auto value = variable(environment, files_name)) {
    const auto number = whole_number(*value);
    if (!number || *number < kFilesRange.least || *number > kFilesRange.most) {
      return bad_variable(files_name, *value, "a whole number from 1 to 1000000000");
    }
    out.max_files = number;
  }
  const std::string size_name = "WAL_MAX_SIZE_GB";
  if (const auto value = variable(environment, size_name)) {
    const auto number = decimal_number(*value);
    const double bytes = number.value_or(0) * static_cast<double>(kGiB);
    if (!number || bytes < 1 || bytes > static_cast<double>(kSizeRange.most)) {
      return bad_variable(size_name, *value, "a number of GiB above 0 and up to 1048576, such as 1 or 0.5");
    }
    out.max_size = static_cast<std::uint64_t>(std::llround(bytes));
  }
  const std::string cooldown_name = "WAL_CHECKPOINT_COOLDOWN_MS";
  if (const auto value = variable(environment, cooldown_name)) {
    const auto number = whole_number(*value);
    constexpr auto most = std::chrono::duration_cast<std::chrono::milliseconds>(kLongestDuration).count();
    if (!number || *number > static_cast<std::uint64_t>(most)) {
      return bad_variable(cooldown_name, *value,
                          "a whole number of milliseconds from 0 to " + std::to_string(most) + ", such as 300000");
    }
    out.cooldown = std::chrono::milliseconds(*number);
  }
  return out;
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

void read_names(const std::vector<Section>& sections, std::vector<Target>& targets, Reader& reader) {
  std::map<std::string, int> seen;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    const Section& section = sections[i];
    std::string& name = targets[i].name;
    if (section.find("name") == nullptr) {
      if (targets.size() == 1) {
        name = kOnlyTargetName;
      } else {
        reader.problem(section.line("name"), "name: it is missing; with several targets each needs one of its own");
      }
      continue;
    }
    if (!section.text("name", name)) continue;
    if (const auto checked = check_target_name(name); !checked) {
      reader.problem(section.line("name"), "name: " + checked.error().message);
      continue;
    }
    const auto [first, is_new] = seen.emplace(name, section.line("name"));
    if (!is_new) {
      reader.problem(section.line("name"), "name: " + shown(name) + " is the name of another target too, on line " +
                                               std::to_string(first->second) + "; give each its own");
    }
  }
}

Result<Settings> read_tree(const YamlNode& root, const std::string& name, const Environment& environment,
                           const Defaults& defaults, const Overrides& overrides, const std::filesystem::path& folder) {
  Reader reader(name, environment);
  const Section top(reader, &root, "", root.line);
  Settings out;
  std::uint64_t history_limit = out.history_limit;
  top.count("history_limit", history_limit, {1, 10'000'000});
  out.history_limit = history_limit;

  read_path(top.section("alerts"), "token_file", folder, out.alerts_token_file);
  const YamlNode* list = top.find("targets");
  if (list == nullptr || list->kind == YamlNode::Kind::null || list->items.empty()) {
    if (list != nullptr && (list->kind == YamlNode::Kind::scalar || list->kind == YamlNode::Kind::map)) {
      reader.problem(top.line("targets"),
                     "targets: it is not a list; put '- ' before the first key of each target; " + std::string(kLeast));
    } else {
      reader.missing(
          top.line("targets"),
          (list == nullptr ? "targets: it is missing; " : "targets: it has no entries; ") + std::string(kLeast));
    }
    return tl::unexpected(reader.error());
  }
  if (list->items.size() > kMostTargets) {
    reader.problem(list->line, "targets: there are more than 1000; watch them with several exporters");
    return tl::unexpected(reader.error());
  }
  const bool overridden = !overrides.wal_directory.empty() || !overrides.influxdb_url.empty();
  if (overridden && list->items.size() > 1) {
    return failure(ErrorKind::invalid,
                   std::string(overrides.wal_directory.empty() ? "--influxdb.url" : "--wal.directory") +
                       " is for a single target, but " + escape_control(name) + " has " +
                       std::to_string(list->items.size()) + "; leave it out and set it in the file, for each target");
  }
  std::vector<Section> sections;
  for (const YamlNode* item : list->items) {
    sections.emplace_back(reader, item, "target", item->line);
    out.targets.push_back(read_target(sections.back(), defaults, overrides, folder));
  }
  read_names(sections, out.targets, reader);
  std::vector<std::string> names;
  for (const Target& target : out.targets) names.push_back(target.name);
  out.hooks = read_hooks(top, names, folder);
  if (!reader.good()) return tl::unexpected(reader.error());
  return out;
}

Result<Settings> parse_with(const std::string& yaml, const std::string& name, const Environment& environment,
                            const Overrides& overrides, const std::filesystem::path& folder) {
  const std::string shown_name = escape_control(name);
  if (yaml.size() > kLargestFile) {
    return failure(ErrorKind::invalid, shown_name + ":1: larger than 1 MiB; settings are never that large");
  }
  const auto defaults = read_defaults(environment);
  if (!defaults) return tl::unexpected(defaults.error());
  const auto tree = parse_yaml(yaml, name);
  if (!tree) return tl::unexpected(tree.error());
  if (tree->root().kind == YamlNode::Kind::null) {
    return failure(ErrorKind::invalid, shown_name + ":1: no settings in it; " + std::string(kLeast));
  }
  return read_tree(tree->root(), name, environment, *defaults, overrides, folder);
}

}  // namespace

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
    return parse_with(*text, sources.config_file, environment, *overrides, folder);
  }
  if (overrides->wal_directory.empty()) {
    return failure(ErrorKind::invalid,
                   "nothing to watch: give --config.file=FILE, or --wal.directory=DIR for a single target");
  }
  const auto defaults = read_defaults(environment);
  if (!defaults) return tl::unexpected(defaults.error());
  Settings out;
  Target target = default_target(*defaults);
  target.name = kOnlyTargetName;
  target.wal.directory = overrides->wal_directory;
  target.influxdb.url = overrides->influxdb_url;
  out.targets.push_back(std::move(target));
  return out;
}

Result<Settings> parse(const std::string& yaml, const std::string& name, const Environment& environment) {
  return parse_with(yaml, name, environment, Overrides{}, std::filesystem::path(name).parent_path());
}

}  // namespace wal_exporter::settings
