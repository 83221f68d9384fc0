#include "influxdb/server_facts.h"

#include <array>
#include <charconv>
#include <chrono>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/json.h"
#include "base/secrets.h"
#include "base/text.h"
#include "http/address.h"
#include "influxdb/api.h"

namespace wal_exporter::influxdb {
namespace {

constexpr std::size_t kMaxFactBytes = 80;

struct Answer {
  http::Response response;
  Time sent{};
  Duration round_trip{};
};

// The server's own words end up in logs and labels, so they are cut and escaped.
[[nodiscard]] std::string printable_fact(std::string_view text) {
  return foreign_text(to_valid_utf8(text).substr(0, kMaxFactBytes));
}

[[nodiscard]] Result<Answer> ask(http::Client& client, const http::UrlParts& target, const std::string& path,
                                 const std::string& token, Duration timeout, const Clock& clock,
                                 const std::stop_token& stop) {
  http::Request request;
  request.url = target.url + path;
  request.unix_socket = target.unix_socket;
  // All three generations take this form; 1.x as "user:password".
  if (!token.empty()) request.secret_header = "Authorization: Token " + token;
  request.connect_timeout = timeout;
  request.timeout = timeout;
  request.max_response_bytes = kMaxAnswerBytes;

  Answer answer;
  answer.sent = clock.now();
  const SteadyTime begin = clock.steady();
  auto response = client.send(request, stop);
  if (!response) return tl::unexpected<Error>(response.error());
  answer.round_trip = clock.steady() - begin;
  answer.response = std::move(*response);
  return answer;
}

[[nodiscard]] bool is_success(int status) {
  return status >= 200 && status < 300;
}
[[nodiscard]] bool wants_token(int status) {
  return status == 401 || status == 403;
}

void take_facts(const Answer& answer, ServerFacts& facts) {
  const auto& headers = answer.response.headers;
  const auto header = [&](const char* name) {
    const auto found = headers.find(name);
    return found == headers.end() ? std::string() : printable_fact(found->second);
  };
  if (const auto version = header("x-influxdb-version"); !version.empty()) facts.version = version;
  if (const auto build = header("x-influxdb-build"); !build.empty()) facts.build = build;

  if (const auto date = http::date_of(answer.response)) {
    // Date has whole seconds; half a second more is the best estimate.
    const Duration offset = *date + std::chrono::milliseconds(500) - (answer.sent + answer.round_trip / 2);
    facts.clock_offset = std::chrono::round<std::chrono::seconds>(offset);
  }

  // 2.x /health and 3.x /ping; 1.x has no body, and 3.x /health is plain text.
  const auto json = nlohmann::json::parse(answer.response.body, nullptr, false);
  if (facts.version.empty()) facts.version = printable_fact(text_of(json, "version"));
  // "InfluxDB 3 Core", where something on the way takes headers off.
  if (const auto product = printable_fact(text_of(json, "product_name")); facts.build.empty() && !product.empty()) {
    facts.build = product.substr(product.rfind(' ') + 1);
  }
  if (const auto id = printable_fact(text_of(json, "process_id")); !id.empty()) facts.process_id = id;
}

[[nodiscard]] std::string refusal(const std::string& what, int status) {
  std::string message = what + " answered " + std::to_string(status);
  if (status >= 300 && status < 400) {
    message +=
        "; redirects are not followed, a token would travel with them: set influxdb.url to the address it leads to";
  } else if (status == 404) {
    message += "; check that influxdb.url is the address of an InfluxDB, without a path of its API";
  } else {
    message += "; check InfluxDB's log";
  }
  return message;
}

}  // namespace

ServerFacts ask_server(http::Client& client, const std::string& url, const std::string& token, Duration timeout,
                       const Clock& clock, std::stop_token stop) {
  ServerFacts facts;
  facts.asked_at = clock.now();
  const auto target = http::parse_url(url);
  if (!target) {
    facts.error = target.error().message;
    return facts;
  }
  const std::string shown = http::printable_url(url);

  const auto ping = ask(client, *target, "/ping", token, timeout, clock, stop);
  if (!ping) {
    facts.error = ping.error().message;
    // not_found: a Unix socket that is not there.
    facts.port_closed = ping.error().kind == ErrorKind::unavailable || ping.error().kind == ErrorKind::not_found;
    if (ping.error().kind != ErrorKind::cancelled && ping.error().kind != ErrorKind::untrusted) {
      facts.error += "; check that InfluxDB runs and that influxdb.url is its address";
    }
    return facts;
  }
  take_facts(*ping, facts);
  const int status = ping->response.status;
  if (is_success(status)) {
    facts.up = true;
    return facts;
  }

  // 3.x wants a token for /ping and /health alike, unless --disable-authz names one of them.
  const auto health = ask(client, *target, "/health", token, timeout, clock, stop);
  facts.up = wants_token(status);
  if (health) {
    take_facts(*health, facts);
    const int health_status = health->response.status;
    facts.up = facts.up || is_success(health_status) || wants_token(health_status);
    if (!facts.up) {
      // 1.x before 1.8 has no /health (404); then the answer to /ping is what to report.
      facts.error = health_status == 404 ? refusal("GET " + shown + "/ping", status)
                                         : refusal("GET " + shown + "/health", health_status);
    }
  } else if (!facts.up) {
    facts.error = refusal("GET " + shown + "/ping", status);
  }
  return facts;
}

}  // namespace wal_exporter::influxdb
