#include "web/web_config.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <string_view>

#include "base/file.h"
#include "base/text.h"
#include "base/yaml.h"
#include "web/password.h"
#include "web/read_tls.h"
#include "web/web_reader.h"

namespace wal_exporter::web {
namespace {

constexpr std::size_t kMaxFileBytes = 1 << 20;
// 2^16 rounds take seconds. Checking a costlier hash would hold up the other requests.
constexpr int kMaxCost = 16;
constexpr Duration kLongestBetween = std::chrono::hours(1);
constexpr std::int64_t kLargestBurst = 1'000'000;

// The headers that the toolkit lets be set, and their values where only some make sense.
const std::vector<std::pair<std::string_view, std::vector<std::string_view>>> kHeaders = {
    {"Content-Security-Policy", {}},
    {"Strict-Transport-Security", {}},
    {"X-Content-Type-Options", {"nosniff"}},
    {"X-Frame-Options", {"deny", "sameorigin"}},
    {"X-XSS-Protection", {}}};

// Reads one file; every mistake with its line.
class Reading {
 public:
  explicit Reading(const std::string& file) : reader_(file) { reader_.watch(file); }

  Result<WebConfig> read(const YamlNode& root);

 private:
  void read_http(const YamlEntry& entry);
  void read_headers(const YamlEntry& entry);
  void read_rate_limit(const YamlEntry& entry);
  void read_users(const YamlEntry& entry);
  [[nodiscard]] std::optional<std::string> read_hash(const YamlEntry& entry);

  WebReader reader_;
  WebConfig out_;
};

void Reading::read_headers(const YamlEntry& entry) {
  if (entry.value->kind == YamlNode::Kind::null) return;
  if (entry.value->kind != YamlNode::Kind::map) {
    reader_.mistake(entry.line, "http_server_config.headers must be a map of names and values");
    return;
  }
  for (const auto& header : entry.value->entries) {
    const std::string path = "http_server_config.headers." + escape_control(header.key);
    const auto rule = find_in(kHeaders, header.key);
    if (rule == kHeaders.end()) {
      reader_.mistake(header.line, path + " can't be set; those that can are " + names_of(kHeaders));
      continue;
    }
    const auto value = reader_.text(header, path);
    if (!value) continue;
    if (!rule->second.empty() && !holds(rule->second, *value)) {
      reader_.mistake(header.line, path + " must be " + join(rule->second, " or ") + ", in small letters");
    } else if (escape_control(*value) != *value) {
      reader_.mistake(header.line, path + " must be a text on one line, without control characters");
    } else if (!value->empty() && header.key != "X-Content-Type-Options") {  // that one every answer has
      out_.headers.emplace_back(header.key, *value);
    }
  }
}

void Reading::read_http(const YamlEntry& entry) {
  const YamlNode* map = reader_.section(entry);
  if (map == nullptr) return;
  for (const auto& key : map->entries) {
    if (key.key == "headers") {
      read_headers(key);
    } else if (key.key == "http2") {
      const auto wanted = reader_.boolean(key, "http_server_config.http2");
      if (wanted.value_or(false)) {
        reader_.note(key.line, "http_server_config.http2: there is no HTTP/2 here; clients get HTTP/1.1");
      }
    } else {
      reader_.mistake(key.line,
                      "unknown key " + in_quotes(key.key) + " in http_server_config; known are headers and http2");
    }
  }
}

void Reading::read_rate_limit(const YamlEntry& entry) {
  const YamlNode* map = reader_.section(entry);
  if (map == nullptr) return;
  const std::size_t before = reader_.mistakes().size();
  std::optional<Duration> interval;
  std::optional<std::int64_t> burst;
  int line = entry.line;
  for (const auto& key : map->entries) {
    const std::string path = "rate_limit." + escape_control(key.key);
    if (key.key == "interval") {
      const auto word = reader_.text(key, path);
      if (!word) continue;
      const auto read = parse_duration(*word);
      if (!read || *read > kLongestBetween) {
        reader_.mistake(key.line,
                        path + " must be a time of at most 1h with its unit, such as 100ms; 0 turns the limit off");
        continue;
      }
      interval = *read;
      line = key.line;
    } else if (key.key == "burst") {
      const auto word = reader_.text(key, path);
      if (!word) continue;
      std::int64_t number = 0;
      const auto [end, error] = std::from_chars(word->data(), word->data() + word->size(), number);
      if (error != std::errc{} || end != word->data() + word->size() || number < 0 || number > kLargestBurst) {
        reader_.mistake(key.line,
                        path + " must be a whole number of requests, at most " + std::to_string(kLargestBurst));
        continue;
      }
      burst = number;
    } else {
      reader_.mistake(key.line, "unknown key " + in_quotes(key.key) + " in rate_limit; known are interval and burst");
    }
  }
  if (reader_.mistakes().size() != before) return;
  if (interval == Duration::zero() || map->entries.empty()) return;
  if (!interval) {
    if (burst == 0) return;
    reader_.mistake(
        line,
        "rate_limit.interval is missing, so that nothing would be limited; set the time between two requests, "
        "such as 100ms, or take the section out");
    return;
  }
  if (burst.value_or(0) < 1) {
    reader_.mistake(line,
                    "rate_limit.burst is missing or 0, so that every request would be refused; set it to at least 1");
    return;
  }
  out_.rate_limit = std::make_shared<RateLimit>(Rate{*interval, *burst});
}

std::optional<std::string> Reading::read_hash(const YamlEntry& entry) {
  const auto shown = "user " + in_quotes(entry.key);
  if (entry.key.empty() || entry.key.find(':') != std::string::npos || escape_control(entry.key) != entry.key) {
    reader_.mistake(entry.line,
                    shown + " could never log in: a name must not be empty nor hold a colon or a control character");
    return std::nullopt;
  }
  const auto cost = bcrypt_cost(entry.value->text);
  if (!cost) {
    // The value is not shown: it may be a password in clear.
    reader_.mistake(entry.line,
                    "the value of " + shown +
                        " is not a bcrypt hash ($2a$, $2b$ or $2y$ and 60 characters in all); make one with "
                        "`htpasswd -nBC 10 \"\"`");
    return std::nullopt;
  }
  if (*cost > kMaxCost) {
    reader_.mistake(entry.line, "the hash of " + shown + " has cost " + std::to_string(*cost) +
                                    ", so that one login would take many seconds; at most " + std::to_string(kMaxCost) +
                                    " is taken, 10 is usual");
    return std::nullopt;
  }
  return entry.value->text;
}

void Reading::read_users(const YamlEntry& entry) {
  if (entry.value->entries.empty()) {
    reader_.mistake(
        entry.line,
        "basic_auth_users must be a map from at least one user name to a bcrypt hash; leave the key out to run "
        "without logins");
    return;
  }
  std::map<std::string, std::string> hashes;
  for (const auto& user : entry.value->entries) {
    if (auto hash = read_hash(user)) hashes.emplace(user.key, *std::move(hash));
  }
  out_.users = Users(std::move(hashes));
}

Result<WebConfig> Reading::read(const YamlNode& root) {
  if (root.kind != YamlNode::Kind::map && root.kind != YamlNode::Kind::null) {
    reader_.mistake(root.line,
                    "the file must be a map, with the keys tls_server_config, http_server_config, basic_auth_users "
                    "and rate_limit");
  }
  for (const YamlEntry& entry : root.entries) {
    if (entry.key == kTlsSection) {
      out_.tls = read_tls(reader_, entry);
    } else if (entry.key == "http_server_config") {
      read_http(entry);
    } else if (entry.key == "basic_auth_users") {
      read_users(entry);
    } else if (entry.key == "rate_limit") {
      read_rate_limit(entry);
    } else {
      reader_.mistake(entry.line,
                      "unknown key " + in_quotes(entry.key) +
                          "; known are tls_server_config, http_server_config, basic_auth_users and rate_limit");
    }
  }
  if (!reader_.mistakes().empty()) return failure(ErrorKind::invalid, join(reader_.mistakes(), "\n"));
  out_.files = reader_.take_files();
  out_.notes = reader_.take_notes();
  return std::move(out_);
}

// Where in the file the setting stands that a message names; else where the section begins.
std::string place_of(const std::string& message, const YamlNode& root, const std::string& file) {
  int line = 1;
  const auto begin = message.find(std::string(kTlsSection) + ".");
  std::string key;
  if (begin != std::string::npos) {
    for (std::size_t i = begin + kTlsSection.size() + 1; i < message.size(); ++i) {
      if (message[i] != '_' && !is_letter_or_digit(message[i])) break;
      key += message[i];
    }
  }
  for (const auto& entry : root.entries) {
    if (entry.key != kTlsSection) continue;
    line = entry.line;
    for (const auto& setting : entry.value->entries) {
      if (setting.key == key) line = setting.line;
    }
  }
  return file + ":" + std::to_string(line) + ": ";
}

}  // namespace

Result<WebConfig> WebConfig::parse(const std::string& yaml, const std::string& file) {
  const auto tree = parse_yaml(yaml, file);
  if (!tree) return tl::unexpected(tree.error());
  return Reading(file).read(tree->root());
}

Result<WebConfig> WebConfig::load(const std::string& file, Time now) {
  const auto text = read_file(file, kMaxFileBytes, "web.config.file");
  if (!text) {
    return failure(text.error().kind, text.error().message +
                                          "; --web.config.file names it, and the exporter's user has "
                                          "to be able to read it");
  }
  const auto tree = parse_yaml(*text, file);
  if (!tree) return tl::unexpected(tree.error());
  auto config = Reading(file).read(tree->root());
  if (!config || !config->tls) return config;
  auto context = TlsContext::make(*config->tls, now);
  if (!context) {
    Error error = std::move(context.error());
    error.message.insert(0, place_of(error.message, tree->root(), file));
    return tl::unexpected(std::move(error));
  }
  config->context = *std::move(context);
  for (const std::string& warning : config->context->warnings()) {
    config->notes.push_back(place_of(warning, tree->root(), file) + warning);
  }
  return config;
}

std::string WebConfig::refusal_of(const WebConfig& after) const {
  if (users.configured() && !after.users.configured()) {
    return "has no users any more, which would open every page; restart the exporter if that is meant";
  }
  if (tls && !after.tls) {
    return "has no TLS any more, so that logins and pages would go over the wire in clear; restart the exporter if "
           "that is meant";
  }
  return {};
}

std::vector<std::string> WebConfig::changes_to(const WebConfig& after) const {
  auto out = users.changes_to(after.users);
  if (tls != after.tls) out.emplace_back("web.config.file: tls_server_config changed");
  if (after.context && certificate_end() != after.certificate_end()) {
    out.push_back("web.config.file: a certificate that is valid until " + format_time(after.context->not_after()));
  }
  if (headers != after.headers) out.emplace_back("web.config.file: http_server_config.headers changed");
  const auto rate = [](const WebConfig& config) {
    return config.rate_limit ? std::optional<Rate>(config.rate_limit->rate()) : std::nullopt;
  };
  if (rate(*this) != rate(after)) out.emplace_back("web.config.file: rate_limit changed");
  return out;
}

void WebConfig::go_on_from(const WebConfig& before) {
  users.go_on_from(before.users);
  if (rate_limit && before.rate_limit && rate_limit->rate() == before.rate_limit->rate()) {
    rate_limit = before.rate_limit;
  }
}

}  // namespace wal_exporter::web
