#include "settings/read_hooks.h"

#include <algorithm>
#include <initializer_list>
#include <span>

#include "base/text.h"
#include "settings/forms.h"
#include "settings/schema.h"

namespace wal_exporter::settings {
namespace {

constexpr std::size_t kMostHooks = 50;  // each has a thread
constexpr std::size_t kMostReceivers = 20;
constexpr std::size_t kMostWords = 1000;
constexpr std::size_t kMostPairs = 100;

constexpr std::string_view kEvents[] = {"wal.health", "wal.checkpoint", "wal.restart_consideration", "wal.restart"};
constexpr std::string_view kSeverities[] = {"info", "warning", "critical"};

bool is_there(const Section& section, std::string_view key) {
  return section.find(key) != nullptr;
}

// A list of words, or a single one.
struct Word {
  std::string text;
  int line = 0;
};
std::vector<Word> read_words(const Section& section, std::string_view key, std::size_t most, std::string_view form) {
  std::vector<Word> out;
  const YamlNode* node = section.find(key);
  if (node == nullptr) return out;
  std::vector<const YamlNode*> items{node};
  if (node->kind == YamlNode::Kind::list) items = node->items;
  if (items.empty() || items.size() > most) {
    complain(section, key, "it holds none or more than " + std::to_string(most) + "; write " + std::string(form));
    return out;
  }
  for (const YamlNode* item : items) {
    auto text = section.reader().text(*item, section.path(key), form);
    if (text) out.push_back({*std::move(text), item->line});
  }
  return out;
}

std::vector<std::string> read_known_words(const Section& section, std::string_view key,
                                          std::span<const std::string_view> known, std::string_view what) {
  std::vector<std::string> out;
  const std::string form = "a list of " + std::string(what);
  for (const Word& word : read_words(section, key, kMostWords, form)) {
    if (std::find(known.begin(), known.end(), word.text) != known.end()) {
      out.push_back(word.text);
      continue;
    }
    const std::string_view meant = closest(word.text, known);
    section.reader().problem(word.line, section.path(key) + ": there is no " + shown(word.text) + "; " +
                                            (meant.empty() ? "there are " + join(known, ", ")
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

void read_pairs(const Section& section, std::string_view key, std::string_view what,
                std::map<std::string, std::string>& out,
                Result<void> (*check)(const std::string& name, const std::string& value)) {
  Reader& reader = section.reader();
  const YamlNode* node = section.find(key);
  if (node == nullptr || node->kind == YamlNode::Kind::null) return;
  if (node->kind != YamlNode::Kind::map || node->entries.size() > kMostPairs) {
    return complain(section, key,
                    "it is not a group of at most 100 " + std::string(what) + "; write one 'name: value' a line");
  }
  for (const YamlEntry& entry : node->entries) {
    const auto value = reader.text(*entry.value, section.path(key) + "." + shown(entry.key), "a text");
    if (!value) continue;
    if (const auto checked = check(entry.key, *value); !checked) {
      reader.problem(entry.line, section.path(key) + ": " + checked.error().message);
    } else {
      out.emplace(entry.key, *value);
    }
  }
}

Result<void> check_header(const std::string& name, const std::string& value) {
  const std::string lower = lower_case(name);
  if (lower == "authorization" || lower == "proxy-authorization" || lower == "cookie") {
    return failure(ErrorKind::invalid, "'" + lower +
                                           "' carries a secret, and secrets are never in this file; put the whole "
                                           "line into a file and name that in secret_header_file");
  }
  if (lower.starts_with("x-influxdb-wal-")) {
    return failure(ErrorKind::invalid, "'" + lower + "' is set by the exporter itself; leave it out");
  }
  return check_http_header(name, value);
}

Result<void> check_label(const std::string& name, const std::string& value) {
  const bool right = !name.empty() && !is_digit(name.front()) &&
                     std::all_of(name.begin(), name.end(), [](char c) { return is_letter_or_digit(c) || c == '_'; });
  if (!right) {
    return failure(ErrorKind::invalid, shown(name) + " is not the name of a label; write letters, digits and '_'");
  }
  for (const std::string_view own : {"alertname", "target", "severity", "source"}) {
    if (name == own) return failure(ErrorKind::invalid, "'" + name + "' is set by the exporter; write another name");
  }
  if (value.empty()) return failure(ErrorKind::invalid, "'" + name + "' is empty, which is no label; leave it out");
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
    if (before[i].name != out) continue;
    complain(
        section, "name",
        shown(out) + " is the name of another hook too, on line " + std::to_string(lines[i]) + "; give each its own");
  }
}

// Keys that only one type knows would be left unheard in another.
void refuse_keys(const Section& section, std::string_view type, std::initializer_list<std::string_view> keys) {
  for (const std::string_view key : keys) {
    if (is_there(section, key))
      complain(section, key, "a hook of type " + std::string(type) + " has none; leave it out");
  }
}

void read_receivers(const Section& section, Hook& hook, const std::filesystem::path& folder) {
  const bool alerts = hook.type == HookType::alertmanager;
  const std::string_view key = alerts ? "urls" : "url";
  constexpr std::string_view kForm = "a URL such as https://host:port/path";
  for (const Word& word : read_words(section, key, alerts ? kMostReceivers : 1, kForm)) {
    read_url(section, key, word, hook.urls);
  }
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
  if (is_there(section, key) && is_there(section, "url_file")) {
    return complain(section, "url_file", "there is a url, too; write one of the two");
  }
  if (is_there(section, key) || is_there(section, "url_file")) return;
  section.reader().problem(section.line(key), "hooks." + std::string(key) + ": it is missing; " +
                                                  (alerts ? "write the Alertmanagers, such as [http://127.0.0.1:9093]"
                                                          : "write url, or url_file where the URL is a secret"));
}

void read_login(const Section& section, Hook& hook, const std::filesystem::path& folder) {
  read_file_name(section, "bearer_token_file", hook.bearer_token_file, folder);
  read_file_name(section, "password_file", hook.password_file, folder);
  read_file_name(section, "secret_header_file", hook.secret_header_file, folder);
  section.text("username", hook.username);
  if (hook.username.find(':') != std::string::npos) complain(section, "username", "it holds a ':'; leave that out");
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

void read_filter(const Section& section, Hook& hook, const std::vector<std::string>& targets) {
  hook.events = read_known_words(section, "events", kEvents, "events such as [wal.health, wal.checkpoint]");
  hook.severities = read_known_words(section, "severities", kSeverities, "severities such as [warning, critical]");
  const std::vector<std::string_view> names(targets.begin(), targets.end());
  hook.targets = read_known_words(section, "targets", names, "names of targets");
  std::string_view least = "info";
  section.choice<std::string_view>("min_severity", least,
                                   {{"info", "info"}, {"warning", "warning"}, {"critical", "critical"}});
  if (!is_there(section, "min_severity")) return;
  if (is_there(section, "severities")) {
    return complain(section, "min_severity", "there are severities, too; write one of the two");
  }
  const auto* const from = std::find(std::begin(kSeverities), std::end(kSeverities), least);
  if (from != std::begin(kSeverities)) hook.severities.assign(from, std::end(kSeverities));
}

Hook read_hook(const Section& section, const std::vector<std::string>& targets, const std::filesystem::path& folder) {
  Hook hook;
  Reader& reader = section.reader();
  if (!is_there(section, "type")) {
    reader.problem(section.line("type"), "hooks.type: it is missing; write webhook, slack or alertmanager");
  }
  section.choice<HookType>(
      "type", hook.type,
      {{"webhook", HookType::webhook}, {"slack", HookType::slack}, {"alertmanager", HookType::alertmanager}});
  hook.place.text = reader.place(section.line("name"));
  hook.template_place.text = reader.place(section.line("template"));
  switch (hook.type) {
    case HookType::webhook:
      refuse_keys(section, "webhook", {"urls", "resend", "labels"});
      break;
    case HookType::slack:
      refuse_keys(section, "slack",
                  {"urls", "resend", "labels", "method", "path", "headers", "template", "hmac_secret_file",
                   "bearer_token_file", "username", "password_file", "secret_header_file"});
      break;
    case HookType::alertmanager:
      refuse_keys(section, "alertmanager",
                  {"url", "url_file", "method", "path", "headers", "template", "hmac_secret_file"});
      break;
  }
  read_receivers(section, hook, folder);
  read_login(section, hook, folder);
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

  section.choice<std::string>("method", hook.method, {{"POST", "POST"}, {"PUT", "PUT"}, {"PATCH", "PATCH"}});
  if (section.text("path", hook.path)) {
    if (const auto checked = check_http_path(hook.path); !checked) {
      complain(section, "path", checked.error().message);
    } else if (hook.urls.empty() || !hook.urls.front().starts_with("unix://")) {
      complain(section, "path", "it is for a url that is a Unix socket; write it into the url itself");
    }
  }
  read_pairs(section, "headers", "headers", hook.headers, check_header);
  section.text("template", hook.body_template);
  read_file_name(section, "hmac_secret_file", hook.hmac_secret_file, folder);

  section.duration("resend", hook.resend, {std::chrono::milliseconds(100), std::chrono::hours(1)});
  read_pairs(section, "labels", "labels", hook.labels, check_label);
  return hook;
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
    Hook hook = read_hook(section, targets, folder);
    read_name(section, out, lines, hook.name);
    lines.push_back(section.line("name"));
    out.push_back(std::move(hook));
  }
  return out;
}

}  // namespace wal_exporter::settings
