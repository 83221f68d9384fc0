// Who is told of events, as typed values. Plain values; safe from any thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/time.h"

namespace wal_exporter::settings {

enum class HookType { webhook, slack, alertmanager };

// "file:line" for messages that are made after the file was read. Where something
// stands is no part of what it says: two of these are always equal.
struct Place {
  std::string text;

  friend bool operator==(const Place&, const Place&) { return true; }
};

struct Hook {
  std::string name;
  HookType type = HookType::webhook;
  std::vector<std::string> urls;  // one; Alertmanager: several. Empty: url_file
  std::string url_file;
  std::string bearer_token_file;
  std::string username;
  std::string password_file;
  std::string secret_header_file;
  Duration timeout = std::chrono::seconds(10);

  std::vector<std::string> events;      // wal.health, ...; empty: all; likewise below
  std::vector<std::string> severities;  // info, warning, critical
  std::vector<std::string> targets;

  std::uint64_t max_queue = 1000;
  Duration max_age = std::chrono::hours(24);
  Duration retry_first = std::chrono::seconds(1);
  Duration retry_longest = std::chrono::minutes(5);

  // webhook
  std::string method = "POST";
  std::string path;
  std::map<std::string, std::string> headers;
  std::string body_template;
  std::string hmac_secret_file;

  // alertmanager
  Duration resend = std::chrono::minutes(1);
  std::map<std::string, std::string> labels;

  Place place;           // of the entry
  Place template_place;  // of its template

  friend bool operator==(const Hook&, const Hook&) = default;
};

}  // namespace wal_exporter::settings
