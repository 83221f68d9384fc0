#include "influxdb/node_facts.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/json.h"
#include "base/text.h"
#include "influxdb/api.h"

namespace wal_exporter::influxdb {
namespace {

using Json = nlohmann::json;

constexpr const char* kSetByHand =
    "set influxdb.snapshot_size, flush_interval, gen1_duration and kept_files in the settings instead";

struct Unit {
  std::string_view name;
  std::int64_t nanoseconds;
};

// As the server's own parser has them: a month is 30.44 days, a year 365.25.
constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::array kUnits = {
    Unit{"nsec", 1},
    Unit{"ns", 1},
    Unit{"usec", 1'000},
    Unit{"us", 1'000},
    Unit{"\xC2\xB5s", 1'000},
    Unit{"msec", 1'000'000},
    Unit{"ms", 1'000'000},
    Unit{"seconds", kSecond},
    Unit{"second", kSecond},
    Unit{"secs", kSecond},
    Unit{"sec", kSecond},
    Unit{"s", kSecond},
    Unit{"minutes", 60 * kSecond},
    Unit{"minute", 60 * kSecond},
    Unit{"mins", 60 * kSecond},
    Unit{"min", 60 * kSecond},
    Unit{"m", 60 * kSecond},
    Unit{"hours", 3'600 * kSecond},
    Unit{"hour", 3'600 * kSecond},
    Unit{"hrs", 3'600 * kSecond},
    Unit{"hr", 3'600 * kSecond},
    Unit{"h", 3'600 * kSecond},
    Unit{"days", 86'400 * kSecond},
    Unit{"day", 86'400 * kSecond},
    Unit{"d", 86'400 * kSecond},
    Unit{"weeks", 604'800 * kSecond},
    Unit{"week", 604'800 * kSecond},
    Unit{"w", 604'800 * kSecond},
    Unit{"months", 2'630'016 * kSecond},
    Unit{"month", 2'630'016 * kSecond},
    Unit{"M", 2'630'016 * kSecond},
    Unit{"years", 31'557'600 * kSecond},
    Unit{"year", 31'557'600 * kSecond},
    Unit{"y", 31'557'600 * kSecond},
};

// The rows that a query gave; an error is a sentence for people.
[[nodiscard]] Result<Json> query(http::Client& client, const std::string& url, const std::string& token,
                                 const std::string& sql, Duration timeout, const std::stop_token& stop) {
  auto request =
      api_request(url, "/api/v3/query_sql?db=_internal&format=json&q=" + percent_encode(sql), "Bearer", token, timeout);
  if (!request) return tl::unexpected<Error>(request.error());
  request->max_response_bytes = kMaxLongAnswerBytes;
  const std::string what = "asking the server for its settings (" + sql.substr(sql.find("system.")) + "): ";
  const auto response = client.send(*request, stop);
  if (!response) {
    std::string message = what + response.error().message;
    if (response.error().kind != ErrorKind::cancelled) message += std::string("; until it answers, ") + kSetByHand;
    return failure(response.error().kind, std::move(message));
  }
  if (response->status != 200) {
    std::string message = what + "it answered " + status_text(*response);
    if (response->status == 401 || response->status == 403) {
      return failure(ErrorKind::permission, message + "; " + remedy_for(response->status, !token.empty()) +
                                                "; it has to be an admin token; or " + kSetByHand);
    }
    return failure(ErrorKind::not_found, message + "; where this version does not tell, " + kSetByHand);
  }
  constexpr std::size_t kDeepest = 64;
  Json rows = is_nested_deeper(response->body, kDeepest) ? Json() : Json::parse(response->body, nullptr, false);
  if (!rows.is_array() || !std::all_of(rows.begin(), rows.end(), [](const Json& row) { return row.is_object(); })) {
    return failure(ErrorKind::corrupt, what + "its answer is not a list of rows; " + kSetByHand);
  }
  return rows;
}

// The row of our node; an error says which nodes there are.
[[nodiscard]] Result<Json> pick(const Json& rows, const std::string& node_id) {
  std::vector<std::string> names;
  const Json* running = nullptr;
  std::size_t running_count = 0;
  for (const Json& row : rows) {
    const std::string name = text_of(row, "node_id");
    if (!node_id.empty() && name == node_id) return row;
    names.push_back(escape_control(to_valid_utf8(name)));
    if (text_of(row, "state") != "running") continue;
    running = &row;
    ++running_count;
  }
  if (running_count == 1) return *running;
  return failure(ErrorKind::not_found,
                 "the server lists " +
                     (names.empty() ? std::string("no node") : "the nodes " + join(names, ", ") + ", not one") +
                     (node_id.empty() ? "" : " named " + escape_control(to_valid_utf8(node_id))) +
                     " that could be told to be ours: check that influxdb.url and wal.directory belong to the same "
                     "server, or " +
                     kSetByHand);
}

// The flags that a node was started with. Values are texts; secrets are masked.
class Flags {
 public:
  Flags(Json flags, std::vector<std::string>& problems) : flags_(std::move(flags)), problems_(problems) {}

  // The first of `names` that was given; the newest name first.
  void read(std::initializer_list<const char*> names, std::uint64_t otherwise, std::optional<std::uint64_t>& out) {
    const auto text = find(names);
    if (!text) {
      out = otherwise;
      return;
    }
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
    if (error == std::errc() && end == text->data() + text->size()) {
      out = value;
    } else {
      complain(*names.begin(), *text);
    }
  }
  void read(std::initializer_list<const char*> names, Duration otherwise, std::optional<Duration>& out) {
    const auto text = find(names);
    out = text ? parse_server_duration(*text) : otherwise;
    if (!out) complain(*names.begin(), *text);
  }
  // A flag that is given without a value is set.
  [[nodiscard]] bool is_set(const char* name) const {
    const auto text = find({name});
    return text && *text != "false" && *text != "0";
  }

 private:
  [[nodiscard]] std::optional<std::string> find(std::initializer_list<const char*> names) const {
    for (const char* name : names) {
      const auto found = flags_.find(name);
      if (found == flags_.end() || found->is_null()) continue;
      return found->is_string() ? found->get<std::string>() : found->dump();
    }
    return std::nullopt;
  }
  void complain(const char* name, const std::string& text) {
    problems_.push_back(std::string("the server's --") + name + " is \"" +
                        escape_control(to_valid_utf8(text.substr(0, 80))) + "\", which is not understood; " +
                        kSetByHand);
  }

  const Json flags_;
  std::vector<std::string>& problems_;
};

void read_flags(const Json& row, NodeFacts& facts) {
  const auto given = row.find("cli_params");
  Json flags = Json::value_t::discarded;
  if (given != row.end() && given->is_string()) flags = Json::parse(given->get<std::string>(), nullptr, false);
  if (given != row.end() && given->is_object()) flags = *given;
  if (!flags.is_object()) {
    facts.problems.push_back(std::string("the server does not say with which flags it was started; ") + kSetByHand);
    return;
  }
  const wal::NodeRules defaults;
  Flags reader(std::move(flags), facts.problems);
  reader.read({"wal-files-per-snapshot", "wal-snapshot-size"}, defaults.snapshot_size, facts.snapshot_size);
  reader.read({"snapshotted-wal-files-to-keep"}, defaults.kept_files, facts.kept_files);
  reader.read({"wal-flush-interval"}, defaults.flush_interval, facts.flush_interval);
  reader.read({"gen1-lookback-duration"}, defaults.lookback, facts.lookback);
  facts.fails_on_error = reader.is_set("wal-replay-fail-on-error");
  if (facts.snapshot_size == 0U) facts.snapshot_size.reset();
  if (facts.flush_interval == Duration::zero()) facts.flush_interval.reset();
}

void read_generations(const Json& rows, NodeFacts& facts) {
  constexpr double kLongestSeconds = 366.0 * 86'400;
  for (const Json& row : rows) {
    const auto level = row.find("level");
    const auto duration = row.find("duration_seconds");
    if (level == row.end() || duration == row.end() || *level != 1 || !duration->is_number()) continue;
    const double value = duration->get<double>();
    if (value < 1 || value > kLongestSeconds) continue;
    facts.gen1_duration = std::chrono::seconds(static_cast<std::int64_t>(value));
    return;
  }
  facts.problems.push_back("the server does not say how long its gen1 duration is; set influxdb.gen1_duration instead");
}

}  // namespace

NodeFacts ask_node(http::Client& client, const std::string& url, const std::string& token, const std::string& node_id,
                   Duration timeout, const std::stop_token& stop) {
  NodeFacts facts;
  const auto nodes = query(client, url, token, "SELECT node_id, state, cli_params FROM system.nodes", timeout, stop);
  if (!nodes) {
    facts.problems.push_back(nodes.error().message);
    // If nobody answers, or the token is refused, the second question would fail as well.
    if (nodes.error().kind != ErrorKind::corrupt && nodes.error().kind != ErrorKind::not_found) return facts;
  } else if (const auto row = pick(*nodes, node_id)) {
    read_flags(*row, facts);
  } else {
    facts.problems.push_back(row.error().message);
  }
  const auto generations =
      query(client, url, token, "SELECT level, duration_seconds FROM system.generation_durations", timeout, stop);
  if (generations) {
    read_generations(*generations, facts);
  } else {
    facts.problems.push_back(generations.error().message);
  }
  return facts;
}

std::optional<Duration> parse_server_duration(const std::string& text) {
  std::string_view rest = text;
  const auto skip_blanks = [&] {
    while (!rest.empty() && rest.front() == ' ') rest.remove_prefix(1);
  };
  skip_blanks();
  if (rest == "0") return Duration::zero();
  std::int64_t total = 0;
  bool any = false;
  while (!rest.empty()) {
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
    if (error != std::errc() || number < 0) return std::nullopt;
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
    skip_blanks();
    const std::size_t length = std::min(rest.find_first_of(" 0123456789"), rest.size());
    const auto unit =
        std::find_if(kUnits.begin(), kUnits.end(), [&](const Unit& one) { return one.name == rest.substr(0, length); });
    if (unit == kUnits.end()) return std::nullopt;
    std::int64_t part = 0;
    if (__builtin_mul_overflow(number, unit->nanoseconds, &part) || __builtin_add_overflow(total, part, &total)) {
      return std::nullopt;
    }
    rest.remove_prefix(length);
    skip_blanks();
    any = true;
  }
  if (!any) return std::nullopt;
  return Duration(total);
}

}  // namespace wal_exporter::influxdb
