#include "settings/read_hooks.h"

#include <algorithm>
#include <span>

#include "base/text.h"
#include "settings/forms.h"
#include "settings/read_tls.h"

namespace wal_exporter::settings {
namespace {

constexpr std::size_t kMostHooks = 50;  // each has a thread
constexpr std::size_t kMostReceivers = 20;
constexpr std::size_t kMostWords = 1000;

using events::HookConfig;
using events::HookType;
using events::Severity;

bool is_there(const Section& section, std::string_view key) {
  return section.find(key) != nullptr;
}

// A list of what there is, each by its name.
template <class T, std::size_t N, class Name>
std::vector<T> read_known(const Section& section, std::string_view key, std::span<const T, N> known, Name name,
                          std::string_view what) {
  std::vector<T> out;
  std::vector<std::string_view> names;
  for (const T& one : known) names.push_back(name(one));
  const std::string form = "a list of " + std::string(what);
  for (const Word& word : section.words(key, {.most = kMostWords, .form = form})) {
    const auto found = std::find(names.begin(), names.end(), word.text);
    if (found != names.end()) {
      out.push_back(known[static_cast<std::size_t>(found - names.begin())]);
      continue;
    }
    const std::string_view meant = closest(word.text, names);
    section.reader().problem(word.line, section.path(key) + ": there is no " + shown(word.text) + "; " +
                                            (meant.empty() ? "there are " + join(names, ", ")
                                                           : "did you mean '" + std::string(meant) + "'?"));
  }
  return out;
}

void read_file_name(const Section& section, std::string_view key, std::string& out,
                    const std::filesystem::path& folder) {
  if (!section.text(key, out)) return;
  if (out.empty() || out.find('\0') != std::string::npos) {
    return complain(section, key, "it is empty or holds a zero byte; write the path of a file");
  }
  out = (folder / out).lexically_normal().string();
  section.hold(key, out);
}

// As the form says, but a slash at the end stays: to a webhook it may matter.
void read_url(const Section& section, std::string_view key, const Word& word, std::vector<std::string>& out) {
  constexpr std::string_view kSecret =
      "it has a user, password or query in it; put the whole URL into a file and name that in url_file, or set "
      "username and password_file";
  const auto refuse = [&](const std::string& why) {
    section.reader().problem(word.line, section.path(key) + ": " + why);
  };
  const std::size_t scheme = word.text.find("://");
  if (scheme != std::string::npos && word.text.find_first_of("@?#", scheme) != std::string::npos) {
    return refuse(std::string(kSecret));
  }
  auto checked = check_url(word.text);
  if (!checked) return refuse(checked.error().message);
  if (word.text.ends_with('/') && word.text.find('/', scheme + 3) != std::string::npos) *checked += '/';
  out.push_back(*std::move(checked));
}

Result<void> check_header(std::string_view name, std::string_view value) {
  if (const std::string plain = lower_case(name); plain.starts_with("x-influxdb-wal-")) {
    return failure(ErrorKind::invalid, "'" + plain + "' is set by the exporter itself; leave it out");
  }
  return check_http_header(name, value, "put the whole line into a file and name that in secret_header_file");
}

Result<void> check_label(std::string_view name, std::string_view value) {
  const bool right = !name.empty() && !is_digit(name.front()) &&
                     std::all_of(name.begin(), name.end(), [](char c) { return is_letter_or_digit(c) || c == '_'; });
  if (!right) {
    return failure(ErrorKind::invalid, shown(name) + " is not the name of a label; write letters, digits and '_'");
  }
  for (const std::string_view own : {"alertname", "target", "severity", "source"}) {
    if (name == own)
      return failure(ErrorKind::invalid, "'" + std::string(name) + "' is set by the exporter; write another name");
  }
  if (value.empty())
    return failure(ErrorKind::invalid, "'" + std::string(name) + "' is empty, which is no label; leave it out");
  return {};
}

void read_name(const Section& section, const std::vector<Hook>& before, const std::vector<int>& lines,
               std::string& out) {
  constexpr std::size_t kLongest = 64;
  if (!is_there(section, "name")) {
    return section.reader().problem(section.line("name"),
                                    "hooks.name: it is missing; give each hook a name of its own");
  }
  if (!section.text("name", out)) return;
  const bool plain = std::all_of(out.begin(), out.end(),
                                 [](char c) { return is_letter_or_digit(c) || c == '_' || c == '-' || c == '.'; });
  if (out.empty() || out.size() > kLongest || !plain) {
    return complain(section, "name", shown(out) + " is not a name; write 1 to 64 letters, digits, '_', '-' and '.'");
  }
  for (std::size_t i = 0; i < before.size(); ++i) {
    if (before[i].config.name != out) continue;
    complain(
        section, "name",
        shown(out) + " is the name of another hook too, on line " + std::to_string(lines[i]) + "; give each its own");
  }
}

void read_receivers(const Section& section, HookConfig& hook, const std::filesystem::path& folder) {
  const bool alerts = hook.type == HookType::alertmanager;
  const std::string_view key = alerts ? "urls" : "url";
  constexpr std::string_view kForm = "a URL such as https://host:port/path";
  for (const Word& word : section.words(key, {.most = alerts ? kMostReceivers : 1, .form = kForm})) {
    read_url(section, key, word, hook.urls);
  }
  const bool has_urls = is_there(section, key);
  const bool has_file = !alerts && is_there(section, "url_file");
  if (alerts) {
    // The path of the API follows.
    for (std::string& url : hook.urls) {
      while (url.ends_with('/')) url.pop_back();
      if (url.ends_with("/api/v2/alerts") || url.ends_with("/api/v1/alerts") || url.ends_with("/api/v2")) {
        complain(section, key,
                 shown(url) + " ends in the path of the API, which is added to it; write " +
                     shown(url.substr(0, url.rfind("/api/"))));
      }
    }
  } else {
    read_file_name(section, "url_file", hook.url_file, folder);
  }
  if (has_urls && has_file) return complain(section, "url_file", "there is a url, too; write one of the two");
  if (has_urls || has_file) return;
  section.reader().problem(section.line(key), "hooks." + std::string(key) + ": it is missing; " +
                                                  (alerts ? "write the Alertmanagers, such as [http://127.0.0.1:9093]"
                                                          : "write url, or url_file where the URL is a secret"));
}

void read_login(const Section& section, HookConfig& hook, const std::filesystem::path& folder) {
  read_file_name(section, "bearer_token_file", hook.login.bearer_token_file, folder);
  read_file_name(section, "password_file", hook.login.password_file, folder);
  read_file_name(section, "secret_header_file", hook.login.header_file, folder);
  section.text("username", hook.login.username);
  if (hook.login.username.find(':') != std::string::npos)
    complain(section, "username", "it holds a ':'; leave that out");
  if (is_there(section, "username") != is_there(section, "password_file")) {
    complain(section, is_there(section, "username") ? "username" : "password_file",
             "username and password_file go together; write both");
  }
  const int ways = static_cast<int>(is_there(section, "bearer_token_file")) +
                   static_cast<int>(is_there(section, "password_file")) +
                   static_cast<int>(is_there(section, "secret_header_file"));
  if (ways > 1) {
    section.reader().problem(section.line("name"),
                             "hooks: only one of bearer_token_file, password_file and secret_header_file can be sent; "
                             "leave the others out");
  }
}

void read_filter(const Section& section, HookConfig& hook, const std::vector<std::string>& targets) {
  const auto name_of = [](const auto& one) { return events::to_string(one); };
  constexpr auto kTypes = values_of(events::kTypes);
  constexpr auto kSeverities = values_of(events::kSeverities);
  hook.filter.types =
      read_known(section, "events", std::span(kTypes), name_of, "events such as [wal.health, wal.checkpoint]");
  hook.filter.severities =
      read_known(section, "severities", std::span(kSeverities), name_of, "severities such as [warning, critical]");
  hook.filter.targets = read_known(
      section, "targets", std::span(targets), [](const std::string& name) { return std::string_view(name); },
      "names of targets");
  auto least = Severity::info;
  section.choice<Severity>(
      "min_severity", least,
      {{"info", Severity::info}, {"warning", Severity::warning}, {"critical", Severity::critical}});
  if (!is_there(section, "min_severity")) return;
  if (is_there(section, "severities")) {
    return complain(section, "min_severity", "there are severities, too; write one of the two");
  }
  if (least == Severity::info) return;
  for (const Severity severity : kSeverities) {
    if (severity >= least) hook.filter.severities.push_back(severity);
  }
}

void read_webhook(const Section& section, HookConfig& hook, const std::filesystem::path& folder) {
  section.choice<std::string>("method", hook.method, {{"POST", "POST"}, {"PUT", "PUT"}, {"PATCH", "PATCH"}});
  if (section.text("path", hook.path)) {
    if (const auto checked = check_http_path(hook.path); !checked) {
      complain(section, "path", checked.error().message);
    } else if (hook.urls.empty() || !hook.urls.front().starts_with("unix://")) {
      complain(section, "path", "it is for a url that is a Unix socket; write it into the url itself");
    }
  }
  hook.headers = section.pairs("headers", {.what = "headers"}, check_header);
  section.text("template", hook.body_template);
  read_file_name(section, "hmac_secret_file", hook.hmac_secret_file, folder);
}

// Each type reads the keys that it has; the others would be left unheard.
void read_hook(const Section& section, const std::vector<std::string>& targets, const std::filesystem::path& folder,
               HookConfig& hook) {
  Reader& reader = section.reader();
  if (!is_there(section, "type")) {
    reader.problem(section.line("type"), "hooks.type: it is missing; write webhook, slack or alertmanager");
  }
  section.choice<HookType>(
      "type", hook.type,
      {{"webhook", HookType::webhook}, {"slack", HookType::slack}, {"alertmanager", HookType::alertmanager}});
  read_receivers(section, hook, folder);
  switch (hook.type) {
    case HookType::webhook:
      section.set_kind("a hook of type webhook");
      read_login(section, hook, folder);
      read_webhook(section, hook, folder);
      section.boolean("damping", hook.damping);
      break;
    case HookType::slack:
      section.set_kind("a hook of type slack");
      hook.damping = true;
      section.boolean("damping", hook.damping);
      break;
    case HookType::alertmanager:
      section.set_kind("a hook of type alertmanager");
      read_login(section, hook, folder);
      section.duration("resend", hook.resend, {std::chrono::milliseconds(100), std::chrono::hours(1)});
      hook.known_targets = targets;
      hook.watchdog = true;
      section.boolean("watchdog", hook.watchdog);
      hook.labels = section.pairs("labels", {.what = "labels"}, check_label);
      break;
  }
  read_tls(section, folder, hook.tls);
  read_filter(section, hook, targets);
  section.duration("timeout", hook.timeout, {kShortestDuration, std::chrono::minutes(5)});
  section.count("max_queue", hook.max_queue, {1, 10'000});
  section.duration("max_age", hook.max_age);
  const Section retry = section.section("retry");
  retry.duration("first", hook.retry_first);
  retry.duration("longest", hook.retry_longest);
  if (hook.retry_longest < hook.retry_first) {
    complain(retry, is_there(retry, "longest") ? "longest" : "first",
             "the longest pause (" + format_duration(hook.retry_longest) + ") is shorter than the first (" +
                 format_duration(hook.retry_first) + "); make it longer");
  }
}

}  // namespace

std::vector<Hook> read_hooks(const Section& top, const std::vector<std::string>& targets,
                             const std::filesystem::path& folder) {
  std::vector<Hook> out;
  const YamlNode* list = top.find("hooks");
  if (list == nullptr || list->kind == YamlNode::Kind::null) return out;
  if (list->kind != YamlNode::Kind::list) {
    complain(top, "hooks", "it is not a list; put '- ' before the first key of each hook");
    return out;
  }
  if (list->items.size() > kMostHooks) {
    complain(top, "hooks", "there are more than 50; let one of them, such as an Alertmanager, tell the others");
    return out;
  }
  std::vector<int> lines;
  for (const YamlNode* item : list->items) {
    const Section section(top.reader(), item, "hooks", item->line);
    Hook hook;
    top.reader().begin({}, item->line);
    read_name(section, out, lines, hook.config.name);
    top.reader().set_name("hook " + hook.config.name);
    read_hook(section, targets, folder, hook.config);
    hook.place = top.reader().place(section.line("name"));
    hook.template_place = top.reader().place(section.line("template"));
    lines.push_back(section.line("name"));
    out.push_back(std::move(hook));
  }
  return out;
}

}  // namespace wal_exporter::settings
