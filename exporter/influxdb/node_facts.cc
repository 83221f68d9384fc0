#include "influxdb/node_facts.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/json.h"
#include "base/text.h"
#include "influxdb/api.h"

namespace wal_exporter::influxdb {
namespace {

using Json = nlohmann::json;

// As far as the settings go, too; more of either is a slip, and overflows.
constexpr std::uint64_t kMostFiles = 1'000'000'000;
constexpr Duration kLongestAnswer = std::chrono::hours(24 * 366);

constexpr std::array<std::string_view, 3> kWritingModes{"core", "all", "ingest"};

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
  const std::string what = "asking the server for its settings (" + sql.substr(sql.find(" FROM ") + 6) + "): ";
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
    if (!node_id.empty() && name == node_id) {
      Json ours = row;
      ours["is_ours"] = true;
      return ours;
    }
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
                     " that could be told to be ours: " +
                     (names.empty() ? "" : "set influxdb.node_id to the one that writes this WAL, or ") +
                     "check that influxdb.url and wal.directory belong to the same server, or " + kSetByHand);
}

// The flags that a node was started with. Values are texts; secrets are masked.
class Flags {
 public:
  Flags(Json flags, std::vector<std::string>& problems) : flags_(std::move(flags)), problems_(problems) {}

  // The first of `names` that was given; the newest name first. `zero`: what 0 would mean,
  // where it can't be judged by; empty: it can.
  void read(std::initializer_list<const char*> names, std::uint64_t otherwise, const char* zero,
            std::optional<std::uint64_t>& out) {
    const auto given = find(names);
    if (!given) {
      out = otherwise;
      return;
    }
    const std::string& text = given->text;
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) return complain(*given, "is not understood");
    if (value > kMostFiles) return complain(*given, "is more than any server reaches");
    if (value == 0 && *zero != '\0') return complain(*given, zero);
    out = value;
  }
  void read(std::initializer_list<const char*> names, Duration otherwise, const char* zero,
            std::optional<Duration>& out) {
    const auto given = find(names);
    if (!given) {
      out = otherwise;
      return;
    }
    const auto value = parse_server_duration(given->text);
    if (!value) return complain(*given, "is not understood");
    if (*value > kLongestAnswer) return complain(*given, "is longer than a year");
    if (*value == Duration::zero() && *zero != '\0') return complain(*given, zero);
    out = value;
  }
  // A flag that is given without a value is set.
  [[nodiscard]] bool is_set(const char* name) const {
    const auto given = find({name});
    return given && given->text != "false" && given->text != "0";
  }

 private:
  struct Given {
    std::string name;
    std::string text;
  };
  [[nodiscard]] std::optional<Given> find(std::initializer_list<const char*> names) const {
    for (const char* name : names) {
      const auto found = flags_.find(name);
      if (found == flags_.end() || found->is_null()) continue;
      return Given{name, found->is_string() ? found->get<std::string>() : found->dump()};
    }
    return std::nullopt;
  }
  void complain(const Given& given, const char* why) {
    problems_.push_back("the server's --" + given.name + " is \"" +
                        escape_control(to_valid_utf8(given.text.substr(0, 80))) + "\", which " + why + "; " +
                        kSetByHand);
  }

  const Json flags_;
  std::vector<std::string>& problems_;
};

// Of the modes of Enterprise, query and compact nodes write nothing; Core has one of its own.
std::optional<bool> takes_writes(const Json& row) {
  const auto mode = row.find("mode");
  if (mode == row.end() || mode->is_null()) return std::nullopt;
  const std::string modes = lower_case(mode->dump());
  return std::any_of(kWritingModes.begin(), kWritingModes.end(),
                     [&](std::string_view one) { return modes.find(one) != std::string::npos; });
}

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
  reader.read({"wal-files-per-snapshot", "wal-snapshot-size"}, defaults.snapshot_size,
              "would make each flush a snapshot, so the limits go by the default", facts.snapshot_size);
  reader.read({"snapshotted-wal-files-to-keep"}, defaults.kept_files, "", facts.kept_files);
  reader.read({"wal-flush-interval"}, defaults.flush_interval, "would make each write a WAL file of its own",
              facts.flush_interval);
  reader.read({"gen1-lookback-duration"}, defaults.lookback, "", facts.lookback);
  facts.fails_on_error = reader.is_set("wal-replay-fail-on-error");
  if (row.contains("is_ours")) facts.takes_writes = takes_writes(row);
  // The last two are what the first was called in the preview, and still taken.
  for (const char* flag : {"upgrade-pacha-tree", "upgrade_pacha_tree", "use-pacha-tree", "use_pacha_tree"}) {
    facts.other_engine = facts.other_engine || reader.is_set(flag);
  }
  facts.engine_known = facts.other_engine;
}

// Enterprise from 3.10 on, or what hides whether it is.
bool may_have_other_engine(const ServerFacts& server) {
  int major = 0;
  int minor = 0;
  return server.build != "Core" && std::sscanf(server.version.c_str(), "%d.%d", &major, &minor) == 2 && major == 3 &&
         minor >= 10;
}

// New clusters have it without a flag. With it, and with it alone, there are tables of its own.
Result<bool> has_tables_of_other_engine(http::Client& client, const std::string& url, const std::string& token,
                                        Duration timeout, const std::stop_token& stop) {
  const auto rows = query(client, url, token,
                          "SELECT table_name FROM information_schema.tables WHERE table_schema = 'system' AND "
                          "table_name LIKE 'pt_%'",
                          timeout, stop);
  if (!rows) return tl::unexpected(rows.error());
  return std::any_of(rows->begin(), rows->end(),
                     [](const Json& row) { return text_of(row, "table_name").starts_with("pt_"); });
}

void read_generations(const Json& rows, NodeFacts& facts) {
  for (const Json& row : rows) {
    const auto level = row.find("level");
    const auto duration = row.find("duration_seconds");
    if (level == row.end() || duration == row.end() || *level != 1) continue;
    const double value = duration->is_number() ? duration->get<double>() : 0;
    if (value < 1 || value > to_seconds(kLongestAnswer)) {
      facts.problems.push_back("the server's gen1 duration is " + escape_control(duration->dump().substr(0, 80)) +
                               " seconds, which can't be; set influxdb.gen1_duration instead");
      return;
    }
    facts.gen1_duration = std::chrono::seconds(static_cast<std::int64_t>(value));
    return;
  }
  facts.problems.push_back("the server does not say how long its gen1 duration is; set influxdb.gen1_duration instead");
}

}  // namespace

NodeFacts ask_node(http::Client& client, const std::string& url, const std::string& token, const std::string& node_id,
                   Duration timeout, const std::stop_token& stop, const ServerFacts& server) {
  NodeFacts facts;
  const auto nodes =
      query(client, url, token, "SELECT node_id, mode, state, cli_params FROM system.nodes", timeout, stop);
  if (!nodes) {
    facts.problems.push_back(nodes.error().message);
    // If nobody answers, or the token is refused, the second question would fail as well.
    if (nodes.error().kind != ErrorKind::corrupt && nodes.error().kind != ErrorKind::not_found) return facts;
  } else if (const auto row = pick(*nodes, node_id)) {
    read_flags(*row, facts);
    if (const std::string other = text_of(*row, "node_id");
        !row->contains("is_ours") && !node_id.empty() && !other.empty()) {
      facts.problems.push_back("the server's only node is " + escape_control(to_valid_utf8(other)) + ", not " +
                               escape_control(to_valid_utf8(node_id)) +
                               ": if wal.directory is that node's under another name, set influxdb.node_id to " +
                               escape_control(to_valid_utf8(other)) + "; else set influxdb.url to this node's server");
    }
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
  if (facts.engine_known || !may_have_other_engine(server)) return facts;
  if (const auto found = has_tables_of_other_engine(client, url, token, timeout, stop)) {
    facts.other_engine = *found;
    facts.engine_known = true;
  } else {
    facts.problems.push_back(found.error().message);
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
