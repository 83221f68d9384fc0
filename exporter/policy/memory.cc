#include "policy/memory.h"

#include <limits>
#include <nlohmann/json.hpp>

#include "base/text.h"

namespace wal_exporter::policy {
namespace {

using Json = nlohmann::json;

constexpr std::uint64_t kLatest = std::numeric_limits<std::int64_t>::max();  // ns
// Settings allow 100 a day.
constexpr std::size_t kMostRestarts = 1000;

void put(Json& json, const char* key, const std::optional<Time>& time) {
  if (time) json[key] = time->time_since_epoch().count();
}

// Reads what put() and to_text() write, and keeps the first thing that is wrong.
class FieldReader {
 public:
  explicit FieldReader(const Json& json) : json_(json) {}

  std::optional<Time> time(const char* key) {
    const auto nanoseconds = whole(key, kLatest);
    if (!nanoseconds) return std::nullopt;
    return Time(Duration(static_cast<std::int64_t>(*nanoseconds)));
  }
  std::uint32_t count(const char* key) {
    return static_cast<std::uint32_t>(whole(key, std::numeric_limits<std::uint32_t>::max()).value_or(0));
  }
  std::vector<Time> times(const char* key) {
    std::vector<Time> out;
    const auto found = json_.find(key);
    if (found == json_.end()) return out;
    if (!found->is_array() || found->size() > kMostRestarts) return wrong_list(key);
    for (const Json& item : *found) {
      if (!item.is_number_unsigned() || item.get<std::uint64_t>() > kLatest) return wrong_list(key);
      out.emplace_back(Duration(item.get<std::int64_t>()));
    }
    return out;
  }
  std::optional<std::uint64_t> number(const char* key) { return whole(key, std::numeric_limits<std::uint64_t>::max()); }
  [[nodiscard]] const std::string& wrong() const { return wrong_; }

 private:
  std::vector<Time> wrong_list(const char* key) {
    if (wrong_.empty()) wrong_ = std::string(key) + " is not a short list of times";
    return {};
  }
  std::optional<std::uint64_t> whole(const char* key, std::uint64_t most) {
    const auto found = json_.find(key);
    if (found == json_.end()) return std::nullopt;
    // The library would wrap a number that does not fit.
    if (found->is_number_unsigned() && found->get<std::uint64_t>() <= most) return found->get<std::uint64_t>();
    if (wrong_.empty()) wrong_ = std::string(key) + " is not a whole number from 0 to " + std::to_string(most);
    return std::nullopt;
  }

  const Json& json_;
  std::string wrong_;
};

tl::unexpected<Error> unreadable(const std::string& why) {
  return failure(ErrorKind::corrupt, "what is remembered of the target can't be read: " + why);
}

std::optional<Health> parse_health(const std::string& text) {
  for (const Health health : kHealths) {
    if (to_string(health) == text) return health;
  }
  return std::nullopt;
}

}  // namespace

std::string to_text(const Memory& memory) {
  Json json = Json::object();
  if (memory.levels) {
    json["files_level"] = to_string(memory.levels->files);
    json["bytes_level"] = to_string(memory.levels->bytes);
  }
  put(json, "files_over_since", memory.files_over_since);
  put(json, "last_start", memory.last_start);
  put(json, "last_end", memory.last_end);
  put(json, "last_success", memory.last_success);
  put(json, "last_scheduled", memory.last_scheduled);
  json["failures"] = memory.failures;
  json["failed"] = memory.failed;
  json["unverified"] = memory.unverified;
  json["partial"] = memory.partial;
  put(json, "backoff_until", memory.backoff_until);
  put(json, "breaker_until", memory.breaker_until);
  json["critical_failures"] = memory.critical_failures;
  put(json, "last_critical_failure", memory.last_critical_failure);
  put(json, "blocked_since", memory.blocked_since);
  json["restart_considered"] = memory.restart_considered;
  json["restart_waits"] = memory.restart_waits;
  if (!memory.restarts.empty()) {
    Json& restarts = json["restarts"] = Json::array();
    for (const Time time : memory.restarts) restarts.push_back(time.time_since_epoch().count());
  }
  if (memory.own_trigger_file) json["own_trigger_file"] = *memory.own_trigger_file;
  put(json, "own_trigger_time", memory.own_trigger_time);
  put(json, "paused_until", memory.paused_until);
  if (!memory.paused_by.empty()) json["paused_by"] = to_valid_utf8(memory.paused_by);
  return json.dump();
}

Result<Memory> from_text(const std::string& text) {
  try {
    const Json json = Json::parse(text);
    Memory memory;
    const auto files = parse_health(json.value("files_level", ""));
    const auto bytes = parse_health(json.value("bytes_level", ""));
    if (files && bytes) memory.levels = Levels{*files, *bytes};
    FieldReader fields(json);
    memory.files_over_since = fields.time("files_over_since");
    memory.last_start = fields.time("last_start");
    memory.last_end = fields.time("last_end");
    memory.last_success = fields.time("last_success");
    memory.last_scheduled = fields.time("last_scheduled");
    memory.failures = fields.count("failures");
    memory.failed = fields.count("failed");
    memory.unverified = fields.count("unverified");
    memory.partial = fields.count("partial");
    memory.backoff_until = fields.time("backoff_until");
    memory.breaker_until = fields.time("breaker_until");
    memory.critical_failures = fields.count("critical_failures");
    memory.last_critical_failure = fields.time("last_critical_failure");
    memory.blocked_since = fields.time("blocked_since");
    memory.restart_considered = json.value("restart_considered", false);
    memory.restart_waits = json.value("restart_waits", false);
    memory.restarts = fields.times("restarts");
    memory.own_trigger_file = fields.number("own_trigger_file");
    memory.own_trigger_time = fields.time("own_trigger_time");
    memory.paused_until = fields.time("paused_until");
    memory.paused_by = json.value("paused_by", "");
    if (!fields.wrong().empty()) return unreadable(fields.wrong());
    return memory;
  } catch (const Json::exception& error) {
    return unreadable(error.what());
  }
}

}  // namespace wal_exporter::policy
