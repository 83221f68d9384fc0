// A hook as it is set: who is told what, where, and within which bounds.
//
// Plain values; secrets are the names of files. Pure functions; safe from any thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "events/event.h"
#include "http/tls.h"

namespace wal_exporter::events {

enum class HookType { webhook, slack, alertmanager };

// webhook, slack, alertmanager
[[nodiscard]] std::string_view to_string(HookType type);

// Each empty list means all.
struct HookFilter {
  std::vector<Type> types;
  std::vector<Severity> severities;
  std::vector<std::string> targets;

  friend bool operator==(const HookFilter&, const HookFilter&) = default;
};

// Whether type and target are asked for, whatever the severity.
[[nodiscard]] bool concerns(const HookFilter& filter, const Event& event);
[[nodiscard]] bool severe_enough(const HookFilter& filter, Severity severity);

// At most one of the three ways to say who we are.
struct HookLogin {
  std::string bearer_token_file;
  std::string username;
  std::string password_file;
  std::string header_file;  // holds one line "Name: value"

  friend bool operator==(const HookLogin&, const HookLogin&) = default;
};

struct HookConfig {
  std::string name;
  HookType type = HookType::webhook;
  // http(s)://host/path or unix:///path/to.sock; several for Alertmanager alone.
  // Empty: the URL is a secret in `url_file`.
  std::vector<std::string> urls;
  std::string url_file;
  HookLogin login;
  http::Tls tls{"hooks."};
  HookFilter filter;

  bool damping = false;  // webhook, slack: what happens often is summed up

  // webhook
  std::string method = "POST";
  std::string path;  // comes after the URL; for Unix sockets
  std::map<std::string, std::string> headers;
  std::string body_template;  // empty: to_json(event)
  std::string hmac_secret_file;

  // alertmanager
  Duration resend = std::chrono::minutes(1);
  std::map<std::string, std::string> labels;
  std::vector<std::string> known_targets;  // alerts of others are resolved
  bool watchdog = false;                   // an alert that always fires

  Duration timeout = std::chrono::seconds(10);  // of one request
  std::size_t max_queue = 1000;                 // queued events; beyond it the oldest are dropped
  Duration max_age = std::chrono::hours(24);    // events that waited longer are dropped
  Duration retry_first = std::chrono::seconds(1);
  Duration retry_longest = std::chrono::minutes(5);

  friend bool operator==(const HookConfig&, const HookConfig&) = default;
};

}  // namespace wal_exporter::events
