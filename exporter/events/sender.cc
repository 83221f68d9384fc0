#include "events/sender.h"

#include <algorithm>

#include "base/file.h"
#include "base/secrets.h"
#include "base/text.h"
#include "events/signature.h"
#include "http/address.h"

namespace wal_exporter::events {
namespace {

constexpr std::size_t kShownAnswer = 200;
constexpr Duration kLongestPause = std::chrono::hours(1);

// The message must not contain any part of the URL, which is a secret.
Result<void> check_secret_url(const std::string& url, const std::string& file) {
  const auto bad = [&](std::string_view why) {
    return failure(ErrorKind::invalid, "url_file " + escape_control(file) + ": what it holds " + std::string(why));
  };
  const std::size_t begin = url.starts_with("https://") ? 8 : url.starts_with("http://") ? 7 : 0;
  if (begin == 0) return bad("does not begin with https:// or http://; put the whole URL into it, on one line");
  const std::string authority = url.substr(begin, url.find_first_of("/?#", begin) - begin);
  if (authority.empty()) return bad("has no host; put the whole URL into it, on one line");
  if (authority.find('@') != std::string::npos) {
    return bad("has a user or password in it; set username and password_file instead");
  }
  if (url.find_first_of(" \t") != std::string::npos) return bad("has a space in it; write it as %20");
  return {};
}

std::optional<Duration> pause_of(const http::Response& response, Time now) {
  const auto asked = http::retry_after(response, now);
  return asked ? std::optional(std::min(*asked, kLongestPause)) : std::nullopt;
}

bool is_success(int status) {
  return status >= 200 && status < 300;
}

// Whether trying again can help. 408, 429 and 5xx pass by themselves; 401, 403 and 404 occur
// while a secret is being changed or the service behind an ingress is missing. After any
// other status the same request would get the same answer.
bool can_pass(int status) {
  return status == 401 || status == 403 || status == 404 || status == 408 || status == 429 || status >= 500 ||
         status < 200;
}

}  // namespace

std::string scheme_and_host(const std::string& url) {
  constexpr std::string_view kUnix = "unix://";
  if (url.starts_with(kUnix)) return escape_control(url);
  const std::string printable = http::printable_url(url);
  const auto scheme = printable.find("://");
  if (scheme == std::string::npos) return printable;
  return printable.substr(0, printable.find('/', scheme + 3));
}

Sender::Sender(const HookConfig& config) : config_(config) {}

bool Sender::hides_url() const {
  return config_.urls.empty() || config_.type == HookType::slack;
}

std::string Sender::shown(std::size_t receiver) const {
  return hides_url() ? "its URL" : scheme_and_host(config_.urls[receiver]);
}

Result<http::Request> Sender::prepare(std::size_t receiver) const {
  http::Request request;
  request.shown_url = shown(receiver);
  if (config_.urls.empty()) {
    auto url = read_secret(config_.url_file, "url_file");
    if (!url) return tl::unexpected(url.error());
    if (auto checked = check_secret_url(*url, config_.url_file); !checked) return tl::unexpected(checked.error());
    request.url = *std::move(url);
  } else {
    constexpr std::string_view kUnix = "unix://";
    const std::string& url = config_.urls[receiver];
    if (url.starts_with(kUnix)) {
      request.url = "http://localhost";
      request.unix_socket = url.substr(kUnix.size());
    } else {
      request.url = url;
    }
  }
  if (hides_url()) process_secrets().remember(request.url);
  const HookLogin& login = config_.login;
  if (!login.bearer_token_file.empty()) {
    const auto token = read_secret(login.bearer_token_file, "bearer_token_file");
    if (!token) return tl::unexpected(token.error());
    request.secret_header = "Authorization: Bearer " + *token;
  } else if (!login.password_file.empty()) {
    const auto password = read_secret(login.password_file, "password_file");
    if (!password) return tl::unexpected(password.error());
    request.secret_header = "Authorization: Basic " + to_base64(login.username + ":" + *password);
  } else if (!login.header_file.empty()) {
    const auto header = read_secret(login.header_file, "secret_header_file");
    if (!header) return tl::unexpected(header.error());
    const std::size_t colon = header->find(':');
    if (colon == std::string::npos || colon == 0 || header->find_first_of(" \t") < colon) {
      return failure(ErrorKind::invalid, "secret_header_file " + escape_control(login.header_file) +
                                             ": it is not of the form 'Name: value'; put one header into it, whole");
    }
    request.secret_header = *header;
  }
  return request;
}

Result<void> Sender::check() const {
  for (std::size_t receiver = 0; receiver < receivers(); ++receiver) {
    if (const auto prepared = prepare(receiver); !prepared) return tl::unexpected(prepared.error());
  }
  if (!config_.hmac_secret_file.empty()) {
    if (const auto key = read_secret(config_.hmac_secret_file, "hmac_secret_file"); !key) {
      return tl::unexpected(key.error());
    }
  }
  return {};
}

Attempt Sender::send(std::size_t receiver, const Payload& payload, Time now, Duration timeout,
                     const std::stop_token& stop) {
  Attempt attempt;
  auto request = prepare(receiver);
  if (!request) {
    attempt.message = request.error().message;
    return attempt;
  }
  request->method = payload.method;
  request->url += payload.path;
  request->headers = payload.headers;
  request->body = payload.body;
  request->status_is_enough = true;
  request->timeout = timeout;
  if (!config_.hmac_secret_file.empty()) {
    const auto key = read_secret(config_.hmac_secret_file, "hmac_secret_file");
    const std::string timestamp =
        std::to_string(std::chrono::floor<std::chrono::seconds>(now.time_since_epoch()).count());
    const auto signature = key ? sign_body(*key, timestamp, payload.body) : key;
    if (!signature) {
      attempt.message = signature.error().message;
      return attempt;
    }
    request->headers.emplace_back("X-Influxdb-Wal-Timestamp", timestamp);
    request->headers.emplace_back("X-Influxdb-Wal-Signature", *signature);
  }
  const auto response = client_.send(*request, stop);
  if (!response) {
    attempt.message = response.error().message;
    if (response.error().kind == ErrorKind::invalid) attempt.verdict = Attempt::Verdict::refused;
    return attempt;
  }
  if (is_success(response->status)) {
    attempt.verdict = Attempt::Verdict::delivered;
    return attempt;
  }
  attempt.message = payload.method + " " + request->shown_url + ": answered " + std::to_string(response->status);
  if (response->status >= 300 && response->status < 400) {
    attempt.message += "; it asks to go elsewhere, which is not followed: set the address that it ends at";
  } else if (!hides_url() && request->secret_header.empty() && !response->body.empty()) {
    // The receiver may repeat a secret that was sent to it.
    attempt.message += ": " + foreign_text(response->body, kShownAnswer);
  }
  if (can_pass(response->status)) {
    attempt.retry_after = pause_of(*response, now);
  } else {
    attempt.verdict = Attempt::Verdict::refused;
  }
  return attempt;
}

}  // namespace wal_exporter::events
