// One HTTP client over libcurl: bounded in time and size, no redirects (a token
// would travel with them), no proxy from the environment, Unix sockets, and
// secrets that never appear in a message, nor in an answer that repeats them. Over https a server has to show that it
// is the one that was asked for.
//
// A Client is a value with a connection cache; one thread at a time may use it.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "http/tls.h"

namespace wal_exporter::http {

struct Request {
  std::string method = "GET";
  std::string url{};          // http://, https://
  std::string shown_url{};    // in messages, in place of a URL that is a secret; empty: the URL itself
  std::string unix_socket{};  // path; then the host part of `url` is only the Host header
  std::vector<std::pair<std::string, std::string>> headers{};
  std::string secret_header{};  // "Authorization: Token ..."; sent, never shown
  std::string body{};
  Duration connect_timeout = std::chrono::seconds(5);
  Duration timeout = std::chrono::seconds(10);  // of the whole exchange
  std::size_t max_response_bytes = 1 << 20;     // of the body; more is an error of kind corrupt
  bool status_is_enough = false;                // of a 2xx answer the body is not waited for
};

struct Response {
  int status = 0;
  std::map<std::string, std::string> headers;  // names in lower case; the last one wins
  std::string body;
};

class Client {
 public:
  // Files that change count from the next request on.
  explicit Client(Tls tls = {});
  ~Client();
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;

  // Any status is a Response; an Error means there was none. Ends within 200 ms
  // of a request to stop. Messages name method and URL without its user part and
  // query, and the cause; with shown_url the cause in general words, too. A server that is not
  // trusted, or does not trust us: kind untrusted.
  [[nodiscard]] Result<Response> send(const Request& request, std::stop_token stop);

 private:
  struct Handle;
  [[nodiscard]] bool make_handle();

  Tls tls_;
  std::unique_ptr<Handle> handle_;
};

// How long the Retry-After header asks to wait, whole seconds or a date (RFC 9110,
// 10.2.3); a date that has passed is no time at all; a year at most. nullopt: there is none that
// makes sense.
[[nodiscard]] std::optional<Duration> retry_after(const Response& response, Time now);

// The Date header, in the only form that servers may send today (IMF-fixdate of RFC 9110);
// nullopt: there is none, or one that Time can't hold.
[[nodiscard]] std::optional<Time> date_of(const Response& response);

}  // namespace wal_exporter::http
